"""Do the networked and the local form come to equal masks and losses?"""

from bench import exchange_network


def network_equals_local() -> bool:
    """Whether a broker's exchange gave `run_local`'s masks, and its losses to 1e-5: three small peers of different
    widths as processes, a broker and a worker of their own, one plan and one seed."""
    return exchange_network.network_equals_local().equal
