"""The public anchors of the small encoder: words, phrases that mean nothing, and documentation of installed packages.

- *words*: whole words of the vocabulary of bert-base-uncased, without all words and names of the retrieval tasks;
- *phrases*: two to four words of that vocabulary, the tasks' words among them, in random order; every word is in ten;
- *documentation*: of docstrings of `PACKAGES` the first sentence, and the rest, up to 40 words of each. None shares
  `OVERLAP` words in a row with a text of the retrieval tasks.

Which packages' versions are installed decides what the texts are; the digests of the sets, in the table, say it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain

import numpy as np

from bench.anchored import sources
from bench.anchored.retrieval import plain, tasks
from m2kt.anchors import AnchorSet, texts

PACKAGES = (
    "numpy scipy sklearn skimage pandas matplotlib networkx sympy torch transformers sqlalchemy "
    "PIL _pytest accelerate alembic attr boto3 botocore celery click cryptography dateutil fastapi flask fontTools "
    "fsspec graphql httpcore httpx huggingface_hub hypothesis imageio jinja2 joblib jsonschema kombu markdown_it moto "
    "mpmath mypy packaging peft pip playwright prompt_toolkit psycopg pydantic pygments redis requests "
    "rich schemathesis setuptools starlette structlog tqdm typer urllib3 werkzeug yaml"
)
OVERLAP, ROUNDS = 8, 10
DOCSTRING = re.compile(r'"""(.+?)"""', re.DOTALL)


def public(vocabulary: Sequence[str]) -> tuple[AnchorSet, AnchorSet, AnchorSet]:
    """Words, phrases and texts."""
    rng = np.random.default_rng(0)
    asked = [task for report in (True, False) for task in tasks(report).values()]
    held = {text.lower() for task in asked for text in (*task.queries, *task.documents)}
    known = [each for each in vocabulary if each.isascii() and each.isalpha() and len(each) > 1]
    mixed = [each for each in phrases(known, rng) if each not in held]
    found = documented(frozenset(chain.from_iterable(runs(text) for text in held)))
    both = dict.fromkeys([*found, *found.values()])
    words = [each for each in known if each not in held]
    return texts("words", words), texts("phrases", mixed), texts("documentation", list(both))


def phrases(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Two to four random words each, none twice."""
    found: dict[str, None] = {}
    for _ in range(ROUNDS):
        order, start = rng.permutation(len(words)), 0
        while start < len(order):
            size = int(rng.integers(2, 5))
            found[" ".join(words[row] for row in order[start : start + size])] = None
            start += size
    return [each for each in found if " " in each]


def runs(text: str) -> set[tuple[str, ...]]:
    """All `OVERLAP` words that follow each other; a shorter text is one run."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[start : start + OVERLAP]) for start in range(max(1, len(words) - OVERLAP + 1))}


@cache
def documented(banned: frozenset[tuple[str, ...]]) -> dict[str, str]:
    """First sentences of the packages' docstrings, and the rest of each; sources are read and not run."""
    found: dict[str, str] = {}
    for name in PACKAGES.split():
        for path in [] if sources.missing((name,)) else sorted(sources.package(name).rglob("*.py")):
            if "tests" not in path.parts:
                for first, rest in _parts(path.read_text(encoding="utf-8", errors="ignore")):
                    if not (runs(first) | runs(rest)) & banned:
                        found.setdefault(first, rest)
    return found


def _parts(source: str) -> Iterator[tuple[str, str]]:
    for text in DOCSTRING.findall(source):
        first, _, rest = re.sub(r"\n[ \t]+", "\n", text).partition("\n\n")
        first, rest = (" ".join(plain(each).split()[:40]) for each in (first, rest))
        if len(first.split()) >= 4 and len(rest.split()) >= 8 and first.isascii() and rest.isascii():
            yield first, rest
