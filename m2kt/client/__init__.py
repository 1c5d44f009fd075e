"""The SDK: a broker's REST interface, every request signed, every pull verified."""

from m2kt.client.client import Client
from m2kt.client.predicates import APPROVAL, COMPLAINT, KEY, OUTCOME, RECEIPT, SCAN, STATE
from m2kt.client.receipts import LogRules

__all__ = ["APPROVAL", "COMPLAINT", "KEY", "OUTCOME", "RECEIPT", "SCAN", "STATE", "Client", "LogRules"]
