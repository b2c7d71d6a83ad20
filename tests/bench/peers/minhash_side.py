"""Signatures of 128 permutations by rensa (R-MinHash) or datasketch.

    python minhash_side.py rensa|datasketch SAMPLE.jsonl.zst

From text to signatures, over the same sets as ours: five words in a row, a word being a run of Hangul, of other
letters, or of digits, in small letters. Making the sets is part of the work, as it is for whoever uses them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from protocol import answer, size_of, texts_of, timed

WORD = re.compile(r"[가-힣]+|[0-9]+|[぀-ヿ㐀-鿿豈-﫿]|(?:(?![가-힣぀-ヿ㐀-鿿豈-﫿])[^\W\d])+")
PERMUTATIONS, WORDS, BATCH = 128, 5, 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=("rensa", "datasketch"))
    parser.add_argument("sample")
    given = parser.parse_args()
    texts = texts_of(given.sample)
    sign = {"rensa": by_rensa, "datasketch": by_datasketch}[given.engine]
    sign(texts[:8])
    answer(size_of(texts), timed(lambda: sign(texts)))


def sets_of(texts: list[str]) -> Iterator[list[str]]:
    for text in texts:
        words = WORD.findall(text.lower())
        length = min(WORDS, max(len(words), 1))
        yield list({" ".join(words[i : i + length]) for i in range(len(words) - length + 1)})


def by_rensa(texts: list[str]) -> None:
    import rensa

    for start in range(0, len(texts), BATCH):
        sets = list(sets_of(texts[start : start + BATCH]))
        rensa.RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, 42)


def by_datasketch(texts: list[str]) -> None:
    from datasketch import MinHash

    for words in sets_of(texts):
        made = MinHash(num_perm=PERMUTATIONS, seed=42)
        made.update_batch([word.encode() for word in words])


if __name__ == "__main__":
    main()
