"""What the broker's processes are told from outside, read once in a factory and passed down."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from m2kt.errors import UsageError
from m2kt.signing.keys import PrivateKey, load_private, parse_private

MIB = 1024 * 1024
APPROVAL_RULES = ("kind", "name", "domain", "publisher", "base-family")


class Settings(BaseSettings):
    """Environment variables ``M2KT_DATABASE_URL``, ``M2KT_REDIS_URL``, ... of the broker and its worker."""

    model_config = SettingsConfigDict(env_prefix="M2KT_", frozen=True, extra="ignore")

    database_url: str
    """``postgresql+psycopg://user:password@host/database``"""
    redis_url: str
    broker_key: Path | None = None
    """File (mode 0600) of the private key that signs receipts, verdicts, state changes and the log."""
    broker_key_pem: SecretStr | None = None
    """The same key itself, for hosts that give secrets as variables. One of the two; never the database."""
    former_broker_keys: Path | None = None
    """Directory of public keys that this broker signed with before: what they signed still counts."""
    admin_keys: Path
    """Directory of public keys; their holders act as administrators."""
    max_packet_bytes: int = Field(default=16 * MIB, gt=0)
    blobs: str = "postgres:"
    """Where the bytes of packets lie: ``postgres:``, ``file:///directory`` (of this host, or shared by all replicas and
    workers) or ``s3://bucket/prefix``. What lies in Postgres stays readable after a change."""
    collect_after_seconds: float = Field(default=3600.0, ge=1)
    """Bytes outside Postgres that nothing has referred to for so long are removed."""
    upload_hours: float = Field(default=24.0, gt=0)
    """An upload in parts that nobody went on with for so long is given up."""
    requests_per_minute: int = Field(default=6000, ge=0)
    """Signed requests of one caller, across all replicas; 0 sets no limit. Administrators have none."""
    quota_packets: int = Field(default=0, ge=0)
    """How many packets one agent may have published; 0 sets no limit. Administrators have none."""
    quota_bytes: int = Field(default=0, ge=0)
    """How many bytes its packets and unfinished uploads may have together; 0 sets no limit."""
    body_seconds: float = Field(default=30.0, gt=0)
    """A body that is silent for so long is given up; a whole one may take this and a second for every 64 KiB."""
    work_dir: Path = Path("var/work")
    """Logs of jobs, and scratch space of their children."""
    worker_key: Path | None = None
    """Private key that the worker's extraction children sign packets and requests with."""
    public_url: str = "http://127.0.0.1:8000"
    authorities: tuple[str, ...] = ()
    """Hosts (``name[:port]``) that signed requests may be for, as a JSON list; empty takes any. Name yours where one
    agent's key is registered with several brokers: else a request to one could be repeated to the other."""
    lease_seconds: float = Field(default=30.0, gt=0)
    """How long a claimed job may stay unrenewed before another worker takes it."""
    scan_seconds: float = Field(default=120.0, gt=0)
    """A scan that takes longer is inconclusive."""

    scan_policy: Path | None = None
    """A scan policy (docs/scan.md); without one, the default policy decides."""
    scan_memory_mib: int = Field(default=4096, gt=0)
    """A scan that asks for more address space ends, and is inconclusive."""
    detonation: Path | None = None
    """Directory of a reference student and its suites (docs/scan.md), which tries each packet that passed the other
    checks; without one nothing is tried."""
    detonation_seconds: float = Field(default=600.0, gt=0)
    """Each of its steps; one that takes longer leaves the scan inconclusive."""
    beat_seconds: float = Field(default=10.0, gt=0)
    """How often running agents say that they live; six silent beats, and their session stops nobody else."""
    public_projects: tuple[str, ...] = ("default",)
    """Projects whose metadata everybody may read, as a JSON list; ``[]`` for none."""
    keep_days: float = Field(default=30.0, ge=1)
    """How long jobs that ended, their logs and their files are kept; idempotency keys hold as long."""
    log_origin: str | None = None
    """Name of the transparency log; kept for ever. Without one, it is called after the broker's key."""
    log_witnesses: tuple[str, ...] = ()
    """Witnesses that cosign checkpoints, as a JSON list of ``<verifier key> <url>``."""
    log_quorum: int = Field(default=0, ge=0)
    """How many of them must have cosigned a checkpoint before anybody sees it."""

    verdict_days: float = Field(default=90.0, gt=0)
    """How long a scan's verdict counts. The packet is scanned again before; without that, nobody can pull it."""
    channel_days: float = Field(default=7.0, gt=0)
    """How long a channel's head is to be believed; it is renewed at half of that."""
    feed_days: float = Field(default=30.0, gt=0)
    """How long events of the change feed are kept."""

    required_approvals: int = Field(default=0, ge=0)
    """How many reviewers must approve a packet whose scan passed, before anybody can pull it."""
    approvals: dict[str, int] = Field(default_factory=dict)
    """More of them for some packets, as a JSON object: ``{"kind:aggregate": 2, "name:acme/": 1, "domain:chains": 2,
    "publisher:ada": 1, "base-family:gpt2": 1}``. A name is the beginning of one. The largest number counts."""

    dashboard_open: bool = False
    """Whether who is not signed in may look at the pages of the public projects."""
    dashboard_hours: float = Field(default=12.0, gt=0)
    """How long a browser stays signed in at most."""
    dashboard_idle_minutes: float = Field(default=60.0, ge=2)
    """How long it stays so without asking for anything."""

    @field_validator("approvals")
    @classmethod
    def _known(cls, rules: dict[str, int]) -> dict[str, int]:
        for each, count in rules.items():
            if each.partition(":")[0] not in APPROVAL_RULES or not each.partition(":")[2] or count < 0:
                raise ValueError(f"a rule is one of {', '.join(APPROVAL_RULES)}, ':' and a value, with a number from 0")
        return rules

    def signing_key(self) -> PrivateKey:
        """The broker's own key, from the file or from the environment."""
        if (self.broker_key is None) == (self.broker_key_pem is None):
            raise UsageError("settings: give the broker's key as M2KT_BROKER_KEY (a file) or M2KT_BROKER_KEY_PEM")
        if self.broker_key is not None:
            return load_private(self.broker_key)
        assert self.broker_key_pem is not None
        return parse_private(self.broker_key_pem.get_secret_value().encode(), "M2KT_BROKER_KEY_PEM")

    @classmethod
    def from_environment(cls) -> "Settings":
        """What the environment says; `UsageError` names the variables that are missing or wrong."""
        try:
            return cls()  # type: ignore[call-arg]  # the environment gives them
        except ValidationError as error:
            faults = [f"M2KT_{str(each['loc'][0]).upper()} ({each['msg'].lower()})" for each in error.errors()]
            hint = "`m2kt dev up` sets all of them; docs/operations.md lists them."
            raise UsageError(f"settings: {', '.join(faults)}", hint=hint) from None
