"""Whose keys are these? Holders of keys as this broker knows them, revoked ones too."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broker.models import Agent, AgentKey
from broker.services.agents import Standing
from m2kt.signing.keys import PublicKey, TrustStore, key_id, parse_public
from m2kt.signing.validity import ALWAYS, Validity


@dataclass(frozen=True)
class Signer:
    """A key, and who holds it as far as this broker knows."""

    key_id: str
    name: str
    role: str
    validity: Validity = ALWAYS

    @property
    def revoked(self) -> datetime | None:
        return self.validity.revoked


BROKER = "this broker"


class Known:
    """Holders of some keys: the broker, those whom its settings name, and its agents."""

    def __init__(
        self, session: Session, ids: Collection[str], standing: Standing, brokers: Sequence[PublicKey]
    ) -> None:
        self._found: dict[str, tuple[Signer, PublicKey]] = {}
        for holder in standing.values():
            self._add(holder.key, holder.name, holder.role.value, holder.validity)
        columns = (AgentKey.public_key, AgentKey.not_before, AgentKey.not_after, AgentKey.revoked)
        wanted = select(*columns, Agent.name, Agent.role).join(Agent, Agent.id == AgentKey.agent_id)
        for row in session.execute(wanted.where(AgentKey.key_id.in_(set(ids)))):
            validity = Validity(row.not_before, row.not_after, row.revoked)
            self._add(parse_public(row.public_key), row.name, row.role.value, validity)
        for each in brokers:
            self._add(each, BROKER, "broker", ALWAYS)

    def _add(self, key: PublicKey, name: str, role: str, validity: Validity) -> None:
        self._found[key_id(key)] = Signer(key_id(key), name, role, validity), key

    def signer(self, key: str) -> Signer:
        return self._found[key][0] if key in self._found else Signer(key, "unknown", "unknown")

    def trust(self, *keys: str) -> TrustStore:
        """Those of these keys whose holders are known."""
        return TrustStore([self._found[each][1] for each in keys if each in self._found])
