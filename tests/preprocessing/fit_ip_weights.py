"""Fits the weights of the text around four numbers: ``python -m tests.preprocessing.fit_ip_weights``.

Owns the fit and its cross-validation (``--folds``). Logistic regression with a penalty on squares (Hoerl and Kennard 1970) on
the labeled cases and, at three tenths of the weight, on the crossed cases of ``ip_frames``; the weights of the numbers themselves are
fixed and added. Weights near zero are dropped, the others fitted again and rounded to tenths.
"""

from __future__ import annotations

import argparse
import dataclasses
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from preprocessing.pii import ip_addresses, ip_context, ip_numbers, masking
from preprocessing.pii.pattern import Match, Part
from preprocessing.pii.table_columns import title_of_column
from tests.preprocessing.ip_frames import crossed_cases
from tests.preprocessing.measure_personal_data import Case, read_cases

TABLE = Path(ip_context.__file__).with_name("ip_weights.tsv")
PENALTY = 0.2
MIN_EXAMPLES = 3
DROP_BELOW = (0.2, 0.05)
CROSSED_WEIGHT = 0.3
CROSSED_DRAWS = 4
"""How often the crossed cases are drawn, each time with other words, frames and numbers."""
BALANCE = -2
"""Tenths added to the bias: with them about as many addresses are missed as versions are reported in the five newest sets, each left out."""
SETS = {15: 4, 16: 3, 17: 5}
"""Rounds of the cases that consist of several sets, in order; equal parts stand for them."""


@dataclasses.dataclass(frozen=True)
class Example:
    features: frozenset[str]
    of_numbers: int
    is_address: bool


def read_examples(cases: Iterable[Case]) -> list[Example]:
    """Four numbers of the cases in every context that they have while their neighbors are masked one after another."""
    examples: list[Example] = []
    addresses: set[str] = set()
    seen: set[tuple[str, int]] = set()

    def check(match: Match) -> Part | None:
        if ip_addresses.is_excluded(match):
            return None
        start, end = match.span()
        is_address = match[0] in addresses
        if (match.string, start) not in seen:
            seen.add((match.string, start))
            found = ip_context.features(match.string, start, end, title_of_column(match))
            examples.append(Example(frozenset(found), ip_numbers.weight_of_numbers(match[0]), is_address))
        return match.span() if is_address else None

    labeled = dataclasses.replace(ip_addresses.IPS[0], check=check)
    patterns = [labeled if pattern is ip_addresses.IPS[0] else pattern for pattern in masking.PATTERNS]
    for case in cases:
        plain = unicodedata.normalize("NFKC", case.text)
        addresses = {
            plain[span.start : span.end]
            for span in case.spans
            if span.kind == "ip" and len(plain) == len(case.text)
        }
        seen.clear()
        masking.find_with(case.text, patterns)
    return examples


def read_crossed() -> list[Example]:
    return read_examples(case for seed in range(1, CROSSED_DRAWS + 1) for case in crossed_cases(seed))


def fit(examples: Sequence[Example], crossed: Sequence[Example]) -> dict[str, int]:
    """Weights in tenths by feature, and ``bias``."""
    together = [*examples, *crossed]
    numbers: dict[str, int] = {}
    cells = [
        (row, numbers.setdefault(name, len(numbers)))
        for row, example in enumerate(together)
        for name in sorted(example.features)
    ]
    rows, columns = torch.tensor(cells).T.contiguous()
    importance = torch.ones(len(together), dtype=torch.float64)
    importance[len(examples) :] = CROSSED_WEIGHT
    kept = torch.bincount(columns, minlength=len(numbers)) >= MIN_EXAMPLES
    for limit in DROP_BELOW:
        of_kept = kept[columns]
        places = kept.cumsum(0) - 1
        found, bias = _regress(together, rows[of_kept], places[columns[of_kept]], int(kept.sum()), importance)
        weights = torch.zeros(len(numbers), dtype=torch.float64)
        weights[kept] = found
        kept &= weights.abs() > limit
    tenths = {
        name: round(10 * weight)
        for name, weight, heavy in zip(numbers, weights.tolist(), kept.tolist(), strict=True)
        if heavy
    }
    return {**tenths, "bias": round(10 * bias) + BALANCE}


def _regress(
    examples: Sequence[Example],
    rows: torch.Tensor,
    columns: torch.Tensor,
    count: int,
    importance: torch.Tensor,
) -> tuple[torch.Tensor, float]:
    """The weights of ``count`` columns and the bias, where the cells (``rows``, ``columns``) are 1 and all others 0."""
    ones = torch.ones(len(rows), dtype=torch.float64)
    matrix = _sparse(rows, columns, ones, (len(examples), count))
    transposed = _sparse(columns, rows, ones, (count, len(examples)))
    labels = torch.tensor([float(example.is_address) for example in examples], dtype=torch.float64)
    fixed = torch.tensor([example.of_numbers / 10 for example in examples], dtype=torch.float64)
    weights = torch.zeros(count + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> float:
        with torch.no_grad():
            sums = torch.mv(matrix, weights[:-1]) + weights[-1] + fixed
            error = (torch.sigmoid(sums) - labels) * importance
            weights.grad = torch.cat(
                [torch.mv(transposed, error) + PENALTY * weights[:-1], error.sum()[None]]
            )
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                sums, labels, importance, reduction="sum"
            )
            return float(loss + PENALTY / 2 * weights[:-1].square().sum())

    optimizer.step(closure)
    found = weights.detach()
    return found[:-1], float(found[-1])


def _sparse(
    rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]
) -> torch.Tensor:
    indices = torch.stack([rows, columns])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # this layout, which multiplies fastest, is called beta
        return torch.sparse_coo_tensor(indices, values, shape, check_invariants=False).to_sparse_csr()


def write_table(weights: dict[str, int]) -> None:
    """Writes a line per family and weight, the heaviest first, with the values that have it."""
    values = defaultdict(list)
    for name, weight in weights.items():
        family, _, value = name.partition(":")
        if weight or name == "bias":
            values[family, weight].append(value)
    rows = sorted(values.items(), key=lambda row: (row[0][0], -row[0][1]))
    lines = ["\t".join([family, str(weight), *sorted(words)]) for (family, weight), words in rows]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def sets_of_cases(cases: Sequence[Case]) -> list[list[Case]]:
    """The cases with addresses or look-alikes by set; the small rounds before the fifteenth are three sets."""
    rounds = defaultdict(list)
    for case in cases:
        if case.about == "ip":
            rounds[case.round if case.round >= 15 else case.round // 5 - 10].append(case)
    found = []
    for number, some in sorted(rounds.items()):
        parts = SETS.get(number, 1)
        found += [some[part * len(some) // parts : (part + 1) * len(some) // parts] for part in range(parts)]
    return found


def cross_validate(sets: Sequence[Sequence[Case]], crossed: Sequence[Example], last: int) -> None:
    """Prints precision and recall on each of the last sets, of weights that were fitted without it."""
    by_set = [read_examples(some) for some in sets]
    total: Counter[str] = Counter()
    for number, held_out in list(enumerate(by_set))[-last:]:
        weights = fit([e for other, some in enumerate(by_set) if other != number for e in some], crossed)
        counts = Counter()
        for example in held_out:
            reported = (
                weights["bias"] + example.of_numbers + sum(weights.get(f, 0) for f in example.features) > 0
            )
            counts.update(
                right=reported and example.is_address, reported=reported, labeled=example.is_address
            )
        total += counts
        print(f"{number:3} {len(held_out):5} {_show(counts)}", flush=True)
    print(f"all {_show(total)}")


def _show(counts: Counter[str]) -> str:
    return f"{counts['right'] / counts['reported']:.3f}, {counts['right'] / counts['labeled']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fits preprocessing/pii/ip_weights.tsv on the labeled cases."
    )
    parser.add_argument(
        "--folds", type=int, metavar="N", help="leave each of the last N sets out in turn; write no table"
    )
    arguments = parser.parse_args()
    cases, crossed = read_cases(), read_crossed()
    if arguments.folds:
        cross_validate(sets_of_cases(cases), crossed, arguments.folds)
        return
    weights = fit(read_examples(cases), crossed)
    write_table(weights)
    print(f"{len(weights):,} weights in {TABLE.name}, {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
