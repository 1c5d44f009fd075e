"""What uploads, stores and searches leave to the sweep of every replica."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from broker.services import concepts, idempotency, rates, uploads
from broker.settings import Settings
from broker.storage import BlobStore
from broker.worker.upkeep import Chore


def transport(settings: Settings, store: BlobStore) -> Sequence[Chore]:
    """In the order in which one makes work for the next."""
    keep = timedelta(days=settings.keep_days)
    return (
        uploads.expire,
        partial(uploads.clear, store=store),
        uploads.forget,
        partial(store.collect, grace_seconds=settings.collect_after_seconds),
        partial(idempotency.forget, older_than=keep),
        rates.forget,
        partial(concepts.index_some, store=store),
    )
