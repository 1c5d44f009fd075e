"""Who agents are and where they belong: projects, enrolment tokens, sessions, drain orders, what students activated."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

SEALED = ("enrolments", "agent_sessions", "activations")

TIMESTAMP = sa.TIMESTAMP(timezone=True)
PROJECTS = ("agents", "packets", "jobs")
_WIDE = "project <> '*' OR role IN ('admin', 'auditor', 'worker')"


def upgrade() -> None:
    for table in PROJECTS:
        op.add_column(table, sa.Column("project", sa.Text(), server_default="default", nullable=False))
        op.create_index(f"ix_{table}_project", table, ["project"])
    # Whoever looked after the whole broker goes on doing so.
    op.execute("UPDATE agents SET project = '*' WHERE role IN ('admin', 'auditor', 'worker')")
    op.create_check_constraint(op.f("ck_agents_project"), "agents", _WIDE)
    op.add_column("agents", sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("agents", sa.Column("draining", TIMESTAMP))
    _enrolments()
    _sessions()
    _activations()
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def _enrolments() -> None:
    op.create_table(
        "enrolments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("token_sha256", sa.Text(), nullable=False, unique=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("role", "project")),
        sa.Column("name_pattern", sa.Text()),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
        sa.Column("expires", TIMESTAMP, nullable=False),
        sa.Column("used", TIMESTAMP),
        sa.Column("agent_id", sa.BigInteger(), sa.ForeignKey("agents.id")),
        sa.Column("key_id", sa.Text()),
    )


def _sessions() -> None:
    op.create_table(
        "agent_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("agent_id", sa.BigInteger(), sa.ForeignKey("agents.id"), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text()),
        sa.Column("opened", TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("seen", TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("closed", TIMESTAMP),
        sa.Column("why", sa.Text()),
        sa.UniqueConstraint("agent_id", "session"),
        # A beat changes `seen`, which no index has: the row is updated in its place.
        postgresql_with={"fillfactor": "70"},
    )
    open_ones = sa.text("closed IS NULL")
    op.create_index("uq_agent_sessions_open", "agent_sessions", ["agent_id"], unique=True, postgresql_where=open_ones)


def _activations() -> None:
    op.create_table(
        "activations",
        sa.Column("agent_id", sa.BigInteger(), sa.ForeignKey("agents.id"), primary_key=True),
        sa.Column("packet_id", sa.Text(), sa.ForeignKey("packets.packet_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("at", TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False),
    )
    op.create_index("ix_activations_packet_id", "activations", ["packet_id"])


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"SELECT unseal_table('{table}')")
    for table in ("activations", "agent_sessions", "enrolments"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_agents_project"), "agents", type_="check")
    for name in ("draining", "epoch"):
        op.drop_column("agents", name)
    for table in reversed(PROJECTS):
        op.drop_index(f"ix_{table}_project", table)
        op.drop_column(table, "project")
