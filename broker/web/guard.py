"""What a path names belongs to a project: for whoever is not at home there, it does not exist.

`broker.web.access` asks here before every endpoint, so that no endpoint can forget to.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Agent, Exchange, Job, Packet
from broker.services.scopes import EVERY, Scope
from m2kt.errors import NotFound
from m2kt.packet.fields import DIGEST, NAME


@dataclass(frozen=True)
class Guarded:
    """How to find the project of what a path names, and how the service says that there is no such thing."""

    project: Callable[[Session, str], str | None]
    missing: str
    hint: str | None = None


def _of_packet(session: Session, packet_id: str) -> str | None:
    if not DIGEST.fullmatch(packet_id):
        return None
    return session.scalar(select(Packet.project).where(Packet.packet_id == packet_id))


def _of_name(session: Session, name: str) -> str | None:
    """A name belongs to the project that used it first."""
    if not NAME.fullmatch(name):
        return None
    return session.scalar(select(Packet.project).where(Packet.name == name).limit(1))


def _of_job(session: Session, job_id: str) -> str | None:
    try:
        wanted = uuid.UUID(job_id)
    except ValueError:
        return None
    return session.scalar(select(Job.project).where(Job.id == wanted))


def _of_exchange(session: Session, exchange_id: str) -> str | None:
    try:
        wanted = uuid.UUID(exchange_id)
    except ValueError:
        return None
    return session.scalar(select(Exchange.project).where(Exchange.id == wanted))


def _of_agent(session: Session, name: str) -> str | None:
    if not name.isascii() or not name.isprintable():
        return None
    return session.scalar(select(Agent.project).where(Agent.name == name))


GUARDED: Mapping[str, Guarded] = {
    "packets": Guarded(_of_packet, "there is no packet {}"),
    "names": Guarded(_of_name, "there is no packet named {}"),
    "channels": Guarded(_of_name, "there is no packet named {}"),
    "teachers": Guarded(_of_agent, "{} has published no packet"),
    "jobs": Guarded(_of_job, "there is no job {}", "List the jobs with GET /v1/jobs."),
    "exchanges": Guarded(_of_exchange, "there is no exchange {}", "List them with `m2kt exchange list`."),
    "agents": Guarded(_of_agent, "there is no agent {}", "List them with `m2kt agent list`."),
}
"""By the part of the path before the parameter: ``/v1/packets/{packet_id}/...``."""

FREE: Mapping[str, str] = {
    "leases": "a lease is its holder's alone: to others it is lost, whether or not there is such a job",
    "uploads": "an upload is its publisher's alone: to others there is none",
    "tags": "a word, on a packet, which is guarded",
    "concepts": "a row of a packet, which is guarded",
    "versions": "a version of a name, which is guarded",
    "statements": "about a packet, which is guarded",
    "maps": "a picture of a packet, which is guarded",
    "graphs": "a picture of a packet, which is guarded",
    "heat-maps": "a picture of a packet, which is guarded",
    "alignments": "a picture of a packet, which is guarded",
    "enrolments": "the service asks for the scope itself",
    "accounts": "the service asks for the scope itself",
    "rounds": "a number, in an exchange that was looked up",
    "complaints": "a peer's name, in an exchange that was looked up",
    "tile": "the log holds digests only",
    "inclusion": "the log holds digests only",
}
"""Parameters that name nothing of a project, or whose service asks itself; and why."""


@cache
def parameters(template: str) -> tuple[tuple[str, str], ...]:
    """``(part before it, name)`` of each parameter of a route's path."""
    return tuple(re.findall(r"/([\w-]+)/{(\w+)(?::\w+)?}", template))


def named(template: str, given: Mapping[str, object]) -> list[tuple[Guarded, str]]:
    """What a request names, as far as it belongs to a project."""
    return [(GUARDED[part], str(given[name])) for part, name in parameters(template) if part in GUARDED]


def check(session: Session, things: list[tuple[Guarded, str]], scope: Scope, *, shared: bool) -> None:
    """`NotFound`, in the words of the service, for what is of another project. ``shared``: whether what is at home in
    every project may be looked at."""
    for kind, name in things:
        project = kind.project(session, name)
        if project is None or scope.has(project) or (shared and project == EVERY):
            continue
        raise NotFound(kind.missing.format(name), hint=kind.hint)
