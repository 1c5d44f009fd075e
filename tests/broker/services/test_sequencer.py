"""The sequencer: one at a time, in order, and never on top of a tree that is not its own."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from broker.models import LogLeaf, LogTile
from broker.services import sequencer, tlog
from broker.services.sequencer import Keeper, integrate, read_keeper
from m2kt.errors import LogTampered, NotLogged, UsageError
from m2kt.log import Policy, open_checkpoint
from m2kt.packet import merkle
from m2kt.signing.keys import generate, key_id, write_public


def add(session, *names: bytes) -> None:
    for each in names:
        tlog.append(session, "test", each)
    session.flush()


def opened(session, keeper):
    policy = Policy(keeper.origin, (keeper.key.public_key(),))
    return open_checkpoint(tlog.published(session).note.encode(), policy)


def test_entries_get_their_places_in_the_order_of_their_arrival(session, keeper):
    add(session, *(b"%d" % each for each in range(600)))
    assert integrate(session, keeper) == 600
    wanted = select(LogLeaf.entry).order_by(LogLeaf.index)
    entries = list(session.scalars(wanted))
    assert entries == [tlog.entry_of(b"%d" % each) for each in range(600)]
    assert opened(session, keeper).checkpoint.root == merkle.root([merkle.leaf_hash(each) for each in entries])
    assert session.scalars(select(func.count()).select_from(LogTile)).one() == 4


def test_an_empty_log_has_a_checkpoint_too(session, keeper):
    assert integrate(session, keeper) == 0
    assert opened(session, keeper).checkpoint.size == 0


def test_one_statement_is_one_entry(session, keeper):
    add(session, b"same", b"same")
    assert integrate(session, keeper) == 1
    add(session, b"same")
    assert integrate(session, keeper) == 0


def test_batches_have_an_end(session, keeper, monkeypatch):
    monkeypatch.setattr(sequencer, "BATCH", 3)
    add(session, *(b"%d" % each for each in range(7)))
    assert [integrate(session, keeper) for _ in range(4)] == [3, 3, 1, 0]
    assert opened(session, keeper).checkpoint.size == 7


def test_an_unchanged_tree_is_signed_anew_every_minute(session, keeper, monkeypatch):
    add(session, b"x")
    integrate(session, keeper)
    first = opened(session, keeper)
    clock = sequencer.database_time(session)
    for later, expected in ((59, first.time), (61, clock + 61)):
        monkeypatch.setattr(sequencer, "database_time", lambda _, at=clock + later: at)
        integrate(session, keeper)
        assert opened(session, keeper).time == expected
    assert opened(session, keeper).checkpoint == first.checkpoint


def test_a_broker_that_changed_its_key_goes_on_with_its_log(session, keeper, tmp_path):
    add(session, b"x")
    integrate(session, keeper)
    new = generate()
    add(session, b"y")
    with pytest.raises(LogTampered, match="no key that is trusted"):
        integrate(session, Keeper(keeper.origin, new))
    session.rollback()
    add(session, b"y")
    write_public(tmp_path / "old.pub", keeper.key.public_key())
    following = read_keeper(new, keeper.origin, tmp_path, 0)
    assert integrate(session, following) >= 1
    assert opened(session, following).checkpoint.size >= 1


def test_a_log_keeps_its_name(session, keeper):
    integrate(session, keeper)
    with pytest.raises(UsageError, match="this database holds the log") as caught:
        integrate(session, replace(keeper, origin="another.test"))
    assert keeper.origin in caught.value.hint


def test_a_log_without_a_name_is_called_after_the_key():
    key = generate()
    assert read_keeper(key, None, None, 0).origin == f"m2kt.log/{key_id(key.public_key())[:16]}"
    for origin in ("has space", "a+b", "cosignature/v1"):
        with pytest.raises(UsageError):
            read_keeper(key, origin, None, 0)


def test_with_a_quorum_nothing_is_shown_before_witnesses_have_cosigned(session, keeper):
    watched = replace(keeper, quorum=1)
    add(session, b"x")
    integrate(session, watched)
    with pytest.raises(NotLogged):
        tlog.published(session)
    due = sequencer.due_for_witnesses(session, watched)
    assert due is not None
    assert due.size == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_leaves SET entry = 'x' WHERE index = 1",
        "UPDATE log_leaves SET index = NULL WHERE index = 1",
        "UPDATE log_leaves SET index = 9 WHERE index = 1",
        "DELETE FROM log_leaves",
        "DELETE FROM log_tiles",
        "UPDATE log_tiles SET hashes = 'x'",
        "UPDATE log_tiles SET index = 9",
        "UPDATE log_checkpoints SET size = 9",
        "UPDATE log_checkpoints SET published = false",
    ],
)
def test_the_database_itself_refuses_to_change_the_past(session, keeper, statement):
    add(session, b"x", b"y")
    integrate(session, keeper)
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(text(statement))


def test_leaves_beyond_the_checkpoint_stop_it(session, keeper):
    add(session, b"x", b"y")
    integrate(session, keeper)
    add(session, b"z")
    session.execute(update(LogLeaf).where(LogLeaf.index.is_(None)).values(index=2))
    with pytest.raises(LogTampered, match="the newest checkpoint is of 2 entries, 3 are integrated"):
        integrate(session, keeper)
