"""What a trained memory says about itself: `memory.json`, beside `memory.safetensors`. Readable without torch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from m2kt.errors import ModelError

SCHEMA = "m2kt.memory/1"
WEIGHTS, CARD = "memory.safetensors", "memory.json"
MEMORY, ADAPTER = "memory", "lora"
"""What stands in the weights: a concept memory, or LoRA matrices that a packet was consolidated into."""


@dataclass(frozen=True)
class Card:
    """What a memory belongs to: it speaks only beside the very student that it was trained for."""

    packet_id: str
    packet: str  # name@version
    student_sha256: str
    shape: dict[str, int]
    report: dict[str, Any]
    weights_sha256: str = ""  # of `memory.safetensors`; known once that is written
    kind: str = MEMORY

    def to_bytes(self) -> bytes:
        """JSON, with the schema that this version writes."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()


def read_card(directory: Path) -> Card:
    """The card of a memory; `ModelError` when the directory holds none."""
    try:
        found = json.loads((directory / CARD).read_bytes())
        if found.pop("schema") != SCHEMA:
            raise ValueError("another schema than this version's")
        return Card(**found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{directory} holds no memory: {error}", hint="Align the packet again.") from error
