"""Rows carry a seal, tables count their rows: `docs/log.md` has the reason, `m2kt log audit` the use.

The functions live in the database so that no writer can forget them, and so that a row costs no second round trip: what
is sealed holds values that only the database knows (identities, its clock, ``fence + 1``). The key does not live there:
it comes with each connection of the broker's programs as the setting ``m2kt.seal``. Without it a row is written
without a seal, which the audit names.

A later migration adopts a new table with ``op.execute("SELECT seal_table('name')")`` (its model says ``Sealed``).
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNTED = (
    "agents",
    "agent_keys",
    "key_statements",
    "nonces",
    "blobs",
    "packets",
    "packet_signatures",
    "attestations",
    "log_leaves",
    "log_checkpoints",
    "jobs",
    "job_needs",
    "job_logs",
)
SEALED = ("job_events", "outbox")
"""Not counted: a job's row says how many events it has, and a row of the outbox that is gone is one that was told."""

# The key: 16 digits of its id, then HMAC's inner and its outer block (RFC 2104), 128 digits each.
SEAL_OF = """
CREATE FUNCTION seal_of(key text, name text, content text) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT decode(left(key, 16), 'hex') || sha256(decode(substr(key, 145, 128), 'hex') || sha256(
    decode(substr(key, 17, 128), 'hex') || convert_to(name || E'\\n' || content, 'UTF8')))
$$
"""

# What is sealed is the row's text with nothing in the place of the seal. A row that was changed behind the broker's
# back gets no new seal from the broker's next step.
SEAL_ROW = """
CREATE FUNCTION seal_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  key text := current_setting('m2kt.seal', true);
  sealed bytea;
BEGIN
  NEW.seal := NULL;
  IF key IS NULL OR key = '' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    sealed := OLD.seal;
    OLD.seal := NULL;
    IF sealed IS DISTINCT FROM seal_of(key, TG_TABLE_NAME, OLD::text) THEN
      RETURN NEW;
    END IF;
  END IF;
  NEW.seal := seal_of(key, TG_TABLE_NAME, NEW::text);
  RETURN NEW;
END $$
"""

# A row's primary key as 32 hexadecimal digits; of one that is a number or a uuid it can be read back.
ROW_IDENTITY = """
CREATE FUNCTION row_identity(target regclass) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN count(*) = 1 AND min(a.atttypid::regtype::text) IN ('integer', 'bigint', 'smallint')
      THEN format('lpad(to_hex(%s::bigint), 32, ''0'')', min(quote_ident(a.attname)))
    WHEN count(*) = 1 AND min(a.atttypid::regtype::text) = 'uuid'
      THEN format('replace(%s::text, ''-'', '''')', min(quote_ident(a.attname)))
    ELSE format('md5(concat_ws(''/'', %s))', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
  END
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = target AND i.indisprimary
$$
"""

# Each connection counts in rows of its own, so that none waits for another. Its place is a small number that no other
# connection has while it lives, and that is looked up once.
COUNT_BODY = """
CREATE FUNCTION count_body(target regclass) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT format($body$
DECLARE
  place integer := nullif(current_setting('m2kt.slot', true), '')::integer;
  sign integer := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
  added bigint; upper bigint; under bigint;
BEGIN
  IF coalesce(current_setting('m2kt.seal', true), '') = '' THEN
    RETURN NULL;
  END IF;
  SELECT count(*), bit_xor(('x' || left(i, 16))::bit(64)::bigint), bit_xor(('x' || right(i, 16))::bit(64)::bigint)
    INTO added, upper, under FROM (SELECT %s AS i FROM changed) AS identities;
  IF added = 0 THEN
    RETURN NULL;
  END IF;
  IF place IS NULL THEN
    SELECT split_part(virtualtransaction, '/', 1)::integer INTO place FROM pg_locks
      WHERE pid = pg_backend_pid() AND locktype = 'virtualxid';
    PERFORM set_config('m2kt.slot', place::text, false);
  END IF;
  UPDATE row_counts AS c SET rows = c.rows + sign * added, high = c.high # upper, low = c.low # under
    WHERE c.slot = place AND c.name = TG_TABLE_NAME;
  IF NOT FOUND THEN
    INSERT INTO row_counts (slot, name, rows, high, low) VALUES (place, TG_TABLE_NAME, sign * added, upper, under);
  END IF;
  RETURN NULL;
END $body$, row_identity(target))
$$
"""

SEAL_TABLE = """
CREATE FUNCTION seal_table(target regclass, counted boolean DEFAULT true) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counter text := 'count_' || target;
BEGIN
  EXECUTE format('ALTER TABLE %1$s ADD COLUMN IF NOT EXISTS seal bytea', target);
  EXECUTE format('CREATE TRIGGER zz_seal BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION seal_row()',
                 target);
  IF counted THEN
    EXECUTE format('CREATE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql AS %L', counter, count_body(target));
    EXECUTE format('CREATE TRIGGER zz_count_insert AFTER INSERT ON %1$s REFERENCING NEW TABLE AS changed '
                   'FOR EACH STATEMENT EXECUTE FUNCTION %2$I()', target, counter);
    EXECUTE format('CREATE TRIGGER zz_count_delete AFTER DELETE ON %1$s REFERENCING OLD TABLE AS changed '
                   'FOR EACH STATEMENT EXECUTE FUNCTION %2$I()', target, counter);
  END IF;
END $$
"""

UNSEAL_TABLE = """
CREATE FUNCTION unseal_table(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DROP TRIGGER zz_seal ON %s', target);
  EXECUTE format('DROP FUNCTION IF EXISTS %I() CASCADE', 'count_' || target);
  EXECUTE format('ALTER TABLE %s DROP COLUMN seal', target);
  DELETE FROM row_counts WHERE name = target::text;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "row_counts",
        sa.Column("slot", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary()),
    )
    op.execute("ALTER TABLE row_counts SET (fillfactor = 50)")  # its rows change all the time, in place
    for each in (SEAL_OF, SEAL_ROW, ROW_IDENTITY, COUNT_BODY, SEAL_TABLE, UNSEAL_TABLE):
        op.get_bind().exec_driver_sql(each.replace("%", "%%"))
    op.execute("CREATE TRIGGER zz_seal BEFORE INSERT OR UPDATE ON row_counts FOR EACH ROW EXECUTE FUNCTION seal_row()")
    op.add_column("jobs", sa.Column("events", sa.Integer(), server_default="1", nullable=False))
    op.execute("UPDATE jobs SET events = (SELECT count(*) FROM job_events WHERE job_id = jobs.id)")
    for table in COUNTED:
        op.execute(f"SELECT seal_table('{table}')")
    for table in SEALED:
        op.execute(f"SELECT seal_table('{table}', counted => false)")


def downgrade() -> None:
    op.drop_column("jobs", "events")
    for table in (*COUNTED, *SEALED):
        op.execute(f"SELECT unseal_table('{table}')")
    op.drop_table("row_counts")
    for name in (
        "seal_table(regclass, boolean)",
        "unseal_table(regclass)",
        "count_body(regclass)",
        "row_identity(regclass)",
    ):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP FUNCTION seal_row()")
    op.execute("DROP FUNCTION seal_of(text, text, text)")
