"""What the broker's processes are told from outside, read once in a factory and passed down."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from m2kt.errors import UsageError

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Environment variables ``M2KT_DATABASE_URL``, ``M2KT_REDIS_URL``, ... of the broker and its worker."""

    model_config = SettingsConfigDict(env_prefix="M2KT_", frozen=True, extra="ignore")

    database_url: str
    """``postgresql+psycopg://user:password@host/database``"""
    redis_url: str
    broker_key: Path
    """Private key that signs receipts, verdicts and state changes; a file of mode 0600."""
    admin_keys: Path
    """Directory of public keys; their holders act as administrators."""
    max_packet_bytes: int = Field(default=16 * MIB, gt=0)
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

    scan_memory_mib: int = Field(default=4096, gt=0)
    """A scan that asks for more address space ends, and is inconclusive."""
    keep_days: float = Field(default=30.0, ge=1)
    """How long jobs that ended, their logs and their files are kept; idempotency keys hold as long."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """What the environment says; `UsageError` names the variables that are missing or wrong."""
        try:
            return cls()  # type: ignore[call-arg]  # the environment gives them
        except ValidationError as error:
            faults = [f"M2KT_{str(each['loc'][0]).upper()} ({each['msg'].lower()})" for each in error.errors()]
            hint = "`m2kt dev up` sets all of them; docs/operations.md lists them."
            raise UsageError(f"settings: {', '.join(faults)}", hint=hint) from None
