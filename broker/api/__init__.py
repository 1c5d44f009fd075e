"""REST under ``/v1``, and what the machines around the broker ask. Endpoints parse their input and call one service."""

from broker.api import (
    about,
    agents,
    attestations,
    concepts,
    content,
    health,
    jobs,
    leases,
    metrics,
    packets,
    tags,
    tlog,
    trail,
    uploads,
)

_MODULES = (
    packets,
    uploads,
    tags,
    concepts,
    content,
    attestations,
    agents,
    jobs,
    trail,
    leases,
    tlog,
    about,
    health,
    metrics,
)
routers = tuple(each.router for each in _MODULES)
