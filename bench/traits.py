"""The numbers that the statistical checks compare with their thresholds, of one packet; and thresholds from many."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from m2kt.packet.knowledge import Knowledge
from m2kt.scan.geometry import Geometry
from m2kt.scan.policy import Thresholds
from m2kt.scan.triggers import thin

SLACK = 1.5
"""How far beyond the most extreme honest packet a threshold stands."""
UPPER = ("hub_ratio", "lonely_deviations", "margin_deviations", "spread_deviations", "signature_deviations")
LOWER = ("least_rank", "thin_share")


def traits(knowledge: Knowledge) -> dict[str, float]:
    """The packet's most extreme values, by the threshold that each is held against."""
    geometry = Geometry(knowledge)
    return {
        "hub_ratio": float(geometry.hubs().max()),
        "lonely_deviations": float(geometry.loneliness().max()),
        "margin_deviations": float(np.abs(geometry.margins()).max()),
        "spread_deviations": float(np.abs(geometry.spreads()).max()),
        "signature_deviations": float(geometry.signatures().max()),
        "least_rank": geometry.rank_share(),
        "thin_share": min((each.share for each in thin(knowledge, 1.0)), default=1.0),
    }


def frozen(honest: Iterable[Knowledge]) -> Thresholds:
    """Thresholds just beyond what honest packets of one teacher show, rounded to two digits."""
    found = [traits(each) for each in honest]
    upper = {name: float(f"{max(each[name] for each in found) * SLACK:.2g}") for name in UPPER}
    lower = {name: float(f"{min(each[name] for each in found) / SLACK:.2g}") for name in LOWER}
    return replace(Thresholds(), **upper, **lower)  # type: ignore[arg-type]  # every one of them is a float
