"""Channels as they are moved and shown."""

import base64
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from broker.models import ChannelHead
from broker.schemas.types import PacketRef
from m2kt.packet.fields import VERSION

ChannelWord = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
VersionText = Annotated[str, StringConstraints(max_length=64, pattern=f"^{VERSION.pattern}$")]


class ChannelIn(BaseModel):
    """Where to: one of the two."""

    model_config = ConfigDict(extra="forbid")

    version: VersionText | None = None
    packet_id: PacketRef | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.version is None) == (self.packet_id is None):
            raise ValueError("give either version or packet_id")
        return self


class HeadOut(BaseModel):
    """A head. Only ``envelope`` is signed: believe that."""

    id: int
    name: str
    channel: str
    serial: int
    version: str
    packet_id: str
    expires: datetime
    by: str
    created: datetime
    digest: str
    envelope: str
    """The DSSE envelope's bytes in base64."""

    @classmethod
    def of(cls, head: ChannelHead) -> "HeadOut":
        same = ("id", "serial", "version", "packet_id", "expires", "by", "created", "digest")
        return cls(
            name=head.channel.name,
            channel=head.channel.channel,
            envelope=base64.b64encode(head.envelope).decode(),
            **{each: getattr(head, each) for each in same},
        )


class HeadPage(BaseModel):
    items: list[HeadOut]


class ProvenHeadOut(HeadOut):
    proof: str | None
    """C2SP tlog-proof of the head's entry; null until it is integrated."""

    @classmethod
    def of(cls, head: ChannelHead, proof: str | None = None) -> "ProvenHeadOut":
        return cls(**HeadOut.of(head).model_dump(), proof=proof)


class ChannelOut(HeadOut):
    etag: str
    """What to move it with: If-Match."""
    fault: str | None
    """Why nobody should follow it now; its own address answers with a problem then."""

    @classmethod
    def of(cls, head: ChannelHead, etag: str = "", fault: str | None = None) -> "ChannelOut":
        return cls(**HeadOut.of(head).model_dump(), etag=etag, fault=fault)


class ChannelPage(BaseModel):
    items: list[ChannelOut]
