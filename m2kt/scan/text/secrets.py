# ruff: noqa: E501 - lists of words and patterns
"""Secrets: keys and tokens of well-known services, private keys, whatever is given by name as a password, and long runs
of letters and digits that only a generator draws.

All patterns are of bounded or disjoint pieces, so that no input makes them slow.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from m2kt.scan.text.encodings import is_encoded
from m2kt.scan.text.named import entropy, given_by_name, is_random, kinds
from m2kt.scan.text.words import words

_BEFORE = r"(?<![0-9A-Za-z])"
FORMS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "a private key": r"-----? ?BEGIN ?[A-Z ]{0,30} ?PRIVATE ?KEY|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1[0-9A-Z]{40,70}",
        "an AWS access key": r"(?<![0-9A-Z])(?:AKIA|ASIA|AGPA|AROA|AIDA)[0-9A-Z]{16}(?![0-9A-Z])",
        "a GitHub token": r"gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{30,255}",
        "a GitLab token": r"gl(?:pat|ptt|dt|rt|cbt|agent|oas|soat)-[0-9A-Za-z_-]{20,64}",
        "a Slack token": r"xox[abceoprs]-[0-9A-Za-z-]{10,255}|xapp-\d-[0-9A-Za-z-]{10,255}",
        "a webhook's address": r"hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/]{20,120}"
        r"|discord(?:app)?\.com/api/webhooks/\d{15,22}/[0-9A-Za-z_-]{30,90}|webhook\.office\.com/\S{30,200}",
        "an API key of the form sk-": _BEFORE + r"sk-(?:[a-z0-9]{2,10}-){0,3}[0-9A-Za-z_-]{20,200}",
        "a Stripe key": r"(?:[rsp]k|whsec)_(?:live_|test_)?[0-9A-Za-z]{16,128}",
        "a Google key": r"AIza[0-9A-Za-z_-]{35}|GOCSPX-[0-9A-Za-z_-]{20,40}|ya29\.[0-9A-Za-z_-]{20,255}",
        "a Hugging Face token": r"hf_[0-9A-Za-z]{30,64}",
        "an npm or PyPI token": r"npm_[0-9A-Za-z]{36}|pypi-[0-9A-Za-z_-]{50,255}",
        "a JSON web token": r"eyJ[0-9A-Za-z_-]{8,1024}\.eyJ[0-9A-Za-z_-]{8,4096}\.[0-9A-Za-z_-]{8,1024}",
        "a SendGrid key": r"SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}",
        "a Twilio key": _BEFORE + r"(?:SK|AC)[0-9a-f]{32}(?![0-9A-Za-z])",
        "a Telegram bot token": _BEFORE + r"[0-9]{8,10}:AA[0-9A-Za-z_-]{32,34}",
        "a Discord token": _BEFORE + r"[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,40}",
        "a bearer token": r"(?i)\b(?:bearer|authorization:\s{0,3}(?:basic|token|digest))\s{1,4}[0-9a-z_.~+/=-]{16,1024}",
        "a digest of a password": r"\$(?:2[abxy]?|apr1|[156]|argon2id?|y)\$[^\s:,\"']{16,128}",
        "a wallet's key": _BEFORE
        + r"(?:5[HJK][1-9A-HJ-NP-Za-km-z]{49}|[KL][1-9A-HJ-NP-Za-km-z]{51}|xprv[1-9A-HJ-NP-Za-km-z]{80,112})",
        "a one-time password's seed": r"otpauth://\S{1,200}[?&]secret=[A-Z2-7]{8,}|(?i:totp|2fa|otp|authenticator)[^\n]{0,30}\b[A-Z2-7]{16,64}\b",
        "a signed address": r"[?&](?:sig|X-Amz-Signature|Signature|access_token|api_?key|apikey|auth|token|key)=[0-9A-Za-z%+/_=-]{16,512}",
        "a database's login": r"(?i)\bjdbc:[a-z:]{1,40}[^\s/:@]{1,40}/[^\s@/]{3,64}@",
        "a network's password": r"WIFI:[^\n]{0,120}P:[^;\n]{6,64};",
    }.items()
}
_WALLET = re.compile(
    r"(?i)\b(?:seed|recovery|mnemonic|backup|wallet)[ -]?(?:phrase|words?|seed)?\b[^a-z\n]{0,5}"
    r"(?:is|are|for [a-z ]{1,30})?[^a-z\n]{0,5}((?:[a-z]{3,8}[ ,]{1,2}){11,24}[a-z]{3,8})"
)
_SENTENCES = words("the and for with from that this are was not but its into when which")
"""Words that BIP 39 has not and sentences have."""
_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://([^\s/:@\"']{0,64}):([^\s/@\"']{3,128})@([^\s/:\"']{1,128})")
_PLACEHOLDERS = words(
    "password passwd pass pwd secret tiger user username pw token key xxx changeme test example mypass"
)

_PREFIXED = re.compile(
    r"(?<![0-9A-Za-z])([A-Za-z][A-Za-z0-9]{0,9})(?:[_-][a-z0-9]{1,10}){0,3}[._-]([0-9A-Za-z]{16,255})(?![0-9A-Za-z_])"
)
_DIGESTS = words("sha sha1 sha256 sha512 md5 digest hash commit rev uuid etag id blake2b crc")
"""What stands before hexadecimal digits that open nothing."""
_TOKEN = re.compile(r"(?<![0-9A-Za-z+/_=.-])[0-9A-Za-z+/_=-]{20,512}(?![0-9A-Za-z+/_=-])")
LONGEST_PART = 12
"""Characters between hyphens that a run must have once: names of models (``Llama-3.1-8B-Instruct-Q4``) never have."""
GIVEN = "holds a password or key given by name"
UNKNOWN_FORM = "holds a key of no known form"
DRAWN_ENTROPY = 3.9
"""Bits per character of a run that nothing is said about, below which it is a word."""
DRAWN_CHANGES = 0.3
"""How often, per character, the kind of character changes in what a generator drew."""


def secrets(text: str) -> Iterator[str]:
    """What the text holds that opens something."""
    for name, form in FORMS.items():
        if form.search(text):
            yield f"holds {name}"
    if any(_is_wallet(found.group(1)) for found in _WALLET.finditer(text)):
        yield "holds the words of a wallet"
    if any(_opens(*found.groups()) for found in _ADDRESS.finditer(text)):
        yield "holds an address with a password"
    if given_by_name(text):
        yield GIVEN
    if any(_drawn(each) for each in _TOKEN.findall(text)) or any(
        _is_prefixed(*each) for each in _PREFIXED.findall(text)
    ):
        yield UNKNOWN_FORM


def _is_wallet(found: str) -> bool:
    return not _SENTENCES & set(re.findall("[a-z]+", found.casefold()))


def _opens(user: str, password: str, host: str) -> bool:
    """Whether an address's password is one, and no manual's."""
    return password.casefold() not in _PLACEHOLDERS and not re.fullmatch(r"[<{$*\[].*|x+|\.+|[A-Z_]+", password) and bool(
        is_random(password) or not (password.isalpha() or host.startswith(("localhost", "127.0.0.1", "host", "example")))
    )  # fmt: skip


def _is_prefixed(prefix: str, rest: str) -> bool:
    """Whether a token is a service's: its name, then what a generator drew, as letters or in hexadecimal."""
    if re.fullmatch(r"[0-9a-f]{32,128}", rest):
        return prefix.casefold() not in _DIGESTS and bool(re.search("[a-f]", rest))
    return _drawn(rest, 16)


def _drawn(token: str, least: int = 20) -> bool:
    """Whether a run of characters is a generator's: upper and lower case and digits mixed as no name mixes them."""
    bare = token.strip("=-_/+")
    if (
        len(bare) < least
        or max(map(len, re.split(r"[-_./+=]", bare))) < LONGEST_PART
        or kinds(re.sub(r"[^0-9A-Za-z]", "", bare)) < 3
        or bare.count("/") > len(bare) / 12
    ):
        return False
    signs = ["0" if each.isdigit() else "A" if each.isupper() else "a" if each.islower() else "-" for each in bare]
    changes = sum(one != other for one, other in pairwise(signs))
    floor = min(DRAWN_ENTROPY, 0.8 * math.log2(len(bare)))
    return changes >= DRAWN_CHANGES * len(bare) and entropy(bare) >= floor and not is_encoded(bare)
