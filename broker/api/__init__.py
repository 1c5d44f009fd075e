"""REST under ``/v1``, and what the machines around the broker ask. Endpoints parse their input and call one service."""

from broker.api import about, agents, attestations, content, health, jobs, metrics, packets, tlog

routers = tuple(each.router for each in (packets, content, attestations, agents, jobs, tlog, about, health, metrics))
