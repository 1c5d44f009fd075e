"""Keyset pages: a cursor points behind the last item shown, so that inserts neither repeat nor hide one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from broker.schemas.types import Cursor, PageSize


@dataclass(frozen=True)
class Paging:
    """Where to begin, how much to give, and the page's own address to derive the next one from."""

    cursor: int | None
    limit: int
    path: str
    query: str

    @property
    def one_more(self) -> int:
        """What to ask the database for, to know whether there is a next page."""
        return self.limit + 1


async def get_paging(request: Request, cursor: Cursor | None = None, limit: PageSize = 50) -> Paging:
    kept = request.url.remove_query_params(["cursor", "limit"])
    return Paging(cursor, limit, kept.path, kept.query)


PagingDep = Annotated[Paging, Depends(get_paging)]
T = TypeVar("T")


def cut(rows: list[T], paging: Paging, key: Callable[[T], int], response: Response) -> list[T]:
    """At most ``limit`` rows; when there are more, ``Link`` names the next page (RFC 8288)."""
    if len(rows) > paging.limit:
        query = "&".join(filter(None, [paging.query, f"cursor={key(rows[paging.limit - 1])}", f"limit={paging.limit}"]))
        response.headers["Link"] = f'<{paging.path}?{query}>; rel="next"'
    return rows[: paging.limit]
