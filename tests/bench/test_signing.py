from bench import signing


def test_the_measurement_runs_and_gives_ratios() -> None:
    found = signing.measure(size=2**20, rounds=1)
    assert {"sign_ratio", "verify_ratio", "sign_over_digest", "verify_over_digest"} <= set(found)
    assert found["bytes"] > 2**20  # type: ignore[operator]  # a count
