"""What `concepts/dispersion` and `concepts/support` say in short, for the manifest."""

import numpy as np

from m2kt.packet.knowledge import Knowledge


def confidence(knowledge: Knowledge) -> dict[str, str]:
    """Spread of the concepts relative to their length, and their support, as decimals."""
    length = np.linalg.norm(knowledge.centroids.astype(np.float64), axis=1)
    spread = knowledge.dispersion / np.maximum(length, 1e-12)
    return {
        "spread_median": f"{float(np.median(spread)):.4f}",
        "spread_max": f"{float(spread.max()):.4f}",
        "support_min": f"{int(knowledge.support.min())}",
        "support_median": f"{float(np.median(knowledge.support)):.1f}",
    }
