"""Predicate types of what is said about a packet after its publication; docs/broker.md has their fields."""

RECEIPT = "urn:m2kt:receipt:v1"
"""The broker has it: signed by the broker when a packet arrives or gains a signature."""

STATE = "urn:m2kt:state:v1"
"""Its state changed: signed by the broker."""

SCAN = "urn:m2kt:scan:v1"
"""What the checks found: signed by the broker."""

SVR = "https://in-toto.io/attestation/svr/v0.2"
"""What passed, for other tools: an in-toto Simple Verification Result, signed by the broker beside a `SCAN` that
passed."""

DETONATION = "urn:m2kt:detonation:v1"
"""What it did to a reference student before anybody could pull it: signed by the broker."""

OUTCOME = "urn:m2kt:outcome:v1"
"""What it did to a student: signed by the student."""

APPROVAL = "urn:m2kt:approval:v1"
"""What a reviewer decided about it: signed by the reviewer."""

REVIEW = "urn:m2kt:review:v1"
"""What somebody who was signed in at the dashboard decided about it: signed by the broker, which names the account."""

KEY = "urn:m2kt:key:v1"
"""Whose key it is and when it counts; its subject is the key's id: signed by the broker."""

CHANNEL = "urn:m2kt:channel:v1"
"""Which packet a channel of its name leads to, with a serial number and an end: signed by the broker."""

COMPLAINT = "urn:m2kt:complaint:v1"
"""A peer's predictions do not give the confidences that it claimed: signed by another peer of the exchange."""
