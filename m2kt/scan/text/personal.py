"""Data of persons that have a form: addresses, telephone numbers, numbers of accounts, cards and insurances."""

import ipaddress
import re
from collections.abc import Iterator

_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}\b")
_RESERVED = re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.){0,4}(?:example(?:\.(?:com|org|net))?|invalid|test|localhost)$")
_PHONE = re.compile(r"(?<![\w.+-])\+[1-9]\d{0,2}[\s.-]?(?:\(\d{1,5}\)[\s.-]?)?\d{2,5}(?:[\s.-]?\d{2,5}){1,4}(?![\w.])")
_NATIONAL = re.compile(r"(?<![\w.+-])\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?![\w-])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w.-])")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_BORN = re.compile(r"(?i)\b(?:date of birth|born on|dob)\b[\s:]{0,3}\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")


def personal(text: str) -> Iterator[str]:
    """What the text says of a person."""
    if any(not _RESERVED.search(each) for each in _MAIL.findall(text)):
        yield "holds an e-mail address"
    if _PHONE.search(text) or _NATIONAL.search(text):
        yield "holds a telephone number"
    if _SSN.search(text):
        yield "holds a social security number"
    if any(_is_iban(each) for each in _IBAN.findall(text)):
        yield "holds a bank account number"
    if any(_is_card(each) for each in _CARD.findall(text)):
        yield "holds a payment card number"
    if any(_is_public(each) for each in _ADDRESS.findall(text)):
        yield "holds a public IP address"
    if _BORN.search(text):
        yield "holds a date of birth"


def _is_iban(found: str) -> bool:
    """ISO 13616: the country and check digits moved to the end, letters as numbers, modulo 97 is 1."""
    compact = found.replace(" ", "")
    turned = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(each, 36)) for each in turned)) % 97 == 1


def _is_card(found: str) -> bool:
    """ISO/IEC 7812: 13 to 19 digits with a right check digit (Luhn)."""
    digits = [int(each) for each in found if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_public(found: str) -> bool:
    try:
        return ipaddress.ip_address(found).is_global
    except ValueError:
        return False
