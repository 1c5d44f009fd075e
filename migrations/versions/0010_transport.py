"""Uploads that resume, keys that repeat an answer, rates and quotas, blobs outside, tags, search, nearest concepts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SEALED = ("uploads", "idempotency_keys", "pending_blobs", "packet_tags", "concept_spaces")
"""Not `rate_limits` and `upload_parts`: migration 0012 does what is needed."""

TIMESTAMP = sa.TIMESTAMP(timezone=True)
TEXT = sa.Text()
COMPUTED = ("domain_name", "teacher_name", "teacher_weights")
LISTED = ("name", "state", "domain", "domain_name", "teacher_name", "teacher_weights")

# What searches go by. Columns that Postgres generates come after BEFORE triggers, so a row's seal (``zz_seal``) would
# not hold for them; this trigger's name comes before that one's.
SEARCH_TRIGGER = """
CREATE FUNCTION packet_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.domain_name := split_part(NEW.domain, '@', 1);
    NEW.teacher_name := coalesce(NEW.teacher ->> 'name', '');
    NEW.teacher_weights := coalesce(NEW.teacher ->> 'weights_sha256', '');
    NEW.words := to_tsvector('simple', translate(NEW.name || ' ' || NEW.version || ' ' || NEW.domain || ' ' ||
        NEW.kind || ' ' || NEW.teacher_name, '/_@.-<>', '       '));
    RETURN NEW;
END $$
"""

# pgvector may be missing: everything else works without it, and docs/operations.md says how to add it later.
VECTORS = """
DO $do$
BEGIN
    CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'pgvector is not available: nearest concepts cannot be searched';
END $do$
"""


def upgrade() -> None:
    _storage()
    _uploads()
    _limits()
    _search()
    op.execute(VECTORS)
    op.execute(VECTOR_TABLES)
    op.execute("SELECT make_concept_vectors()")
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"SELECT unseal_table('{table}')")
    op.execute("DROP TABLE IF EXISTS concept_vectors")
    op.execute("DROP FUNCTION make_concept_vectors()")
    for table in ("concept_spaces", "packet_tags", "rate_limits", "idempotency_keys", "upload_parts", "uploads"):
        op.drop_table(table)
    op.drop_table("pending_blobs")
    for name in ("ix_packets_publisher", "ix_packets_words", "ix_packets_concepts_due", "ix_packets_concepts_over"):
        op.drop_index(name, "packets")
    for name in LISTED:
        op.drop_index(f"ix_packets_{name}_seq", "packets")
    op.execute("DROP TRIGGER aa_search ON packets")
    op.execute("DROP FUNCTION packet_search()")
    for name in ("words", *COMPUTED, "concepts_indexed"):
        op.drop_column("packets", name)
    op.execute("ALTER TABLE packets RESET (toast_tuple_target)")
    op.create_index("ix_packets_state", "packets", ["state"])
    op.create_index("ix_packets_domain", "packets", ["domain"])


def _now(name: str) -> sa.Column:
    return sa.Column(name, TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False)


def _text(name: str, **options: bool) -> sa.Column:
    return sa.Column(name, TEXT, nullable=options.pop("nullable", False), **options)


def _storage() -> None:
    op.create_table("pending_blobs", _text("sha256", primary_key=True), _now("since"))
    op.create_index("ix_pending_blobs_since", "pending_blobs", ["since"])


def _uploads() -> None:
    state = sa.Enum(
        "open", "complete", "aborted", "expired", name="state", native_enum=False, create_constraint=True, length=16
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), primary_key=True),
        *(_text(name) for name in ("publisher", "digest")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("length", "received")),
        sa.Column("state", state, server_default="open", nullable=False),
        *(_text(name, nullable=True) for name in ("reason", "packet_id")),
        _now("created"),
        sa.Column("expires", TIMESTAMP, nullable=False),
        sa.Column("cleared", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    is_open = sa.text("state = 'open'")
    op.create_index("uq_uploads_open", "uploads", ["publisher", "digest"], unique=True, postgresql_where=is_open)
    op.create_index("ix_uploads_expires", "uploads", ["expires"])
    uncleared = sa.text("state <> 'open' AND NOT cleared")
    op.create_index("ix_uploads_uncleared", "uploads", ["id"], postgresql_where=uncleared)
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.Uuid(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("start", sa.BigInteger(), primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.execute("ALTER TABLE upload_parts ALTER COLUMN data SET STORAGE EXTERNAL")


def _limits() -> None:
    op.create_table(
        "idempotency_keys",
        _text("owner", primary_key=True),
        _text("key", primary_key=True),
        _text("fingerprint"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", JSONB(), nullable=False),
        _now("created"),
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created"])
    op.create_table("rate_limits", _text("caller", primary_key=True), sa.Column("full_at", TIMESTAMP, nullable=False))
    # Nothing of it must outlive a crash, and every signed request writes it: no WAL.
    op.execute("ALTER TABLE rate_limits SET UNLOGGED")
    op.execute("ALTER TABLE rate_limits SET (fillfactor = 50)")


def _search() -> None:
    op.execute("ALTER TABLE packets SET (toast_tuple_target = 128)")  # lists read rows without their manifests
    columns = [sa.Column(name, TEXT) for name in COMPUTED] + [sa.Column("words", TSVECTOR())]
    for each in columns:
        op.add_column("packets", each)
    op.add_column("packets", sa.Column("concepts_indexed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(SEARCH_TRIGGER)
    op.execute(
        "CREATE TRIGGER aa_search BEFORE INSERT OR UPDATE OF name, version, domain, kind, teacher ON packets "
        "FOR EACH ROW EXECUTE FUNCTION packet_search()"
    )
    op.execute("UPDATE packets SET domain = domain")  # has the trigger fill in what is there
    for each in columns:
        op.alter_column("packets", each.name, nullable=False)
    op.drop_index("ix_packets_state", "packets")
    op.drop_index("ix_packets_domain", "packets")
    for name in LISTED:
        op.create_index(f"ix_packets_{name}_seq", "packets", [name, "seq"])
    op.create_index("ix_packets_words", "packets", ["words"], postgresql_using="gin")
    op.create_index("ix_packets_publisher", "packets", ["publisher"])
    due = sa.text("NOT concepts_indexed AND state = 'approved'")
    op.create_index("ix_packets_concepts_due", "packets", ["seq"], postgresql_where=due)
    over = sa.text("concepts_indexed AND state <> 'approved'")
    op.create_index("ix_packets_concepts_over", "packets", ["seq"], postgresql_where=over)
    op.create_table(
        "packet_tags",
        sa.Column("packet_seq", sa.BigInteger(), sa.ForeignKey("packets.seq", ondelete="CASCADE"), primary_key=True),
        _text("tag", primary_key=True),
        _text("set_by"),
        _now("created"),
    )
    op.create_index("ix_packet_tags_tag_packet_seq", "packet_tags", ["tag", "packet_seq"])
    op.create_table(
        "concept_spaces",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        *(_text(name) for name in ("weights_sha256", "operator")),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.BigInteger(), server_default="0", nullable=False),
        sa.UniqueConstraint("weights_sha256", "operator", "width"),
    )


# The one definition of the table that exists only beside pgvector; calling it again does no harm.
VECTOR_TABLES = """
CREATE FUNCTION make_concept_vectors() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN RETURN false; END IF;
    EXECUTE 'CREATE TABLE IF NOT EXISTS concept_vectors ('
        'packet_seq bigint NOT NULL REFERENCES packets (seq) ON DELETE CASCADE, concept integer NOT NULL, '
        'space bigint NOT NULL REFERENCES concept_spaces (id), code halfvec(128) NOT NULL, '
        'PRIMARY KEY (packet_seq, concept))';
    EXECUTE 'CREATE INDEX IF NOT EXISTS ix_concept_vectors_space ON concept_vectors (space)';
    EXECUTE 'CREATE INDEX IF NOT EXISTS ix_concept_vectors_code ON concept_vectors '
        'USING hnsw (code halfvec_l2_ops)';
    RETURN true;
END $$
"""
