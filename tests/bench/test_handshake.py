import numpy as np


def test_two_views_of_one_clustered_world_are_matched_without_a_pair():
    from bench.anchored.handshake import shake

    rng = np.random.default_rng(3)
    centres = rng.normal(size=(60, 12)) * np.linspace(4, 1, 12)
    turn, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    views = [np.repeat(centres, 20, 0) + 0.01 * rng.normal(size=(1200, 12)) for _ in range(2)]
    found = shake(views[0].astype(np.float32), (views[1] @ turn).astype(np.float32), seed=1)
    assert found.score > found.by_chance + 0.3
