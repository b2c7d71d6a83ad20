"""Is one checkpoint the other? Names, shapes, largest differences, and logits in fp32.

Owns the comparison and its text; both formats are opened by ``formats/``. Nothing here writes a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.store import Store
from checkpoint_tools.scores import Scores, Stream, score
from megatron_ko.errors import CheckpointError
from megatron_ko.progress import progress

BLOCK = 1 << 22  # numbers compared at one time


@dataclass(frozen=True)
class Row:
    """One tensor of both; ``difference`` is the largest absolute one, None where the shapes differ."""

    name: str
    shape: tuple[int, ...]
    other_shape: tuple[int, ...]
    difference: float | None


@dataclass(frozen=True)
class Comparison:
    """``missing`` are names of ``a`` that ``b`` lacks, ``extra`` the reverse, ``settings`` configuration that differs."""

    a: str
    b: str
    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def largest(self) -> float:
        return max((row.difference for row in self.rows if row.difference is not None), default=0.0)

    @property
    def same_form(self) -> bool:
        """Same names, shapes and meaning; the values may differ."""
        return not (self.missing or self.extra or self.settings) and all(
            r.difference is not None for r in self.rows
        )

    def is_equal_within(self, tolerance: float) -> bool:
        return self.same_form and self.largest <= tolerance

    def summary(self) -> str:
        compared = sum(row.difference is not None for row in self.rows)
        parts = [f"verified {compared} tensors, largest difference {self.largest:g}"]
        parts += [f"{len(self.rows) - compared} with another shape"] if compared < len(self.rows) else []
        parts += [f"{len(self.missing)} only in {self.a}"] if self.missing else []
        parts += [f"{len(self.extra)} only in {self.b}"] if self.extra else []
        parts += [f"{len(self.settings)} settings differ"] if self.settings else []
        return ", ".join(parts)

    def table(self) -> str:
        """One aligned line per tensor."""
        width = max(
            (len(name) for name in [r.name for r in self.rows] + [*self.missing, *self.extra]), default=0
        )
        lines = []
        for row in self.rows:
            shape = "x".join(map(str, row.shape))
            if row.difference is None:
                shape, value = f"{shape} / {'x'.join(map(str, row.other_shape))}", "shapes differ"
            else:
                value = f"{row.difference:.3g}"
            lines.append(f"{row.name:<{width}}  {shape:>16}  {value:>13}")
        lines += [f"{name:<{width}}  only in {self.a}" for name in self.missing]
        lines += [f"{name:<{width}}  only in {self.b}" for name in self.extra]
        lines += [f"setting {text}" for text in self.settings]
        return "\n".join(lines)

    def report(self) -> dict[str, Any]:
        """For ``verification.json``."""
        return {
            "a": self.a,
            "b": self.b,
            "summary": self.summary(),
            "largest_difference": self.largest,
            "tensors": {row.name: row.difference for row in self.rows},
            "missing": list(self.missing),
            "extra": list(self.extra),
            "settings": list(self.settings),
        }


def is_model(folder: Path) -> bool:
    """True for a folder of either format."""
    return mcore.is_mcore(folder) or hf.is_hf(folder)


def open_store(path: str) -> Store:
    """A Hugging Face folder, a checkpoint folder or a run folder, told apart by their files."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; check the path")
    if mcore.is_mcore(folder):
        return mcore.open_mcore(folder)
    if hf.is_hf(folder):
        return hf.open_hf(folder)
    raise CheckpointError(
        f"{folder}: is neither a Hugging Face folder (config.json) nor a checkpoint or run folder (checkpoint.json); "
        "check the path"
    )


def compare(a: Store, b: Store) -> Comparison:
    """Reads both, one tensor at a time; differences are computed in fp32."""
    shared = [name for name in a.names() if name in b.entries]
    rows = []
    for name in progress(shared, "comparing", unit="tensor"):
        same = a.shape(name) == b.shape(name)
        difference = _largest_difference(a.tensor(name), b.tensor(name)) if same else None
        rows.append(Row(name, a.shape(name), b.shape(name), difference))
    return Comparison(
        a=a.origin,
        b=b.origin,
        rows=tuple(rows),
        missing=tuple(name for name in a.names() if name not in b.entries),
        extra=tuple(name for name in b.names() if name not in a.entries),
        settings=tuple(_settings(a, b)),
    )


def _largest_difference(a: Tensor, b: Tensor) -> float:
    """In fp32, block by block; inf where only one side is not a number. Equal bytes are equal, whatever they mean."""
    if a.dtype == b.dtype and torch.equal(a, b):
        return 0.0
    largest = 0.0
    for x, y in zip(a.reshape(-1).split(BLOCK), b.reshape(-1).split(BLOCK)):
        x, y = x.float(), y.float()
        difference = (x - y).abs_()
        difference[(x == y) | (x.isnan() & y.isnan())] = 0.0
        largest = max(largest, float(difference.nan_to_num_(nan=torch.inf, posinf=torch.inf).max()))
    return largest


def _settings(a: Store, b: Store) -> list[str]:
    """What changes a model's output without changing a tensor."""
    ours, theirs = asdict(a.model), asdict(b.model)
    names = ("heads", "kv_groups", "norm_epsilon", "rope", "tied_embeddings", "qkv_bias")
    return [f"{name}: {ours[name]} / {theirs[name]}" for name in names if ours[name] != theirs[name]]


# --- logits ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parity:
    """Logits of the same tokens by two programs, in fp32. ``agreement`` is the share of equal greedy tokens."""

    a: str
    b: str
    positions: int
    difference: float
    agreement: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.difference <= self.tolerance

    def summary(self) -> str:
        return (
            f"logits of {self.positions} tokens in fp32: largest difference {self.difference:.3g} "
            f"(tolerance {self.tolerance:g}), greedy tokens equal {self.agreement:.1%}"
        )


def parity(a: str, b: str, tokens: Tensor, tolerance: float, tensor_parallel: int = 1) -> Parity:
    """Runs both models on ``tokens`` [batch, sequence]."""
    first, second = (logits(path, tokens, tensor_parallel) for path in (a, b))
    if first.shape != second.shape:
        raise CheckpointError(
            f"{a} has {first.shape[-1]} tokens, {b} {second.shape[-1]}; their logits cannot be compared"
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise CheckpointError(f"{a} and {b}: some logits are not finite; the weights are broken")
    agreement = (first.argmax(-1) == second.argmax(-1)).float().mean().item()
    return Parity(a, b, tokens.numel(), _largest_difference(first, second), agreement, tolerance)


def logits(path: str, tokens: Tensor, tensor_parallel: int = 1) -> Tensor:
    """fp32 logits [batch, sequence, vocab]: Hugging Face folders by transformers, checkpoints by megatron-core."""
    folder = Path(path).expanduser()
    return (
        mcore.megatron_logits(folder, tokens, tensor_parallel)
        if mcore.is_mcore(folder)
        else hf_logits(folder, tokens)
    )


def hf_logits(folder: Path, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        return _hf_model(folder)(input_ids=tokens, use_cache=False).logits


def _hf_model(folder: Path) -> Any:
    """By transformers, in fp32, from safetensors only, without code from the folder and without the network."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return model.eval()


def hf_scores(
    folder: Path, variants: Iterable[tuple[Tensor, Tensor, Sequence[Stream]]]
) -> list[list[Scores]]:
    """Scores of each variant's streams: the model of ``folder`` with other input and output rows [vocab, hidden].

    For tied embeddings both are the same tensor.
    """
    model, found = _hf_model(folder), []
    for rows, head, streams in variants:
        model.set_input_embeddings(torch.nn.Embedding.from_pretrained(rows.float()))
        model.lm_head.weight = torch.nn.Parameter(head.float(), requires_grad=False)
        found.append([score(s, lambda ids: model(input_ids=ids, use_cache=False).logits) for s in streams])
    return found


def sample_tokens(store: Store, given: Sequence[int] | None) -> Tensor:
    """``given`` ids as one sequence, or 2 random sequences of up to 64, from the whole vocabulary. [batch, sequence]."""
    if given is None:
        length = min(64, store.model.max_sequence_length)
        return torch.randint(0, store.vocab_size, (2, length), generator=torch.Generator().manual_seed(1234))
    if not given or max(given) >= store.vocab_size:
        raise CheckpointError(
            f"tokens: ids must be below the {store.vocab_size} tokens of {store.origin}, got {list(given)}"
        )
    return torch.tensor([list(given)], dtype=torch.int64)
