"""Tables of importance scores and of shapes, for the terminal; and two files of scores compared."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from checkpoint_tools.pruning.scores_file import Aggregation, ImportanceScores
from checkpoint_tools.pruning.selection import keep_heads, keep_highest
from checkpoint_tools.pruning.shapes import SHOWN, Proposal
from megatron_ko.errors import CheckpointError
from megatron_ko.tables import format_table
from megatron_ko.wording import format_count

BAR = 20
"""Cells of a bar."""
PARTS = (0.25, 0.5, 0.75)


def describe_scores(scores: ImportanceScores, how: Aggregation | None = None) -> list[str]:
    """What was measured; for each layer its importance, with a bar; and the share of all scores in the best channels."""
    how, record = how or Aggregation(), scores.record
    lines = [
        f"importance on {format_count(record.samples, 'sample')} of {format_count(record.sequence_length, 'token')}, "
        f"loss {record.loss:.4f}",
        f"  of {record.source}",
        f"  {how.describe()}",
        "",
    ]
    influence, left_out = scores.layers(), scores.layers("loss") if record.left_out else None
    heads = scores.heads(how)
    rows = [["layer", "influence", "", *(["loss without"] if left_out is not None else []), "weakest head"]]
    for layer in range(record.layers):
        loss = [f"{float(left_out[layer]):+.4f}"] if left_out is not None else []
        weakest = (
            f"{int(heads[layer].argmin())} ({float(heads[layer].min() / heads[layer].mean()):.2f} x mean)"
        )
        bar = _bar(float(influence[layer] / influence.max().clamp(min=1e-12)))
        rows.append([str(layer), f"{float(influence[layer]):.4f}", bar, *loss, weakest])
    return [*lines, *format_table(rows), "", *_concentration(scores, how)]


def _bar(share: float) -> str:
    return "#" * max(round(BAR * max(share, 0.0)), 0) + "." * (BAR - max(round(BAR * max(share, 0.0)), 0))


def _concentration(scores: ImportanceScores, how: Aggregation) -> list[str]:
    """Share of the sum of scores in the best quarter, half and three quarters."""
    rows = [["share of the scores in the best", *(f"{part:.0%}" for part in PARTS)]]
    kinds = {
        "hidden channels": scores.hidden(how),
        "ffn channels": scores.ffn(how),
        "heads": scores.heads(how),
    }
    for name, values in kinds.items():
        shares = []
        for part in PARTS:
            best = keep_highest(values, max(round(values.shape[-1] * part), 1))
            shares.append(f"{float(values.gather(-1, best).sum() / values.sum()):.1%}")
        rows.append([name, *shares])
    return format_table(rows)


def compare_scores(a: ImportanceScores, b: ImportanceScores, how: Aggregation) -> list[str]:
    """Rank correlation of two files, and how much of the better half (of heads, of each group) they share.

    Raises CheckpointError if their models have different shapes.
    """
    shapes = [
        dict(one.record.shapes()) | {"heads": (one.record.heads, one.record.kv_groups)} for one in (a, b)
    ]
    shapes = [{name: shape for name, shape in one.items() if name != "left_out_loss"} for one in shapes]
    if shapes[0] != shapes[1]:
        raise CheckpointError(
            f"{a.path} and {b.path}: are of models of different shapes; compare scores of one model",
            rule="models-differ",
        )
    same = "the same model" if a.record.fingerprint == b.record.fingerprint else "two models of one shape"
    rows = [["", "rank correlation", "better half shared"]]
    kinds = {
        "hidden channels": (a.hidden(how)[None], b.hidden(how)[None]),
        "ffn channels": (a.ffn(how), b.ffn(how)),
        "heads": (a.heads(how), b.heads(how)),
        "layers": (a.layers()[None], b.layers()[None]),
    }
    for name, (first, second) in kinds.items():
        groups = a.record.kv_groups if name == "heads" and a.record.kv_groups < a.record.heads else 1
        rows.append(
            [name, f"{rank_correlation(first, second):.4f}", f"{_shared_half(first, second, groups):.1%}"]
        )
    return [f"{a.path} and {b.path}: {same}", f"  {how.describe()}", "", *format_table(rows)]


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Mean over rows of Spearman's correlation of [rows, items]; equal scores have the mean of their ranks."""
    ranks = [_ranks(one) for one in (a, b)]
    centered = [one - one.mean(-1, keepdim=True) for one in ranks]
    product = (centered[0] * centered[1]).sum(-1)
    size = (centered[0].square().sum(-1) * centered[1].square().sum(-1)).sqrt()
    return float(torch.where(size > 0, product / size.clamp(min=1e-300), torch.ones_like(size)).mean())


def _ranks(values: Tensor) -> Tensor:
    """Ranks [rows, items]: the number of smaller items, plus half of the equal ones."""
    ordered = values.sort(dim=-1).values.contiguous()
    below = torch.searchsorted(ordered, values.contiguous())
    up_to = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (below + up_to).double() / 2


def _shared_half(a: Tensor, b: Tensor, groups: int) -> float:
    count = max(a.shape[-1] // groups // 2, 1) * groups
    kept = [torch.zeros_like(one).scatter(-1, keep_heads(one, count, groups), 1.0) for one in (a, b)]
    return float((kept[0] * kept[1]).sum() / kept[0].sum())


def describe_proposals(proposals: Sequence[Proposal]) -> list[str]:
    """The best shapes within the budget."""
    rows = [["", "hidden", "ffn", "heads", "layers", "parameters", "kept: hidden", "ffn", "heads", "product"]]
    for number, proposal in enumerate(proposals[:SHOWN]):
        model, shares = proposal.model, proposal.shares
        sizes = [
            f"{size:,}" for size in (model.hidden_size, model.ffn_hidden_size, model.heads, model.layers)
        ]
        kept = [f"{share:.1%}" for share in (shares.hidden, shares.ffn, shares.heads, shares.product)]
        rows.append([">" if number == 0 else "", *sizes, f"{proposal.parameters:,}", *kept])
    more = len(proposals) - SHOWN
    tail = [f"... and {format_count(more, 'other shape')} with less of the scores"] if more > 0 else []
    return [*format_table(rows), *tail]
