"""Word valence: SmolLM2-135M, which never saw the lexicon's ratings, teaches all-MiniLM-L6 through public words.

Labels are signs of the human ratings in VADER's lexicon (single lower-case words rated at least 1 away from 0). A fifth
of them, by the digest of the word, is the report pool: no choice was made on it. Anchors are `examples/anchors/words`,
without the lexicon's words; probes are the lexicon's unlabelled rest and a third of the anchors. Both models read a
word within "I feel {}.", which was chosen, as the teacher's layer was, on words outside the report pool.
"""

from functools import cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from bench.anchored import sources
from bench.anchored.cache import encoded
from bench.anchored.task import Row, Split, View, measure
from bench.anchored.travel import Source
from m2kt.anchors import AnchorSet, texts
from m2kt.neural.encoders import Pool, Reading, States

SYMBOLS = ("bad", "good")
TRAINED, LEAST_RATING, PROBED, NOISE = 2000, 1.0, 3000, 500
TEACHER_READS = Reading(Pool.MEAN, 10, "I feel {}.")
STUDENT_READS = Reading(prompt="I feel {}.")


@cache
def lexicon() -> dict[str, int]:
    """Words of VADER's lexicon with the sign of their mean rating: 0 bad, 1 good."""
    lines = (sources.package("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    rated = {word: float(mean) for word, mean, *_ in (line.split("\t") for line in lines)}
    return {
        word: int(mean > 0)
        for word, mean in sorted(rated.items())
        if word.isascii() and word.isalpha() and word.islower() and len(word) > 2 and abs(mean) >= LEAST_RATING
    }


def reported(word: str) -> bool:
    """Whether a word is in the report pool."""
    return sha256(word.encode()).digest()[0] % 5 == 0


def letters(count: int, seed: int) -> AnchorSet:
    """Strings of random letters: anchors off every domain."""
    rng = np.random.default_rng(seed)
    made = ("".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), rng.integers(5, 13))) for _ in range(2 * count))
    return texts("letters", list(dict.fromkeys(made))[:count])


@cache
def views() -> dict[str, tuple[States, States]]:
    """States of both models of every input, by the part that it may stand in."""
    teacher, student = sources.smollm2(TEACHER_READS), sources.minilm(STUDENT_READS)
    inputs = {
        "lexicon": list(lexicon()),
        "anchors": list(sources.words("words").items),
        "noise": list(letters(NOISE, 3).items),
    }
    return {
        part: (encoded(teacher, found, sources.CACHE), encoded(student, found, sources.CACHE))
        for part, found in inputs.items()
    }


def split(seed: int, report: bool = True) -> Split:
    """The parts of one seed. ``report``: test on the report pool; else on a fifth of the rest, for choices."""
    words, found = list(lexicon()), views()
    labels = np.array(list(lexicon().values()))
    pool = np.array([reported(each) for each in words])
    rest = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(~pool))
    test, rest = (np.flatnonzero(pool), rest) if report else (rest[: len(rest) // 5], rest[len(rest) // 5 :])
    taught, asked = rest[:TRAINED], rest[TRAINED:]

    def view(rows: NDArray[np.int64], part: str = "lexicon") -> View:
        teacher, student = found[part]
        return View(teacher[rows], student[rows], labels[rows] if part == "lexicon" else np.zeros(0, np.int64))

    asking = tuple(
        np.concatenate([own[asked], more[-PROBED:]])
        for own, more in zip(found["lexicon"], found["anchors"], strict=True)
    )
    everything = {part: np.arange(len(states)) for part, (states, _) in found.items()}
    return Split(
        train=view(taught),
        probes=View(asking[0], asking[1], np.zeros(0, np.int64)),
        anchors=view(everything["anchors"], "anchors"),
        test=view(test),
        noise=view(everything["noise"], "noise"),
        source=Source("valence", sources.described(sources.smollm2), str(TEACHER_READS), sources.words("words")),
    )


def rows(seed: int) -> dict[str, Row]:
    """All rows of one seed, on the report pool."""
    return measure(split(seed), SYMBOLS, seed)
