"""How much of a sequence a token's own document fills: the attention FLOPs of runs with attention within documents.

Measured from the lengths of documents in ``.idx``; no tokens are read. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from megatron_ko.config.training import DataConfig
from megatron_ko.formats.manifest import HEADER, Manifest, TokenPair, TokenSet

SAMPLED_DOCUMENTS, RUNS = 65_536, 16
"""Lengths read of each pair at most, and the equally spaced runs they are read in."""


def mean_span(lengths: Any, window: int) -> float:
    """Mean number of tokens of a token's document within its window, for documents of ``lengths`` tokens (with EOD).

    Windows of ``window`` tokens are cut at a uniformly random place: two tokens at distance t share a window with probability
    max(0, 1 - t / window).
    """
    import numpy as np

    length = np.asarray(lengths, dtype=np.float64)
    last = np.minimum(length, window) - 1  # the largest distance within a document and a window
    distances = last * (last + 1) / 2
    squares = last * (last + 1) * (2 * last + 1) / 6
    pairs = length + 2 * (last * length - (1 + length / window) * distances + squares / window)
    return float(pairs.sum() / length.sum())


def span_of_mixture(manifest: Manifest, mixture: Mapping[str, float], window: int) -> float:
    """``mean_span`` of a run with these shares of the tokens."""
    sets = manifest.of_split("train")
    return sum(share * mean_span(_lengths_of(sets[name]), window) for name, share in mixture.items())


def _lengths_of(tokens: TokenSet) -> Any:
    import numpy as np

    read = np.concatenate([part for pair in tokens.pairs for part in _sampled_lengths(pair)])
    return read[read > 0]


def _sampled_lengths(pair: TokenPair) -> Iterator[Any]:
    import numpy as np

    runs = RUNS if pair.documents > SAMPLED_DOCUMENTS else 1
    count = min(pair.documents, SAMPLED_DOCUMENTS) // runs
    for run in range(runs):
        first = run * (pair.documents // runs)
        yield np.fromfile(f"{pair.prefix}.idx", np.int32, count, offset=HEADER.size + 4 * first)


def describe_packing(data: DataConfig, sequence_length: int, span: float | None) -> list[str]:
    """Lines of the plan, without a head; none for the defaults. ``span`` is None where no data was measured."""
    packing, fill_in, lines = data.packing, data.fill_in_the_middle, []
    if packing.attention == "within_documents":
        counted = (
            f"attention FLOPs for {sequence_length:,} tokens per token, an upper bound without data"
            if span is None
            else f"attention FLOPs for {span:,.1f} of {sequence_length:,} tokens, measured from the lengths of documents"
        )
        lines.append(f"attention within documents; {counted}")
    if packing.label_at_eod == "masked":
        lines.append("labels at the end of documents are masked; they count as tokens")
    if packing.stretches > 1:
        order = (
            "in the order of drawing"
            if packing.set_changes is None
            else f"sets change with chance {packing.set_changes:g}"
        )
        lines.append(
            f"{packing.stretches} stretches of {sequence_length // packing.stretches:,} tokens per sequence, {order}"
        )
    if fill_in is not None:
        rates = ", ".join(f"{name} {rate:.0%}" for name, rate in sorted(fill_in.rates.items()))
        lines.append(
            f"fill-in-the-middle of documents: {rates}; SPM {fill_in.spm_rate:.0%}, PSM {1 - fill_in.spm_rate:.0%}"
        )
    return lines
