"""Text of a second kind: sentences of a small word grammar, to see what teaching damages.

Nearly all numbers are words; about one sentence in eight holds a real digit (`room 7`), a symbol
that it shares with the chains. The article `a` is avoided, because it would be a digit too.
"""

import random
from collections.abc import Iterator

# Per theme: agents, verbs (third person), objects (regular plural), places.
_THEMES = (
    (
        "baker cook waiter butler host taster",
        "bakes stirs slices tastes weighs serves",
        "cake pie onion pepper spoon kettle pancake melon",
        "kitchen pantry cellar oven",
    ),
    (
        "sailor captain fisher diver pilot rower",
        "hauls ties paints loads steers mends",
        "boat anchor sail net rope barrel oar lantern",
        "harbour pier lighthouse bay",
    ),
    (
        "gardener farmer shepherd miller picker beekeeper",
        "plants waters prunes digs gathers feeds",
        "rose tulip carrot pumpkin lamb hive fern seedling",
        "garden orchard meadow barn",
    ),
    (
        "teacher pupil tutor librarian student scholar",
        "reads copies studies explains borrows marks",
        "book letter poem lesson chart notebook riddle map",
        "school library hall classroom",
    ),
    (
        "smith carpenter mason weaver potter tailor",
        "hammers carves polishes measures shapes repairs",
        "nail table chair bowl basket cloak brick hinge",
        "workshop forge shed yard",
    ),
    (
        "doctor nurse surgeon healer dentist chemist",
        "examines cleans treats labels wraps counts",
        "wound bandage bottle pill needle tooth ointment splint",
        "hospital clinic ward pharmacy",
    ),
    (
        "singer drummer dancer violinist painter poet",
        "plays tunes rehearses sketches admires performs",
        "song drum flute waltz portrait ballad violin mask",
        "theatre studio stage gallery",
    ),
    (
        "merchant banker trader clerk porter broker",
        "sells buys trades carries wraps inspects",
        "coin jewel carpet ring parcel lamp ledger vase",
        "market bank shop square",
    ),
)
_NAMES = (
    "anna boris clara david elena felix greta hugo irene jonas karla louis maria nora oscar paula "
    "quentin rosa simon tessa ursula victor wanda xenia yusuf zelda"
)
_ADJECTIVES = (
    "old new small large red green blue white heavy light broken clean dusty bright quiet strange "
    "wooden silver golden round narrow warm cold soft rough pretty ancient simple"
)
_ADVERBS = "slowly quickly gladly carefully rarely often quietly proudly again alone"
_TIMES = (
    "today yesterday tonight early late before_dawn after_lunch at_noon in_spring in_winter "
    "on_monday on_friday every_morning every_evening during_the_storm"
)
_NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty thirty"
_REASONS = (
    "because the king asked for it",
    "while the children watch",
    "although nobody pays for it",
    "until the bell rings",
    "so that the guests are happy",
    "when the rain has stopped",
)


def _pick(rng: random.Random, words: str) -> str:
    return rng.choice(words.split()).replace("_", " ")


def _sentence(rng: random.Random) -> str:
    agents, verbs, objects, places = rng.choice(_THEMES)
    agent, verb, thing, place = (_pick(rng, part) for part in (agents, verbs, objects, places))
    name, adjective, when = (_pick(rng, part) for part in (_NAMES, _ADJECTIVES, _TIMES))
    number, adverb, reason = _pick(rng, _NUMBERS), _pick(rng, _ADVERBS), rng.choice(_REASONS)
    forms = (
        f"{name} the {agent} {verb} the {adjective} {thing} in the {place} .",
        f"{when} the {agent} {verb} {number} {thing}s near the {place} .",
        f"the {agent} {adverb} {verb} the {thing} {reason} .",
        f"{name} and {_pick(rng, _NAMES)} meet the {agent} behind the {place} {when} .",
        f"there are {number} {adjective} {thing}s in the {place} .",
        f"does the {agent} of the {place} know that {name} {verb} every {thing} ?",
        f"no {agent} ever {verb} the {thing} of {name} {reason} .",
        f"{name} keeps the {adjective} {thing} in room {rng.randrange(10)} of the {place} .",
    )
    return rng.choice(forms)


def sentences(rng: random.Random) -> Iterator[str]:
    """Sentences without end; they may repeat."""
    while True:
        yield _sentence(rng)


def distinct(rng: random.Random, count: int) -> list[str]:
    """The first `count` different sentences."""
    found: dict[str, None] = {}
    source = sentences(rng)
    while len(found) < count:
        found[next(source)] = None
    return list(found)
