"""The recall job: what the broker has taken back leaves the student."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from m2kt.client import Client
from m2kt.client.lifecycle import RECALLED
from m2kt.errors import NotFound
from student_agent.activation import State
from student_agent.heads import Heads
from student_agent.specs import check_spec


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Spec: ``state`` directory, ``broker`` URL."""
    check_spec(spec, ("state", "broker"), ())
    return {"removed": obey(State(Path(spec["state"])), spec["broker"])}


def obey(state: State, broker: str) -> list[str]:
    """Remove every active packet, memory or head, that the broker has taken back; returns their ids.

    A packet that this broker does not know stays: a wrong address must not empty a student.
    """
    removed = []
    with Client(broker) as client:
        for holder in (state, Heads(state.root)):
            for each in holder.active():
                with suppress(NotFound):
                    if client.show(each.packet_id)["state"] in RECALLED:
                        holder.remove(each.packet_id)
                        removed.append(each.packet_id)
    return removed
