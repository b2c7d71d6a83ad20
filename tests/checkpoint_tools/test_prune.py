"""prune: what is dead can be removed without a change, nothing removed is nothing changed, shapes and budgets are exact."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from checkpoint_tools import verify
from checkpoint_tools.changes import RECORD
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.store_fingerprint import fingerprint_store
from checkpoint_tools.operations.prune import prune
from checkpoint_tools.pruning.scores_file import Aggregation, ImportanceScores, read_scores
from checkpoint_tools.pruning.selection import Kept, Shares, choose, keep_heads, keep_highest, shares_of
from checkpoint_tools.pruning.shapes import Sizes, check_sizes, propose, target_of
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.importance_record import ImportanceRecord
from megatron_ko.planning.weights import entries, parameter_count

KANANA = ModelConfig(
    layers=32, hidden_size=4096, ffn_hidden_size=14336, heads=32, kv_groups=8, max_sequence_length=8192, vocab_size=128_256,
)  # fmt: skip
RANDOM = torch.Generator().manual_seed(0)
FAMILIES = ("gqa", "mha", "qwen2", "qwen3", "mistral", "gpt_neox", "phi", "gemma2")


def write_scores(store: Store, path: Path, **tensors: Tensor) -> Path:
    """Random scores of a model; ``tensors`` replace those of a site under every aggregation."""
    record = ImportanceRecord(
        fingerprint=fingerprint_store(store), source=store.origin, **ImportanceRecord.shape_of(store.model),
        samples=4, sequence_length=8, data={}, loss=1.0, left_out=True,
    )  # fmt: skip
    values = {}
    for name, shape in record.shapes():
        values[name] = tensors.get(name.split(".")[0], torch.rand(shape, generator=RANDOM) + 0.1).expand(shape)
    save_file({name: value.contiguous() for name, value in values.items()}, path, record.metadata())
    return path


def with_dead(store: Store, hidden: list[int], ffn: list[int], heads: list[int]) -> Store:
    """The store whose hidden channels are never written and whose feed-forward channels and heads are never read."""
    width = head_size(store.model)
    columns = [head * width + i for head in heads for i in range(width)]

    def read(name: str) -> Tensor:
        tensor, axes = store.tensor(name).clone(), store.entries[name].weight.axes
        part = name.rsplit(".", 2)[-2]
        if part in ("embed_tokens", "o_proj", "down_proj"):
            at = axes.index("hidden")
            tensor.index_fill_(at, torch.tensor(hidden, dtype=torch.int64), 0.0)
        if part == "down_proj" and "ffn" in axes:
            tensor[:, ffn] = 0.0
        if part == "o_proj" and "q" in axes:
            tensor[:, columns] = 0.0
        if part == "output_norm" and hidden:  # a norm of nothing
            tensor[hidden] = -1.0 if store.model.norm == "rms_shifted" else 0.0
        return tensor

    return replace(store, read=read)


def live(store: Store, hidden: list[int], ffn: list[int], heads: list[int]) -> dict[str, Tensor]:
    """Scores that are 0 for what is dead."""
    model = store.model
    scores = {
        "hidden": torch.ones(model.hidden_size), "ffn": torch.ones(model.ffn_hidden_size),
        "q": torch.ones(model.heads, head_size(model)),
    }  # fmt: skip
    for name, dead in (("hidden", hidden), ("ffn", ffn), ("q", heads)):
        scores[name][dead] = 0.0
    sites = {"attention_input": "hidden", "mlp_input": "hidden", "gate_up": "ffn", "product": "ffn", "heads": "q"}
    return {site: scores[axis].flatten() for site, axis in sites.items()}


def logits(folder: Path, vocab: int) -> Tensor:
    tokens = torch.randint(0, vocab, (2, 24), generator=torch.Generator().manual_seed(3))
    return verify.compute_logits(str(folder), tokens)


# --- what is dead ----------------------------------------------------------------------------------------

CUTS = {
    "ffn": ({}, {"ffn_hidden_size": 80}),
    "heads": ({}, {"heads": 2}),
    "hidden": ({}, {"hidden_size": 48}),
    "all": ({}, {"hidden_size": 48, "ffn_hidden_size": 80, "heads": 2}),
}
DEAD = {"hidden_size": [1, 4, 5, 9, *range(20, 32)], "ffn_hidden_size": [0, 3, *range(40, 54)], "heads": [1, 2]}


def dead_of(model: ModelConfig, cut: dict[str, int]) -> dict[str, list[int]]:
    heads = [1, 2] if model.heads == 4 else [0, 4]
    dead = {**DEAD, "heads": heads}
    return {short: dead[name] if name in cut else [] for short, name in
            (("hidden", "hidden_size"), ("ffn", "ffn_hidden_size"), ("heads", "heads"))}  # fmt: skip


@pytest.mark.parametrize("cut", ["ffn", "heads", "hidden", "all"])
@pytest.mark.parametrize("name", FAMILIES)
def test_removing_what_is_dead_leaves_the_logits(hf_models, tmp_path, run, name, cut):
    """Through transformers, in fp32; layers without groups lose a key head with each query head."""
    source = hf.open_hf(hf_models[name])
    sizes = dict(CUTS[cut][1])
    if name == "mistral" and "heads" in sizes:
        sizes["heads"] = 4
    refused = ("hidden" in cut or cut == "all") and source.model.norm == "layer"
    one_size = name in ("gpt_neox", "phi") and "heads" in sizes
    dead = dead_of(source.model, sizes)
    store = replace(with_dead(source, **dead), dtype="fp32")
    store = replace(store, read=lambda key, read=store.read: read(key).float())
    hf.write_hf(store, tmp_path / "dead", 5.0)
    store = hf.open_hf(tmp_path / "dead")
    scores = write_scores(store, tmp_path / "s.safetensors", **live(store, **dead))
    code = run("prune", src=tmp_path / "dead", dst=tmp_path / "out", scores=scores, **sizes)
    if refused or one_size:
        assert code == 2 and not (tmp_path / "out").exists()
        return
    assert code == 0
    pruned = hf.open_hf(tmp_path / "out")
    assert pruned.model.hidden_size == sizes.get("hidden_size", 64)
    assert head_size(pruned.model) == head_size(source.model)
    before, after = (logits(tmp_path / part, source.vocab_size) for part in ("dead", "out"))
    assert float((before - after).abs().max()) <= 1e-5 * max(float(before.abs().max()), 1.0)
