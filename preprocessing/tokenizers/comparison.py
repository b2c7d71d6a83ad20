"""Compares several tokenizers on the same text: all numbers of ``mko tokenizer report`` as one dictionary.

Owns the distribution of the text over processes and the structure of ``measurements.json``; ``efficiency`` counts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
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
class TokenizerSpec:
    """A tokenizer as named on the command line; a worker process opens it again."""

    path: str
    name: str | None = None
    pattern: str | None = None

    def open(self) -> OpenedTokenizer:
        return open_tokenizer(self.path, self.name, self.pattern)


@dataclass
class Counts:
    """Counts of a part or of the whole text, by language; ``tokens``: by language, one per tokenizer."""

    texts: dict[str, TextCounts]
    tokens: dict[str, list[TokenCounts]]
    samples: dict[str, str]
    """Beginning of the first document of each language that is long enough to show."""

    def add(self, other: Counts) -> None:
        for lang, text in other.texts.items():
            if lang not in self.texts:
                self.texts[lang], self.tokens[lang] = text, other.tokens[lang]
            else:
                self.texts[lang] += text
                self.tokens[lang] = [a + b for a, b in zip(self.tokens[lang], other.tokens[lang])]
        self.samples = {**other.samples, **self.samples}


@functools.lru_cache(maxsize=1)
def _meters(specs: tuple[TokenizerSpec, ...]) -> list[Meter]:
    """Opens the tokenizers once per process."""
    return [Meter(spec.open()) for spec in specs]


def count_part(specs: tuple[TokenizerSpec, ...], part: TextPart) -> Counts:
    meters = _meters(specs)
    counts = Counts({}, {}, {})
    for batch in batches_of(part):
        langs = np.array(batch["lang"].to_pylist(), object)
        texts = batch["text"].to_pylist()
        for lang in sorted(set(langs.tolist())):
            chosen = [texts[row] for row in np.flatnonzero(langs == lang)]
            here = TextBatch(chosen)
            tokens = [meter.counts(here) for meter in meters]
            sample = next((text for text in chosen if len(text) >= SAMPLE_CHARACTERS // 4), None)
            samples = {} if sample is None else {lang: _beginning(sample)}
            counts.add(Counts({lang: here.counts()}, {lang: tokens}, samples))
    return counts


def _beginning(text: str) -> str:
    """At most SAMPLE_CHARACTERS of the text, cut at the end of a line or word if possible."""
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    cut = text[:SAMPLE_CHARACTERS]
    end = max(cut.rfind("\n"), cut.rfind(" "))
    return cut[: end if end > SAMPLE_CHARACTERS // 2 else SAMPLE_CHARACTERS]


def count(specs: Sequence[TokenizerSpec], paths: Sequence[str], workers: int) -> Counts:
    """Counts over all of the text. Raises DataError when there is no text."""
    parts = parts_of(paths)
    total = Counts({}, {}, {})
    with WorkerPool(workers) as pool:
        items = [(tuple(specs), part) for part in parts]
        for counts in pool.map(count_part, items, "measure", [part.size for part in parts]):
            total.add(counts)
    if not sum(text.bytes for text in total.texts.values()):
        raise DataError(
            f"{', '.join(map(str, paths))}: contains no text; name files with documents in --text",
            rule="no-text",
        )
    return total


def compare(
    meters: Sequence[Meter],
    counts: Counts,
    relative_to: int,
    base: int,
    pairs: Sequence[tuple[str, str]],
    pair_fields: Sequence[str],
) -> dict[str, Any]:
    """The contents of ``measurements.json``; ``relative_to`` and ``base`` are indices of tokenizers."""
    names = [meter.tokenizer.name for meter in meters]
    texts = {lang: counts.texts[lang] for lang in _order(counts.texts)}
    tokens = {lang: counts.tokens[lang] for lang in texts}
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
        "samples": {lang: counts.samples[lang] for lang in _order(counts.samples)},
    }


def _order(langs: Iterable[str]) -> list[str]:
    """Known languages in their fixed order, then the others by name."""
    present = set(langs)
    known = [lang for lang in LANGUAGES if lang in present]
    return known + sorted(present - set(known))


def _vocabulary(meter: Meter, used: np.ndarray) -> dict[str, Any]:
    opened = meter.tokenizer
    ordinary = opened.size - len(opened.special_ids) - len(opened.missing_ids)
    occurs = used > 0
    occurs[list(opened.special_ids)] = False
    unused = ordinary - int(occurs.sum())
    never = np.where(occurs, 0, 1)
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


def _syllables(single: np.ndarray, uses: np.ndarray) -> dict[str, Any]:
    """Syllables that are one token: of all 11,172, of those in the text, and weighted by their use.

    ``single`` [11172] bool; ``uses`` [11172] int64: how often each syllable occurs in the text.
    """
    occurs = uses > 0
    return {
        "single": int(single.sum()),
        "of_all": round(int(single.sum()) / SYLLABLES, 6),
        "met": int(occurs.sum()),
        "single_met": int((single & occurs).sum()),
        "of_met": round(int((single & occurs).sum()) / int(occurs.sum()), 6) if uses.any() else None,
        "by_use": round(int(uses[single].sum()) / int(uses.sum()), 6) if uses.any() else None,
    }


def longest(opened: OpenedTokenizer, used: np.ndarray) -> list[dict[str, Any]]:
    """The tokens with the most characters among those used; of equally long ones the more frequent first."""
    rows = []
    for number in np.flatnonzero(used).tolist():
        token = opened.token_bytes(number)
        if token is not None:
            text = token.decode("utf-8", "replace")
            rows.append((-len(text), -int(used[number]), number, text))
    return [{"token": text, "id": number, "count": -n} for _, n, number, text in sorted(rows)[:LONGEST]]
