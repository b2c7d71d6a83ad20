"""Signatures of 128 permutations by rensa (R-MinHash) or datasketch.

    python minhash_side.py rensa|datasketch SAMPLE.jsonl.zst

From text to signatures of the same sets as ours: five consecutive words, where a word is a lower-case run of Hangul, of
other letters, or of digits. Building the sets is part of the work, as in any use of these libraries.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from protocol import answer, size_of, texts_of, time_work

WORD = re.compile(r"[가-힣]+|[0-9]+|[぀-ヿ㐀-鿿豈-﫿]|(?:(?![가-힣぀-ヿ㐀-鿿豈-﫿])[^\W\d])+")
PERMUTATIONS, WORDS, BATCH = 128, 5, 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=("rensa", "datasketch"))
    parser.add_argument("sample")
    options = parser.parse_args()
    texts = texts_of(options.sample)
    sign = {"rensa": sign_with_rensa, "datasketch": sign_with_datasketch}[options.engine]
    sign(texts[:8])
    answer(size_of(texts), time_work(lambda: sign(texts)))


def sets_of(texts: list[str]) -> Iterator[list[str]]:
    for text in texts:
        words = WORD.findall(text.lower())
        length = min(WORDS, max(len(words), 1))
        yield list({" ".join(words[i : i + length]) for i in range(len(words) - length + 1)})


def sign_with_rensa(texts: list[str]) -> None:
    import rensa

    for start in range(0, len(texts), BATCH):
        sets = list(sets_of(texts[start : start + BATCH]))
        rensa.RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, 42)


def sign_with_datasketch(texts: list[str]) -> None:
    from datasketch import MinHash

    for words in sets_of(texts):
        signature = MinHash(num_perm=PERMUTATIONS, seed=42)
        signature.update_batch([word.encode() for word in words])


if __name__ == "__main__":
    main()
