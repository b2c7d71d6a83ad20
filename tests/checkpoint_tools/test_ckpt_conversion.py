"""Hugging Face to checkpoint and back: bytes, configuration, lazy reading, number formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools.formats import hf, mcore, torch_dist
from megatron_ko.formats.checksums import hash_file
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.hf_families import FAMILIES

MODELS = ["gqa", "mha", "qwen2", "qwen3", "mistral", "gpt_neox", "phi", "gemma2"]


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def assert_same_bytes(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert torch.equal(ours[name].view(torch.uint8), tensor.view(torch.uint8)), name


@pytest.mark.parametrize("model", MODELS)
def test_round_trip_keeps_every_byte_and_every_config_value(model, hf_models, checkpoints, tmp_path, run):
    from transformers import AutoConfig, AutoModelForCausalLM

    assert run("to-hf", src=checkpoints[model], dst=tmp_path / "hf", max_shard_gb=0.0003) == 0
    original = tensors_of(hf_models[model])
    assert_same_bytes(tensors_of(tmp_path / "hf"), original)
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 1
    ours, theirs = (
        AutoConfig.from_pretrained(folder).to_dict() for folder in (tmp_path / "hf", hf_models[model])
    )
    for config in (ours, theirs):
        del config["transformers_version"], config["_name_or_path"]
        config.pop("max_window_layers", None)  # has no effect without a sliding window
    if model not in ("gpt_neox", "phi"):  # they have no such key
        theirs.setdefault("head_dim", theirs["hidden_size"] // theirs["num_attention_heads"])
    assert ours == theirs
    _, report = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    report = json.loads((tmp_path / "hf" / "verification.json").read_text())
    assert {name: facts["xxh3_128"] for name, facts in report["files"].items()} == {
        name: hash_file(tmp_path / "hf" / name) for name in report["files"]
    }
    verified = report["weights"]
    assert verified["tensors"] == dict.fromkeys(verified["tensors"], 0)
    name_of = FAMILIES[read_config(hf_models[model]).family].name_of
    assert set(map(name_of, verified["tensors"])) == original.keys() and verified["largest_difference"] == 0


def test_both_spellings_of_config_give_the_same_model(hf_models, checkpoints, tmp_path, run):
    run("to-hf", src=checkpoints["gqa"], dst=tmp_path / "hf")
    path = tmp_path / "hf" / "config.json"
    both = json.loads(path.read_text())
    assert both["rope_scaling"]["original_max_position_embeddings"] == 32
    assert both["rope_parameters"] == {**both["rope_scaling"], "rope_theta": both["rope_theta"]}
    assert both["torch_dtype"] == both["dtype"] == "float32"
    expected = read_config(hf_models["gqa"]).model
    for left_out in ({"rope_parameters", "dtype"}, {"rope_scaling", "rope_theta", "torch_dtype"}, set()):
        path.write_text(json.dumps({k: v for k, v in both.items() if k not in left_out}))
        assert read_config(tmp_path / "hf").model == expected


def test_marker_describes_the_checkpoint(checkpoints):
    marker = json.loads((checkpoints["gqa"] / "checkpoint.json").read_text())
    assert (marker["step"], marker["samples"], marker["optimizer"], marker["config"]) == (0, 0, False, None)
    assert (marker["vocab_size"], marker["padded_vocab_size"]) == (1001, 1024)
    reader = torch_dist.SliceReader(checkpoints["gqa"])
    assert not reader.read("output_layer.weight", (1001, 0), (23, 64)).any()  # padding is zero


def test_a_layer_is_read_without_the_others(checkpoints, monkeypatch):
    reads = []
    plain = torch_dist.SliceReader.read

    def record(self, name, offset, shape):
        reads.append((name, offset, shape))
        return plain(self, name, offset, shape)

    monkeypatch.setattr(torch_dist.SliceReader, "read", record)
    store = mcore.open_mcore(checkpoints["gqa"])
    assert reads == []
    for part in "qkv":
        store.tensor(f"model.layers.1.self_attn.{part}_proj.weight")
    assert reads == [("decoder.layers.self_attention.linear_qkv.weight", (1, 0, 0), (1, 256, 64))]
    assert store.tensor("lm_head.weight").shape == (1001, 64)  # padding rows are not read
    assert reads[1:] == [("output_layer.weight", (0, 0), (1001, 64))]


def test_query_key_value_are_interleaved_by_group(hf_models, checkpoints):
    """Group g of the stored tensor: its 2 query heads, its key head, its value head, each of 32 rows."""
    theirs = tensors_of(hf_models["gqa"])
    q, k, v = (theirs[f"model.layers.2.self_attn.{part}_proj.weight"] for part in "qkv")
    stored = torch_dist.SliceReader(checkpoints["gqa"]).read(
        "decoder.layers.self_attention.linear_qkv.weight", (2, 0, 0), (1, 256, 64)
    )[0]
    assert torch.equal(stored, torch.cat([q[:64], k[:32], v[:32], q[64:], k[32:], v[32:]]))


def test_number_format_is_kept_or_changed_on_request(hf_models, checkpoints, tmp_path, run, expect_error):
    assert mcore.open_mcore(checkpoints["mha"]).dtype == "bf16"
    assert run("to-hf", src=checkpoints["gqa"], dst=tmp_path / "bf16", dtype="bf16") == 0
    assert_same_bytes(
        tensors_of(tmp_path / "bf16"), {n: t.bfloat16() for n, t in tensors_of(hf_models["gqa"]).items()}
    )
    assert read_json_value(tmp_path / "bf16", "dtype") == "bfloat16"
    assert run("from-hf", src=hf_models["mha"], dst=tmp_path / "fp32", dtype="fp32") == 0
    assert mcore.open_mcore(tmp_path / "fp32").dtype == "fp32"
    error = expect_error("to-hf", src=checkpoints["gqa"], dst=tmp_path / "x", dtype="bf16", logits=True)
    assert error.rule == "logits-of-rounded-weights"


def read_json_value(folder: Path, name: str):
    return json.loads((folder / "config.json").read_text())[name]


def test_a_sequence_longer_than_the_base_is_a_warning(hf_models, tmp_path, run, capsys):
    trained = hf.open_hf(hf_models["gqa"]).model.max_sequence_length
    for length, warned in ((trained, False), (2 * trained, True)):
        capsys.readouterr()
        assert (
            run("from-hf", src=hf_models["gqa"], dst=tmp_path / str(length), max_sequence_length=length) == 0
        )
        assert ("warning: --max-sequence-length" in capsys.readouterr().out) == warned


def test_options_of_from_hf_reach_the_configuration(hf_models, tmp_path, run):
    assert (
        run("from-hf", src=hf_models["mha"], dst=tmp_path / "m", vocab_multiple=7, max_sequence_length=64)
        == 0
    )
    store = mcore.open_mcore(tmp_path / "m")
    assert (store.model.vocab_multiple, store.model.max_sequence_length) == (7, 64)
    assert torch_dist.SliceReader(tmp_path / "m").shapes()["embedding.word_embeddings.weight"] == (1001, 64)


def test_newest_checkpoint_of_a_run_is_taken(checkpoints, tmp_path, run, capsys):
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "step_00000001").symlink_to(checkpoints["gqa"])
    (folder / "step_00000002").symlink_to(checkpoints["mha"])
    (folder / "step_00000003").mkdir()  # half-written
    assert run("to-hf", src=tmp_path / "run", dst=tmp_path / "hf") == 0
    assert "step_00000002" in capsys.readouterr().out
    assert hf.open_hf(tmp_path / "hf").model.tied_embeddings


def test_compare_reports_values_shapes_and_names(hf_models, checkpoints, tmp_path, run, expect_error, capsys):
    assert run("compare", a=hf_models["gqa"], b=checkpoints["gqa"]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith(("model.", "lm_head."))]
    assert len(rows) == 30 and {row.split()[-1] for row in rows} == {"0"}
    assert len({row.rindex(" ") for row in rows}) == 1  # aligned
    assert expect_error("compare", a=hf_models["gqa"], b=hf_models["mha"]).rule == "models-differ"
    run("compare", a=hf_models["gqa"], b=hf_models["mha"])
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith(("model.", "lm_head."))]
    assert max(map(len, rows)) <= 80 and len({len(row) for row in rows}) == 1
    assert "128x64 / 64x64" in out and "lm_head.weight" in out and "setting rope" in out


# --- configurations of the field ---------------------------------------------------------------------------


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def edit(path: Path, **values: object) -> None:
    old = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**old, **values}))


def test_settings_of_generation_come_back(hf_models, tmp_path, run):
    source = copy_of(hf_models["qwen2"], tmp_path / "hf")
    settings = {"temperature": 0.7, "top_p": 0.8, "eos_token_id": [5, 7, 9], "transformers_version": "4.45.0"}
    (source / "generation_config.json").write_text(json.dumps(settings))
    assert run("from-hf", src=source, dst=tmp_path / "ours") == 0
    assert run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back") == 0
    assert json.loads((tmp_path / "back" / "generation_config.json").read_text()) == settings
    assert read_json_value(tmp_path / "back", "eos_token_id") == [5, 7]


def test_numbers_of_the_rotary_embedding_may_be_strings(hf_models, tmp_path):
    source = copy_of(hf_models["gqa"], tmp_path / "hf")
    rope = json.loads((source / "config.json").read_text())["rope_parameters"]
    words = {name: str(value) if name != "rope_type" else value for name, value in rope.items()}
    edit(source / "config.json", rope_parameters=words)
    assert read_config(source).model == read_config(hf_models["gqa"]).model


def test_code_and_classes_of_other_models_are_reported(hf_models, tmp_path, run, capsys):
    source = copy_of(hf_models["mha"], tmp_path / "hf")
    edit(
        source / "config.json",
        auto_map={"AutoModelForCausalLM": "modeling.Foo"},
        architectures=["FooForCausalLM"],
    )
    assert run("from-hf", src=source, dst=tmp_path / "ours") == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert (
        sum("auto_map" in line for line in warnings)
        == sum("FooForCausalLM" in line for line in warnings)
        == 1
    )


def test_rounding_is_measured(hf_models, tmp_path, run):
    assert run("from-hf", src=hf_models["gqa"], dst=tmp_path / "bf16", dtype="bf16") == 0
    report = json.loads((tmp_path / "bf16" / "verification.json").read_text())
    exact = tensors_of(hf_models["gqa"])
    largest = max(float((t - t.bfloat16().float()).abs().max()) for t in exact.values())
    assert report["rounding"] == {"from": "fp32", "to": "bf16", "largest_difference": largest} and largest > 0
    assert report["weights"]["largest_difference"] == 0


def test_a_chat_template_of_an_export_gives_special_ids(checkpoints, tmp_path, run):
    """Inside the project ``</s>`` in a text is text; programs that read an export expect its id."""
    from transformers import AutoTokenizer

    source = copy_of(checkpoints["gqa"], tmp_path / "ours")
    tokenizer = source / "tokenizer"
    write_tiny_tokenizer(tokenizer)
    assert run("to-hf", src=source, dst=tmp_path / "hf") == 0
    assert json.loads((tokenizer / "tokenizer_config.json").read_text())["split_special_tokens"] is True
    published = AutoTokenizer.from_pretrained(tmp_path / "hf")
    template = "{% for m in messages %}{{ bos_token + m.content + eos_token }}{% endfor %}"
    ids = published.apply_chat_template(
        [{"role": "user", "content": "ab"}], chat_template=template, return_dict=False
    )
    a, b = published.convert_tokens_to_ids(["a", "b"])
    assert ids == [published.bos_token_id, a, b, published.eos_token_id]


def write_tiny_tokenizer(folder: Path) -> None:
    from megatron_ko.formats.tokenizer_folder import write_tokenizer_folder

    special = {"bos": "<s>", "eos": "</s>"}
    tokens = [*special.values(), *map(chr, range(33, 127))]
    description = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}
            for i, token in enumerate(special.values())
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {token: i for i, token in enumerate(tokens)}, "unk_token": "!"},
    }  # fmt: skip
    write_tokenizer_folder(folder, description, special)


def test_an_older_gpt_neox_folder_has_masks_and_other_names_of_the_rotation(hf_models, tmp_path, run):
    source = copy_of(hf_models["gpt_neox"], tmp_path / "hf")
    config = json.loads((source / "config.json").read_text())
    assert config.pop("rope_parameters")["partial_rotary_factor"] == 0.5
    (source / "config.json").write_text(json.dumps({**config, "rotary_pct": 0.5, "rotary_emb_base": 20_000}))
    tensors = load_file(source / "model.safetensors")
    for layer in range(3):
        name = f"gpt_neox.layers.{layer}.attention"
        tensors[f"{name}.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.bool).tril()
        tensors[f"{name}.masked_bias"] = torch.tensor(-1e9)
        tensors[f"{name}.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(tensors, source / "model.safetensors", {"format": "pt"})
    assert read_config(source).model == read_config(hf_models["gpt_neox"]).model
    assert run("from-hf", src=source, dst=tmp_path / "ours") == 0
    assert run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back") == 0
    assert_same_bytes(tensors_of(tmp_path / "back"), tensors_of(hf_models["gpt_neox"]))
