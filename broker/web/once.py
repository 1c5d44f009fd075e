"""``Idempotency-Key``: an answer that was given is given again."""

import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from broker.services import idempotency
from broker.services.agents import Principal
from broker.services.idempotency import Answer

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,128}$", description="one request, however often it is sent"
    ),
]


@dataclass(frozen=True)
class Once:
    """The key of a request, if it has one. ``fingerprint`` is what the request asks for: a digest of its body."""

    key: str | None

    def before(self, session: Session, caller: Principal, fingerprint: str) -> Response | None:
        """The answer that this request got before."""
        if self.key is None:
            return None
        found = idempotency.find(session, caller.name, self.key, fingerprint)
        if found is None:
            return None
        return JSONResponse(found.body["body"], found.status, {"Location": found.body["location"]})

    def keep(self, session: Session, caller: Principal, fingerprint: str, response: Response) -> None:
        """Remember the answer that this request is about to get."""
        if self.key is not None:
            said = {"location": response.headers["Location"], "body": json.loads(bytes(response.body))}
            idempotency.keep(session, caller.name, self.key, fingerprint, Answer(response.status_code, said))


async def get_once(idempotency_key: IdempotencyKey = None) -> Once:
    return Once(idempotency_key)


OnceDep = Annotated[Once, Depends(get_once)]
