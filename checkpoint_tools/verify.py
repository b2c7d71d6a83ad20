"""Compares two models: names, shapes, largest differences of weights, and logits in fp32.

Owns the comparison and its text; ``formats/`` opens both formats. Nothing here writes a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from checkpoint_tools.digests import digest_of
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import config_json
from checkpoint_tools.formats.lora import Adapter
from checkpoint_tools.formats.store import BLOCK, Store
from checkpoint_tools.prefetch import map_ahead
from checkpoint_tools.scores import Scores, Stream, score
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json
from megatron_ko.formats.hf_families import FAMILIES, FIXED, Family, family_for
from megatron_ko.formats.run_folder import require_folder, suggest_run_folder
from megatron_ko.progress import progress_bytes
from megatron_ko.wording import format_count


@dataclass(frozen=True)
class Row:
    """One tensor of both models; ``difference`` is the largest absolute difference, None where the shapes differ."""

    name: str
    shape: tuple[int, ...]
    other_shape: tuple[int, ...]
    difference: float | None


@dataclass(frozen=True)
class Comparison:
    """``missing`` are names only in ``a``, ``extra`` names only in ``b``, ``settings`` configuration that differs."""

    a: str
    b: str
    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def largest_difference(self) -> float:
        return max((row.difference for row in self.rows if row.difference is not None), default=0.0)

    @property
    def same_structure(self) -> bool:
        """True for equal names, shapes and settings; the values may differ."""
        return not (self.missing or self.extra or self.settings) and all(
            r.difference is not None for r in self.rows
        )

    def is_equal_within(self, tolerance: float) -> bool:
        return self.same_structure and self.largest_difference <= tolerance

    def summary(self) -> str:
        compared = sum(row.difference is not None for row in self.rows)
        counts = {
            "different shapes": len(self.rows) - compared,
            "only in the first model": len(self.missing),
            "only in the second model": len(self.extra),
            "different settings": len(self.settings),
        }
        text = f"compared {format_count(compared, 'tensor')}, largest difference {self.largest_difference:g}"
        problems = ", ".join(f"{name}: {count}" for name, count in counts.items() if count)
        return f"{text}\n  {problems}" if problems else text

    def table(self) -> str:
        """The two models, and one aligned line per tensor: name, shape, largest difference."""
        compared = {
            row.name: ("x".join(map(str, row.shape)), f"{row.difference:.3g}")
            for row in self.rows
            if row.difference is not None
        }
        widths = [max((len(cells[i]) for cells in compared.values()), default=0) for i in range(2)]
        tails = {row.name: _format_shapes(row) for row in self.rows}
        tails |= {name: f"{a:>{widths[0]}}  {b:>{widths[1]}}" for name, (a, b) in compared.items()}
        tails |= dict.fromkeys(self.missing, "only in first") | dict.fromkeys(self.extra, "only in second")
        name_width, tail_width = (max(map(len, texts), default=0) for texts in (tails, tails.values()))
        lines = [f"first   {self.a}", f"second  {self.b}", ""]
        lines += [f"{name:<{name_width}}  {tail:>{tail_width}}" for name, tail in tails.items()]
        return "\n".join(lines + [f"setting {text}" for text in self.settings])

    def report(self) -> dict[str, Any]:
        """For ``verification.json``."""
        return {
            "a": self.a,
            "b": self.b,
            "summary": self.summary(),
            "largest_difference": self.largest_difference,
            "tensors": {row.name: row.difference for row in self.rows},
            "missing": list(self.missing),
            "extra": list(self.extra),
            "settings": list(self.settings),
        }


def _format_shapes(row: Row) -> str:
    return f"{'x'.join(map(str, row.shape))} / {'x'.join(map(str, row.other_shape))}"


def is_model(folder: Path) -> bool:
    """True for a folder of either format."""
    return mcore.is_mcore(folder) or hf.is_hf(folder)


def open_store(path: str, check_content: bool = True) -> Store:
    """Opens a Hugging Face folder, a checkpoint folder or a run folder. Raises CheckpointError for anything else.

    Without ``check_content``, checksums of a checkpoint are not compared: of one just written, whose tensors are compared.
    """
    folder = Path(path).expanduser()
    require_folder(folder)
    if mcore.is_mcore(folder):
        return mcore.open_mcore(folder, check_content)
    if hf.is_hf(folder):
        return hf.open_hf(folder)
    raise CheckpointError(
        f"{folder}: is neither a Hugging Face folder (config.json) nor a checkpoint or run folder (checkpoint.json); "
        f"{suggest_run_folder(folder)}",
        rule="wrong-format",
    )


def compare(a: Store, b: Store, digests: Mapping[str, bytes] | None = None) -> Comparison:
    """Reads both models, one tensor at a time, and computes differences in fp32.

    ``digests``: of tensors of ``a``, by name; only those of ``a`` whose digest ``b`` does not have are read.
    """
    shared = [name for name in a.names() if name in b.entries]
    digests = digests or {}

    def read_other(name: str) -> Tensor | float | None:
        """The tensor of ``b``, or the difference from that of ``a`` if it is known: 0, or None for another shape."""
        if a.shape(name) != b.shape(name):
            return None
        other = b.tensor(name)
        return 0.0 if name in digests and digest_of(other) == digests[name] else other

    names = progress_bytes(shared, "comparing", map(a.size, shared))
    rows = [
        Row(
            name,
            a.shape(name),
            b.shape(name),
            _largest_difference(a.tensor(name), other) if isinstance(other, Tensor) else other,
        )
        for name, other in zip(names, map_ahead(read_other, shared), strict=True)
    ]
    return Comparison(
        a=a.origin,
        b=b.origin,
        rows=tuple(rows),
        missing=tuple(name for name in a.names() if name not in b.entries),
        extra=tuple(name for name in b.names() if name not in a.entries),
        settings=tuple(compare_settings(a, b)),
    )


def _largest_difference(a: Tensor, b: Tensor) -> float:
    """Computed in fp32, block by block. Infinite where only one side is not a number; equal values differ by 0."""
    if a.dtype == b.dtype and _has_same_bytes(a, b):
        return 0.0
    largest = 0.0
    for x, y in zip(a.reshape(-1).split(BLOCK), b.reshape(-1).split(BLOCK)):
        x, y = x.float(), y.float()
        difference = (x - y).abs_()
        difference[(x == y) | (x.isnan() & y.isnan())] = 0.0
        largest = max(largest, float(difference.nan_to_num_(nan=torch.inf, posinf=torch.inf).max()))
    return largest


def _has_same_bytes(a: Tensor, b: Tensor) -> bool:
    """Compared eight bytes at a time where possible, which takes half as long as by number."""
    wide = a.nbytes % 8 == 0 and a.is_contiguous() and b.is_contiguous() and a.ndim > 0
    if not wide or a.data_ptr() % 8 or b.data_ptr() % 8:
        return torch.equal(a, b)
    return torch.equal(a.reshape(-1).view(torch.int64), b.reshape(-1).view(torch.int64))


def compare_settings(a: Store, b: Store) -> list[str]:
    """Differing settings that change a model's output but not its tensors."""
    ours, theirs = asdict(a.model), asdict(b.model)
    names = (
        "heads",
        "kv_groups",
        "norm_epsilon",
        "rope",
        "tied_embeddings",
        "feed_forward",
        "residual",
        *FIXED,
        *("attention_size", "attention_cap", "logit_cap"),
    )
    return describe_differences({name: ours[name] for name in names}, {name: theirs[name] for name in names})


def describe_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """``name: ours / theirs`` of each value that differs, such as ``rope.base: 500000.0 / 10000.0``; none where one has no value."""
    texts = []
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = ours.get(name), theirs.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            texts += describe_differences(a, b, f"{prefix}{name}.")
        elif a != b:
            texts.append(f"{prefix}{name}: {format_value(a)} / {format_value(b)}")
    return texts


# --- logits ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogitsComparison:
    """Compares fp32 logits of two models on the same tokens. ``agreement`` is the share of equal greedy tokens."""

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
            f"verified fp32 logits of {format_count(self.positions, 'token')}, largest difference {self.difference:.3g} "
            f"(tolerance {self.tolerance:g}),\n  equal greedy tokens {self.agreement:.1%}"
        )


def compare_logits(
    a: str,
    b: str,
    tokens: Tensor,
    tolerance: float,
    tensor_parallel: int = 1,
    adapter: Adapter | None = None,
    base: Path | None = None,
) -> LogitsComparison:
    """Runs both models on ``tokens`` [batch, sequence]; ``adapter`` computes beside the weights of ``a``, a Hugging Face folder.

    ``base``: the folder of the weights of ``a``, if that is a checkpoint of adapters whose base has moved.
    """
    if adapter is None:
        first = compute_logits(a, tokens, tensor_parallel, base)
    else:
        first = hf_logits(Path(a).expanduser(), tokens, adapter)
    second = compute_logits(b, tokens, tensor_parallel)
    if first.shape != second.shape:
        raise CheckpointError(
            f"{a} has {first.shape[-1]:,} tokens, {b} has {second.shape[-1]:,}; their logits cannot be compared",
            rule="vocabulary-sizes-differ",
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise CheckpointError(
            f"{a} and {b}: some logits are not finite; the weights are damaged", rule="logits-not-finite"
        )
    agreement = (first.argmax(-1) == second.argmax(-1)).float().mean().item()
    return LogitsComparison(a, b, tokens.numel(), _largest_difference(first, second), agreement, tolerance)


def compute_logits(path: str, tokens: Tensor, tensor_parallel: int = 1, base: Path | None = None) -> Tensor:
    """fp32 logits [batch, sequence, vocab], by transformers for Hugging Face folders, by megatron-core for checkpoints."""
    folder = Path(path).expanduser()
    return (
        mcore.megatron_logits(folder, tokens, tensor_parallel, base=base)
        if mcore.is_mcore(folder)
        else hf_logits(folder, tokens)
    )


def hf_logits(folder: Path, tokens: Tensor, adapter: Adapter | None = None) -> Tensor:
    """fp32 logits [batch, sequence, vocab] by transformers."""
    model = _load_hf(folder)
    with torch.no_grad():
        if adapter is not None:
            adapter.attach(model)
        return model(input_ids=tokens, use_cache=False).logits


def _load_hf(folder: Path) -> Any:
    """Loads by transformers in fp32, from safetensors only, without code from the folder and without the network."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    config = read_json(folder / "config.json", error=CheckpointError)
    family = FAMILIES.get(config.get("model_type"))
    if family is not None and not (family.in_transformers and _accepts_heads(family, config)):
        return _load_as_another_family(hf.open_hf(folder))
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return model.eval()


def _accepts_heads(family: Family, config: dict[str, Any]) -> bool:
    """Whether every version of transformers reads the shape under this family's name: Kanana's 2.1B is a Llama that 5 refuses."""
    return not (family.heads_must_divide and config["hidden_size"] % config["num_attention_heads"])


def _load_as_another_family(store: Store) -> Any:
    """The first family in transformers that computes the same, such as Llama or Mistral, with the tensors of the model, in fp32."""
    from transformers import AutoConfig, AutoModelForCausalLM

    family = family_for(store.model)
    if family is None:
        raise CheckpointError(
            f"{store.origin}: no family of transformers computes what this model does; leave out --logits",
            rule="no-family",
        )
    config = config_json(family, store.model, store.vocab_size, "fp32", store.special_ids)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config.pop("model_type"), **config))
    missing, unexpected = model.load_state_dict(
        {name: store.tensor(name).float() for name in store.names()}, strict=False
    )
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def hf_scores(
    folder: Path, variants: Iterable[tuple[Tensor, Tensor, Sequence[Stream]]]
) -> list[list[Scores]]:
    """Scores of each variant's streams. A variant replaces the input and output rows [vocab, hidden] of the model.

    For tied embeddings both are the same tensor.
    """
    model, scores = _load_hf(folder), []
    for rows, head, streams in variants:
        model.set_input_embeddings(torch.nn.Embedding.from_pretrained(rows.float()))
        model.get_output_embeddings().weight = torch.nn.Parameter(head.float(), requires_grad=False)
        scores.append([score(s, lambda ids: model(input_ids=ids, use_cache=False).logits) for s in streams])
    return scores


def score_texts(folder: Path, streams: Sequence[Stream]) -> list[Scores]:
    """Scores of a model on each text in fp32, by transformers or, for checkpoints, by megatron-core on one rank."""
    if mcore.is_mcore(folder):
        return mcore.score_texts(folder, streams)
    model = _load_hf(folder)
    return [score(s, lambda ids: model(input_ids=ids, use_cache=False).logits) for s in streams]


def sample_tokens(store: Store, ids: Sequence[int] | None) -> Tensor:
    """[batch, sequence] int64: ``ids`` as one sequence, or 2 random sequences of up to 64 ids of the whole vocabulary."""
    if ids is None:
        length = min(64, store.model.max_sequence_length)
        return torch.randint(0, store.vocab_size, (2, length), generator=torch.Generator().manual_seed(1234))
    if not ids or max(ids) >= store.vocab_size:
        message = f"must be ids below {store.vocab_size:,}, the tokens of {store.origin}; got {list(ids)}"
        raise CheckpointError([Problem("", "--tokens", message, "ids-outside-vocabulary")])
    return torch.tensor([list(ids)], dtype=torch.int64)
