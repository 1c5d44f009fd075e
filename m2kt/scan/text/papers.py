"""Numbers of national registers that prove themselves: a date of birth in them, a check digit, or both.

The sums are those of the registers' own rules, as most of them stand in national laws.
"""

import re
from collections.abc import Callable, Iterator, Sequence


def numbered(text: str) -> Iterator[str]:
    """The numbers of persons in a text."""
    for form, is_number in _NUMBERS:
        yield from (found.group() for found in form.finditer(text) if is_number(found.group()))


def _figures(found: str) -> list[int]:
    return [int(each) for each in found if each.isdigit()]


def _weighed(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(one * two for one, two in zip(digits, weights, strict=False))


def _is_day(day: int, month: int) -> bool:
    return 1 <= day <= 31 and 1 <= month <= 12


def _dated(digits: Sequence[int], day: int, month: int) -> bool:
    """Whether two digits each, from these places, are a day and a month."""
    return _is_day(10 * digits[day] + digits[day + 1], 10 * digits[month] + digits[month + 1])


def _luhn(digits: Sequence[int]) -> bool:
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_thirteen(found: str) -> bool:
    """Yugoslavia's successors (JMBG), Romania (CNP), South Africa."""
    it = _figures(found)
    jmbg = (11 - _weighed(it, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == it[12] and _dated(it, 0, 2)
    cnp = _weighed(it, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11 in (it[12], it[12] + 9) and _dated(it, 5, 3)
    return jmbg or (cnp and 1 <= it[0] <= 8) or (_luhn(it) and _dated(it, 4, 2) and it[10] < 2)


def _is_eleven(found: str) -> bool:
    """Turkey, Norway, Poland, Estonia and Lithuania, Belgium, Germany's tax number."""
    it = _figures(found)
    turkish = (
        it[0] > 0
        and (7 * sum(it[0:9:2]) - sum(it[1:8:2])) % 10 == it[9]
        and sum(it[:10]) % 10 == it[10]
        and len(set(it)) > 2
    )
    norse = _dated(it, 0, 2) and all(
        -_weighed(it, weights) % 11 == it[place]
        for place, weights in ((9, (3, 7, 6, 1, 8, 9, 4, 5, 2)), (10, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)))
    )
    born = _is_day(10 * it[4] + it[5], (10 * it[2] + it[3] - 1) % 20 + 1)
    polish = born and -_weighed(it, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10 == it[10]
    baltic = 1 <= it[0] <= 6 and _dated(it, 5, 3) and _baltic(it) == it[10]
    belgian = _dated(it, 4, 2) and any(
        97 - int(before + "".join(map(str, it[:9]))) % 97 == 10 * it[9] + it[10] for before in ("", "2")
    )
    return turkish or norse or polish or baltic or belgian


def _baltic(it: Sequence[int]) -> int:
    for weights in ((1, 2, 3, 4, 5, 6, 7, 8, 9, 1), (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)):
        if (check := _weighed(it, weights) % 11) < 10:
            return check
    return 0


def _is_ten(found: str) -> bool:
    """Sweden, Iceland, Bulgaria, Czechia and Slovakia; Denmark by its date alone, if it is written with a hyphen."""
    it = _figures(found)
    swedish = "/" not in found and _luhn(it) and _dated(it, 4, 2)
    icelandic = _dated(it, 0, 2) and -_weighed(it, (3, 2, 7, 6, 5, 4, 3, 2)) % 11 == it[8] and it[9] in (0, 8, 9)
    czech = (
        "/" in found
        and _is_day(10 * it[4] + it[5], (10 * it[2] + it[3]) % 50 or 13)
        and int("".join(map(str, it))) % 11 == 0
    )
    return swedish or icelandic or czech or ("-" in found and _dated(it, 0, 2))


def _is_finnish(found: str) -> bool:
    it = _figures(found)[:9]
    return len(it) == 9 and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int("".join(map(str, it))) % 31] == found[-1]


def _is_chilean(found: str) -> bool:
    it = _figures(found[:-1])
    return "0123456789K0"[-_weighed(it[::-1], (2, 3, 4, 5, 6, 7) * 2) % 11] == found[-1].upper() and len(set(it)) > 2


def _is_chinese(found: str) -> bool:
    it = _figures(found[:17])
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_weighed(it, weights) % 11] == found[-1].upper() and _dated(it, 12, 10)


def _is_singaporean(found: str) -> bool:
    total = _weighed(_figures(found), (2, 7, 6, 5, 4, 3, 2)) + (4 if found[0] in "TG" else 3 if found[0] == "M" else 0)
    letters = "JZIHGFEDCBA" if found[0] in "ST" else "XWUTRQPNMLK" if found[0] in "FG" else "KLJNPQRTUWX"
    return letters[total % 11] == found[-1]


def _is_hongkong(found: str) -> bool:
    letters = [ord(each) - 55 for at, each in enumerate(found) if each.isalpha() and at < 2]
    values = ([36] if found[1].isdigit() else []) + letters[: 1 if found[1].isdigit() else 2] + _figures(found[:-2])
    check = -_weighed(values, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return ("A" if check == 10 else str(check)) == found.strip("()")[-1]


def _is_korean(found: str) -> bool:
    return _dated(_figures(found), 4, 2)


def _is_pension(found: str) -> bool:
    """Germany's pension insurance: a day and a month in it."""
    return _dated(_figures(found), 2, 4)


def _is_such(found: str) -> bool:
    return bool(found)


_ALONE = r"(?<![\w.,+-]){}(?![\w-]|[.,]\d)"
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (re.compile(_ALONE.format(form)), check)
    for form, check in (
        (r"\d{13}", _is_thirteen),
        (r"\d{6} ?\d{4} ?\d ?\d{2}", _is_thirteen),
        (r"\d{11}", _is_eleven),
        (r"\d{6} \d{5}", _is_eleven),
        (r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", _is_eleven),
        (r"(?:19|20)?\d{6}[-+]\d{4}", lambda found: _is_ten(found[-11:])),
        (r"\d{6}/\d{4}", _is_ten),
        (r"\d{6}[-+ABCDEFYXWVU]\d{3}[0-9A-Y]", _is_finnish),
        (r"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", _is_chilean),
        (r"\d{17}[\dXx]", _is_chinese),
        (r"[STFGM]\d{7}[A-Z]", _is_singaporean),
        (r"[A-Z]{1,2}\d{6}\([\dA]\)", _is_hongkong),
        (r"\d{6}-[1-8]\d{6}", _is_korean),
        (r"\d{2} ?(?:0[1-9]|[12]\d|3[01])(?:0\d|1[0-2])\d{2} ?[A-Z] ?\d{3}", _is_pension),
        (r"P[<A-Z][A-Z]{3}[A-Z<]{10,39}", _is_such),
        (r"[A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MFX<]\d{7}[A-Z0-9<]{2,16}", _is_such),
    )
)
