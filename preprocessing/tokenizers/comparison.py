"""Several tokenizers on the same text: every number of ``tokenizer-report`` as one dictionary.

Owns which parts of the text are counted by whom, and the layout of ``measurements.json``; ``efficiency`` has the counts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from megatron_ko.errors import DataError
from preprocessing.config.languages import LANGUAGES
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers.efficiency import (
    SYLLABLES,
    Meter,
    TextBatch,
    TextCounts,
    TokenCounts,
    parity,
    rates,
    relative_efficiency,
    single_syllables,
    token_ratio,
)
from preprocessing.tokenizers.opened import OpenedTokenizer, open_tokenizer
from preprocessing.tokenizers.text_files import TextPart, batches_of, parts_of

FORMAT = "megatron_ko-tokenizer-measurements-1"
LONGEST = 10
SAMPLE_CHARACTERS = 400
ALL = "all"


@dataclass(frozen=True)
class Given:
    """A tokenizer as the command names it; what a worker needs to open it again."""

    path: str
    name: str | None = None
    pattern: str | None = None

    def open(self) -> OpenedTokenizer:
        return open_tokenizer(self.path, self.name, self.pattern)


@dataclass
class Counted:
    """Counts of a part or of everything, by language; ``tokens``: by language, one for each tokenizer."""

    texts: dict[str, TextCounts]
    tokens: dict[str, list[TokenCounts]]
    samples: dict[str, str]
    """The beginning of the first document of each language that is long enough to show."""

    def add(self, other: Counted) -> None:
        for lang, text in other.texts.items():
            if lang not in self.texts:
                self.texts[lang], self.tokens[lang] = text, other.tokens[lang]
            else:
                self.texts[lang] += text
                self.tokens[lang] = [a + b for a, b in zip(self.tokens[lang], other.tokens[lang])]
        self.samples = {**other.samples, **self.samples}


@functools.lru_cache(maxsize=1)
def _meters(givens: tuple[Given, ...]) -> list[Meter]:
    """A process opens the tokenizers once."""
    return [Meter(given.open()) for given in givens]


def count_part(givens: tuple[Given, ...], part: TextPart) -> Counted:
    meters = _meters(givens)
    counted = Counted({}, {}, {})
    for batch in batches_of(part):
        langs = np.array(batch["lang"].to_pylist(), object)
        texts = batch["text"].to_pylist()
        for lang in sorted(set(langs.tolist())):
            chosen = [texts[row] for row in np.flatnonzero(langs == lang)]
            here = TextBatch(chosen)
            tokens = [meter.counts(here) for meter in meters]
            sample = next((text for text in chosen if len(text) >= SAMPLE_CHARACTERS // 4), None)
            samples = {} if sample is None else {lang: _beginning(sample)}
            counted.add(Counted({lang: here.counts()}, {lang: tokens}, samples))
    return counted


def _beginning(text: str) -> str:
    """At most SAMPLE_CHARACTERS, to the end of a line or word where there is one."""
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    cut = text[:SAMPLE_CHARACTERS]
    end = max(cut.rfind("\n"), cut.rfind(" "))
    return cut[: end if end > SAMPLE_CHARACTERS // 2 else SAMPLE_CHARACTERS]


def count(givens: Sequence[Given], paths: Sequence[str], workers: int) -> Counted:
    """Counts over all the text. Raises DataError where there is none."""
    parts = parts_of(paths)
    total = Counted({}, {}, {})
    with WorkerPool(workers) as pool:
        items = [(tuple(givens), part) for part in parts]
        for counted in pool.map(count_part, items, "measure", [part.size for part in parts]):
            total.add(counted)
    if not sum(text.bytes for text in total.texts.values()):
        raise DataError(f"{', '.join(map(str, paths))}: holds no text; give --text with documents")
    return total


def compare(
    meters: Sequence[Meter],
    counted: Counted,
    relative_to: int,
    base: int,
    pairs: Sequence[tuple[str, str]],
    pair_fields: Sequence[str],
) -> dict[str, Any]:
    """Everything ``measurements.json`` says; ``relative_to`` and ``base`` are numbers of tokenizers."""
    names = [meter.tokenizer.name for meter in meters]
    texts = {lang: counted.texts[lang] for lang in _in_order(counted.texts)}
    tokens = {lang: counted.tokens[lang] for lang in texts}
    texts[ALL] = functools.reduce(TextCounts.__add__, list(texts.values()))
    tokens[ALL] = [functools.reduce(TokenCounts.__add__, column) for column in zip(*tokens.values())]
    return {
        "format": FORMAT,
        "relative_to": names[relative_to],
        "base": names[base],
        "languages": {
            lang: {
                "documents": text.documents,
                "bytes": text.bytes,
                "characters": text.characters,
                "words": text.words,
            }
            for lang, text in texts.items()
        },
        "parity_of": list(pair_fields) if pairs else None,
        "tokenizers": [
            {
                **_vocabulary(meter, tokens[ALL][number].used),
                "syllables": _syllables(single_syllables(meter), texts[ALL].syllables),
                "parity": parity(meter, pairs) if pairs else None,
                "by_language": {
                    lang: {
                        **rates(texts[lang], row[number]),
                        "relative_efficiency": relative_efficiency(
                            row[relative_to].tokens, row[number].tokens
                        ),
                        "token_ratio": token_ratio(row[base].tokens, row[number].tokens),
                        "longest_tokens": longest(meter.tokenizer, row[number].used),
                    }
                    for lang, row in tokens.items()
                },
            }
            for number, meter in enumerate(meters)
        ],
        "samples": {lang: counted.samples[lang] for lang in _in_order(counted.samples)},
    }


def _in_order(found: dict[str, Any]) -> list[str]:
    known = [lang for lang in LANGUAGES if lang in found]
    return known + sorted(set(found) - set(known))


def _vocabulary(meter: Meter, used: np.ndarray) -> dict[str, Any]:
    opened = meter.tokenizer
    ordinary = opened.size - len(opened.special_ids) - len(opened.missing_ids)
    met = used > 0
    met[list(opened.special_ids)] = False
    unused = ordinary - int(met.sum())
    never = np.where(met, 0, 1)
    return {
        "name": opened.name,
        "path": str(opened.path),
        "kind": opened.kind,
        "ids": opened.size,
        "special_tokens": len(opened.special_ids),
        "missing_ids": len(opened.missing_ids),
        "unused_tokens": unused,
        "unused_share": round(unused / ordinary, 6) if ordinary else None,
        "longest_unused": longest(opened, never),
    }


def _syllables(single: np.ndarray, met: np.ndarray) -> dict[str, Any]:
    """Of the 11,172, of those in the text, and of every syllable written there."""
    return {
        "single": int(single.sum()),
        "of_all": round(int(single.sum()) / SYLLABLES, 6),
        "met": int((met > 0).sum()),
        "single_met": int((single & (met > 0)).sum()),
        "of_met": round(int((single & (met > 0)).sum()) / int((met > 0).sum()), 6) if met.any() else None,
        "by_use": round(int(met[single].sum()) / int(met.sum()), 6) if met.any() else None,
    }


def longest(opened: OpenedTokenizer, used: np.ndarray) -> list[dict[str, Any]]:
    """The tokens met with the most characters; of equal ones the more frequent."""
    rows = []
    for number in np.flatnonzero(used).tolist():
        token = opened.token_bytes(number)
        if token is not None:
            text = token.decode("utf-8", "replace")
            rows.append((-len(text), -int(used[number]), number, text))
    return [{"token": text, "id": number, "count": -n} for _, n, number, text in sorted(rows)[:LONGEST]]
