"""What seals and counts: the functions and triggers in the database are the ones that the migrations made."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from broker.audit.tables import SealedTable
from broker.sealing import source_digest
from m2kt.client.statements import Report

SOURCES = {
    "seal_of": "7c3b162312713188519b7ec22ceec4152c0b52629cf4fc59ac0439fe56ce0ed9",
    "seal_row": "7b1d59f181e6c70eeb57aca4b1ead6c269b0149c23ca164e9019eebe620d4a0d",
    "row_identity": "9abe9f24b31590279a291d83985821ee2b95aff452c16e25eeedaf1d7697ff85",
    "count_body": "80487d40bc7a8bccf96fccfef6f284fa756748d0ac0b8ae94c8ceef29d6b7757",
}
"""SHA-256 of the functions' sources (`pg_proc.prosrc`). A migration that replaces one replaces its digest here."""

_SEAL = "CREATE TRIGGER zz_seal BEFORE INSERT OR UPDATE ON {schema}.{name} FOR EACH ROW EXECUTE FUNCTION seal_row()"
_COUNTS = tuple(
    f"CREATE TRIGGER zz_count_{what.lower()} AFTER {what} ON {{schema}}.{{name}} REFERENCING {side} TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION count_{name}()"
    for what, side in (("INSERT", "NEW"), ("DELETE", "OLD"))
)


def check(session: Session, tables: Sequence[SealedTable], report: Report) -> None:
    """Every function and trigger; where one is not as it was made, what it lets through looks right ever after."""
    sources: dict[str, str] = dict(session.execute(text(_SOURCES)).all())
    for name, digest in SOURCES.items():
        if source_digest(sources.get(name, "")) != digest:
            report(f"function {name}", "it is not the one that the migrations made")
    bodies: dict[str, str] = dict(session.execute(text(_BODIES), {"names": [each.name for each in tables]}).all())
    for each in tables:
        if each.counted and sources.get(f"count_{each.name}") != bodies[each.name]:
            report(f"function count_{each.name}", "it is not the one that the migrations made")
    _check_triggers(session, tables, report)


_OFF = (
    "SELECT t.tgrelid::regclass || '.' || t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c "
    "ON c.oid = t.tgrelid WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled <> 'O' ORDER BY 1"
)
_ALL = (
    "SELECT t.tgrelid::regclass::text, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c "
    "ON c.oid = t.tgrelid WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal"
)


_SOURCES = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
_BODIES = "SELECT name, count_body(to_regclass(name)) FROM unnest(CAST(:names AS text[])) AS name"


def _check_triggers(session: Session, tables: Sequence[SealedTable], report: Report) -> None:
    schema = session.scalar(text("SELECT current_schema()"))
    found = {(row[0], row[1]) for row in session.execute(text(_ALL))}
    for each in tables:
        wanted = [_SEAL, *(_COUNTS if each.counted else ())]
        if any((each.name, one.format(schema=schema, name=each.name)) not in found for one in wanted):
            report(f"table {each.name}", "a trigger that seals or counts its rows is missing, or was changed")
    for name, state in session.execute(text(_OFF)):
        report(f"trigger {name}", f"it is not switched on (state {state})")
