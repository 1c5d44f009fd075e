"""The check of packets of kind `exchange`."""

from collections.abc import Iterator

from m2kt.errors import M2KTError
from m2kt.exchange import packets
from m2kt.scan.check import Subject
from m2kt.scan.verdict import Finding


def exchanged(subject: Subject) -> Iterator[Finding]:
    """An exchange packet is one turn of one round of its plan: samples, shapes, finite predictions, possible claims."""
    try:
        packets.read(subject.packet)
    except M2KTError as error:
        yield Finding("exchange", f"{error.code}: {error.detail}")
