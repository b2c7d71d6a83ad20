"""A synthetic corpus of any size: Korean, English and code-like text for runs that need much text.

    python -m tests.bench.synthetic FOLDER --gigabytes 1 [--seed N]

Document ``n`` is a function of the seed and ``n`` alone: a corpus is the same on every machine, is never in memory as a
whole, and a larger one begins with the smaller. Words are combined from the lists below and drawn with Zipf's frequencies.
A fifth of the documents are copies of an earlier one, a tenth differ from an earlier one in a few words; some contain
invented personal data or are advertisements.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

COPIES, NEAR_COPIES, SPAM, PERSONAL = 0.2, 0.1, 0.02, 0.05
LANGUAGES = (("ko", 0.5), ("en", 0.25), ("code", 0.25))
FILE_BYTES = 256 << 20


def _split(words: str) -> list[str]:
    return words.split()


NOUNS = _split(
    "바다 산 도시 학교 역사 음악 시장 기술 마을 강물 나무 겨울 여름 사람 아이 어른 책 그림 소리 바람 하늘 길 집 문 "
    "창문 시간 어제 내일 과학 경제 문화 언어 문제 방법 결과 연구 자료 이야기 생각 마음 친구 가족 음식 건강 운동 여행 "
    "사진 영화 노래 신문 정부 법률 회사 공장 기계 전기 물질 세계 나라 지역 환경 동물 식물 별"
)
PARTICLES = _split("은 는 이 가 을 를 에 에서 으로 와 의 도 만 까지 부터 에게 처럼 보다 마다 조차")
VERBS = _split(
    "보았다 들었다 알았다 만들었다 바뀌었다 시작되었다 이어졌다 남았다 늘어났다 줄었다 필요하다 중요하다 어렵다 가능하다 있다 없다 된다 한다 말했다 전했다"
)
STEMS = _split(
    "river stone market system garden winter letter number window teacher science history music paper street village "
    "engine doctor summer island machine record season station theory valley weather animal bridge college country "
    "culture district economy factory family forest harbor industry journey kitchen language library measure mountain"
)
ENDINGS = ["", "s", "like", "less", "ward", "based", "wide", "made"]
GLUE = _split("the of and to in is that was for with as on by from at this which are were be have it an or")
NAMES = _split(
    "index value result buffer node item count total offset cache name path state error token batch row column"
)
SPAM_TEXT = "당일 대출 무직자 대출 소액 대출 가능, 카지노 첫충 쿠폰 지급! 상담 문의 텔레그램 http://loan{}.example 지금 클릭하세요. "
PERSONAL_TEXT = (
    " 문의는 010-{:04d}-{:04d} 또는 user{}@mail{}.example 로 해 주십시오.",
    " Call 010-{:04d}-{:04d} or write to user{}@mail{}.example.",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = write(options.folder, int(options.gigabytes * 1e9), options.seed)
    print(
        f"{len(paths)} files, {sum(path.stat().st_size for path in paths) / 1e9:.3f} GB in {options.folder}"
    )


def write(folder: Path, size: int, seed: int = 1) -> list[Path]:
    """Writes at least ``size`` bytes of JSON lines in files of ``FILE_BYTES``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    lines = lines_of(Corpus(seed))
    written = 0
    while written < size:
        path = folder / f"synthetic-{len(paths):05d}.jsonl"
        with path.open("wb") as file:
            while file.tell() < FILE_BYTES and written + file.tell() < size:
                file.write(next(lines))
            written += file.tell()
        paths.append(path)
    return paths


def lines_of(corpus: Corpus) -> Iterator[bytes]:
    number = 0
    while True:
        lang, text = corpus.document(number)
        record = {"id": f"s{number}", "text": text, "source": "synthetic", "lang": lang}
        yield json.dumps(record, ensure_ascii=False).encode() + b"\n"
        number += 1


class Corpus:
    """The documents by number."""

    def __init__(self, seed: int):
        self.seed = seed

    def document(self, number: int) -> tuple[str, str]:
        """``(language, text)``; a copy is generated again from the number of its original."""
        rng = np.random.Generator(np.random.PCG64([self.seed, number]))
        draw = rng.random()
        if number and draw < COPIES + NEAR_COPIES:
            lang, text = self.document(int(rng.integers(number)))
            return lang, text if draw < COPIES else _replace_words(text, lang, rng)
        lang = _pick(LANGUAGES, rng.random())
        length = int(min(4000, 60 * rng.pareto(1.2) + 60))
        text = {"ko": _korean, "en": _english, "code": _code}[lang](rng, length)
        if lang != "code" and draw > 1 - SPAM:
            return lang, "".join(SPAM_TEXT.format(rng.integers(1000)) for _ in range(4))
        if lang != "code" and draw > 1 - SPAM - PERSONAL:
            text += PERSONAL_TEXT[lang == "en"].format(*rng.integers(1, 10_000, 4))
        return lang, text


def _pick(shares: tuple[tuple[str, float], ...], at: float) -> str:
    for name, share in shares:
        at -= share
        if at < 0:
            return name
    return shares[-1][0]


@functools.cache
def _vocabulary(lang: str) -> tuple[np.ndarray, np.ndarray]:
    """Words in a shuffled order and the cumulative sums of their Zipf frequencies."""
    combinations = {
        "ko": [noun + other + particle for noun in NOUNS for other in ["", *NOUNS] for particle in PARTICLES],
        "en": [stem + other + ending for stem in STEMS for other in ["", *STEMS] for ending in ENDINGS]
        + GLUE * 40,
        "code": [
            f"{name}_{other}{digit}" for name in NAMES for other in NAMES for digit in ["", *"0123456789"]
        ],
    }[lang]
    words = np.array(combinations, dtype=object)
    np.random.Generator(np.random.PCG64(7)).shuffle(words)
    frequencies = 1 / np.arange(3, len(words) + 3)
    return words, np.cumsum(frequencies) / frequencies.sum()


def _words(lang: str, rng: np.random.Generator, count: int) -> list[str]:
    words, sums = _vocabulary(lang)
    return words[np.minimum(np.searchsorted(sums, rng.random(count)), len(words) - 1)].tolist()


def _korean(rng: np.random.Generator, length: int) -> str:
    words = _words("ko", rng, length)
    ends = rng.integers(0, len(VERBS), length).tolist()
    for at in range(7, length, 9):
        words[at] = VERBS[ends[at]] + (".\n\n" if ends[at - 1] == 0 else ".")
    return " ".join(words) + " " + VERBS[ends[0]] + "."


def _english(rng: np.random.Generator, length: int) -> str:
    words = _words("en", rng, length)
    for at, draw in zip(range(11, length, 13), rng.random(length).tolist()):
        words[at] += ".\n\n" if draw < 0.1 else "."
    return "The " + " ".join(words) + "."


def _code(rng: np.random.Generator, length: int) -> str:
    names = _words("code", rng, length)
    lines = [f'"""Reads {names[0]} and {names[1]}."""', ""]
    for at in range(2, length - 4, 5):
        a, b, c, d, e = names[at : at + 5]
        if at % 4 == 2:
            lines += ["", f"def {a}({b}, {c}):", f"    # {d}"]
        lines += [f"    {d} = {e}({b}) + {c}[{at}]", f"    return {d} if {a} else {e}"]
    return "\n".join(lines) + "\n"


def _replace_words(text: str, lang: str, rng: np.random.Generator) -> str:
    """Replaces one word in fifty."""
    words = text.split(" ")
    places = rng.integers(0, len(words), max(1, len(words) // 50)).tolist()
    for place, word in zip(places, _words(lang, rng, len(places))):
        words[place] = word
    return " ".join(words)


if __name__ == "__main__":
    main()
