"""What every part of the worker is given."""

from dataclasses import dataclass

from broker.db import Ring, Sessions
from broker.services.agents import Standing
from broker.services.sequencer import Keeper
from broker.settings import Settings
from broker.storage import BlobStore
from m2kt.signing.keys import PrivateKey


@dataclass(frozen=True)
class Bench:
    settings: Settings
    sessions: Sessions
    ring: Ring
    key: PrivateKey
    store: BlobStore
    standing: Standing
    keeper: Keeper
    owner: str
    """Names this process in leases: unique per start, so that a restarted worker is another one."""
