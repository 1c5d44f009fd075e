"""REST under ``/v1``, and what the machines around the broker ask. Endpoints parse their input and call one service."""

from broker.api import (
    about,
    agents,
    attestations,
    channels,
    content,
    enrolments,
    exchanges,
    feed,
    health,
    jobs,
    leases,
    lineage,
    metrics,
    packets,
    sessions,
    tlog,
    trail,
)

_MODULES = (
    packets,
    content,
    attestations,
    channels,
    lineage,
    feed,
    agents,
    enrolments,
    sessions,
    jobs,
    trail,
    leases,
    exchanges,
    tlog,
    about,
    health,
    metrics,
)
routers = tuple(each.router for each in _MODULES)
