"""Who had a packet's bytes, a row for each day."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pulls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("packet_id", sa.Text(), sa.ForeignKey("packets.packet_id"), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.UniqueConstraint("packet_id", "agent", "day"),
    )
    op.execute(
        "CREATE TRIGGER pulls_append_only BEFORE UPDATE OR DELETE ON pulls "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("SELECT seal_table('pulls')")


def downgrade() -> None:
    op.execute("SELECT unseal_table('pulls')")
    op.drop_table("pulls")
