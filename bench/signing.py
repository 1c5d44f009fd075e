"""What signatures cost beside the hashing that they need: ``python -m bench.signing --json`` prints one line.

``sign_ratio`` is the time from arrays to a signed container, ``verify_ratio`` that from its bytes to a verified packet
(all checks, every float looked at), each over the time that one SHA-256 and one Ed25519 take *over the same bytes*.
``sign_over_digest`` and ``verify_over_digest`` compare with the least that any design must do, one SHA-256 and an
Ed25519 over its digest. All in one process, one core, in alternation; medians of ``rounds``.
"""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from statistics import median

import numpy as np

from bench.forge import DIGEST, key_of
from m2kt.packet import Array, DomainRef, Extraction, Limits, Manifest, PacketKind, Teacher, build_packet
from m2kt.packet.tensors import zero_low_bits
from m2kt.signing import TrustStore, sign_packet, verify_packet

MIB = 2**20
ROUNDS = 5
KEY = key_of(1)
TRUST = TrustStore.of([KEY.public_key()])


def tensors(size: int) -> dict[str, Array]:
    """``size`` bytes of floats, half of them F16 with all bits declared, half F32 with 16 of 23."""
    dice = np.random.default_rng(0)
    return {
        "concepts/centroids": dice.standard_normal((size // 4096, 1024), np.float32).astype(np.float16),
        "symbols/embeddings": zero_low_bits(dice.standard_normal((size // 8192, 1024), np.float32), 16),
    }


def signed(arrays: dict[str, Array]) -> bytes:
    """The container of these arrays, from nothing."""
    manifest = Manifest.describe(
        kind=PacketKind.KNOWLEDGE,
        name="bench/signing",
        version="1.0.0",
        created="2026-01-31T12:00:00Z",
        domain=DomainRef("bench", "1.0.0"),
        teacher=Teacher("bench", "none", "none", 1, DIGEST, DIGEST),
        extraction=Extraction("none", {}, 0),
        licence="Apache-2.0",
        tensors=arrays,
        ledger={},
        precision={"symbols/embeddings": 16},
    )
    return sign_packet(build_packet(manifest, arrays), KEY)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(size: int = 100 * MIB, rounds: int = ROUNDS) -> dict[str, object]:
    """The ratios, and the seconds that they are made of."""
    arrays = tensors(size)
    data, limits = signed(arrays), Limits(max_packet_bytes=2 * size)
    signature, short = KEY.sign(data), KEY.sign(sha256(data).digest())
    public, digest = KEY.public_key(), sha256(data).digest()
    work: dict[str, Callable[[], object]] = {
        "sha256": lambda: sha256(data).digest(),
        "ed25519_sign": lambda: KEY.sign(data),
        "ed25519_verify": lambda: public.verify(signature, data),
        "ed25519_sign_digest": lambda: KEY.sign(digest),
        "ed25519_verify_digest": lambda: public.verify(short, digest),
        "sign": lambda: signed(arrays),
        "verify": lambda: verify_packet(data, TRUST, limits),
    }
    taken = [{name: seconds(each) for name, each in work.items()} for _ in range(rounds)]
    cost = {name: median(each[name] for each in taken) for name in work}
    ratios = {
        "sign_ratio": cost["sign"] / (cost["sha256"] + cost["ed25519_sign"]),
        "verify_ratio": cost["verify"] / (cost["sha256"] + cost["ed25519_verify"]),
        "sign_over_digest": cost["sign"] / (cost["sha256"] + cost["ed25519_sign_digest"]),
        "verify_over_digest": cost["verify"] / (cost["sha256"] + cost["ed25519_verify_digest"]),
    }
    named = {f"{name}_s": round(each, 4) for name, each in cost.items()}
    return {**{name: round(each, 3) for name, each in ratios.items()}, "bytes": len(data), "rounds": rounds, **named}


if __name__ == "__main__":
    print(json.dumps(measure()))
