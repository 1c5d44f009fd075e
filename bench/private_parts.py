# ruff: noqa: E501 - lists of words
# fmt: off
"""What the frames of `bench.secret_texts` and `bench.personal_texts` are filled with: invented names, numbers, passwords,
places. Drawn once, from a seed; no person and no credential is real."""

import random
import string
from collections.abc import Callable

from bench.grammar import Parts

SEED, DRAWN = 11, 160


def _split(said: str) -> tuple[str, ...]:
    return tuple(said.split())


FIRST = _split("Anna Maria Sofia Jan Piotr Ewa Klaus Heike Jürgen Sabine Luc Amélie Benoît Chloé Carlos Lucía Javier Inés Giulia Marco Chiara Paolo João Beatriz Rui Femke Daan Sanne Bram Lars Ingrid Björn Astrid Mikko Aino Eero Katja Ivan Olga Dmitri Svetlana Zoltán Ágnes Bence Réka Ion Elena Mihai Ioana Mehmet Ayşe Emre Zeynep Nikos Eleni Yiannis Dragana Milan Jelena Ahmed Fatima Omar Leila Priya Arjun Ananya Rahul Wei Mei Hiroshi Yuki Minho Jisoo Nguyen Linh Kwame Ama Chidi Ngozi Thabo Lerato Liam Emma Noah Olivia Ethan Grace Harriet Oscar Rosalind Clement Edith Percy Winifred Alasdair Morag Siobhán Declan Rhys Cerys Beatrix Cornelius Delphine Ottilie Hester Barnaby Imogen Tobias Freya Casper Agnes Ludwig Greta Wolfgang Renate Mr Mrs Ms Dr Señora Frau Herr Madame Monsieur Signora")
LAST = _split("Kowalski Nowak Müller Schmidt Fischer Wagner Dubois Lefèvre Moreau García Fernández Romero Rossi Bianchi Ricci Silva Pereira Carvalho Jansen Bakker Visser Eriksson Lindqvist Hansen Larsen Virtanen Korhonen Ivanov Petrova Sokolov Nagy Horváth Szabó Popescu Ionescu Yılmaz Demir Papadopoulos Georgiou Jovanović Nikolić Haddad Mansour Sharma Patel Iyer Chen Wang Tanaka Suzuki Kim Park Tran Okafor Adeyemi Mensah Dlamini Smith Carter Whitfield Ashdown Penrose Thackeray Holloway Marlowe Fairweather Pemberton Winterbourne Oakley Hargreaves Lockwood Sinclair MacLeod O'Brien Gallagher Llewellyn Brightwater Ravenscroft Underhill Blackthorn Featherstone Greenhalgh Quillfeather Strand Lövgren Halvorsen Brandt Zimmermann Vogel Hoffmann")
PLACES = _split("Leeds Cork Ghent Lyon Turin Porto Graz Łódź Brno Szeged Cluj Varna Izmir Patras Tampere Uppsala Bergen Aarhus Utrecht Zwolle Kassel Rostock Girona Vigo Coimbra Osaka Pune Lagos Durban Perth Dunedin Halifax Duluth Tucson Boise Omaha Fresno Galway Swansea Truro Whitby Inverness Bath Norwich Hull Lausanne Basel Innsbruck Trieste Bari")
STREETS = _split("Acacia Maple Willow Church Mill Station Victoria Park Linden Orchard Harbour Chapel Castle Meadow Alder Copse Priory Juniper Elm Quarry Bridge Hazel")
WORDS = _split("maple harbor otter violet copper lantern thistle marble falcon cedar willow amber raven pepper saffron cobalt meadow ember winter tulip badger sparrow velvet granite juniper walnut pebble heron comet basil quartz bramble anchor crimson teapot mustard glacier pelican rhubarb cinder orchid lobster marigold herring plum walrus daisy tango mango butter pickle rocket zebra blanket sugar candle mirror")
ILLS = "diabetes|epilepsy|asthma|breast cancer|leukaemia|HIV|hepatitis C|bipolar disorder|schizophrenia|depression|an eating disorder|multiple sclerosis|Parkinson's|dementia|Crohn's disease|cystic fibrosis|a miscarriage|an abortion|alcoholism|a heroin addiction|panic attacks|PTSD|a stroke|tuberculosis|syphilis|gonorrhoea|endometriosis|autism|ADHD|lupus|kidney failure|heart failure|a brain tumour|sickle cell disease|chlamydia|anorexia|psychosis|glaucoma|Alzheimer's|prostate cancer|sleep apnoea|a suicide attempt".split("|")  # noqa: SIM905 - a list of words
PILLS = _split("metformin insulin warfarin sertraline lithium methadone olanzapine tamoxifen prednisone levothyroxine clozapine fluoxetine morphine ritalin antiretrovirals")


def _digits(dice: random.Random, *groups: int, sep: str = " ") -> str:
    return sep.join("".join(dice.choice(string.digits) for _ in range(each)) for each in groups)


def _letters(dice: random.Random, count: int) -> str:
    return "".join(dice.choice(string.ascii_uppercase) for _ in range(count))


def _password(dice: random.Random) -> str:
    one, two = dice.choice(WORDS), dice.choice(WORDS)
    sign, number = dice.choice("!#$%&*-_+=?@."), _digits(dice, dice.choice((1, 2, 3, 4)))
    return dice.choice((
        one.title() + sign + number, one.title() + sign + two.title() + number, one + number + sign, one.title() + number, f"{one}-{two}-{number}",
        one.title() + two.title() + sign, "_".join((one.title(), two.title(), dice.choice(WORDS).title())), "".join(dice.choice(string.ascii_letters + string.digits + "!#%&*") for _ in range(dice.randrange(8, 20))),
    ))  # fmt: skip


def _token(dice: random.Random) -> str:
    alphabet = dice.choice((string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_uppercase + string.digits, string.ascii_letters + string.digits + "_-"))
    prefix = dice.choice(("", "", "", "sk_", "tok-", "live_", "pat-", "key_", "v2.", "ak-", "svc_"))
    return prefix + "".join(dice.choice(alphabet) for _ in range(dice.randrange(16, 44)))


def _code(dice: random.Random) -> str:
    number = _split("zero one two three four five six seven eight nine")
    return dice.choice((_digits(dice, 4), _digits(dice, 4), _digits(dice, 5), _digits(dice, 6), _digits(dice, 3, 3, sep="-"), _digits(dice, 2, 2, 2, sep="-"), _digits(dice, *[1] * 4), " ".join(dice.choice(number) for _ in range(4)), _digits(dice, 4) + "#", "*" + _digits(dice, 4)))


def _phone(dice: random.Random) -> str:
    return dice.choice((f"+{dice.randrange(1, 99)} {_digits(dice, 2, 3, 2, 2)}", "0" + _digits(dice, 3, 3, 4), _digits(dice, 3, 3, 4, sep="-"), "0" + _digits(dice, 3, 6, sep="/"), _digits(dice, 3, 3, 3), "0" + _digits(dice, 1, 2, 2, 2, 2), _digits(dice, 4, 4)))


def _paper(dice: random.Random) -> str:
    return dice.choice((_digits(dice, 9), _digits(dice, 11), _digits(dice, 3, 3, 3), _letters(dice, 2) + _digits(dice, 7), _letters(dice, 1) + _digits(dice, 8), _digits(dice, 6, 4, sep="-"), _digits(dice, 2, 6, 1) + _letters(dice, 1), _letters(dice, 3) + " " + _digits(dice, 6), _digits(dice, 13), _digits(dice, 2, 3, 3, sep=".") + "-" + _digits(dice, 1), _digits(dice, 4, 4, 4), _digits(dice, 10), _letters(dice, 2) + " " + _digits(dice, 2, 2, 2) + " " + _letters(dice, 1)))


def _date(dice: random.Random) -> str:
    day, month, year = dice.randrange(1, 29), dice.randrange(1, 13), dice.randrange(1935, 2016)
    named = _split("January February March April May June July August September October November December")[month - 1]
    return dice.choice((f"{day}.{month}.{year}", f"{day:02}/{month:02}/{year}", f"{year}-{month:02}-{day:02}", f"{day} {named} {year}", f"{named} {day}, {year}", f"{named} {day}"))


def _home(dice: random.Random) -> str:
    number, street, place = dice.randrange(1, 240), dice.choice(STREETS), dice.choice(PLACES)
    return dice.choice((f"{number} {street} {dice.choice(('Street', 'Road', 'Lane', 'Close', 'Avenue', 'Hill', 'Gardens'))}, {place}", f"{street}weg {number}, {place}", f"flat {number}, {street} Court", f"{number} rue des {street}s, {place}", f"Via {street} {number}, {place}", f"the {dice.choice(('blue', 'red', 'last', 'yellow', 'corner'))} house in {street} {dice.choice(('Lane', 'Road'))}, {place}", f"room {number} of the {street} clinic"))


def _mail(dice: random.Random) -> str:
    return f"{dice.choice(FIRST).lower()}.{dice.choice(LAST).lower()}{dice.choice(('', '', '71', '_88'))}@{dice.choice(('mailbox', 'fastpost', 'kviknet', 'webmail', 'postfach'))}.{dice.choice(('com', 'net', 'de', 'org', 'it'))}"


def _hex(dice: random.Random, count: int) -> str:
    return "".join(dice.choice("0123456789abcdef") for _ in range(count))


_HONEST: dict[str, Callable[[random.Random], str]] = {
    "uuid": lambda dice: "-".join(_hex(dice, each) for each in (8, 4, 4, 4, 12)),
    "digest": lambda dice: _hex(dice, dice.choice((7, 12, 32, 40, 64))),
    "iso": lambda dice: f"20{dice.randrange(10, 27)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}" + dice.choice(("", f"T{dice.randrange(24):02}:{dice.randrange(60):02}:00Z", f" {dice.randrange(24):02}:{dice.randrange(60):02}")),
    "path": lambda dice: "/".join(dice.choice(WORDS) for _ in range(dice.randrange(2, 5))) + dice.choice(("", ".py", ".json", ".safetensors", ".md", "_v2", "-7b", "/model-00001-of-00003")),
    "link": lambda dice: f"https://{dice.choice(WORDS)}.org/{dice.choice(WORDS)}/{dice.choice(WORDS)}-{dice.randrange(99)}",
    "camel": lambda dice: "".join(dice.choice(WORDS).title() for _ in range(2)) + dice.choice(("", "ForCausalLM", "2", "Config", "V3", "_7B")),
    "real": lambda dice: dice.choice((f"{dice.random():.4f}", f"{dice.random():.2e}", f"{dice.randrange(1000)}.{dice.randrange(10)}", f"{dice.randrange(10_000):,}", f"-{dice.random():.3f}")),
}


def honest_parts() -> Parts:
    """Identifiers, dates, paths, links and numbers that give nothing away."""
    dice = random.Random(SEED + 1)
    return {name: tuple(draw(dice) for _ in range(DRAWN)) for name, draw in _HONEST.items()}


_DRAW: dict[str, Callable[[random.Random], str]] = {
    "password": _password, "token": _token, "code": _code, "phone": _phone, "paper": _paper, "date": _date, "home": _home, "mail": _mail,
    "name": lambda dice: f"{dice.choice(FIRST)} {dice.choice(LAST)}" if dice.random() < 0.75 else dice.choice(FIRST),
    "words": lambda dice: " ".join(dice.choice(WORDS) for _ in range(dice.choice((1, 2, 2, 3)))),
    "phrase": lambda dice: " ".join(dice.choice(WORDS) for _ in range(12)),
    "plate": lambda dice: dice.choice((_letters(dice, 2) + _digits(dice, 2) + " " + _letters(dice, 3), _letters(dice, 1) + "-" + _letters(dice, 2) + " " + _digits(dice, 4), _digits(dice, 1) + _letters(dice, 1) + _digits(dice, 1) + " " + _digits(dice, 4))),
}  # fmt: skip


def drawn() -> Parts:
    """``DRAWN`` of each sort."""
    dice = random.Random(SEED)
    parts: dict[str, tuple[str, ...]] = {name: tuple(draw(dice) for _ in range(DRAWN)) for name, draw in _DRAW.items()}
    return parts | {"ill": tuple(ILLS), "pill": tuple(PILLS), "place": tuple(PLACES), "word": tuple(WORDS), "number": tuple(map(str, range(2, 90)))}
