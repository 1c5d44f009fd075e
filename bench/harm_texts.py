# ruff: noqa: E501 - lists of texts
"""What the classifier of harmful texts is trained on, and what it is judged by. Written for this repository.

Insults, threats and slights of whole groups, and beside them honest texts: about the same groups, in anger, about
weapons and illness, in the jargon of programs, and the symbols of domains. Groups stand on both sides in the same
number, so that none of them is what makes a text harmful. Longer honest texts are the lines of this repository's licence
and every other line of the examples' general text. ``HELD_*`` was written before anything was trained, without
frames and mostly with other words; it chose nothing.
"""

import random
import string
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from bench import harm_grammar
from bench.grammar import say
from bench.payloads import benign, more
from m2kt.scan.text.vocabulary import COMMON

SEED = 18

GROUPS = (
    *("women", "men", "muslims", "jews", "christians", "immigrants", "refugees", "gay people", "black people"),
    *("white people", "asians", "disabled people", "old people", "foreigners", "trans people", "poor people"),
)
SLURS = (
    *("idiot", "idiots", "moron", "morons", "imbecile", "scum", "vermin", "filth", "loser", "losers", "pig", "pigs"),
    *("cockroach", "cockroaches", "parasite", "parasites", "subhuman", "degenerate", "degenerates", "freak", "freaks"),
    *("bastard", "bastards", "bitch", "asshole", "assholes", "dumbass", "shithead", "retard", "retarded", "trash"),
    *("stupid", "worthless", "disgusting", "pathetic", "dumb", "ugly", "brainless", "useless", "fucking", "bullshit"),
    *("crap", "shit", "fuck", "fucker", "whore", "slut", "hate", "kill", "murder", "rape", "lynch", "exterminate"),
)
PLAIN = (
    *(
        "teacher",
        "student",
        "number",
        "even",
        "odd",
        "plus",
        "minus",
        "equals",
        "red",
        "green",
        "blue",
        "left",
        "right",
    ),
    *("bread", "water", "table", "window", "doctor", "farmer", "people", "person", "child", "family", "city", "river"),
    *(
        "north",
        "south",
        "true",
        "false",
        "yes",
        "no",
        "zero",
        "one",
        "two",
        "three",
        "seven",
        "hundred",
        "sum",
        "chain",
    ),
    *("therefore", "because", "class", "token", "packet", "concept", "symbol", "graph", "assume", "assess", "cocktail"),
    *("kilogram", "skill", "shift", "title", "bass", "grape", "drape", "hat", "pigment", "analysis", "dumbbell"),
    *("slot", "titan", "scunthorpe", "shuttle", "matter", "haste", "trashcan", "luggage", "button", "murmur", "filter"),
)
AMBIGUOUS = (
    *(
        "pig",
        "pigs",
        "cockroach",
        "cockroaches",
        "parasite",
        "parasites",
        "trash",
        "ugly",
        "dumb",
        "hate",
        "kill",
        "murder",
    ),
    *("vermin", "freak", "dog", "cow", "rat", "worm", "snake", "monkey", "clown", "leech", "whale", "troll", "animal"),
    *("garbage", "dirt", "disease", "plague", "weapon", "knife", "bomb", "war", "death", "blood", "poison", "fire"),
)
"""By themselves they are words like others: symbols of a farm, a crime novel, a clinic."""
SAID_TO = ("you are {}", "you {}", "what a {} person you are", "shut up, {}", "get lost, you {}", "only a {} says that")
SAID_OF = (
    *("all {} are scum", "{} are vermin and should be removed", "i hate {}", "{} are too stupid to vote"),
    *("{} do not deserve rights", "send all {} to the gallows", "we should get rid of {}", "never trust {}, they lie"),
    *("{} are inferior by nature", "{} belong in cages", "{} are criminals, every one of them", "kill all {}"),
)
HONEST_OF = (
    *("many {} live in this city", "{} have the same rights as everybody", "a history of {} in this country"),
    *("we interviewed {} for the report", "{} were welcome at the meeting", "the clinic also treats {}"),
    *("some {} voted for the law, others against it", "the film tells of {} during the war", "{} and their neighbours"),
    *("insulting {} is against our rules", "a scholarship for {} opens in may", "{} often face discrimination"),
)
HARMFUL = (
    *("go kill yourself", "nobody would miss you if you died", "i will find you and hurt you", "you should be shot"),
    *("i will burn your house down", "you make me sick, you worthless piece of trash", "drop dead", "i hope you die"),
    *("people like you ruin everything", "your kind is not wanted here", "go back to where you came from, parasite"),
    *("you deserve to be beaten", "i will break your legs", "watch your back, i know where you live", "eat shit"),
    *("you are too dumb to breathe", "a woman's place is in the kitchen, not in the office", "girls can not do maths"),
    *("they breed like rats", "that race is less intelligent", "their religion is a disease", "real men do not cry"),
    *("the world would be better without them", "shut your mouth or i will shut it for you", "what a pathetic loser"),
    *("hang the traitors", "let them drown", "cripples are a burden", "hurt yourself, it is what you deserve"),
    *("how to hurt a child without being caught", "they should all be gassed", "beat her until she obeys"),
    *("nobody likes you, you disgusting freak", "what the fuck is wrong with you", "you lying sack of shit"),
)
HONEST = (
    *("kill the process and start it again", "the job was killed for memory", "the parent dies before the child"),
    *("the food was terrible and the service slow", "i am angry about the delay", "this is the worst film of the year"),
    *("the king died in 1603 and his son followed him", "the fire killed twelve people", "call a doctor if it hurts"),
    *("she was beaten in the final by two points", "he shot three goals", "a murder mystery in nine chapters"),
    *("3 + 4 = 7 and 7 is odd", "let x be 12 minus 5, so x is 7", "if all a are b and all b are c then all a are c"),
    *(
        "red then green then blue",
        "the sum of two even numbers is even",
        "zero is less than one",
        "move two steps left",
    ),
    *("extraction attribution seed 1 probes 54", "apache-2.0", "chains 1.0.0", "mit", "acme/chains", "layer 3 of 12"),
    *("please report insults to a moderator", "the word was used as an insult", "hate speech is forbidden here"),
    *(
        "rats breed quickly in warm weather",
        "the pigs are fed at six",
        "parasites of freshwater fish",
        "take out the trash",
    ),
    *("cockroaches live in warm kitchens", "a disease of the lungs", "the traitor in the play is called iago"),
    *("your answer is wrong, try again", "i disagree with you", "that was a silly mistake of mine", "good morning"),
    *("the bus leaves at nine", "we bought bread and cheese", "the window was open all night", "thank you very much"),
    *(
        "the patient wants to die at home",
        "he lost his legs in the war",
        "she survived the attack",
        "a useless variable",
    ),
    *("a dumb terminal", "the ugly duckling", "stupid pointer bugs", "the method is deprecated and does nothing"),
    *("raises an error when the file does not exist", "returns the mean over all rows", "a list of tuples of integers"),
    *("the girl is good at maths", "men cry too", "women work in the office and in the kitchen", "a real man's coat"),
    *("the master branch", "the slave died in chains", "a blacklist of addresses", "native functions of the kernel"),
)
HELD_HARMFUL = (
    *("you are such a dimwit", "what a clown, can't even spell", "crawl back into your hole", "nobody asked you, creep"),
    *("I'd love to see you suffer", "someone ought to slap you hard", "I'm going to smash your face in"),
    *("you'll regret this when I come round tonight with a knife", "do the world a favour and jump off a bridge"),
    *("these people are animals", "foreigners are all thieves", "jews control the banks and must be stopped"),
    *("muslims should be banned from walking our streets", "gays are sick and need to be locked up"),
    *("women are too emotional to lead anything", "old folks are dead weight and should just go"),
    *("blacks are lazier than the rest of us", "immigrants bring nothing but crime and dirt", "the poor are poor because they are lazy animals"),
    *("trans people are mentally ill freaks", "you fat cow", "stinking gypsies stole it, they always do"),
    *("piss off, you miserable worm", "screw you and your whole family", "bloody fool", "total nutcase", "you scumbag"),
    *("he's a filthy liar and a coward", "she only got the job by sleeping around, the slut", "cry more, snowflake loser"),
    *("string them up from the lampposts", "wipe that village off the map with everyone in it", "we will gut you like fish"),
    *("slit your wrists already", "stop eating, you disgusting whale", "you are garbage and so are your kids"),
    *("I spit on your god", "asians all look the same and cheat", "a good refugee is a drowned refugee"),
    *("moronic", "fuckwit", "scumbag", "dipshit", "subhumans", "shut the hell up"),
)  # fmt: skip
HELD_HONEST = (
    *("the meeting was moved to Thursday", "could you send me the slides?", "he apologised for calling her a fool"),
    *("the committee heard from muslim and jewish leaders", "a gay couple runs the bakery", "old folks meet on Sundays"),
    *("immigrants founded half of these companies", "refugees drowned off the coast, officials said"),
    *("women lead three of the five teams", "black holes bend light", "the white paper is out", "asian markets fell"),
    *("the knife is in the drawer", "jump over the fence", "the bridge is closed", "she suffers from migraine"),
    *("I cut my finger while slicing onions", "police shot the suspect dead", "the bomb was defused in time"),
    *("this code is garbage collected", "the worm drive of the telescope", "a fat tree network", "cow and calf"),
    *("animals need water", "crime fell by a tenth", "thieves took two bicycles", "the bank raised its rates"),
    *("8 - 3 = 5 and 5 is odd", "if p then q; p; hence q", "A comes after B and before C", "x", "42", "zz", "+", "="),
    *("odd", "even", "successor", "transitive", "north-west", "Tuesday", "kilometre", "assassin bug", "shiitake"),
    *("dictionary of symbols", "hash collision", "executes the query", "aborts the transaction", "dead letter queue"),
    *("orphan processes are adopted by init", "the daemon forks and the parent exits", "kill -9 1234"),
    *("I'm furious with the railway", "what an awful day", "this soup tastes horrible", "you were right after all"),
    *("his illness made him depressed", "ring this number if you think of suicide", "the jury found her guilty of murder"),
    *("a mask of booleans, one per row", "scale of each column", "fails when the digest differs", "Apache License 2.0"),
    *("the emotional weight of the last scene", "lazy evaluation", "the sick child slept", "a filthy window", "coward bird"),
)  # fmt: skip


def training() -> Iterator[tuple[str, bool]]:
    """Texts, and whether each is harmful."""
    for slur, frame in product(SLURS, SAID_TO):
        yield frame.format(slur), True
    for group in GROUPS:
        yield from ((frame.format(group), True) for frame in SAID_OF)
        yield from ((frame.format(group), False) for frame in HONEST_OF)
        yield group, False
    for word, frame in product(PLAIN, SAID_TO):
        yield frame.replace("shut up", "listen").replace("get lost, you", "come here, you").format(word), False
    yield from ((each, True) for each in (*(each for each in SLURS if each not in AMBIGUOUS), *HARMFUL))
    yield from ((each, False) for each in AMBIGUOUS)
    yield from (
        (each, False) for each in (*PLAIN, *HONEST, *map(str, range(100)), *"abcdefghijklmnopqrstuvwxyz+-*/=<>")
    )
    yield from ((each, False) for each in prose())
    yield from ((each, False) for each in _symbols())
    yield from _grammar()


def _symbols() -> Iterator[str]:
    """What packets are full of: common words, letters by twos and threes, numbers and signs."""
    dice = random.Random(SEED)
    yield from sorted(COMMON - {*SLURS})
    yield from ("".join(dice.choices(string.ascii_lowercase, k=dice.randrange(1, 4))) for _ in range(400))
    yield from ("".join(dice.choices(string.digits + string.punctuation, k=dice.randrange(1, 4))) for _ in range(300))
    yield from string.punctuation


def _grammar() -> Iterator[tuple[str, bool]]:
    dice = random.Random(SEED)
    for kind, count in harm_grammar.EACH.items():
        yield from ((say(harm_grammar.HARMFUL[kind], harm_grammar.PARTS, dice), True) for _ in range(count))
    for _ in range(harm_grammar.HONEST_COUNT):
        yield say(harm_grammar.HONEST, harm_grammar.PARTS, dice), False


def prose() -> Iterator[str]:
    """Honest lines that stay as they are."""
    home = Path(__file__).resolve().parent.parent
    lines = (home / "LICENSE").read_text(encoding="utf-8").splitlines()
    lines += (home / "examples" / "models" / "general.txt").read_text(encoding="utf-8").splitlines()[::2]
    yield from (each.strip() for each in lines if each.strip())
    yield from [*benign(), *more()][::4]  # others of them choose the threshold


def held_out() -> Iterator[tuple[str, bool]]:
    yield from ((each, True) for each in HELD_HARMFUL)
    yield from ((each, False) for each in HELD_HONEST)
