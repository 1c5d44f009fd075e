"""The SDK: a broker's REST interface, every request signed, every pull verified."""

from m2kt.client.client import Client
from m2kt.client.predicates import OUTCOME, RECEIPT, SCAN, STATE

__all__ = ["OUTCOME", "RECEIPT", "SCAN", "STATE", "Client"]
