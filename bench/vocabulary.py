"""``python -m bench.vocabulary FILE``: the words that texts without spaces are cut into (`m2kt.scan.text.vocabulary`).

The commonest words of the texts that the classifiers are trained on: manuals of other projects, and sentences written
for this repository. ``python -m bench.vocabulary m2kt/scan/text/vocabulary.txt`` makes the file again.
"""

import re
import sys
from collections import Counter
from pathlib import Path

from bench import harm_texts, injection_texts

COUNT, LEAST = 4000, 6


def words() -> list[str]:
    """At most ``COUNT``, in alphabetical order; each at least ``LEAST`` times in those texts."""
    texts = [text for source in (injection_texts, harm_texts) for text, _ in source.training()]
    found = Counter(word for text in texts for word in re.findall(r"\b[a-z]{3,14}\b", text.lower()))
    return sorted(word for word, count in found.most_common(COUNT) if count >= LEAST)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("".join(f"{each}\n" for each in words()))
