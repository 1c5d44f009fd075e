"""Exchanges: peers, rounds, what each did in each round, and complaints."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SEALED = ("exchanges", "exchange_peers", "exchange_rounds", "exchange_turns", "exchange_complaints")

TIMESTAMP = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    _exchanges()
    op.create_table(
        "exchange_peers",
        sa.Column("exchange_id", sa.Uuid(), sa.ForeignKey("exchanges.id"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        _words("state", "present", "absent", "left", "evicted", default="present"),
        sa.Column("reason", sa.Text()),
        _now("joined"),
    )
    op.create_table(
        "exchange_rounds",
        sa.Column("exchange_id", sa.Uuid(), sa.ForeignKey("exchanges.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("peers", JSONB()),
        sa.Column("teachers", sa.LargeBinary()),
        _now("began"),
        sa.Column("ended", TIMESTAMP),
    )
    _turns()
    _complaints()
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def _exchanges() -> None:
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), unique=True, nullable=False),
        sa.Column("project", sa.Text(), server_default="default", nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("task", JSONB(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("invited", JSONB()),
        sa.Column("least", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("phase_seconds", sa.Double(), nullable=False),
        _words("state", "open", "running", "finished", "failed", default="open"),
        sa.Column("reason", sa.Text()),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        _words("phase", "confidences", "predictions", "reports"),
        sa.Column("deadline", TIMESTAMP),
        sa.Column("step", sa.BigInteger(), server_default="1", nullable=False),
        _now("created"),
        sa.Column("finished", TIMESTAMP),
    )
    op.create_index("ix_exchanges_project", "exchanges", ["project"])
    live = sa.text("state IN ('open', 'running')")
    op.create_index("ix_exchanges_deadline", "exchanges", ["deadline"], postgresql_where=live)


def _turns() -> None:
    op.create_table(
        "exchange_turns",
        sa.Column("exchange_id", sa.Uuid(), primary_key=True),
        sa.Column("round", sa.Integer(), primary_key=True),
        sa.Column("peer", sa.Text(), primary_key=True),
        sa.Column("confidences", sa.LargeBinary()),
        sa.Column("taught", sa.Integer(), server_default="0", nullable=False),
        sa.Column("packet_id", sa.Text(), sa.ForeignKey("packets.packet_id")),
        sa.Column("report", JSONB()),
        sa.Column("dropped", sa.Text()),
        sa.ForeignKeyConstraint(["exchange_id", "round"], ["exchange_rounds.exchange_id", "exchange_rounds.number"]),
        sa.ForeignKeyConstraint(["exchange_id", "peer"], ["exchange_peers.exchange_id", "exchange_peers.name"]),
    )
    op.create_index("uq_exchange_turns_packet_id", "exchange_turns", ["packet_id"], unique=True)


def _complaints() -> None:
    turn = ["exchange_turns.exchange_id", "exchange_turns.round", "exchange_turns.peer"]
    op.create_table(
        "exchange_complaints",
        sa.Column("exchange_id", sa.Uuid(), primary_key=True),
        sa.Column("round", sa.Integer(), primary_key=True),
        sa.Column("accused", sa.Text(), primary_key=True),
        sa.Column("complainant", sa.Text(), primary_key=True),
        sa.Column("attestation_id", sa.BigInteger(), sa.ForeignKey("attestations.id"), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        _now("created"),
        sa.ForeignKeyConstraint(["exchange_id", "round", "accused"], turn),
    )
    op.execute(
        "CREATE TRIGGER exchange_complaints_append_only BEFORE UPDATE OR DELETE ON exchange_complaints "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _now(name: str) -> sa.Column:
    return sa.Column(name, TIMESTAMP, server_default=sa.func.now(), nullable=False)


def _words(name: str, *words: str, default: str | None = None) -> sa.Column:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)
    return sa.Column(name, kind, server_default=default, nullable=default is None)


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"SELECT unseal_table('{table}')")
    for table in reversed(SEALED):
        op.drop_table(table)
