"""Channels: where their heads lead, whether to follow them, and leading them elsewhere."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Response

from broker.dashboard.render import page
from broker.dashboard.route import router as pages
from broker.dashboard.route import see_other
from broker.schemas.channels import ChannelWord, VersionText
from broker.schemas.types import MAX_INT, FilterText, PacketName
from broker.services import channels
from broker.services.channels import Move, Seen
from broker.web import guard
from broker.web.deps import ContextDep, SessionDep
from broker.web.forms import FormDep, value
from broker.web.people import OperatorDep, ViewerDep

router = pages()

PAGE = 25
After = Annotated[int, Query(ge=0, le=MAX_INT)]


@router.get("/channels")
def index(person: ViewerDep, session: SessionDep, after: After = 0, name: FilterText = "") -> Response:
    rows = channels.page(session, person.scope, after=after, limit=PAGE + 1, name=name or None, channel=None)
    shown = [(each, channels.etag(each), channels.fault(session, each)) for each in rows[:PAGE]]
    following = f"/channels?name={quote(name)}&after={rows[PAGE - 1].channel_id}" if len(rows) > PAGE else None
    return page(person, "channels.html", "channels", heads=shown, name=name, next=following)


@router.post("/channels")
def move(person: OperatorDep, session: SessionDep, context: ContextDep, form: FormDep) -> Response:
    """Only from the head that the page showed: of two movers one wins. A new channel needs none to have been there."""
    name, channel = value(form, "name", PacketName), value(form, "channel", ChannelWord)
    guard.check(session, [(guard.GUARDED["channels"], name)], person.scope, shared=False)
    desk, seen = context.desk, Seen(form.get("etag") or None)
    by = person.acting(desk.key.public_key())
    wanted = Move(name, channel, None, value(form, "version", VersionText), seen, by)
    channels.move(session, desk.key, timedelta(days=context.settings.channel_days), wanted)
    return see_other("/channels")
