"""Numbers of persons that prove themselves by a check digit."""

_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_TURNS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def is_iban(found: str) -> bool:
    """ISO 13616: the country and check digits moved to the end, letters as numbers, modulo 97 is 1."""
    compact = found.replace(" ", "").replace("-", "")
    turned = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(each, 36)) for each in turned)) % 97 == 1


def is_card(found: str) -> bool:
    """ISO/IEC 7812: 13 to 19 digits with a right check digit (Luhn)."""
    digits = _digits(found)
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_cpf(found: str) -> bool:
    """Brazil: eleven digits, the last two of them weighed sums modulo 11."""
    digits = _digits(found)
    for length in (9, 10):
        weighed = sum(each * (length + 1 - at) for at, each in enumerate(digits[:length]))
        if weighed * 10 % 11 % 10 != digits[length]:
            return False
    return len(set(digits)) > 1


def is_dni(found: str) -> bool:
    """Spain: the letter is the number modulo 23 (X, Y and Z stand for 0, 1 and 2)."""
    number = found[:-1].rstrip("-").replace("X", "0").replace("Y", "1").replace("Z", "2")
    return len(number) == 8 and _DNI_LETTERS[int(number) % 23] == found[-1]


def is_verhoeff(found: str) -> bool:
    """India's Aadhaar: the dihedral group D5 (Verhoeff 1969)."""
    check = 0
    for at, each in enumerate(reversed(_digits(found))):
        check = int(_VERHOEFF[check][int(_TURNS[at % 8][each])])
    return check == 0


def _digits(found: str) -> list[int]:
    return [int(each) for each in found if each.isdigit()]
