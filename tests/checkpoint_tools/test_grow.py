"""Growth: maps and published counts, logits against hand-made transformers models, logits that must not change, mistakes."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from checkpoint_tools import changes, verify
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.store import Store
from checkpoint_tools.formats.store_fingerprint import fingerprint_store
from checkpoint_tools.growth.layer_maps import LayerMap, MapName, format_map, named_map, parse_map
from checkpoint_tools.growth.width import Widths, widen
from checkpoint_tools.operations.grow import grow
from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import ConfigError
from megatron_ko.formats.checksums import describe_files
from megatron_ko.formats.operations_record import RECORD, read_record
from megatron_ko.planning.weights import parameter_count
from tests.checkpoint_tools.exaone import write_exaone
from tests.checkpoint_tools.tiny_checkpoint import write_tiny_checkpoint

FAMILIES = ["gqa", "mha", "qwen2", "qwen3", "mistral", "gpt_neox", "phi", "gemma2"]
BOUNDS = {"gemma2": 5e-6}
"""Its embeddings are divided by sqrt(2), which fp32 rounds, and its caps here are where tanh is steep."""


def some_tokens() -> Tensor:
    return torch.randint(0, 1001, (2, 24), generator=torch.Generator().manual_seed(3))


def logits_of(folder: Path, dtype: torch.dtype = torch.float32) -> Tensor:
    with torch.no_grad():
        return verify._load_hf(folder).to(dtype)(input_ids=some_tokens(), use_cache=False).logits


def difference(a: Tensor, b: Tensor) -> float:
    """Largest difference, as a share of the largest logit."""
    return float((a - b).abs().max() / b.abs().max())


def record_of(folder: Path) -> dict:
    return json.loads((folder / "operations.json").read_text())["operations"][-1]


# --- maps and counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source", "layers", "every", "expected"),
    [
        ("solar", 32, None, None, "0-23,8-31"),
        ("solar", 32, 40, None, "0-19,12-31"),
        ("solar", 8, 10, None, "0-4,3-7"),
        ("solar", 3, 6, None, "0-2,0-2"),
        ("kanana", 32, None, None, "0-19,12-31"),
        ("stack", 4, None, None, "0-3,0-3"),
        ("stack", 4, 12, None, "0-3,0-3,0-3"),
        ("interleave", 4, None, 2, "0-1,1-3,3"),
        ("interleave", 3, 6, None, "0,0-1,1-2,2"),
        ("llama-pro", 32, 40, None, "0-3,3-7,7-11,11-15,15-19,19-23,23-27,27-31,31"),
        ("llama-pro", 5, None, 2, "0-1,1-3,3-4"),
    ],
)
def test_named_maps(name, source, layers, every, expected):
    layer_map = named_map(name, source, layers, every)
    assert format_map(layer_map.layers) == expected
    assert parse_map(expected, source) == layer_map


def test_the_kept_layers_are_the_source_in_order():
    assert LayerMap((0, 1, 2, 1, 2, 3), 4).kept == (0, 1, 2, 5)
    assert LayerMap((0, 1, 2, 1, 2, 3), 4).new == (3, 4)
    assert LayerMap((1, 0, 1), 2).kept == (1, 2)  # the first 1 is the new one
    assert LayerMap((1, 0, 1), 2).new == (0,)
    backwards = LayerMap((2, 1, 0, 0), 3)
    assert backwards.kept is None and backwards.new == (3,)
    assert LayerMap((0, 0, 0), 3).unused == (1, 2)


def test_numbers_of_parameters_are_those_of_the_papers():
    """Llama 3 8B and Kanana's 9.8B, Mistral 7B and SOLAR's 10.7B; no weight is read."""
    model = ModelConfig(
        layers=32, hidden_size=4096, ffn_hidden_size=14336, heads=32, kv_groups=8, max_sequence_length=8192
    )

    def unread(name: str) -> Tensor:
        raise AssertionError(name)

    def counts(vocab: int, name: MapName) -> tuple[int, int]:
        store = Store("published", model, vocab, "bf16", unread)
        grown = grow(store, named_map(name, 32, None, None), Widths.of(store.model))
        return parameter_count(store.model, vocab), parameter_count(grown.model, vocab)

    assert counts(128_256, "kanana") == (8_030_261_248, 9_775_157_248)
    assert counts(32_000, "solar") == (7_241_732_096, 10_731_524_096)


# --- depth against models arranged by hand ---------------------------------------------------------------


def arranged_by_hand(folder: Path, layers: list[int]) -> Tensor:
    """Logits of the model of transformers whose list of layers was replaced; shares nothing with the code under test."""
    model = verify._load_hf(folder)
    trunk = model.gpt_neox if hasattr(model, "gpt_neox") else model.model
    trunk.layers = torch.nn.ModuleList(copy.deepcopy(trunk.layers[layer]) for layer in layers)
    model.config.num_hidden_layers = len(layers)
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = ["full_attention"] * len(layers)
    with torch.no_grad():
        return model(input_ids=some_tokens(), use_cache=False).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_copied_layers_compute_what_layers_arranged_by_hand_compute(hf_models, tmp_path, run, family):
    assert run("grow", src=hf_models[family], dst=tmp_path / "out", map="0-1,0-2,1") == 0
    by_hand = arranged_by_hand(hf_models[family], [0, 1, 0, 1, 2, 1])
    grown = logits_of(tmp_path / "out")
    assert difference(grown, by_hand) < 1e-6
    assert difference(grown, logits_of(hf_models[family])) > 1e-2  # the copies do something
    record = record_of(tmp_path / "out")
    assert record["layers"]["sources"] == [0, 1, 0, 1, 2, 1] and record["layers"]["new"] == [2, 3, 5]
    assert not record["preserves_logits"] and record["optimizer_state"].startswith("dropped")


def test_another_order_of_layers_is_another_model(hf_models, tmp_path, run):
    """The order matters, so a map that were applied wrongly would be seen."""
    run("grow", src=hf_models["gqa"], dst=tmp_path / "out", map="0-2,0-2")
    assert (
        difference(logits_of(tmp_path / "out"), arranged_by_hand(hf_models["gqa"], [0, 0, 1, 1, 2, 2])) > 1e-2
    )


# --- logits that do not change ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_silent_layers_do_not_change_logits(hf_models, tmp_path, run, family, capsys):
    options = {"name": "llama-pro", "every": 1, "logits": True, "tolerance": 1e-6}
    assert run("grow", src=hf_models[family], dst=tmp_path / "out", **options) == 0
    assert difference(logits_of(tmp_path / "out"), logits_of(hf_models[family])) < 1e-6
    assert "layers 3 -> 6: 0, 0-1, 1-2, 2" in capsys.readouterr().out
    record = record_of(tmp_path / "out")
    assert record["preserves_logits"] and record["layers"]["new"] == [1, 3, 5]
    [check] = record["checks"]
    assert check["value"] <= 1e-6 and check["bound"] == 1e-6
    assert record["parameters"]["after"] > record["parameters"]["before"]


@pytest.mark.parametrize("form", ["hf", "megatron"])
def test_recorded_logits_are_compared_again_while_the_source_exists(
    hf_models, tmp_path, run, expect_error, form, capsys
):
    source, grown = Path(shutil.copytree(hf_models["qwen2"], tmp_path / "source")), tmp_path / "grown"
    run("grow", src=source, dst=grown, name="llama-pro", every=1, logits=True, format=form)

    def verify_again(**options: bool) -> str:
        capsys.readouterr()
        assert run("verify", src=grown, **options) == 0
        return " ".join(capsys.readouterr().out.split())

    assert f"compared again with {source}" in verify_again()
    assert "compared again" not in verify_again(checks=False)
    tensors = load_file(source / "model.safetensors")
    tensors["model.norm.weight"] *= 2
    save_file(tensors, source / "model.safetensors", {"format": "pt"})
    assert "other weights" in verify_again()
    record = read_record(grown)
    record[-1]["source_fingerprint"] = fingerprint_store(verify.open_store(str(source)))
    (grown / RECORD).write_text(json.dumps({"operations": record}))
    (grown / "verification.json").write_text(json.dumps(_with_checksum_of_the_record(grown)))
    assert expect_error("verify", src=grown).rule == "verification-failed"
    shutil.rmtree(source)
    assert "is gone" in verify_again()


def _with_checksum_of_the_record(folder: Path) -> dict:
    report = json.loads((folder / "verification.json").read_text())
    if "files" in report:
        report["files"] |= describe_files(folder, [RECORD])
    return report


@pytest.mark.parametrize("family", ["gqa", "phi", "gemma2"])
def test_silent_layers_learn(hf_models, tmp_path, run, family):
    """One step of gradients reaches each new layer and stays finite: not everything at its output is zero."""
    run("grow", src=hf_models[family], dst=tmp_path / "out", map="0-2,1-2", new_layers="zero")
    model = verify._load_hf(tmp_path / "out")
    tokens = torch.arange(2, 34)[None]
    model(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
    ends = ("o_proj.weight", "down_proj.weight", "dense.weight", "fc2.weight")
    if family == "gemma2":
        ends = ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")
    gradients = {name: p.grad for name, p in model.named_parameters() if name.endswith(ends)}
    for layer in (3, 4):
        norms = [float(g.norm()) for name, g in gradients.items() if f"layers.{layer}." in name]
        assert len(norms) == 2 and all(0 < norm < 1e3 for norm in norms)


@pytest.mark.parametrize(
    ("family", "noise"), [*((family, 0.0) for family in FAMILIES), ("gqa", 0.5), ("gpt_neox", 0.5)]
)
def test_wider_models_have_the_same_logits(hf_models, tmp_path, run, family, noise):
    """In fp64, as sums in fp32 differ by more than the weights: these are larger than those of a trained model."""
    options = {"width": 3 if family == "gqa" else 2, "dtype": "fp32", "noise": noise}
    assert run("grow", src=hf_models[family], dst=tmp_path / "out", **options) == 0
    exact = [logits_of(folder, torch.float64) for folder in (tmp_path / "out", hf_models[family])]
    assert difference(*exact) < BOUNDS.get(family, 1e-6)
    assert difference(logits_of(tmp_path / "out"), logits_of(hf_models[family])) < 3e-5
    before, after = hf.open_hf(hf_models[family]), hf.open_hf(tmp_path / "out")
    assert after.model.hidden_size == options["width"] * before.model.hidden_size
    name = "model.layers.0.mlp.down_proj.weight"
    copies = after.tensor(name).split(before.model.ffn_hidden_size, 1)
    assert torch.equal(copies[0], copies[1]) == (noise == 0.0)


@pytest.mark.parametrize("family", ["gqa", "gemma2", "phi"])
def test_wider_models_are_exact_in_fp32_at_ordinary_weights(hf_models, tmp_path, family):
    """Matrices of a tenth, deviation 0.02, do not enlarge what rounding does to sums."""
    whole = hf.open_hf(hf_models[family])
    store = replace(whole, read=lambda name: whole.tensor(name) * (1.0 if "norm" in name else 0.1))
    for name, written in (("before", store), ("after", widen(store, Widths.of(store.model, 2), noise=0.1))):
        hf.write_hf(written, tmp_path / name, 5.0)
    assert difference(logits_of(tmp_path / "after"), logits_of(tmp_path / "before")) < 1.5e-6


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("gqa", {"ffn_hidden_size": 131}),
        ("gqa", {"hidden_size": 192}),
        ("qwen3", {"heads": 6}),  # 3 heads on each group copy 2
        ("qwen3", {"heads": 4, "kv_groups": 4}),  # grouped to multi-head attention
        ("qwen2", {"heads": 6, "kv_groups": 6, "hidden_size": 192}),
        ("mistral", {"kv_groups": 6}),
        ("gemma2", {"hidden_size": 256, "ffn_hidden_size": 100}),
    ],
)
def test_single_widths_keep_logits(hf_models, tmp_path, run, family, sizes):
    assert run("grow", src=hf_models[family], dst=tmp_path / "out", logits=True, **sizes) == 0
    after = hf.open_hf(tmp_path / "out").model
    assert all(getattr(after, name) == size for name, size in sizes.items())
    exact = [logits_of(folder, torch.float64) for folder in (tmp_path / "out", hf_models[family])]
    assert difference(*exact) < BOUNDS.get(family, 1e-6)


def test_width_and_depth_together(hf_models, tmp_path, run):
    options = {"width": 2, "map": "0-2,2", "new_layers": "zero", "logits": True, "noise": 0.1}
    assert run("grow", src=hf_models["qwen3"], dst=tmp_path / "out", **options) == 0
    grown = hf.open_hf(tmp_path / "out").model
    assert (grown.layers, grown.heads, grown.kv_groups) == (4, 8, 4)


def test_noise_depends_on_the_seed_alone(hf_models):
    store = hf.open_hf(hf_models["gqa"])
    name = "model.layers.1.self_attn.q_proj.weight"

    def draw(seed: int) -> Tensor:
        return widen(store, Widths.of(store.model, 2), 0.1, seed).tensor(name)

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))


def test_width_in_blocks_is_the_same(hf_models, monkeypatch):
    store = hf.open_hf(hf_models["gqa"])
    whole = widen(store, Widths.of(store.model, 2))
    expected = {name: whole.tensor(name) for name in whole.names()}
    monkeypatch.setattr("checkpoint_tools.growth.width.BLOCK", 1000)
    assert all(torch.equal(whole.tensor(name), tensor) for name, tensor in expected.items())


def test_exaone_grows(hf_models, tmp_path, run):
    """The family that transformers does not have; its logits are those of the Llama that computes the same."""
    source = write_exaone(hf_models["mha"], tmp_path / "exaone")
    assert run("grow", src=source, dst=tmp_path / "out", name="llama-pro", every=1, width=2, logits=True) == 0
    assert hf.open_hf(tmp_path / "out").family == "exaone"


# --- checkpoints -----------------------------------------------------------------------------------------


@pytest.mark.ranks
def test_a_checkpoint_grows_as_its_export_does(checkpoints, hf_models, tmp_path, run):
    """Logits by megatron-core before and after; every tensor equals that of the grown Hugging Face folder."""
    options = {"map": "0-2,1-2", "new_layers": "zero", "width": 2}
    assert run("grow", src=checkpoints["gemma2"], dst=tmp_path / "ours", logits=True, **options) == 0
    assert run("grow", src=hf_models["gemma2"], dst=tmp_path / "hf", **options) == 0
    ours, theirs = mcore.open_mcore(tmp_path / "ours"), hf.open_hf(tmp_path / "hf")
    assert ours.names() == theirs.names()
    assert all(torch.equal(ours.tensor(name), theirs.tensor(name)) for name in ours.names())


@pytest.mark.ranks
def test_text_is_scored_before_and_after(tmp_path, run, capsys):
    source = write_tiny_checkpoint(tmp_path)
    (tmp_path / "ko.txt").write_text("나무와 돌과 물이 있는 마을의 이야기입니다. " * 20)
    options = {"text": tmp_path / "ko.txt", "text_tokens": 200, "text_length": 32}
    run("grow", src=source, dst=tmp_path / "silent", name="llama-pro", every=2, **options)
    run("grow", src=source, dst=tmp_path / "copied", name="stack", **options)
    silent, copied = (record_of(tmp_path / name)["texts"][0] for name in ("silent", "copied"))
    assert silent["after"]["loss"] == pytest.approx(silent["before"]["loss"], rel=1e-6)
    assert copied["before"] == silent["before"]
    assert abs(copied["after"]["loss"] - copied["before"]["loss"]) > 1e-3
    assert "ko.txt" in capsys.readouterr().out


def test_a_map_that_grows_nothing_changes_no_bit(checkpoints, tmp_path, run, capsys):
    assert run("grow", src=checkpoints["gqa"], dst=tmp_path / "out", map="0-2") == 0
    assert "no layer and no width changes" in capsys.readouterr().out
    assert verify.compare(
        mcore.open_mcore(checkpoints["gqa"]), mcore.open_mcore(tmp_path / "out")
    ).is_equal_within(0)


def test_operations_chain(hf_models, tmp_path, run):
    run("grow", src=hf_models["qwen2"], dst=tmp_path / "one", name="stack")
    run("grow", src=tmp_path / "one", dst=tmp_path / "two", width=2)
    operations = json.loads((tmp_path / "two" / "operations.json").read_text())["operations"]
    assert [entry["map"] for entry in operations] == ["stack", None]
    assert operations[0]["parameters"]["after"] == operations[1]["parameters"]["before"]


# --- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "rule"),
    [
        ({}, "--map", "nothing-to-grow"),
        ({"map": "0-3"}, "--map", "layer-outside"),
        ({"map": "0-2,99999999999"}, "--map", "not-a-map"),
        ({"map": "0-2,"}, "--map", "not-a-map"),
        ({"map": "0-2;1"}, "--map", "not-a-map"),
        ({"map": "2-0"}, "--map", "backward-range"),
        ({"map": "0-1"}, "--map", "fewer-layers"),
        ({"map": ",".join(["0-2"] * 4000)}, "--map", "too-many-layers"),
        ({"map": "0-2", "name": "stack"}, "--name", "two-maps"),
        ({"map": "0-2", "layers": 4}, "--layers", "needs-name"),
        ({"name": "solar"}, "--name", "no-such-map"),
        ({"name": "kanana"}, "--name", "no-such-map"),
        ({"name": "solar", "layers": 5}, "--layers", "no-such-map"),
        ({"name": "solar", "layers": 8}, "--layers", "no-such-map"),
        ({"name": "stack", "layers": 7}, "--layers", "no-such-map"),
        ({"name": "stack", "layers": 10_000}, "--layers", "no-such-map"),
        ({"name": "interleave", "layers": 5}, "--layers", "no-such-map"),
        ({"name": "interleave"}, "--every", "every-missing"),
        ({"name": "interleave", "every": 4}, "--every", "no-such-map"),
        ({"name": "interleave", "every": 1, "layers": 4}, "--layers", "layers-and-every-differ"),
        ({"name": "solar", "layers": 4, "every": 1}, "--every", "every-of-other-map"),
        ({"name": "llama-pro", "every": 1, "new_layers": "copy"}, "--new-layers", "zero-by-definition"),
        ({"width": 2, "new_layers": "zero"}, "--new-layers", "no-new-layers"),
        ({"map": "2-2,1,0", "new_layers": "zero"}, "--new-layers", "no-order-to-keep"),
        ({"map": "0-2,0", "logits": True}, "--logits", "logits-change"),
        ({"map": "0-2,0", "noise": 0.1}, "--noise", "noise-without-width"),
        ({"width": 2, "dtype": "bf16", "logits": True}, "--logits", "logits-of-rounded-weights"),
        ({"hidden_size": 100}, "--hidden-size", "not-a-multiple"),
        ({"hidden_size": 32}, "--hidden-size", "narrower"),
        ({"ffn_hidden_size": 95}, "--ffn-hidden-size", "narrower"),
        ({"heads": 5}, "--kv-groups", "does-not-divide"),
        ({"hidden_size": 2**24, "width": 64, "ffn_hidden_size": 90}, "--ffn-hidden-size", "narrower"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_before_anything_is_written(
    hf_models, tmp_path, expect_error, options, path, rule
):
    error = expect_error("grow", src=hf_models["gqa"], dst=tmp_path / "out", **options)
    assert isinstance(error, ConfigError)
    assert (error.problems[0].path, error.rule) == (path, rule)
    assert not (tmp_path / "out").exists()


def test_heads_that_no_group_takes_over_are_refused(hf_models):
    """Eight heads on four groups of two cannot copy one group of three."""
    store = hf.open_hf(hf_models["mistral"])  # 6 heads on 2 groups
    with pytest.raises(ConfigError) as caught:
        widen(store, Widths(64, 96, 6, 3))
    assert caught.value.rule == "heads-left-out"


def test_a_shape_without_a_family_is_refused_by_name(hf_models, tmp_path, expect_error):
    """GPT-NeoX has as many key heads as query heads, and heads of hidden_size / heads."""
    for options in ({"heads": 8}, {"hidden_size": 128}):
        for dry in ({"dry_run": True}, {}):
            error = expect_error("grow", src=hf_models["gpt_neox"], dst=tmp_path / "out", **dry, **options)
            assert error.rule == "no-hugging-face-model"
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing(hf_models, tmp_path, run, capsys):
    assert run("grow", src=hf_models["gqa"], dst=tmp_path / "out", name="stack", dry_run=True) == 0
    printed = capsys.readouterr().out
    assert "layers 3 -> 6: 0-2, 0-2" in printed and "would write" in printed
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_an_error_before_the_first_byte(hf_models, tmp_path, expect_error, monkeypatch):
    monkeypatch.setattr("checkpoint_tools.formats.store.free_bytes", lambda folder: 1000)
    assert expect_error("grow", src=hf_models["gqa"], dst=tmp_path / "out", name="stack").rule == "disk-full"
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_a_killed_call_leaves_nothing_complete_and_can_be_repeated(hf_models, tmp_path, run, monkeypatch):
    class Killed(BaseException):
        pass

    real, reads = Store.tensor, []

    def die(store: Store, name: str) -> Tensor:
        reads.append(name)
        if len(reads) == 20:
            raise Killed
        return real(store, name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "tensor", die)
        with pytest.raises(Killed):
            run("grow", src=hf_models["mha"], dst=tmp_path / "out", name="stack")
    assert not (tmp_path / "out" / "verification.json").exists()
    assert not (tmp_path / "out" / "operations.json").exists()
    assert run("grow", src=hf_models["mha"], dst=tmp_path / "out", name="stack") == 0
    assert (tmp_path / "out" / "verification.json").exists()


def test_logits_that_differ_are_an_error(hf_models, tmp_path, expect_error, monkeypatch):
    """A function-preserving growth that is wrong is caught by the logits, not by the weights read back."""
    monkeypatch.setattr("checkpoint_tools.growth.depth._silences", lambda weight, model: False)
    error = expect_error(
        "grow", src=hf_models["gqa"], dst=tmp_path / "out", name="llama-pro", every=3, logits=True
    )
    assert error.rule == "verification-failed"
    assert not (tmp_path / "out" / changes.RECORD).exists()
