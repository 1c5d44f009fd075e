"""A sentence encoder at a tenth of its size: MiniLM (22.7M) teaches a bag of word pieces of two million parameters.

The student learns from one packet of anchors alone: the teacher's states of public words and of sentences out of
installed packages' documentation. It is judged on two retrieval tasks that both encoders do by cosine: the words of
`examples/anchors/categories.json` by the name of their category, and the first sentence of a standard library
docstring by the rest of it. nDCG at 10; what is *kept* is the student's over the teacher's.
"""

import inspect
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from bench.anchored import sources
from m2kt.neural.encoders import States
from m2kt.neural.models import Tokenizer

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
PACKAGES = ("numpy", "scipy", "sklearn")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
DEPTH, WIDTH, HIDDEN = 10, 64, 192
SENTENCES = 4_000
EPOCHS, BATCH = 20, 256


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
def categories() -> Task:
    """Names of categories, and the words in them."""
    found = json.loads((sources.ANCHORS / "categories.json").read_text(encoding="utf-8"))["categories"]
    words = tuple(word for each in found.values() for word in each)
    owner = [name for name, each in found.items() for _ in each]
    return Task(tuple(found), words, np.array([[own == name for own in owner] for name in found]))


def corpus(most: int, without: Sequence[str]) -> list[str]:
    """Sentences of the documentation of installed packages, in an order of their own; none of ``without``."""
    found: dict[str, None] = {}
    for name in PACKAGES:
        for path in sorted(sources.package(name).rglob("*.py")):
            for text in documented(path):
                found.update(dict.fromkeys(text))
    known = set(without)
    kept = [each for each in found if each not in known]
    return [kept[row] for row in np.random.default_rng(0).permutation(len(kept))[:most]]


def documented(path: Path) -> Iterator[list[str]]:
    """Sentences of every docstring in a source file, which is read and not run."""
    for text in re.findall(r'"""(.+?)"""', path.read_text(encoding="utf-8", errors="ignore"), re.DOTALL):
        for paragraph in text.split("\n\n")[:6]:
            lines = [plain(each) for each in SENTENCE.split(paragraph)]
            yield [" ".join(each.split()[:40]) for each in lines if len(each.split()) >= 4 and each.isascii()]


def ndcg(queries: States, documents: States, relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """nDCG at `DEPTH` of every query, by cosine, (Q,)."""
    unit = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (queries, documents)]
    ranked = np.argsort(-(unit[0] @ unit[1].T), axis=1, kind="stable")[:, :DEPTH]
    discount = 1 / np.log2(np.arange(2, ranked.shape[1] + 2))
    gained = (np.take_along_axis(relevant, ranked, 1) * discount).sum(1)
    best = np.array([discount[:count].sum() for count in relevant.sum(1)])
    score: NDArray[np.float64] = gained / best
    return score


class Bag(nn.Module):
    """Means of word pieces' vectors, one hidden layer; pieces that no anchor has weigh nothing."""

    def __init__(self, vocabulary: int, out: int) -> None:
        super().__init__()
        self.pieces = nn.EmbeddingBag(vocabulary, WIDTH, mode="sum", padding_idx=0)
        nn.init.normal_(self.pieces.weight, std=0.02)
        self.through = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, out))
        self.skip = nn.Linear(WIDTH, out)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) padded with 0 to unit vectors (B, out)."""
        bag = self.pieces(ids) / (ids > 0).sum(1, keepdim=True).clamp(min=1)
        return F.normalize(self.skip(bag) + self.through(bag), dim=-1)


def pieces(tokenizer: Tokenizer, inputs: Sequence[str]) -> Tensor:
    """Ids without special tokens, (n, T), padded with 0."""
    rows = tokenizer(list(inputs), add_special_tokens=False, truncation=True, max_length=64)["input_ids"]
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row or [0]) for row in rows], batch_first=True)


def learned(tokenizer: Tokenizer, inputs: Sequence[str], states: States, seed: int, epochs: int = EPOCHS) -> Bag:
    """A student of ``states`` (n, d), the teacher's of ``inputs``: direction by direction, and angle by angle."""
    torch.manual_seed(seed)
    ids, wanted = pieces(tokenizer, inputs), F.normalize(torch.from_numpy(states), dim=-1)
    model, steps = Bag(len(tokenizer), states.shape[1]), epochs * (len(ids) // BATCH + 1)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(ids)).split(BATCH):  # type: ignore[no-untyped-call]
            made = model(ids[rows][:, : int((ids[rows] > 0).sum(1).max().clamp(min=1))])
            own, theirs = made @ made.T, wanted[rows] @ wanted[rows].T
            loss = (1 - (made * wanted[rows]).sum(-1)).mean() + 5 * (own - theirs).square().mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            decay.step()
    return model.train(False)


@torch.inference_mode()
def encode(model: Bag, tokenizer: Tokenizer, inputs: Sequence[str]) -> States:
    """The student's vectors, (n, d)."""
    found: States = model(pieces(tokenizer, inputs)).numpy()
    return found
