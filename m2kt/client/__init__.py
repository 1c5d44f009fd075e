"""The SDK: a broker's REST interface, every request signed, every pull verified."""

from m2kt.client.channels import ChannelHead
from m2kt.client.client import Client
from m2kt.client.predicates import APPROVAL, CHANNEL, COMPLAINT, DETONATION, KEY, OUTCOME, RECEIPT, SCAN, STATE, SVR
from m2kt.client.receipts import LogRules

__all__ = [
    "APPROVAL",
    "CHANNEL",
    "COMPLAINT",
    "DETONATION",
    "KEY",
    "OUTCOME",
    "RECEIPT",
    "SCAN",
    "STATE",
    "SVR",
    "ChannelHead",
    "Client",
    "LogRules",
]
