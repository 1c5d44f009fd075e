"""The check of packets of kind `anchors`."""

from collections.abc import Iterator

from m2kt.errors import M2KTError
from m2kt.packet import anchors
from m2kt.scan.check import Subject
from m2kt.scan.verdict import Finding, Weight


def anchored(subject: Subject) -> Iterator[Finding]:
    """A packet of anchors names its set by digest and has one state for each of its inputs. What another operator made
    is only noted: no student of this version fits anything on it."""
    if subject.packet.manifest.extraction.operator != anchors.OPERATOR:
        yield Finding("extraction.operator", "not one that students of this version can use", Weight.NOTE)
        return
    try:
        anchors.read(subject.packet)
    except M2KTError as error:
        yield Finding("anchors", f"{error.code}: {error.detail}")
