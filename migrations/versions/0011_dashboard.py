"""Accounts of people, and the browsers in which they are signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SEALED = ("accounts", "sign_ins")

TIMESTAMP = sa.TIMESTAMP(timezone=True)
ROLES = "'viewer', 'auditor', 'operator', 'admin'"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("role", sa.String(16), sa.CheckConstraint(f"role IN ({ROLES})", name="role"), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("project", "password")),
        sa.Column("must_change", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False),
        sa.Column("disabled", TIMESTAMP),
    )
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("account_id", sa.BigInteger(), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False, unique=True),
        *(_now(name) for name in ("opened", "seen")),
        sa.Column("expires", TIMESTAMP, nullable=False),
        sa.Column("closed", TIMESTAMP),
        postgresql_with={"fillfactor": "70"},  # `seen` changes, which no index has
    )
    op.create_index("ix_sign_ins_account_id", "sign_ins", ["account_id"])
    op.create_index("ix_sign_ins_expires", "sign_ins", ["expires"])
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False)


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"SELECT unseal_table('{table}')")
    for table in reversed(SEALED):
        op.drop_table(table)
