"""Secrets that have a form: keys and tokens of well-known services, private keys, passwords given by name.

All patterns are of bounded or disjoint pieces, so that no input makes them slow.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

FORMS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "a private key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY",
        "an AWS access key": r"\b(?:AKIA|ASIA|AGPA|AROA|AIDA)[0-9A-Z]{16}\b",
        "a GitHub token": r"\bgh[pousr]_[0-9A-Za-z]{36,255}\b|\bgithub_pat_[0-9A-Za-z_]{30,255}",
        "a GitLab token": r"\bglpat-[0-9A-Za-z_-]{20,64}",
        "a Slack token": r"\bxox[abeoprs]-[0-9A-Za-z-]{10,255}",
        "a Slack webhook": r"hooks\.slack\.com/services/[0-9A-Za-z/]{20,80}",
        "an API key of the form sk-": r"\bsk-(?:proj-|ant-|live-|test-|or-)?[0-9A-Za-z_-]{20,200}",
        "a Stripe key": r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,128}",
        "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
        "a Hugging Face token": r"\bhf_[0-9A-Za-z]{30,64}\b",
        "an npm or PyPI token": r"\bnpm_[0-9A-Za-z]{36}\b|\bpypi-[0-9A-Za-z_-]{50,255}",
        "a JSON web token": r"\beyJ[0-9A-Za-z_-]{8,1024}\.eyJ[0-9A-Za-z_-]{8,4096}\.[0-9A-Za-z_-]{8,1024}",
        "a SendGrid key": r"\bSG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}",
        "a Twilio key": r"\bSK[0-9a-f]{32}\b",
        "a Telegram bot token": r"\b[0-9]{8,10}:AA[0-9A-Za-z_-]{32,34}\b",
        "an address with a password": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/:@]{3,64}@[^\s/]{1,128}",
        "a bearer token": r"(?i)\bbearer\s{1,4}[0-9a-z_.~+/-]{24,512}",
        "an age or SSH secret": r"AGE-SECRET-KEY-1[0-9A-Z]{40,70}",
    }.items()
}
_NAMED = re.compile(
    r"(?i)\b(?:[a-z0-9]{1,16}[_-]){0,3}(?:password|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token"
    r"|token|private[_-]?key)[\"']?\s{0,3}(?:=|:|:=|=>|\bis\b)\s{0,3}[\"']?([^\s\"',;]{6,128})"
)
LEAST_ENTROPY = 2.8
"""Bits per character of a value that is called a password, below which it is a word of a sentence."""


def secrets(text: str) -> Iterator[str]:
    """What the text holds that opens something."""
    for name, form in FORMS.items():
        if form.search(text):
            yield f"holds {name}"
    if any(_random(found.group(1)) for found in _NAMED.finditer(text)):
        yield "holds a password or key given by name"


def _random(value: str) -> bool:
    """Whether a value looks chosen by a machine or a careful person: of several kinds of character, hardly repeated."""
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^0-9A-Za-z]"))
    return (
        kinds >= (2 if len(value) >= 12 else 3) and bool(re.search("[0-9]", value)) and _entropy(value) >= LEAST_ENTROPY
    )


def _entropy(value: str) -> float:
    counts = Counter(value).values()
    return -sum(each / len(value) * math.log2(each / len(value)) for each in counts)
