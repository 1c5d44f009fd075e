"""The last rows that nobody could vouch for are sealed, or follow from what is.

`outbox` is counted: a hint that somebody takes away, or puts back, is named. `rate_limits` outlives a crash, so that it
can be counted. `concept_vectors` is sealed where it is there. `uploads` say what their parts were: a chain of digests,
because a seal over their bytes would cost more than taking them in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

VECTORS = "concept_vectors"

# As in 0010, and sealed when it is made: which may be long after this, when the extension comes.
VECTOR_TABLES = """
CREATE OR REPLACE FUNCTION make_concept_vectors() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN RETURN false; END IF;
    IF to_regclass('concept_vectors') IS NOT NULL THEN RETURN true; END IF;
    EXECUTE 'CREATE TABLE concept_vectors ('
        'packet_seq bigint NOT NULL REFERENCES packets (seq) ON DELETE CASCADE, concept integer NOT NULL, '
        'space bigint NOT NULL REFERENCES concept_spaces (id), code halfvec(128) NOT NULL, '
        'PRIMARY KEY (packet_seq, concept))';
    EXECUTE 'CREATE INDEX ix_concept_vectors_space ON concept_vectors (space)';
    EXECUTE 'CREATE INDEX ix_concept_vectors_code ON concept_vectors USING hnsw (code halfvec_l2_ops)';
    {seal}
    RETURN true;
END $$
"""

COUNT_TOO = (
    "SELECT unseal_table('outbox')",
    "SELECT seal_table('outbox')",
    "ALTER TABLE rate_limits SET LOGGED",
    "SELECT seal_table('rate_limits')",
)


def upgrade() -> None:
    op.add_column("uploads", sa.Column("chain", sa.Text(), server_default="", nullable=False))
    for each in COUNT_TOO:
        op.execute(each)
    if _there():
        op.execute(f"SELECT seal_table('{VECTORS}')")
    op.execute(VECTOR_TABLES.format(seal=f"PERFORM seal_table('{VECTORS}');"))


def downgrade() -> None:
    if _there():
        op.execute(f"SELECT unseal_table('{VECTORS}')")
    op.execute(VECTOR_TABLES.format(seal=""))
    op.execute("SELECT unseal_table('rate_limits')")
    op.execute("ALTER TABLE rate_limits SET UNLOGGED")
    op.execute("SELECT unseal_table('outbox')")
    op.execute("SELECT seal_table('outbox', counted => false)")
    op.drop_column("uploads", "chain")


def _there() -> bool:
    return bool(op.get_bind().scalar(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": VECTORS}))
