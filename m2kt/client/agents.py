"""Who may speak: registration, enrolment, keys, sessions and heartbeats. Part of `m2kt.client.Client`."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from m2kt.client.paging import Calls
from m2kt.client.transport import Json
from m2kt.signing.keys import PrivateKey, PublicKey, key_id, public_text, rotation_message


class AgentCalls(Calls):
    """The calls about agents, and those that a running agent lives by."""

    def register_agent(self, name: str, role: str, public_key: PublicKey, project: str | None = None) -> Json:
        body = {"name": name, "role": role, "public_key": public_text(public_key), "project": project}
        return self._transport.post("/v1/agents", body)

    def agents(self) -> Iterator[Json]:
        return self._items("/v1/agents", {"limit": 200})

    def revoke_agent(self, name: str, since: datetime | None = None) -> Json:
        """Take an agent's keys out of use, now or since the time at which they were lost."""
        body = {"since": since.isoformat()} if since else None
        return self._transport.post(f"/v1/agents/{quote(name)}/revoke", body)

    def rotate_key(
        self,
        name: str,
        old: PrivateKey,
        new: PrivateKey,
        *,
        overlap: timedelta = timedelta(),
    ) -> Json:
        """Let your key ``old``, which signs this request, be followed by ``new``; it counts for ``overlap`` longer."""
        ids = key_id(old.public_key()), key_id(new.public_key())
        proof = new.sign(rotation_message(name, *ids))
        body = {
            "public_key": public_text(new.public_key()),
            "proof": base64.b64encode(proof).decode(),
            "overlap_seconds": int(overlap.total_seconds()),
        }
        return self._transport.post(f"/v1/agents/{quote(name)}/rotate", body)

    def key_statements(self) -> Iterator[Json]:
        """What the broker said about keys, oldest first; ``envelope`` is base64, and not verified."""
        return self._items("/v1/keys", {"limit": 200})

    # Enrolment

    def make_token(
        self,
        role: str,
        *,
        project: str | None = None,
        name_pattern: str | None = None,
        lifetime: timedelta = timedelta(minutes=15),
    ) -> Json:
        """A one-use token for `enrol`; ``token`` is in this answer only. ``name_pattern`` has shell wildcards."""
        body = {"role": role, "project": project, "name_pattern": name_pattern}
        return self._transport.post("/v1/enrolments", {**body, "lifetime_seconds": int(lifetime.total_seconds())})

    def tokens(self) -> Iterator[Json]:
        """Tokens without their words, newest first."""
        return self._items("/v1/enrolments", {"limit": 200})

    def withdraw_token(self, token_id: int) -> Json:
        """Let a token that nobody has used end now."""
        return self._transport.post(f"/v1/enrolments/{token_id}/withdraw")

    def enrol(
        self, token: str, name: str, public_key: PublicKey, *, role: str | None = None, project: str | None = None
    ) -> Json:
        """Spend a token on this client's key, whose public half is given; the same key may ask again."""
        body = {"token": token, "name": name, "public_key": public_text(public_key), "role": role, "project": project}
        return self._transport.post("/v1/enrol", body)

    # Running agents

    def drain_agent(self, name: str) -> Json:
        """Have an agent take no more work, finish what it has, and end."""
        return self._transport.post(f"/v1/agents/{quote(name)}/drain")

    def resume_agent(self, name: str) -> Json:
        """Let an agent that was drained work again."""
        return self._transport.post(f"/v1/agents/{quote(name)}/resume")

    def open_session(self, session: str, host: str | None = None) -> Json:
        """Open a session and sign with it from now on; the one before ends. `m2kt.agent.session` does the rest."""
        found = self._transport.post("/v1/session", {"session": session, "host": host})
        self._transport.session = session
        return found

    def close_session(self) -> None:
        """End the session that this client signs with."""
        self._transport.send("POST", "/v1/session/close", signed=True)
        self._transport.session = None

    def beat(self, held: Sequence[Mapping[str, Any]] = ()) -> Json:
        """Say that the session lives, renew ``held`` (``{"job", "fence"}``, optional ``progress``, ``log``) and hear
        the orders: ``stop`` a job, ``drain``, ``recall`` a packet."""
        return self._transport.post("/v1/heartbeat", {"held": [dict(each) for each in held]})
