"""The transparency log: its head computed again, its newest entries, and whether it still begins as it did."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.orm import Session

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.schemas.types import MAX_INT
from broker.services import tlog, treehead
from broker.services.treehead import TreeHead
from broker.web.deps import ContextDep, SessionDep
from broker.web.people import ViewerDep
from m2kt.errors import M2KTError

router = pages()

PAGE = 50
Size = Annotated[str, Query(max_length=20)]


@router.get("/log")
def index(
    person: ViewerDep,
    session: SessionDep,
    context: ContextDep,
    before: Annotated[int | None, Query(ge=0, le=MAX_INT)] = None,
    old: Size = "",
    root: Annotated[str, Query(max_length=80)] = "",
    entry: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    head = treehead.look(session, context.keeper)
    rows = tlog.leaves(session, before=head.size if before is None else before, limit=PAGE + 1)
    following = f"/log?before={rows[PAGE - 1].index}" if len(rows) > PAGE else None
    return page(
        person,
        "log.html",
        "log",
        head=head,
        leaves=rows[:PAGE],
        next=following,
        asked={"old": old, "root": root, "entry": entry},
        consistency=_consistency(session, head, old.strip(), root.strip()) if old else None,
        found=_inclusion(session, entry.strip()) if entry else None,
    )


def _consistency(session: Session, head: TreeHead, old: str, root: str) -> tuple[bool, str]:
    """Whether the present tree begins with the one that somebody remembers, and what to say."""
    if not (old.isascii() and old.isdigit()) or len(old) > 18:
        return False, "The size that you remember is a number."
    try:
        told = treehead.begins_with(session, head, int(old), root)
    except M2KTError as error:
        return False, f"{error.detail}. {error.hint}"
    return True, told


def _inclusion(session: Session, entry: str) -> tuple[bool, str]:
    try:
        found = tlog.proof(session, bytes.fromhex(entry.removeprefix("sha256:")))
    except ValueError:
        return False, "An entry is 64 hexadecimal digits."
    except M2KTError as error:
        return False, f"{error.detail}. {error.hint}"
    return True, found.to_text()
