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
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.hf_config import exported_family
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.store_fingerprint import fingerprint_store
from checkpoint_tools.operations.prune import prune
from checkpoint_tools.pruning.scores_file import Aggregation, read_scores
from checkpoint_tools.pruning.selection import Kept, Shares, keep_heads, keep_highest, shares_of
from checkpoint_tools.pruning.shapes import Sizes, propose, target_of
from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.importance_record import ImportanceRecord
from megatron_ko.formats.operations_record import RECORD
from megatron_ko.planning.weights import parameter_count

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
        values[name] = tensors.get(name.split(".")[0], torch.rand(shape, generator=RANDOM) + 0.1).expand(
            shape
        )
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
    sites = {
        "attention_input": "hidden",
        "mlp_input": "hidden",
        "gate_up": "ffn",
        "product": "ffn",
        "heads": "q",
    }
    return {site: scores[axis].flatten() for site, axis in sites.items()}


def logits(folder: Path, vocab: int) -> Tensor:
    tokens = torch.randint(0, vocab, (2, 24), generator=torch.Generator().manual_seed(3))
    return verify.compute_logits(str(folder), tokens)


# --- what is dead ----------------------------------------------------------------------------------------

CUTS = {
    "ffn": {"ffn_hidden_size": 80},
    "heads": {"heads": 2},
    "hidden": {"hidden_size": 48},
    "all": {"hidden_size": 48, "ffn_hidden_size": 80, "heads": 2},
}
CASES = [
    pytest.param(
        name,
        cut,
        marks=()
        if cut == "all" or (name, cut) in (("gqa", "hidden"), ("gpt_neox", "ffn"), ("phi", "ffn"))
        else pytest.mark.slow,
    )
    for name in FAMILIES
    for cut in CUTS
]
# after both branches were normed anew, logits far above the cap of 3 pass it
TOLERANCE = {"gemma2": 5e-5}
DEAD = {
    "hidden_size": [1, 4, 5, 9, *range(20, 32)],
    "ffn_hidden_size": [0, 3, *range(40, 54)],
    "heads": [1, 2],
}


def dead_of(model: ModelConfig, cut: dict[str, int]) -> dict[str, list[int]]:
    heads = [1, 2] if model.heads == 4 else [0, 4]
    dead = {**DEAD, "heads": heads}
    return {short: dead[name] if name in cut else [] for short, name in
            (("hidden", "hidden_size"), ("ffn", "ffn_hidden_size"), ("heads", "heads"))}  # fmt: skip


@pytest.mark.parametrize(("name", "cut"), CASES)
def test_removing_what_is_dead_leaves_the_logits(hf_models, tmp_path, run, name, cut):
    """Through transformers, in fp32; layers without groups lose a key head with each query head."""
    source = hf.open_hf(hf_models[name])
    sizes = dict(CUTS[cut])
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
    assert float((before - after).abs().max()) <= TOLERANCE.get(name, 1e-5) * max(
        float(before.abs().max()), 1.0
    )


def test_without_the_correction_of_norms_the_logits_would_change(hf_models, tmp_path, run):
    """The oracle of the test above: the same cut with the norms of the source is far off."""
    store = with_dead(
        hf.open_hf(hf_models["gqa"]), **dead_of(hf.open_hf(hf_models["gqa"]).model, CUTS["hidden"])
    )
    target = target_of(store.model, Sizes(hidden_size=48))
    assert target.norm_epsilon == pytest.approx(store.model.norm_epsilon * 64 / 48)
    kept = Kept(hidden=torch.tensor([i for i in range(64) if i not in DEAD["hidden_size"]]))
    name = "model.layers.0.input_layernorm.weight"
    plain, right = store.tensor(name)[kept.hidden], prune(store, target, kept).tensor(name)
    torch.testing.assert_close(right, plain * (64 / 48) ** 0.5)


# --- nothing, depth, tied embeddings ---------------------------------------------------------------------


def test_pruning_nothing_changes_no_bit(hf_models, checkpoints, tmp_path, run):
    for number, path in enumerate((hf_models["mha"], checkpoints["gqa"])):
        model = verify.open_store(str(path)).model
        sizes = {name: getattr(model, name) for name in ("hidden_size", "ffn_hidden_size", "heads", "layers")}
        assert run("prune", src=path, dst=tmp_path / str(number), **sizes) == 0
        assert run("compare", a=path, b=tmp_path / str(number), tolerance=0) == 0
        assert verify.open_store(str(tmp_path / str(number))).model == model


def test_layers_are_removed_by_name_and_by_score(hf_models, tmp_path, run):
    """A layer whose projections to the residual stream are zero does nothing; removing it changes no logit."""
    source = hf.open_hf(hf_models["gqa"])

    def read(name: str) -> Tensor:
        idle = name.startswith("model.layers.1.") and name.endswith(("o_proj.weight", "down_proj.weight"))
        return torch.zeros_like(source.tensor(name)) if idle else source.tensor(name)

    hf.write_hf(replace(source, read=read), tmp_path / "idle", 5.0)
    store = hf.open_hf(tmp_path / "idle")
    scores = write_scores(
        store, tmp_path / "s.safetensors",
        block_influence=torch.tensor([0.5, 0.0, 0.4]), left_out_loss=torch.tensor([0.0, 0.4, 0.5]),
    )  # fmt: skip
    assert run("prune", src=tmp_path / "idle", dst=tmp_path / "named", drop_layers=[1]) == 0
    assert run("prune", src=tmp_path / "idle", dst=tmp_path / "scored", scores=scores, layers=2) == 0
    assert run("compare", a=tmp_path / "named", b=tmp_path / "scored", tolerance=0) == 0
    before, after = (logits(tmp_path / part, source.vocab_size) for part in ("idle", "scored"))
    assert torch.equal(before, after)
    record = json.loads((tmp_path / "scored" / RECORD).read_text())["operations"]
    assert record[0]["layers"] == [0, 2] and record[0]["shape"]["layers"] == {"before": 3, "after": 2}
    loss = tmp_path / "loss"
    assert run("prune", src=tmp_path / "idle", dst=loss, scores=scores, layers=2, layer_score="loss") == 0
    assert (
        hf.open_hf(loss)
        .tensor("model.layers.0.input_layernorm.weight")
        .equal(store.tensor("model.layers.1.input_layernorm.weight"))
    )


def test_tied_embeddings_are_the_mean_of_both(hf_models, tmp_path, run):
    source = hf.open_hf(hf_models["gqa"])
    assert run("prune", src=hf_models["gqa"], dst=tmp_path / "tied", tie_embeddings=True) == 0
    tied = hf.open_hf(tmp_path / "tied")
    mean = (source.tensor("model.embed_tokens.weight") + source.tensor("lm_head.weight")) / 2
    assert tied.model.tied_embeddings and "lm_head.weight" not in tied.entries
    assert torch.equal(tied.tensor("model.embed_tokens.weight"), mean)
    assert logits(tmp_path / "tied", 1001).isfinite().all()


def test_a_student_of_a_student_keeps_the_record_of_both(checkpoints, tmp_path, run, expect_error):
    """Scores of the first model do not fit the second; a Megatron checkpoint is pruned like a Hugging Face folder."""
    first = write_scores(mcore.open_mcore(checkpoints["gqa"]), tmp_path / "1.safetensors")
    assert run("prune", src=checkpoints["gqa"], dst=tmp_path / "one", scores=first, ffn_hidden_size=64) == 0
    error = expect_error(
        "prune", src=tmp_path / "one", dst=tmp_path / "two", scores=first, ffn_hidden_size=32
    )
    assert error.rule == "scores-of-another-model" and not (tmp_path / "two").exists()
    second = write_scores(mcore.open_mcore(tmp_path / "one"), tmp_path / "2.safetensors")
    assert (
        run("prune", src=tmp_path / "one", dst=tmp_path / "two", scores=second, hidden_size=48, heads=2) == 0
    )
    entries_ = json.loads((tmp_path / "two" / RECORD).read_text())["operations"]
    assert [entry["operation"] for entry in entries_] == ["prune", "prune"]
    assert entries_[1]["parameters"]["after"] == parameter_count(
        mcore.open_mcore(tmp_path / "two").model, 1001
    )
    assert entries_[1]["shares_kept"]["hidden"] < 1 and entries_[0]["aggregation"]["batch"] == "l2"
    # the number format of both formats has the same fingerprint
    assert run("to-hf", src=tmp_path / "one", dst=tmp_path / "hf") == 0
    assert fingerprint_store(hf.open_hf(tmp_path / "hf")) == fingerprint_store(
        mcore.open_mcore(tmp_path / "one")
    )


# --- what is kept ----------------------------------------------------------------------------------------


def test_heads_are_kept_evenly_within_groups_or_not():
    scores = torch.tensor([[9.0, 8, 7, 1, 2, 3, 4, 0]])  # two groups of four
    assert keep_heads(scores, 4, 2).tolist() == [[0, 1, 5, 6]]
    assert keep_heads(scores, 4, 1).tolist() == [[0, 1, 2, 6]]
    assert keep_highest(torch.ones(4), 2).tolist() == [0, 1]  # equal scores keep the lower index


def test_unaligned_heads_read_the_keys_of_another_group(hf_models, tmp_path, run):
    """Kanana's second row: heads 0, 1 of group 0 are kept, and head 1 then reads the keys of group 1."""
    store = hf.open_hf(hf_models["gqa"])
    heads = torch.tensor([3.0, 2, 1, 0])[:, None].expand(4, 32).flatten()
    scores = write_scores(store, tmp_path / "s.safetensors", heads=heads)
    options = {"src": hf_models["gqa"], "scores": scores, "heads": 2}
    assert run("prune", dst=tmp_path / "aligned", **options) == 0
    assert run("prune", dst=tmp_path / "free", align_heads=False, **options) == 0
    name = "model.layers.0.self_attn.q_proj.weight"
    whole = store.tensor(name).unflatten(0, (4, 32))
    assert torch.equal(hf.open_hf(tmp_path / "aligned").tensor(name), whole[[0, 2]].flatten(0, 1))
    assert torch.equal(hf.open_hf(tmp_path / "free").tensor(name), whole[[0, 1]].flatten(0, 1))


# --- shapes and budgets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "ffn", "heads", "tied", "count"),
    [
        (4096, 14336, 32, False, 8_030_261_248),
        (3072, 9216, 32, False, 4_512_746_496),
        (1792, 8064, 24, True, 2_086_979_328),
        (1536, 5376, 16, True, 1_291_814_400),
        (1536, 4608, 24, True, 1_279_231_488),
        (1024, 3072, 16, True, 634_717_184),
    ],
)
def test_the_shapes_of_kanana_have_its_numbers_of_parameters(hidden, ffn, heads, tied, count):
    """Derived from arXiv 2502.18934; each can be exported, where heads do not divide the hidden size as a Mistral."""
    target = replace(target_of(KANANA, Sizes(hidden, ffn, heads)), tied_embeddings=tied)
    assert parameter_count(target, 128_256) == count
    assert head_size(target) == 128
    assert exported_family("kanana", target, "llama").model_type == (
        "llama" if hidden % heads == 0 else "mistral"
    )


def _kanana_store() -> Store:
    def read(name: str) -> Tensor:
        raise AssertionError(f"{name}: a shape needs no weights")

    return Store("kanana", KANANA, 128_256, "bf16", read, family="llama")


def test_a_budget_is_met_by_the_shape_that_keeps_most():
    asked = []

    def shares(model: ModelConfig) -> Shares:
        asked.append(model)
        return Shares(model.hidden_size / 4096, model.ffn_hidden_size / 14336, (model.heads / 32) ** 0.1)

    proposals = propose(_kanana_store(), Sizes(), 4_600_000_000, False, shares)
    best = proposals[0]
    assert 0.97 * 4_600_000_000 <= best.parameters <= 4_600_000_000
    assert best.parameters == parameter_count(best.model, 128_256)
    assert best.shares.product == max(shares(p.model).product for p in proposals)
    assert any(p.parameters == 4_512_746_496 for p in proposals), "Kanana's own shape is among them"
    assert all(p.model.heads % 8 == 0 and p.model.layers == 32 for p in proposals)
    fixed = propose(
        _kanana_store(), Sizes(hidden_size=1792, heads=24, layers=32), 2_100_000_000, True, shares
    )
    assert {(p.model.hidden_size, p.model.heads) for p in fixed} == {(1792, 24)}
    assert max(p.parameters for p in fixed) <= 2_100_000_000


def test_a_budget_below_the_smallest_shape_names_it():
    with pytest.raises(CheckpointError) as caught:
        propose(_kanana_store(), Sizes(), 1_000, False, lambda model: Shares())
    smallest = target_of(KANANA, Sizes(256, 512, 8))
    assert caught.value.rule == "budget-too-small"
    assert f"{parameter_count(smallest, 128_256):,}" in str(caught.value)


def test_prune_to_a_number_of_parameters(hf_models, tmp_path, run, capsys):
    store = hf.open_hf(hf_models["gqa"])
    count = parameter_count(store.model, store.vocab_size)
    scores = write_scores(store, tmp_path / "s.safetensors")
    options = {"src": hf_models["gqa"], "scores": scores, "parameters": int(0.7 * count)}
    assert run("prune", dst=tmp_path / "dry", dry_run=True, **options) == 0
    table = capsys.readouterr().out
    assert not (tmp_path / "dry").exists() and "would write" in table
    assert all(len(line) <= 80 for line in table.splitlines() if "/" not in line)
    assert run("prune", dst=tmp_path / "out", **options) == 0
    small = hf.open_hf(tmp_path / "out")
    actual = parameter_count(small.model, small.vocab_size)
    assert 0.97 * 0.7 * count <= actual <= 0.7 * count and f"{actual:,}" in capsys.readouterr().out
    shares = shares_of(read_scores(scores), Aggregation(), small.model, True)
    record = json.loads((tmp_path / "out" / RECORD).read_text())["operations"][0]
    assert record["shares_kept"]["ffn"] == pytest.approx(shares.ffn)


# --- errors ----------------------------------------------------------------------------------------------


def test_what_cannot_be_pruned_is_refused_by_name(hf_models, tmp_path, expect_error, run):
    scores = write_scores(hf.open_hf(hf_models["gqa"]), tmp_path / "s.safetensors")
    neox = write_scores(hf.open_hf(hf_models["gpt_neox"]), tmp_path / "neox.safetensors")

    def refuse(name: str = "gqa", **options) -> list[tuple[str, str | None]]:
        error = expect_error("prune", src=hf_models[name], dst=tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()
        return [(problem.path, problem.rule) for problem in error.problems]

    assert refuse() == [("--parameters", "nothing-to-prune")]
    assert refuse(hidden_size=48) == [("--scores", "scores-needed")]
    assert refuse(parameters=1e5) == [("--scores", "scores-needed")]
    assert refuse(scores=scores, hidden_size=128, heads=3) == [
        ("--hidden-size", "larger-than-source"), ("--heads", "heads-do-not-divide"),
    ]  # fmt: skip
    assert refuse("gpt_neox", scores=neox, hidden_size=32) == [("--hidden-size", "hidden-under-layer-norm")]
    assert refuse("gpt_neox", scores=neox, heads=2)[0][1] == "target-without-hugging-face-form"
    assert refuse("mha", tie_embeddings=True) == [("--tie-embeddings", "already-tied")]
    assert refuse(drop_layers=[1, 7]) == [("--drop-layers", "no-such-layer")]
    assert refuse(drop_layers=[0, 1, 2]) == [("--drop-layers", "no-such-layer")]
    assert refuse(drop_layers=[1, 1]) == [("--drop-layers", "layer-twice")]
    assert refuse(drop_layers=[0], layers=2, scores=scores) == [("--drop-layers", "layers-twice")]
    assert refuse(scores=scores, parameters=100) == [("--parameters", "budget-too-small")]
    assert refuse("qwen2", scores=scores, ffn_hidden_size=64)[0][1] == "scores-of-another-model"
    assert refuse("gpt_neox", scores=neox, ffn_hidden_size=64, ffn_score="gate_up")[0][1] == "no-gate"
    bare = read_scores(scores).record
    save_file(
        {name: value for name, value in read_scores(scores).tensors.items() if name != "left_out_loss"},
        tmp_path / "bare.safetensors", replace(bare, left_out=False).metadata(),
    )  # fmt: skip
    rule = refuse(scores=tmp_path / "bare.safetensors", layers=2, layer_score="loss")[0][1]
    assert rule == "no-losses-without-layers"


def test_a_missing_tensor_is_named(hf_models, tmp_path, expect_error):
    from safetensors.torch import load_file

    folder = tmp_path / "broken"
    hf.write_hf(hf.open_hf(hf_models["gqa"]), folder, 5.0)
    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, path, {"format": "pt"})
    error = expect_error("prune", src=folder, dst=tmp_path / "out", drop_layers=[0])
    assert "model.layers.1.mlp.up_proj.weight" in str(error) and not (tmp_path / "out").exists()


def test_scores_are_shown_and_compared(hf_models, tmp_path, run, capsys, expect_error):
    store = hf.open_hf(hf_models["gqa"])
    first = write_scores(store, tmp_path / "a.safetensors")
    second = write_scores(store, tmp_path / "b.safetensors")
    other = write_scores(hf.open_hf(hf_models["gpt_neox"]), tmp_path / "c.safetensors")
    assert run("importance", src=first, sequence="l2", layer_sum=False) == 0
    printed = capsys.readouterr().out
    assert "l2 over positions" in printed and "first layer" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if "/" not in line)
    assert run("importance", src=first, compare=first) == 0
    assert capsys.readouterr().out.count(" 1.0000") == 4
    assert run("importance", src=first, compare=second) == 0
    assert "the same model" in capsys.readouterr().out
    assert expect_error("importance", src=first, compare=other).rule == "models-differ"
