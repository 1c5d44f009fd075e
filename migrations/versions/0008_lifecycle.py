"""The lifecycle in full: yanked and expired, lineage, channels, outcomes, the change feed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SEALED = ("packet_parents", "restatements", "channels", "channel_heads", "outcomes", "feed")

TIMESTAMP = sa.TIMESTAMP(timezone=True)
_STATES = ("received", "scanning", "quarantined", "approved", "rejected", "revoked")
_APPEND_ONLY = ("packet_parents", "channel_heads", "outcomes")


def upgrade() -> None:
    _allow_states(*_STATES, "yanked", "expired")
    op.add_column("packets", sa.Column("good_until", TIMESTAMP))
    op.create_index(
        "ix_packets_good_until", "packets", ["good_until"], postgresql_where=sa.text("good_until IS NOT NULL")
    )
    # Verdicts from before have no signed end; theirs is unsigned, and the next scan's is not.
    op.execute("UPDATE packets SET good_until = now() + interval '90 days' WHERE state IN ('approved', 'quarantined')")
    _lineage()
    _channels()
    _outcomes()
    _feed()
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}')")


def _lineage() -> None:
    op.create_table(
        "packet_parents",
        _packet("child_id", primary_key=True),
        _packet("parent_id", primary_key=True),
        sa.CheckConstraint("child_id <> parent_id", name="no_loop"),
    )
    op.create_index("ix_packet_parents_parent_id", "packet_parents", ["parent_id"])
    # Until now nobody asked whether parents are there: those that are, are edges.
    op.execute(
        "INSERT INTO packet_parents (child_id, parent_id) SELECT DISTINCT child.packet_id, parent.packet_id "
        "FROM packets AS child, jsonb_array_elements_text(child.manifest->'parents') AS named "
        "JOIN packets AS parent ON parent.packet_id = named WHERE child.packet_id <> parent.packet_id"
    )
    op.create_table(
        "restatements",
        _packet("packet_id", primary_key=True),
        _text("cause"),
        _text("reason"),
        _created(),
    )


def _channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        _text("name"),
        _text("channel"),
        sa.Column("serial", sa.BigInteger(), server_default="0", nullable=False),
        sa.UniqueConstraint("name", "channel"),
    )
    op.create_table(
        "channel_heads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("channel_id", sa.BigInteger(), sa.ForeignKey("channels.id"), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        _packet("packet_id"),
        _text("version"),
        sa.Column("expires", TIMESTAMP, nullable=False),
        _text("by"),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        _text("digest"),
        _created(),
        sa.UniqueConstraint("channel_id", "serial"),
    )
    op.create_index("ix_channel_heads_packet_id", "channel_heads", ["packet_id"])


def _outcomes() -> None:
    figures = ("before", "after", "improvement", "improvement_low", "improvement_high", "confidence")
    op.create_table(
        "outcomes",
        sa.Column("attestation_id", sa.BigInteger(), sa.ForeignKey("attestations.id"), primary_key=True),
        _packet("packet_id"),
        _text("student"),
        _text("decision"),
        sa.Column("held", sa.Boolean(), nullable=False),
        *(sa.Column(each, sa.Double()) for each in figures),
        _created(),
    )
    op.create_index(
        "ix_outcomes_packet_id_student_attestation_id", "outcomes", ["packet_id", "student", "attestation_id"]
    )
    op.create_index("ix_outcomes_student_packet_id", "outcomes", ["student", "packet_id"])
    # Reports from before: who reported and what was decided, as far as the signed text can be read in SQL.
    op.execute(
        """
        INSERT INTO outcomes (attestation_id, packet_id, student, decision, held, created)
        SELECT id, packet_id, student, decision,
               coalesce((array_agg(decision) FILTER (WHERE changes) OVER so_far)
                        [count(*) FILTER (WHERE changes) OVER so_far]
                        NOT IN ('removed', 'recalled', 'replaced'), false),
               created
        FROM (SELECT *, decision NOT IN ('rolled-back', 'refused') AS changes FROM (
            SELECT said.id, said.packet_id, agents.name AS student, said.created, coalesce(convert_from(decode(
                   translate(convert_from(envelope, 'UTF8')::jsonb->>'payload', '-_', '+/'), 'base64'), 'UTF8')::jsonb
                   ->'predicate'->>'decision', 'unknown') AS decision
            FROM attestations AS said JOIN agent_keys ON agent_keys.key_id = said.signer
            JOIN agents ON agents.id = agent_keys.agent_id
            WHERE predicate_type = 'urn:m2kt:outcome:v1') AS told) AS read
        WINDOW so_far AS (PARTITION BY packet_id, student ORDER BY id)
        """
    )
    # The last word of each student about each packet: what heartbeats read.
    op.execute(
        "INSERT INTO activations (agent_id, packet_id, active) "
        "SELECT DISTINCT ON (agents.id, packet_id) agents.id, packet_id, held "
        "FROM outcomes JOIN agents ON agents.name = outcomes.student "
        "ORDER BY agents.id, packet_id, attestation_id DESC "
        "ON CONFLICT (agent_id, packet_id) DO UPDATE SET active = excluded.active"
    )


def _feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("number", sa.BigInteger(), unique=True),
        _text("kind"),
        *(sa.Column(each, sa.Text()) for each in ("packet_id", "name", "version")),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("at", TIMESTAMP, server_default=sa.func.clock_timestamp(), nullable=False),
    )
    op.create_index("ix_feed_waiting", "feed", ["id"], postgresql_where=sa.text("number IS NULL"))


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"SELECT unseal_table('{table}')")
    for table in ("feed", "outcomes", "channel_heads", "channels", "restatements", "packet_parents"):
        op.drop_table(table)
    op.drop_index("ix_packets_good_until", "packets")
    op.drop_column("packets", "good_until")
    op.execute("UPDATE packets SET state = 'scanning' WHERE state IN ('yanked', 'expired')")  # fails closed
    _allow_states(*_STATES)


def _packet(name: str, *, primary_key: bool = False) -> sa.Column:
    packet = sa.ForeignKey("packets.packet_id")
    return sa.Column(name, sa.Text(), packet, primary_key=primary_key, nullable=False)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _created() -> sa.Column:
    return sa.Column("created", TIMESTAMP, server_default=sa.func.now(), nullable=False)


def _allow_states(*states: str) -> None:
    listed = ", ".join(f"'{each}'" for each in states)
    op.drop_constraint(op.f("ck_packets_state"), "packets", type_="check")
    op.create_check_constraint(op.f("ck_packets_state"), "packets", f"state IN ({listed})")
