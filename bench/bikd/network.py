"""Do the networked and the local form come to equal masks and losses?"""


def network_equals_local() -> bool | None:
    """Whether a broker's exchange gave `run_local`'s masks, and its losses to 1e-5; None where it cannot be run."""
    return None  # the networked form is not on this branch
