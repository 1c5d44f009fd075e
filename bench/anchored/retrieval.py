"""Two retrieval tasks by cosine, each as one set for the report and another for choices; scored by nDCG at 10.

Words by the name of their category (written out in `examples/anchors`), and first sentences of standard library
docstrings by the rest of them, half of which, by digest, is the report's.
"""

import inspect
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from bench.anchored import sources
from m2kt.neural.encoders import States

STANDARD = (
    "argparse ast asyncio base64 bisect calendar cmd codecs collections concurrent.futures configparser contextlib "
    "copy csv ctypes datetime decimal difflib dis email.message enum fileinput fractions ftplib functools gettext "
    "glob gzip heapq html http.client http.cookies imaplib importlib inspect io ipaddress itertools json linecache "
    "locale logging mailbox math mimetypes multiprocessing numbers operator os os.path pathlib pdb pickle platform "
    "plistlib poplib pprint profile queue random re sched secrets select shelve shlex shutil signal smtplib socket "
    "socketserver sqlite3 ssl stat statistics string subprocess symtable sysconfig tarfile tempfile textwrap "
    "threading time timeit tokenize trace traceback types typing unittest.mock urllib.parse urllib.request uuid "
    "warnings wave weakref webbrowser xml.dom.minidom xml.etree.ElementTree xmlrpc.client zipfile "
)
DEPTH = 10


@dataclass(frozen=True)
class Task:
    """Queries and documents; ``relevant`` (Q, D) says which belong together."""

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    relevant: NDArray[np.bool_]


def plain(text: str) -> str:
    """One line without markup."""
    return " ".join(re.sub(r"[`*:|_=<>\\]+", " ", text).split())


def pairs() -> Iterator[tuple[str, str]]:
    """First sentence and the rest of standard library docstrings, each with enough words to be told apart."""
    seen = set()
    for name in STANDARD.split():
        module = import_module(name)
        for _, each in sorted(inspect.getmembers(module), key=lambda pair: pair[0]):
            text = inspect.getdoc(each) if callable(each) and getattr(each, "__module__", "") == name else None
            first, _, rest = (text or "").partition("\n\n")
            first, rest = plain(first), " ".join(plain(rest).split()[:40])
            if len(first.split()) >= 4 and len(rest.split()) >= 8 and first not in seen:
                seen.add(first)
                yield " ".join(first.split()[:40]), rest


@cache
def sentences(report: bool) -> Task:
    """Half of the pairs, by digest: one is for choices, the other for the report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of names that are looked at and not used
        found = list(pairs())
    kept = [each for each in found if (sha256(each[0].encode()).digest()[0] % 2 == 0) == report]
    documents, queries = zip(*kept, strict=True)
    return Task(queries, documents, np.eye(len(kept), dtype=bool))


@cache
def categories(report: bool) -> Task:
    """Names of categories, and the words in them; a word may be in two."""
    path = sources.ANCHORS / ("categories.json" if report else "categories-for-choices.json")
    found = json.loads(path.read_text(encoding="utf-8"))["categories"]
    words = tuple(dict.fromkeys(word for each in found.values() for word in each))
    return Task(tuple(found), words, np.array([[word in each for word in words] for each in found.values()]))


def tasks(report: bool) -> dict[str, Task]:
    """Both tasks."""
    return {"categories": categories(report), "sentences": sentences(report)}


def ndcg(queries: States, documents: States, relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """nDCG at `DEPTH` of every query, by cosine, (Q,)."""
    unit = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (queries, documents)]
    ranked = np.argsort(-(unit[0] @ unit[1].T), axis=1, kind="stable")[:, :DEPTH]
    discount = 1 / np.log2(np.arange(2, ranked.shape[1] + 2))
    gained = (np.take_along_axis(relevant, ranked, 1) * discount).sum(1)
    best = np.array([discount[:count].sum() for count in relevant.sum(1)])
    score: NDArray[np.float64] = gained / best
    return score
