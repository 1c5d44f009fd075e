"""Agents have keys, one after the other; what is said about keys is kept and logged; packets may wait for reviewers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIMESTAMP = sa.TIMESTAMP(timezone=True)
_STATES = ("received", "scanning", "approved", "rejected", "revoked")


def upgrade() -> None:
    op.create_table(
        "agent_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("agent_id", sa.BigInteger(), sa.ForeignKey("agents.id"), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, unique=True),
        sa.Column("public_key", sa.Text(), nullable=False),
        *(sa.Column(name, TIMESTAMP) for name in ("not_before", "not_after", "revoked")),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_agent_keys_agent_id", "agent_keys", ["agent_id"])
    op.execute(
        "INSERT INTO agent_keys (agent_id, key_id, public_key, revoked, created) "
        "SELECT id, key_id, public_key, revoked_at, created FROM agents ORDER BY id"
    )
    op.drop_column("agents", "key_id")
    op.drop_column("agents", "public_key")
    op.create_table(
        "key_statements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_key_statements_key_id", "key_statements", ["key_id"])
    op.execute(
        "CREATE TRIGGER key_statements_append_only BEFORE UPDATE OR DELETE ON key_statements "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    _allow_states(*_STATES, "quarantined")


def downgrade() -> None:
    op.execute("UPDATE packets SET state = 'scanning' WHERE state = 'quarantined'")
    _allow_states(*_STATES)
    op.drop_table("key_statements")
    op.add_column("agents", sa.Column("public_key", sa.Text()))
    op.add_column("agents", sa.Column("key_id", sa.Text()))
    op.execute(
        "UPDATE agents SET (public_key, key_id) = (SELECT public_key, key_id FROM agent_keys "
        "WHERE agent_id = agents.id ORDER BY agent_keys.id DESC LIMIT 1)"
    )
    for name in ("public_key", "key_id"):
        op.alter_column("agents", name, nullable=False)
    op.create_unique_constraint("uq_agents_key_id", "agents", ["key_id"])
    op.drop_table("agent_keys")


def _allow_states(*states: str) -> None:
    listed = ", ".join(f"'{each}'" for each in states)
    op.drop_constraint(op.f("ck_packets_state"), "packets", type_="check")
    op.create_check_constraint(op.f("ck_packets_state"), "packets", f"state IN ({listed})")
