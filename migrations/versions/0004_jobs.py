"""Jobs in full: more kinds, priorities, labels, keys, needs, limits; their events and logs; the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIMESTAMP = sa.TIMESTAMP(timezone=True)
KINDS = ("scan", "extract", "align", "noop")


def upgrade() -> None:
    # Any word: a newer broker may know kinds that an older worker does not, and neither may trip over the other.
    op.drop_constraint("kind", "jobs", type_="check")
    op.alter_column("jobs", "kind", type_=sa.Text(), existing_type=sa.String(16))
    for each in _columns():
        op.add_column("jobs", each)
    op.drop_index("ix_jobs_due", "jobs")
    due = sa.text("state = 'queued' AND waits_for = 0")
    op.create_index(
        "ix_jobs_due", "jobs", ["kind", sa.text("priority DESC"), "not_before", "seq"], postgresql_where=due
    )
    live, ended = sa.text("state IN ('queued', 'running')"), sa.text("finished IS NOT NULL")
    twin = ["submitter", "kind", "dedup_key"]
    op.create_index("uq_jobs_live_twin", "jobs", twin, unique=True, postgresql_where=live)
    op.create_index("uq_jobs_idempotency", "jobs", ["submitter", "idempotency_key"], unique=True)
    op.create_index("ix_jobs_finished", "jobs", ["finished"], postgresql_where=ended)
    _tables()


def _columns() -> list[sa.Column]:
    return [
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("needs_gpu", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("needs_memory_mib", sa.Integer(), server_default="0", nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("needs_model", "needs_site")),
        *(sa.Column(name, sa.Text()) for name in ("dedup_key", "idempotency_key", "order_sha256")),
        sa.Column("waits_for", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="3", nullable=False),
        sa.Column("limit_seconds", sa.Double()),
    ]


def _tables() -> None:
    op.create_table(
        "job_needs",
        _of_job("job_id", primary_key=True),
        _of_job("needs_id", primary_key=True),
    )
    op.create_index("ix_job_needs_needs_id", "job_needs", ["needs_id"])
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        _of_job("job_id"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        _at("at"),
    )
    op.create_index("ix_job_events_job_id_id", "job_events", ["job_id", "id"])
    op.create_table(
        "job_logs",
        _of_job("job_id", primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _at("at"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
    )


def _of_job(name: str, *, primary_key: bool = False) -> sa.Column:
    owner = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    return sa.Column(name, sa.Uuid(), owner, primary_key=primary_key, nullable=False)


def _at(name: str) -> sa.Column:
    return sa.Column(name, TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False)


def downgrade() -> None:
    for table in ("outbox", "job_logs", "job_events", "job_needs"):
        op.drop_table(table)
    for index in ("ix_jobs_finished", "uq_jobs_idempotency", "uq_jobs_live_twin", "ix_jobs_due"):
        op.drop_index(index, "jobs")
    for each in _columns():
        op.drop_column("jobs", each.name)
    op.create_index("ix_jobs_due", "jobs", ["kind", "not_before"], postgresql_where=sa.text("state = 'queued'"))
    op.execute("DELETE FROM jobs WHERE kind NOT IN ('scan', 'extract', 'align', 'noop')")
    op.alter_column("jobs", "kind", type_=sa.String(16), existing_type=sa.Text())
    op.create_check_constraint("kind", "jobs", sa.column("kind").in_(KINDS))
