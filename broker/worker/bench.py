"""What every part of the worker is given."""

from dataclasses import dataclass, field

from broker.db import Ring, Sessions
from broker.services.agents import Standing
from broker.services.sequencer import Keeper
from broker.settings import Settings
from broker.storage import BlobStore
from broker.worker.options import Options
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
    options: Options = field(default_factory=Options)
    device: str | None = None
    """Of the slot that this bench stands at."""
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES of the worker itself."""
