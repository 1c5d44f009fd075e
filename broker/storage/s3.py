"""Objects in an S3 bucket. Credentials, region and endpoint are those of the environment, as every AWS tool reads
them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3``, instance roles, ...). PUT is atomic and S3 reads what it wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broker.storage import Bytes
from broker.storage.objects import PIECE
from m2kt.errors import StorageAway

CONNECTIONS = 24
"""As many as the broker has database connections, and a few."""


class S3Objects:
    """Objects below ``prefix`` of a bucket that exists."""

    def __init__(self, bucket: str, prefix: str) -> None:
        import boto3  # half a second, and only for those who use it
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": 4}
        config = Config(connect_timeout=5, read_timeout=60, max_pool_connections=CONNECTIONS, retries=retries)
        self._client: Any = boto3.session.Session().client("s3", config=config)
        self._bucket, self._prefix = bucket, prefix

    def draft(self, name: str, data: Bytes) -> "_S3Sheet":
        self.put(name, data)
        return _S3Sheet()

    def put(self, name: str, data: Bytes) -> None:
        body = data if isinstance(data, bytes) else bytes(data)
        with _named_errors():
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=body)

    def get(self, name: str, start: int, stop: int) -> Iterator[bytes] | None:
        """An empty range is no range for S3."""
        if start >= stop:
            return iter(())
        asked = {"Bucket": self._bucket, "Key": self._prefix + name, "Range": f"bytes={start}-{stop - 1}"}
        with _named_errors():
            try:
                found = self._client.get_object(**asked)
            except self._client.exceptions.NoSuchKey:
                return None
        return _pieces(found["Body"], stop - start)

    def delete(self, name: str) -> None:
        with _named_errors():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def clear(self, prefix: str) -> None:
        with _named_errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{prefix}/"):
                for each in page.get("Contents", ()):
                    self._client.delete_object(Bucket=self._bucket, Key=each["Key"])


class _S3Sheet:
    """S3 has no drafts that could be renamed. What was put replaced equal bytes, or is named in ``pending_blobs``."""

    def keep(self) -> None:
        """It is."""

    def drop(self) -> None:
        """The collector does it."""


def _pieces(body: Any, length: int) -> Iterator[bytes]:
    left = length
    with _named_errors():
        for piece in body.iter_chunks(PIECE):
            left -= len(piece)
            yield piece
    if left:
        raise StorageAway("a blob is shorter than it was when it was received")


@contextmanager
def _named_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageAway(f"S3 refused or did not answer: {error}") from error
