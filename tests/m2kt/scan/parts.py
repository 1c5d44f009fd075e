"""A knowledge packet large enough for statistics: addition modulo 16, every concept a noisy copy of its answer."""

from dataclasses import replace

import numpy as np

from m2kt.packet import Manifest, build_packet
from m2kt.packet.knowledge import Element, Knowledge, Template, to_tensors
from m2kt.packet.tensors import keep_bits
from tests.small import small_packet

DIGITS = tuple("0123456789abcdef")
WIDTH = 48


def large_knowledge(seed=0, noise=0.35):
    rng = np.random.default_rng(1)  # the teacher is the same one, whatever the packet's seed
    anchors = rng.normal(size=(16, WIDTH))
    values = rng.normal(size=(16, WIDTH)) * noise  # what a first operand adds to a state
    pairs = np.array([(a, b) for a in range(16) for b in range(16)], np.int32)
    answers = pairs.sum(1) % 16
    own = np.random.default_rng(seed).normal(size=(256, WIDTH)) * 0.1
    centroids = anchors[answers] * 2 + values[pairs[:, 0]] + np.roll(values, 3, 1)[pairs[:, 1]] + own
    elements = [
        (Element.SLOT, 0, 0, 0),
        (Element.LITERAL, 16, 1, 0),
        (Element.SLOT, 0, 1, 0),
        (Element.LITERAL, 17, 1, 0),
        (Element.DECISION, 0, 1, 1),
    ]
    return Knowledge(
        symbols=(*DIGITS, "+", "="),
        leads=("", " "),
        centroids=centroids.astype(np.float16),
        dispersion=np.random.default_rng(seed).uniform(0.5, 1.5, 256).astype(np.float32),
        support=np.full(256, 8, np.int32),
        groundings=pairs,
        classes=np.zeros(256, np.int32),
        anchors=anchors.astype(np.float16),
        anchor_bias=np.zeros(16, np.float32),
        anchor_strings=np.arange(16, dtype=np.int32),
        templates=(Template(np.array(elements, np.int32), 900),),
        alphabets=np.array([[1] * 16 + [0, 0]], np.uint8),
        decisions=np.array([[0, 0, 2]], np.int32),
        swap=np.zeros((1, 5), np.float16),
        gradient=np.zeros((1, 5), np.float16),
    )


def packet_of(knowledge, *, name="add/sixteen", version="1.0.0", bits=8, teacher=None, **changes):
    like = small_packet().manifest
    tensors, precision = keep_bits(to_tensors(knowledge), bits)
    from m2kt.packet import ledger

    manifest = Manifest.describe(
        kind=like.kind,
        name=name,
        version=version,
        created=like.created,
        domain=like.domain,
        teacher=replace(like.teacher, **(teacher or {})),
        extraction=like.extraction,
        licence=changes.get("licence", like.licence),
        ledger=ledger.measure(tensors, 0),
        symbols=knowledge.symbols,
        leads=knowledge.leads,
        tensors=tensors,
        precision=precision,
    )
    return build_packet(manifest, tensors)
