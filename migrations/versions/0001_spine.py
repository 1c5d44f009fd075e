"""The spine: agents, packets and their bytes, attestations, jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    _agents()
    _packets()
    _attestations()
    _jobs()


def downgrade() -> None:
    for table in ("jobs", "attestations", "packet_signatures", "packets", "chunks", "blobs", "nonces", "agents"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")


def _created(name: str = "created") -> sa.Column:
    return sa.Column(name, TIMESTAMP, server_default=sa.func.now(), nullable=False)


def _text(name: str, *constraints: sa.ForeignKey, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), *constraints, nullable=nullable)


def _seq() -> sa.Column:
    return sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False, unique=True)


def _words(name: str, *words: str, default: str | None = None) -> sa.Column:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)
    return sa.Column(name, kind, server_default=default, nullable=False)


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        _text("name"),
        _words("role", "teacher", "student", "worker", "reviewer", "auditor", "admin"),
        _text("public_key"),
        _text("key_id"),
        _created(),
        sa.Column("revoked_at", TIMESTAMP),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("key_id"),
    )
    op.create_table(
        "nonces", _text("key_id"), _text("nonce"), _created("seen_at"), sa.PrimaryKeyConstraint("key_id", "nonce")
    )
    op.create_index("ix_nonces_seen_at", "nonces", ["seen_at"])


def _packets() -> None:
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        _created(),
    )
    op.create_table(
        "chunks",
        _text("sha256", sa.ForeignKey("blobs.sha256", ondelete="CASCADE")),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "seq"),
    )
    # Embeddings do not compress: spend no time trying.
    op.execute("ALTER TABLE chunks ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_table(
        "packets",
        sa.Column("packet_id", sa.Text(), primary_key=True),
        _seq(),
        *(_text(name) for name in ("kind", "name", "version", "domain", "publisher", "publisher_key")),
        _words("state", "received", "scanning", "approved", "rejected", "revoked", default="received"),
        _text("reason", nullable=True),
        sa.Column("teacher", JSONB(), nullable=False),
        sa.Column("manifest", JSONB(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        _text("content_sha256", sa.ForeignKey("blobs.sha256")),
        _created(),
        _created("state_changed"),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_index("ix_packets_state", "packets", ["state"])
    op.create_index("ix_packets_domain", "packets", ["domain"])
    op.create_table(
        "packet_signatures",
        _text("packet_id", sa.ForeignKey("packets.packet_id")),
        _text("key_id"),
        _text("signature"),
        _created(),
        sa.PrimaryKeyConstraint("packet_id", "key_id"),
    )


def _attestations() -> None:
    op.create_table(
        "attestations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        _text("packet_id", sa.ForeignKey("packets.packet_id")),
        _text("predicate_type"),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        _text("digest"),
        _text("signer"),
        _created(),
        sa.UniqueConstraint("packet_id", "digest"),
    )
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER attestations_append_only BEFORE UPDATE OR DELETE ON attestations "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _seq(),
        _words("kind", "scan", "extract", "align", "noop"),
        _words("state", "queued", "running", "succeeded", "failed", "cancelled", "dead", default="queued"),
        _text("packet_id", sa.ForeignKey("packets.packet_id"), nullable=True),
        _text("submitter"),
        sa.Column("spec", JSONB(), nullable=False),
        *(sa.Column(name, JSONB()) for name in ("result", "progress", "error")),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        _text("lease_owner", nullable=True),
        sa.Column("lease_until", TIMESTAMP),
        sa.Column("not_before", TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False),
        _created(),
        sa.Column("finished", TIMESTAMP),
    )
    queued, running = sa.text("state = 'queued'"), sa.text("state = 'running'")
    live_scan = sa.text("kind = 'scan' AND state IN ('queued', 'running')")
    op.create_index("ix_jobs_due", "jobs", ["kind", "not_before"], postgresql_where=queued)
    op.create_index("ix_jobs_leases", "jobs", ["lease_until"], postgresql_where=running)
    op.create_index("ix_jobs_packet_id", "jobs", ["packet_id"])
    op.create_index("uq_jobs_live_scan", "jobs", ["packet_id"], unique=True, postgresql_where=live_scan)
