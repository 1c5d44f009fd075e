# ruff: noqa: E501 - lists of words and patterns
"""Secrets that are given by name: what follows ``password``, ``PIN`` or ``API key`` and looks like one.

A name, then a short window of what follows it; whether a word there is the secret hangs on the name, on what links the
two (``is``, ``=``, ``to``) and on its letters. The window is bounded, so the work is linear in the text.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from m2kt.scan.text.words import words

WINDOW = 90
"""Characters after a name that are looked at."""

_PASSWORDS = (
    r"pass(?:word|wd|phrase|code|wort)?s?|pwd?|pswd|[a-z]{0,14}(?:kennwort|passwort|passphrase|wachtwoord|losenord|passord|password)|losungswort|mot ?de ?passe|mdp|"
    r"contrase(?:n|ñ)a|contrasenya|clave|senha|palavra-passe|parola(?: d'ordine)?|haslo|hasło|heslo|jelszo|jelszó|lozink[au]|geslo|sifr[ae]|şifre(?:si)?|sifre(?:si)?|adgangskoden?|"
    r"kodeord|salasana|parool|slaptazodis|mat khau|mật khẩu|kata sandi|nenosiri|wagwoord|κωδικ[οό]ς|парол[ьяи]|лозинка|密码|密碼|口令|パスワード|비밀번호|كلمة (?:ال)?(?:مرور|سر)|"
    r"סיסמה|पासवर्ड|รหัสผ่าน|wifi|wi-fi|wlan|admin pw"
)
_CODES = (
    r"pin(?:[ -]?(?:code|kod|kode|koodi))?|geheimzahl|(?:unlock|door|gate|alarm|access|login|security|entry|verification|activation|voice ?mail|safe|card|"
    r"locker|backup|recovery|one-time|sms|turcode|cvv|cvc|bell|vault|garage|keypad)[ -]?(?:code|codes|combination|pin)|combination|zugangscode|code d'acces|digicode|"
    r"codigo|codice|codul|kod|kodu|kody|koden|kode|koodi|kodja|kod do|kod od|код|κωδικός|otp|cvv|cvc|puk|暗証番号|门禁|رمز"
)
_KEYS = (
    r"(?:[a-z0-9]{1,16}[_ .-]){0,3}(?:secret|token|(?<!pub)(?<!public )(?<!primary )(?<!foreign )key|apikey|credentials?|creds|auth|cookie|"
    r"signature|sid|schlussel|schluessel|cle|llave|chiave|chave)(?:[_ .-]?(?:id|value|string|hex))?"
)
_LOGINS = r"log(?:in|ged in|on)|log in|sign[ -]?in|credentials|creds|unlock(?:s|ed)?|account|zugang|anmeldung|identifiants|acceso|user(?:name)?"
_NAMES: Mapping[str, str] = {"password": _PASSWORDS, "code": _CODES, "key": _KEYS, "login": _LOGINS}
_NAME = re.compile(
    r"(?i)(?<![a-z])(?:[a-z0-9]{1,16}[_-]){0,3}(?:"
    + "|".join(f"(?P<{kind}>{name})" for kind, name in _NAMES.items())
    + r")(?![a-z])"
)
_OTHERWISE = re.compile(
    r":\s{1,40}pass[;#\s]{1,40}(?=(?:except|else|elif|finally|return|assert|raise|def|class)\b|[A-Za-z_]\w{0,30} ?[-+*/]?= )"
    r"|(?i:\b(?:forward|backward)[ -]pass(?:es)?\b)"
)
"""Python's ``pass``, by the statement after it (what is assigned there is no password), and a network's."""
_WORD = re.compile(r"[^\s\"'`,;<>]+")
_LEAD = re.compile(r"[:=>→(\[|~-]{0,4}")
_LINKS = words(
    "lautet is het je to a e é este er är on är ir yra là adalah ni είναι to: was are stays remains still to now as ist lautet est es e with mit avec con using pw pass key = : := => -> → /"
)
LEAST_ENTROPY = 2.8
"""Bits per character of a value that is called a key, below which it is a word of a sentence."""


def given_by_name(text: str) -> bool:
    """Whether the text names a password, a code or a key and gives it."""
    said = _OTHERWISE.sub(": ", text)
    return any(
        _GIVEN[str(found.lastgroup)](value, linked)
        for found in _NAME.finditer(said)
        for value, linked in _following(said[found.end() : found.end() + WINDOW])
    )


def _following(window: str) -> Iterator[tuple[str, bool]]:
    """The words after a name without the signs around them, and whether something links each to it."""
    before = window[:1] if window[:1] in ":=" else ""
    for found in _WORD.finditer(window):
        raw = found.group()
        lead = _LEAD.match(raw)
        assert lead
        value = raw[lead.end() :].rstrip(").:!?]")
        linked = (
            bool(set(lead.group()) & set(":=>→")) or before.casefold() in _LINKS or before.endswith((":", "=", ">"))
        )
        if value:
            yield value, linked
        before = raw


def _is_password(value: str, linked: bool) -> bool:
    if is_code(value, allowed=linked):
        return False
    digits = sum(map(str.isdigit, value))
    if linked and digits == len(value):
        return digits >= 4
    return _mixed(value, 2 if linked else 3) and len(value) >= (6 if linked else 8)


def _is_number(value: str, linked: bool) -> bool:
    """Four digits and more, bare or in groups; or what would do as a password."""
    bare = re.sub(r"[-#*./]", "", value)
    return (bare.isdigit() and len(bare) >= 4 and not re.fullmatch(r"(?:19|20)\d\d(?:-\d\d-\d\d)?", value)) or (
        linked and _mixed(value, 3) and not is_code(value)
    )


def _is_key(value: str, linked: bool) -> bool:
    return is_random(value) and len(value) >= (6 if linked else 24) and not is_code(value)


def _is_login(value: str, linked: bool) -> bool:
    """Letters, digits and signs at once; or, after ``with`` and the like, letters and two digits."""
    if is_code(value, allowed=True):
        return False
    if linked and value.isalnum():
        return len(value) >= 8 and bool(re.fullmatch(r"[A-Za-z]{4,24}\d{2,6}", value))
    return _mixed(value, 3) and len(value) >= 8 and not value.isalnum() and bool(re.search(r"[!#$%&*?+^]", value))


_GIVEN: Mapping[str, Callable[[str, bool], bool]] = {
    "password": _is_password,
    "code": _is_number,
    "key": _is_key,
    "login": _is_login,
}


def is_random(value: str) -> bool:
    """Whether a value looks chosen by a machine or a careful person: of several kinds of character, hardly repeated."""
    return _mixed(value, 2 if len(value) >= 12 else 3) and entropy(value) >= LEAST_ENTROPY


def entropy(value: str) -> float:
    """Bits per character."""
    counts = Counter(value).values()
    return -sum(each / len(value) * math.log2(each / len(value)) for each in counts)


def kinds(value: str) -> int:
    """Of lower case, upper case, digits and signs, how many are there."""
    return sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^0-9A-Za-z]"))


def is_code(value: str, allowed: bool = False) -> bool:
    """A placeholder, a type, an expression, a version or a path in a manual: nothing that opens anything. A word with a
    number behind it is one, too, unless it is ``allowed``."""
    if re.search(r"[(){}\[\]<>]|\.\.\.|::|//|^[.$%&*\\-]|^\W*$|^0x?[0-9a-f]{1,8}$", value):
        return True
    named = r"(?i)[a-z_]{1,40}=\d{1,4}|[a-z_]{1,40}(?:[.=:/][a-z_]{1,40}){1,6}|(?:sha|md|utf|base|int|uint|float|str|bytes|arg|param|python|http|rfc|pbkdf|hs|rs|es|aes|rsa|ed|oauth|tls|ssl|ipv|v|x|py|psycopg|w)[_-]?\d{1,5}\S{0,12}|v?\d{1,4}(?:\.\d{1,4}){1,3}|[a-z]+"
    return bool(re.fullmatch(named, value) or (not allowed and re.fullmatch(r"(?i)[a-z_]{1,40}\d{0,3}", value)))


def _mixed(value: str, least: int) -> bool:
    """Letters and digits, and ``least`` kinds of characters."""
    return kinds(value) >= least and bool(re.search("[A-Za-z]", value)) and bool(re.search("[0-9]", value))
