# ruff: noqa: E501 - lists of words and patterns
"""Secrets: keys and tokens of well-known services, private keys, whatever is given by name as a password, and long runs
of letters and digits that only a generator draws.

All patterns are of bounded or disjoint pieces, so that no input makes them slow.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

from m2kt.scan.text.encodings import is_encoded

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
        "the words of a wallet": r"(?i)\b(?:seed|recovery|mnemonic|backup|wallet)[ -]?(?:phrase|words?|seed)?\b[^a-z\n]{0,5}"
        r"(?:is|are|for [a-z ]{1,30})?[^a-z\n]{0,5}(?:[a-z]{3,8}[ ,]{1,2}){11,24}[a-z]{3,8}",
        "a one-time password's seed": r"otpauth://\S{1,200}[?&]secret=[A-Z2-7]{8,}|(?i:totp|2fa|otp|authenticator)[^\n]{0,30}\b[A-Z2-7]{16,64}\b",
        "a signed address": r"[?&](?:sig|X-Amz-Signature|Signature|access_token|api_?key|apikey|auth|token|key)=[0-9A-Za-z%+/_=-]{16,512}",
        "a network's password": r"WIFI:[^\n]{0,120}P:[^;\n]{6,64};",
    }.items()
}
_ADDRESS = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://([^\s/:@\"']{0,64}):([^\s/@\"']{3,128})@([^\s/:\"']{1,128})")
_PLACEHOLDERS = frozenset(
    [
        "password",
        "passwd",
        "pass",
        "pwd",
        "secret",
        "tiger",
        "user",
        "username",
        "pw",
        "token",
        "key",
        "xxx",
        "changeme",
        "test",
        "example",
        "mypass",
    ]
)

_STRONG = (
    r"pass(?:word|wd|phrase|code|wort)?s?|pwd?|pswd|kennwort|passwort|losungswort|mot ?de ?passe|mdp|contrase(?:n|ñ)a|clave|senha|"
    r"parola d'ordine|wachtwoord|пароль|pin(?: ?code)?|geheimzahl|unlock code|door code|gate code|alarm code|access code|login code|"
    r"safe combination|combination"
)
_KEYED = (
    r"(?:api|access|account|shared[_ -]?access|private|secret|signing|encryption|master|auth|client|consumer|service|storage|deploy|"
    r"license|licence|webhook|session|refresh|bot|push|ci|admin)?[_ .-]?(?:secret|token|key|cred(?:ential)?s?|auth|cookie|sig(?:nature)?)"
    r"(?:[_ .-]?(?:id|key|value|token|string))?"
)
_IS = r"\s{0,3}(?:=>|:=|==?|:|->|→|\bis(?: still| now)?\b|\bwas\b|\bstays\b|\bremains\b|\bto\b|\bist\b|\blautet\b|\best\b|\bes\b|\bе\b)\s{0,3}"
_FILLER = r"(?:\s[\w.@'-]{1,24}){0,6}?"
_VALUE = r"[\"'`(<]?([^\s\"'`,;<>]{4,256})"
_PASSWORD = re.compile(
    rf"(?i)(?<![a-z])(?:[a-z0-9]{{1,16}}[_-]){{0,3}}(?:{_STRONG})(?![a-z])(?:{_FILLER}[\"']?{_IS}|\s{{1,3}}){_VALUE}"
)
_NAMED = re.compile(
    rf"(?i)(?<![a-z])(?:[a-z0-9]{{1,16}}[_-]){{0,3}}(?:{_KEYED})(?![a-z])[\"']?\s{{0,3}}(?:=>|:=|=|:|\bis\b)\s{{0,3}}{_VALUE}"
)
_PREFIXED = re.compile(
    r"(?<![0-9A-Za-z])[A-Za-z][A-Za-z0-9]{0,9}(?:[_-][a-z0-9]{1,10}){0,3}[_-]([0-9A-Za-z]{16,255})(?![0-9A-Za-z_])"
)
_TOKEN = re.compile(r"(?<![0-9A-Za-z+/_=.-])[0-9A-Za-z+/_=-]{20,512}(?![0-9A-Za-z+/_=-])")
LEAST_ENTROPY = 2.8
"""Bits per character of a value that is called a key, below which it is a word of a sentence."""
DRAWN_ENTROPY = 3.9
"""The same of one that nothing is said about."""
DRAWN_CHANGES = 0.3
"""How often, per character, the kind of character changes in what a generator drew."""


def secrets(text: str) -> Iterator[str]:
    """What the text holds that opens something."""
    for name, form in FORMS.items():
        if form.search(text):
            yield f"holds {name}"
    if any(_opens(*found.groups()) for found in _ADDRESS.finditer(text)):
        yield "holds an address with a password"
    named = any(_random(found.group(1)) for found in _NAMED.finditer(text))
    if named or any(_guarded(found.group(1)) for found in _PASSWORD.finditer(text)):
        yield "holds a password or key given by name"
    if any(_drawn(each) for each in _TOKEN.findall(text)) or any(_drawn(each, 16) for each in _PREFIXED.findall(text)):
        yield "holds a key of no known form"


def _opens(user: str, password: str, host: str) -> bool:
    """Whether an address's password is one, and no manual's."""
    return password.casefold() not in _PLACEHOLDERS and not re.fullmatch(r"[<{$*\[].*|x+|\.+|[A-Z_]+", password) and bool(
        _random(password) or not (password.isalpha() or host.startswith(("localhost", "127.0.0.1", "host", "example")))
    )  # fmt: skip


def _random(value: str) -> bool:
    """Whether a value looks chosen by a machine or a careful person: of several kinds of character, hardly repeated."""
    kinds = _kinds(value)
    return (
        kinds >= (2 if len(value) >= 12 else 3) and bool(re.search("[0-9]", value)) and _entropy(value) >= LEAST_ENTROPY
    ) and not _is_code(value)


def _guarded(value: str) -> bool:
    """Whether what follows a password's name is one: a number of four digits and more, or letters with something else."""
    value = value.rstrip(").:!?")
    if _is_code(value) or len(value) < 4:
        return False
    digits = sum(each.isdigit() for each in value)
    if digits == len(value):
        return True
    signs = sum(not each.isalnum() for each in value)
    return (
        len(value) >= 6
        and _kinds(value) >= 2
        and digits + signs > 0
        and bool(re.search("[A-Za-z]", value))
        and digits > 0
    )


def _is_code(value: str) -> bool:
    """A placeholder, an expression or a path in a manual: nothing that opens anything."""
    return bool(
        re.search(r"[(){}\[\]<>]|\.\.\.|::|//|^[.$%&*\\-]|^\W*$|^0x?[0-9a-f]{1,8}$", value)
        or re.fullmatch(
            r"(?i)[a-z_]{1,40}(?:[.=:/][a-z_]{1,40}){1,6}|[a-z_]{1,40}\d{0,3}|sha\d{1,3}\S*|v?\d{1,4}(?:\.\d{1,4}){1,3}",
            value,
        )
    )


def _drawn(token: str, least: int = 20) -> bool:
    """Whether a run of characters is a generator's: upper and lower case and digits mixed as no name mixes them."""
    bare = token.strip("=-_/+")
    if len(bare) < least or _kinds(re.sub(r"[^0-9A-Za-z]", "", bare)) < 3 or bare.count("/") > len(bare) / 12:
        return False
    kinds = ["0" if each.isdigit() else "A" if each.isupper() else "a" if each.islower() else "-" for each in bare]
    changes = sum(one != other for one, other in zip(kinds, kinds[1:], strict=False))
    floor = min(DRAWN_ENTROPY, 0.8 * math.log2(len(bare)))
    return changes >= DRAWN_CHANGES * len(bare) and _entropy(bare) >= floor and not is_encoded(bare)


def _kinds(value: str) -> int:
    return sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^0-9A-Za-z]"))


def _entropy(value: str) -> float:
    counts = Counter(value).values()
    return -sum(each / len(value) * math.log2(each / len(value)) for each in counts)
