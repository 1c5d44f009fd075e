"""Range and If-None-Match, as far as RFC 9110 asks for them."""

import re

from fastapi import HTTPException, status

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """``[start, stop)`` of a single byte range; nothing for a header to ignore (section 14.2: several may be)."""
    found = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None  # not a range at all
    if start >= size:
        detail = f"the content has {size} bytes"
        raise HTTPException(status.HTTP_416_RANGE_NOT_SATISFIABLE, detail, {"Content-Range": f"bytes */{size}"})
    return start, stop


def matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison (section 8.8.3.2) with every entity tag of the header."""
    if if_none_match is None:
        return False
    listed = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in listed or etag in listed
