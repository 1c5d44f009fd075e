"""The transparency log: leaves, tiles, checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIMESTAMP = sa.TIMESTAMP(timezone=True)

_LEAF = "NEW.index IS NULL OR OLD.index IS NOT NULL OR (NEW.id, NEW.entry, NEW.kind) <> (OLD.id, OLD.entry, OLD.kind)"
_TILE = "(NEW.level, NEW.index) <> (OLD.level, OLD.index) OR substring(NEW.hashes FOR length(OLD.hashes)) <> OLD.hashes"
_CHECKPOINT = "NEW.size <> OLD.size OR (OLD.published AND NOT NEW.published)"
GUARDS = {"log_leaves": _LEAF, "log_tiles": _TILE, "log_checkpoints": _CHECKPOINT}
"""When a change is refused. Leaves and tiles are never deleted; a checkpoint is when a later one takes its place."""


def upgrade() -> None:
    op.create_table(
        "log_leaves",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("entry", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("index", sa.BigInteger(), unique=True),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_log_leaves_waiting", "log_leaves", ["id"], postgresql_where=sa.text("index IS NULL"))
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), primary_key=True),
        sa.Column("index", sa.BigInteger(), primary_key=True),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
    )
    op.execute("ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")  # hashes do not compress
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
    )
    for table, refused in GUARDS.items():
        _guard(table, refused)


def downgrade() -> None:
    for table in GUARDS:
        op.drop_table(table)


def _guard(table: str, refused: str) -> None:
    make = f"CREATE TRIGGER {table}_{{0}} BEFORE {{0}} ON {table} FOR EACH ROW {{1}} EXECUTE FUNCTION refuse_change()"
    if table != "log_checkpoints":
        op.execute(make.format("delete", ""))
    op.execute(make.format("update", f"WHEN ({refused})"))
