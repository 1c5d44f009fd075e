"""Write the test vectors again: ``python -m tests.m2kt.vectors.generate``, and then look at `git diff`."""

import json
from pathlib import Path
from typing import Any

from bench.verdicts import by_library
from tests.m2kt.vectors.corpus import TRUSTED, Vector, vectors

HERE = Path(__file__).parent
PACKETS = HERE / "packets"


def files() -> dict[Path, bytes]:
    """Every file of the corpus and what stands in it, from nothing."""
    names: dict[bytes, str] = {}  # packets that stand for several vectors, with other keys, are stored once
    index = [_entry(each, names.setdefault(each.data, f"packets/{each.name}.m2kt")) for each in vectors()]
    if len({each["name"] for each in index}) != len(index):
        raise ValueError("two vectors have one name")
    found = {HERE / name: data for data, name in names.items()}
    document = {"format": "m2kt.packet/1", "keys": list(TRUSTED), "vectors": index}
    found[HERE / "index.json"] = (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()
    return found


def _entry(vector: Vector, file: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": vector.name, "file": file}
    if vector.keys != TRUSTED:
        entry["keys"] = list(vector.keys)
    if vector.refused:
        return {**entry, "verdict": "refuse", "class": vector.refused, "rule": vector.rule}
    verdict = by_library(vector.data, vector.keys)
    return {**entry, "verdict": "accept", "packet_id": verdict.packet_id, "key_ids": list(verdict.key_ids)}


def main() -> None:
    """Write them, and remove files that are none any more."""
    PACKETS.mkdir(exist_ok=True)
    wanted = files()
    for path in PACKETS.iterdir():
        if path not in wanted:
            path.unlink()
    for path, data in wanted.items():
        path.write_bytes(data)


if __name__ == "__main__":
    main()
