# ruff: noqa: E501 - lists of words and patterns
"""Data of persons that have a form: addresses of every sort, telephone numbers, numbers of accounts, cards, insurances
and papers, birthdays, and what a named person suffers from."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

from m2kt.scan.text.numbers import is_card, is_cpf, is_dni, is_iban, is_verhoeff
from m2kt.scan.text.papers import numbered

_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9-])")
_SPELT = re.compile(
    r"(?i)\b[a-z0-9._%+-]{2,64}\s?(?:\s(?:at|arobase|chiocciola)\s|[\[({]\s?(?:at|a|@)\s?[\])}]|@)\s?[a-z0-9-]{2,63}"
    r"\s?(?:\s(?:dot|punkt|point|punto)\s|[\[({]\s?(?:dot|d|\.)\s?[\])}])\s?[a-z]{2,24}\b"
)
_RESERVED = re.compile(r"@(?:[A-Za-z0-9-]{0,63}\.){0,4}(?:example(?:\.(?:com|org|net|edu))?|invalid|test|localhost)$")
_PHONES = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[\s./-]{0,2}(?:\(\d{1,5}\)[\s./-]{0,2})?\d{1,5}(?:[\s./-]{1,2}\d{2,8}){1,5}"
    r"|\+[1-9]\d{7,14}"
    r"|\(\d{3}\)\s?\d{3}[\s.-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|\d{3}\s\d{3}\s\d{4}|\(0\d{2,5}\)[\s/-]?\d{3,8}(?:[\s-]\d{2,5}){0,2}"
    r"|0[1-9]\d{1,4}\s?[/-]\s?\d{3,8}(?:[\s-]\d{2,5}){0,3}|(?<!\d\s)0[1-9](?:[\s.]\d{2}){4}(?!\s\d)|0[1-9]\d{2,4}\s\d{3,4}\s\d{3,4}"
    r")(?![\w]|\.\d)"
)
_CALL = (
    r"phone|telephone|tel|mobile|cell(?:phone)?|call|ring|fax|whatsapp|reach|dial|text|sms|landline|hotline|contact|number is|telefon|"
    r"handy|mobil|rufnummer|anruf\w{0,3}|erreichbar|telefono|movil|celular|llama\w{0,3}|portable|appele[rz]|cellulare|telefone|bel|телефон"
)
_CALLED = re.compile(rf"(?i)\b(?:{_CALL})\b[^\d\n]{{0,40}}(\(?\+?\d[\d\s()./-]{{6,22}}\d)(?![\w]|\.\d)")
_TIMES = re.compile(
    r"\b[01]{8}\b|\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4}|\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?|\b10\.\d{4,9}/\S{1,80}"
)
"""Dates, times and DOIs, whose digits are no telephone number's."""
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_DATED = re.compile(r"\b[01]{8}\b|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}|\d\.\d{5,}")
_PAPERS = (
    r"ssn|social security|social insurance|passport|pass(?:port)?(?: ?no| ?nr| ?number)|reisepass\w{0,8}|(?:personal)?ausweis\w{0,8}|"
    r"driv(?:er'?s?|ing) licen[cs]e|driver id|fuhrerschein\w{0,8}|national (?:id|insurance|identity)|identity card|id card|nino|"
    r"tax(?:payer)? (?:id|no|number|identification)|itin|steuer-?(?:id|nummer)\w{0,20}|sozialversicherung\w{0,10}|"
    r"(?:health |medical )?insurance (?:id|no|number|policy)|policy (?:no|number)|versicher(?:ten|ungs)\w{0,12}|krankenkasse\w{0,8}|"
    r"patient (?:id|no|number|file)|medical record|mrn|nhs(?: number)?|medicare|medicaid|aadhaa?r|pan (?:card|number)|cpf|cnpj|curp|"
    r"dni|nie|nif|insee|nir|securite sociale|num(?:e|é)ro de s\w{0,10}|codice fiscale|bsn|pesel|personnummer|fodselsnummer|cpr|ahv|"
    r"svnr|imei|account (?:no|nr|number|id)|acct|sort code|routing (?:no|number)|kontonummer|konto(?:-?nr)?|kto|iban|bank account|"
    r"credit card|debit card|card (?:no|number|ending)|kreditkarte|carte bancaire|tarjeta|account|employee (?:id|no|number)|staff (?:id|no)|"
    r"student (?:id|no|number)|matrikel\w{0,8}|member(?:ship)? (?:id|no|number)|personalnummer|licen[cs]e plate|number plate|"
    r"registration plate|plates?|kennzeichen|vin|jmbg|cnp|rut|pesel|snils|hkid|nric|egn|oib|amka|afm|tckn|rrn|my ?number|isikukood|henkilotunnus|kennitala|emso|(?:personal|birth|identity|national|register|pension) (?:code|number|insurance)|identity|rijksregister\w{0,8}|rekeningnummer|rodne cislo|szemelyi szam|numer dowodu|kimlik(?: no)?|voter id|paszport|cedula|documento|паспорт|снилс|инн"
)
_PAPER = re.compile(
    rf"(?i)\b(?:{_PAPERS})\b[^\n]{{0,3}}(?:\s?(?:number|num|no|nr|id|is|was|with|lautet|nummer|numero|n°|is:|ist|est|es|:|#|\.|=)){{0,3}}"
    r"[\s:#.]{0,4}([0-9A-Z][0-9A-Za-z./ -]{3,30}[0-9A-Za-z])"
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])")
_FORMS = re.compile(
    r"(?<![\w-])(?:(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"  # NINO
    r"|[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"  # codice fiscale
    r"|[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d"  # CURP
    r"|756\.\d{4}\.\d{4}\.\d{2}"  # AHV
    r"|[12] \d{2} (?:0\d|1[0-2]) \d[\dAB] \d{3} \d{3}(?: \d{2})?"  # NIR
    r"|SIN:? ?\d{3}[ -]\d{3}[ -]\d{3}"
    r"|(?:19|20)?\d{6}[-+]\d{4}(?=\D|$)(?<=\d{8}[-+]\d{4}))(?![\w-])"  # personnummer, with its century
)
_IBAN = re.compile(r"(?<![0-9A-Z])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Z0-9])")
_CARD = re.compile(
    r"(?<![\w.-])[3-6]\d{3}(?:[ -]\d{4}){2}[ -]\d{1,7}(?![\w-]|\.\d)|(?<![\w.(=-])[3-6]\d{12,18}(?![\w-]|\.\d)|(?<![\w.-])3[47]\d{2}[ -]\d{6}[ -]\d{5}(?![\w-])"
)
_CPF = re.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)")
_AADHAAR = re.compile(r"(?<![\w.-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![ -]?\w)")
_DNI = re.compile(r"(?<!\w)[XYZ]?\d{7,8}-?[A-HJ-NP-TV-Z](?!\w)")
_IPS = re.compile(
    r"(?<![\w.])(?<!ersion )(?<!elease )(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)|(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4}){1,4}(?![\w:])"
)
_MONTH = (
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|january|february|march|april|june|july|august|september|october|november|december|"
    r"januar|februar|marz|mai|juni|juli|oktober|dezember|janvier|fevrier|mars|avril|juin|juillet|aout|septembre|octobre|novembre|"
    r"decembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|"
    r"giugno|luglio|settembre|ottobre|dicembre|janeiro|fevereiro|marco|maio|junho|julho|setembro|outubro|novembro|dezembro"
)
_DATE = (
    rf"(?:\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th)?\.?\s(?:of\s|de\s)?(?:{_MONTH})\b\.?,?(?:\sde)?\s\d{{2,4}}|"
    rf"(?:{_MONTH})\b\.?\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}})"
)
_BORN = re.compile(
    r"(?i)\b(?:date of birth|birth ?da(?:te|y)|born(?: on)?|d\.?o\.?b\.?|geb(?:oren)?(?: am)?|geburtsdatum|geburtstag|nee? le|"
    r"date de naissance|nacid[oa](?: el)?|fecha de nacimiento|nat[oa] il|data di nascita|nascid[oa](?: em)?|data de nascimento|"
    rf"geboren(?: op)?|род(?:ился|илась))\b[\s:.,]{{0,4}}{_DATE}"
)
_STREETS = re.compile(
    r"\b\d{1,5}[a-zA-Z]?,?\s(?:[NSEW]\.?\s)?(?:[A-Z][\w'.-]{1,20}\s){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|"
    r"Court|Ct|Way|Close|Terrace|Crescent|Place|Pl|Square|Sq|Highway|Hwy|Parkway|Pkwy|Gardens|Grove|Row|Hill|Mews|Walk)\b"
    r"|\b[A-Z][\w-]{2,30}(?:stra(?:ss|ß)e|str\.|weg|gasse|allee|platz|ring|damm|ufer|straat|laan|gatan|vagen|veien)\s\d{1,4}\s?[a-z]?\b"
    r"|\b[A-Z][\w-]{1,30}(?:-|\s)(?:Stra(?:ss|ß)e|Str\.|Weg|Gasse|Allee|Platz|Ring)\s\d{1,4}\s?[a-z]?\b"
    r"|\b\d{1,4}(?:,| bis| ter)?,?\s(?:rue|avenue|boulevard|chemin|allee|impasse|quai|cours)\s(?:d[eu]s?\s|de la\s|d'|l')?\w{2,30}"
    r"|\b(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Ulica|ul\.)\s(?:[\w'.]{1,20}\s){0,4}[\w'.]{2,20},?\s(?:n[.º°o]{0,2}\s?)?\d{1,4}\b"
    r"|\bP\.?\s?O\.?\sBox\s\d{2,6}\b"
)
_POSTCODE = re.compile(r"(?<![\w-])[A-Z]{1,2}\d[A-Z\d]?\s\d[ABD-HJLNP-UW-Z]{2}(?![\w-])")
_PLACE = re.compile(
    r"(?i)\b(?:lives?|home|house|gps|coordinates|located|sleeps|stays|residence|wohnt|habite|vive)\b[^\d\n]{0,50}"
    r"-?\d{1,2}\.\d{3,8}\s?°?\s?[NS]?[,;\s]{1,3}-?\d{1,3}\.\d{3,8}"
)
_NAME = r"(?:[A-Z][\w'-]{1,20}\.?\s){1,2}[A-Z][\w'-]{1,24}"
_HEALTH = (
    r"diagnos\w{2,8}|suffers? from|tested positive|hiv|cancer|depress\w{2,6}|schizo\w{3,8}|bipolar|diabet\w{2,4}|pregnan\w{1,3}|"
    r"miscarriage|abortion|rehab|addict\w{0,4}|prescribed|takes? \d{1,4}\s?mg|blood (?:type|group)|epilep\w{2,4}|therapy|psychiatr\w{1,4}|"
    r"chemotherapy|treated for|alcoholi\w{1,4}|hospitali[sz]ed|asthma|dementia|hepatitis|autis\w{1,3}|allergic to|leidet an|erkrankt|schwanger|atteint\w{0,2} d|enceinte|embarazada|padece"
)
_ILL = re.compile(
    rf"{_NAME}\b[^\n]{{0,60}}?\b(?i:{_HEALTH})\b|\b(?i:patient(?:in)?),?\s(?:(?i:mr|mrs|ms|herr|frau|m\.|mme)\.?\s)?{_NAME}"
)


def personal(text: str) -> Iterator[str]:
    """What the text says of a person."""
    yield from (what for what, says in _SAYS.items() if says(text))


def _is_number(found: str) -> bool:
    """Seven to fifteen digits that are no date and no fraction."""
    return 7 <= sum(each.isdigit() for each in found) <= 15 and not _DATED.search(found)


def _is_reachable(text: str) -> bool:
    return bool(_PHONES.search(text)) or any(_is_number(each) for each in _CALLED.findall(text))


def _is_on_paper(text: str) -> bool:
    if _FORMS.search(text) or any(numbered(text)) or any(is_cpf(each) for each in _CPF.findall(text)):
        return True
    if any(is_verhoeff(found.group()) for found in _AADHAAR.finditer(text)):
        return True
    if any(is_dni(each) for each in _DNI.findall(text)):
        return True
    return any(_is_numbered(each) for each in _PAPER.findall(text))


def _is_numbered(found: str) -> bool:
    """A number of four digits or more, or letters and digits as papers mix them, and no date."""
    first, *rest = found.split()
    mixed = len(first) >= 6 and first.isalnum() and first.upper() == first and sum(map(str.isdigit, first)) >= 2
    near = any(map(str.isdigit, first + (rest[0] if rest else "")))
    digits = "".join(filter(str.isdigit, found))
    return (mixed or (near and len(digits) >= 4 and not _YEAR.fullmatch(digits))) and not _DATED.match(found)


def _is_public(found: str) -> bool:
    """A global address; of small numbers only (1.2.3.4) it is a version or a row of a table."""
    if "." in found and sum(len(each) > 1 for each in found.split(".")) < 2:
        return False
    try:
        return ipaddress.ip_address(found).is_global
    except ValueError:
        return False


_SAYS: Mapping[str, Callable[[str], bool]] = {
    "holds an e-mail address": lambda text: (
        any(not _RESERVED.search(each) for each in _MAIL.findall(text)) or bool(_SPELT.search(text))
    ),
    "holds a telephone number": lambda text: _is_reachable(_TIMES.sub(" ", text)),
    "holds a social security number": lambda text: bool(_SSN.search(text)),
    "holds a bank account number": lambda text: any(is_iban(each) for each in _IBAN.findall(text)),
    "holds a payment card number": lambda text: any(is_card(found.group()) for found in _CARD.finditer(text)),
    "holds the number of a paper, an account or a person": _is_on_paper,
    "holds a public IP address": lambda text: any(_is_public(each) for each in _IPS.findall(text)),
    "holds a date of birth": lambda text: bool(_BORN.search(text)),
    "holds where somebody lives": lambda text: bool(
        _STREETS.search(text) or _POSTCODE.search(text) or _PLACE.search(text)
    ),
    "says what a person suffers from": lambda text: bool(_ILL.search(text)),
}

PERSONAL = frozenset(_SAYS)
"""All that this reader may say."""
