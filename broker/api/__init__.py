"""REST under ``/v1``, and what the machines around the broker ask. Endpoints parse their input and call one service."""

from broker.api import (
    about,
    agents,
    attestations,
    content,
    exchanges,
    health,
    jobs,
    leases,
    metrics,
    packets,
    tlog,
    trail,
)

_MODULES = (packets, content, attestations, agents, jobs, trail, leases, exchanges, tlog, about, health, metrics)
routers = tuple(each.router for each in _MODULES)
