"""Which store ``M2KT_BLOBS`` names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session, sessionmaker

from broker.storage import BlobStore
from broker.storage.external import ExternalBlobs
from broker.storage.objects import FileObjects
from broker.storage.postgres import PostgresBlobs
from broker.storage.s3 import S3Objects
from m2kt.errors import UsageError

FORMS = "postgres:, file:///absolute/directory or s3://bucket/prefix"


def open_store(where: str, sessions: sessionmaker[Session]) -> BlobStore:
    """``postgres:``, ``file:///directory`` or ``s3://bucket/prefix``; `UsageError` for anything else."""
    parts = urlsplit(where)
    if where == "postgres:":
        return PostgresBlobs()
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return ExternalBlobs(FileObjects(Path(unquote(parts.path))), sessions)
    if parts.scheme == "s3" and parts.netloc and not parts.query:
        prefix = parts.path.strip("/")
        return ExternalBlobs(S3Objects(parts.netloc, f"{prefix}/" if prefix else ""), sessions)
    raise UsageError(f"M2KT_BLOBS is {where!r}", hint=f"Give {FORMS}.")
