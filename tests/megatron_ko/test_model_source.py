"""``model.from``: fields from a folder, fields that may differ, and those that contradict it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from megatron_ko import plan
from megatron_ko.config.loading import load, to_yaml, with_sources
from megatron_ko.config.model import head_size
from megatron_ko.config.training import Config
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import ConfigError
from megatron_ko.formats.hf_config import read_config
from megatron_ko.formats.model_source import describe_source, load_training
from megatron_ko.preflight import preflight
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_data import write_tiny_data
from tests.tiny_run import tiny_config

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 1001, "hidden_size": 96,
    "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 3,
    "head_dim": 16, "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "initializer_range": 0.01,
    "rope_theta": 12345.0, "rope_scaling": LLAMA3, "tie_word_embeddings": True,
}  # fmt: skip
QWEN2 = {
    "model_type": "qwen2", "vocab_size": 1024, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0, "use_sliding_window": False,
}  # fmt: skip
EXAONE = {
    "model_type": "exaone", "vocab_size": 1001, "hidden_size": 96, "intermediate_size": 160, "num_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 3, "max_position_embeddings": 256, "layer_norm_epsilon": 1e-5,
    "activation_function": "silu", "rope_theta": 1000000.0, "rope_scaling": LLAMA3,
}  # fmt: skip
MISTRAL = {**QWEN2, "model_type": "mistral", "sliding_window": 64}
EQUAL = {
    "layers": 2, "hidden_size": 96, "ffn_hidden_size": 160, "heads": 6, "kv_groups": 3, "head_size": 16,
    "max_sequence_length": 256, "vocab_size": 1001, "tied_embeddings": True, "norm_epsilon": 1e-6, "qkv_bias": False,
    "qk_norm": False, "init_std": 0.01,
    "rope": {"base": 12345.0, "scaling": {
        "type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_sequence_length": 64,
    }},
}  # fmt: skip
"""Every field of LLAMA, by our names."""
OTHERS: dict[str, Any] = {
    "layers": 3, "hidden_size": 64, "ffn_hidden_size": 128, "heads": 12, "kv_groups": 6, "head_size": 32,
    "max_sequence_length": 257, "tied_embeddings": False, "norm_epsilon": 1e-5, "qkv_bias": True, "qk_norm": True,
    "rope.base": 10000.0, "rope.scaling.factor": 4.0,
}  # fmt: skip
"""Another valid value for each field that must be that of LLAMA."""


def write_hf(folder: Path, config: dict[str, Any] = LLAMA) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_run(folder: Path, model: dict[str, Any], **checkpoint: Any) -> str:
    """A configuration whose model section is ``model``, beside no data."""
    config = {**tiny_config(folder), "model": model, "checkpoint": checkpoint}
    (folder / "train.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return str(folder / "train.yaml")


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def problems_of(file: str, *overrides: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load_training([file], overrides)
    return [(problem.path, problem.rule) for problem in caught.value.problems]


@pytest.mark.parametrize("config", [LLAMA, QWEN2, EXAONE, {**MISTRAL, "sliding_window": None}])
def test_every_field_comes_from_a_hugging_face_folder(config, tmp_path):
    base = write_hf(tmp_path / "base", config)
    loaded = load_training([write_run(tmp_path, {"from": str(base)})], [])
    assert loaded.config.model == read_config(base).model
    assert loaded.config.model.vocab_size == config["vocab_size"]
    assert {keys[1] for keys in loaded.borrowed} == {
        field.name for field in dataclasses.fields(loaded.config.model)
    } - {"extra", "vocab_multiple"}
    assert set(loaded.borrowed.values()) == {str(base / "config.json")}


def test_every_field_comes_from_a_checkpoint_and_from_a_run_folder(tmp_path):
    folder = write_checkpoint(tmp_path / "run", 5).folder
    checkpoint = json.loads((folder / "checkpoint.json").read_text())
    for source in (folder, tmp_path / "run"):
        model = load_training([write_run(tmp_path, {"from": str(source)})], []).config.model
        theirs = {**checkpoint["model"], "vocab_size": checkpoint["vocab_size"], "extra": {}}
        assert dataclasses.asdict(model) == theirs


def test_equal_values_are_accepted(tmp_path):
    base = write_hf(tmp_path / "base")
    plain = load_training([write_run(tmp_path, {"from": str(base)})], []).config.model
    written = load_training([write_run(tmp_path, {"from": str(base), **EQUAL})], []).config.model
    assert written == plain


@pytest.mark.parametrize("name", OTHERS)
def test_a_field_that_contradicts_the_folder_is_an_error_with_both_values_and_places(name, tmp_path):
    base = write_hf(tmp_path / "base")
    file = write_run(tmp_path, {"from": str(base), **nested(name, OTHERS[name])})
    with pytest.raises(ConfigError) as caught:
        load_training([file], [])
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == (f"model.{name}", "contradicts-model-from")
    line = next(
        n
        for n, text in enumerate(Path(file).read_text().splitlines(), 1)
        if name.split(".")[-1] + ":" in text
    )
    assert problem.where == f"{file}:{line}"
    theirs: Any = EQUAL
    for part in name.split("."):
        theirs = theirs[part]
    for text in (format_value(OTHERS[name]), format_value(theirs), str(base / "config.json")):
        assert text in problem.message


def test_a_contradiction_names_the_key_of_the_file(tmp_path):
    base = write_hf(tmp_path / "base", EXAONE)
    with pytest.raises(ConfigError) as caught:
        load_training([write_run(tmp_path, {"from": str(base), "layers": 3, "tied_embeddings": False})], [])
    problems = {problem.path: problem.message for problem in caught.value.problems}
    assert set(problems) == {"model.layers", "model.tied_embeddings"}  # tied without the key
    assert "(num_layers)" in problems["model.layers"]


def test_all_contradictions_are_reported_at_once_next_to_other_mistakes(tmp_path):
    base = write_hf(tmp_path / "base")
    file = write_run(tmp_path, {"from": str(base), "layers": 3, "heads": 12, "hidden": 1})
    assert set(problems_of(file, "training.steps=0")) == {
        ("model.layers", "contradicts-model-from"),
        ("model.heads", "contradicts-model-from"),
        ("model.hidden", "unknown-key"),
        ("training.steps", "greater-than"),
    }


@pytest.mark.parametrize(
    ("scaling", "path"),
    [
        ({"type": "none"}, "model.rope.scaling.type"),
        ({"type": "llama3", "factor": 2.0}, "model.rope.scaling.factor"),
        ({"factor": 2.0}, "model.rope.scaling.factor"),
    ],
)
def test_another_scaling_contradicts(scaling, path, tmp_path):
    base = write_hf(tmp_path / "base")
    file = write_run(tmp_path, {"from": str(base), "rope": {"scaling": scaling}})
    assert problems_of(file) == [(path, "contradicts-model-from")]


def test_llama3_scaling_contradicts_a_folder_without_it(tmp_path):
    base = write_hf(tmp_path / "base", QWEN2)
    file = write_run(tmp_path, {"from": str(base), "rope": EQUAL["rope"]})
    assert set(problems_of(file)) == {
        ("model.rope.base", "contradicts-model-from"),
        ("model.rope.scaling.type", "contradicts-model-from"),
    }


def test_fields_that_no_weight_depends_on_may_differ(tmp_path):
    base = write_hf(tmp_path / "base")
    own = {
        "init_std": 0.5,
        "vocab_multiple": 8,
        "max_sequence_length": 100,
        "extra": {"recompute_method": "uniform"},
    }
    loaded = load_training([write_run(tmp_path, {"from": str(base), **own}, initial_weights=str(base))], [])
    assert {name: getattr(loaded.config.model, name) for name in own} == own
    for name in own:
        assert name in describe_source(loaded)


def test_the_rows_are_those_of_the_weights(tmp_path):
    base = write_hf(tmp_path / "base")
    written = {"from": str(base), "vocab_size": 500}
    assert load_training([write_run(tmp_path, written)], []).config.model.vocab_size == 500
    with_weights = write_run(tmp_path, written, initial_weights=str(base))
    assert problems_of(with_weights) == [("model.vocab_size", "contradicts-model-from")]
    assert load_training([with_weights], ["model.vocab_size=none"]).config.model.vocab_size == 1001


def test_the_default_head_size_may_be_written(tmp_path):
    base = write_hf(tmp_path / "base", QWEN2)
    model = load_training([write_run(tmp_path, {"from": str(base), "head_size": 16})], []).config.model
    assert head_size(model) == 16
    assert problems_of(write_run(tmp_path, {"from": str(base), "head_size": 32})) == [
        ("model.head_size", "contradicts-model-from")
    ]


def test_overrides_set_and_remove_it(tmp_path):
    base = write_hf(tmp_path / "base")
    file = write_run(tmp_path, {"layers": 2})
    model = load_training([file], [f"model.from={base}"]).config.model
    assert model.hidden_size == 96
    (tmp_path / "other").mkdir()
    both = write_run(tmp_path / "other", {**tiny_config(tmp_path)["model"], "from": str(base)})
    assert load_training([both], ["model.from=none"]).config.model.hidden_size == 64


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "missing-checkpoint"),
        ({"model_type": "gpt2"}, "unsupported-model"),
        ({k: v for k, v in LLAMA.items() if k != "hidden_size"}, "missing-key"),
        (MISTRAL, "sliding-window"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_problem_at_the_line_of_the_key(content, rule, tmp_path):
    if content is not None:
        write_hf(tmp_path / "base", content)
    file = write_run(tmp_path, {"from": str(tmp_path / "base")})
    with pytest.raises(ConfigError) as caught:
        load_training([file], [])
    (problem,) = caught.value.problems
    assert (problem.path, problem.rule) == ("model.from", rule)
    assert problem.where.startswith(f"{file}:") and str(tmp_path / "base") in problem.message


@pytest.mark.parametrize("value", [3, "", [1], {"a": 1}, True])
def test_a_value_that_is_no_path_is_refused(value, tmp_path):
    assert problems_of(write_run(tmp_path, {"from": value})) == [("model.from", "string-type")]


def test_a_shorter_sequence_than_the_window_makes_mistral_exact(tmp_path):
    base = write_hf(tmp_path / "base", MISTRAL)
    file = write_run(tmp_path, {"from": str(base), "max_sequence_length": 64})
    assert load_training([file], []).config.model.max_sequence_length == 64


def test_rules_name_the_file_that_a_value_comes_from(tmp_path):
    base = write_hf(tmp_path / "base")
    write_tiny_data(tmp_path / "data")
    with pytest.raises(ConfigError) as caught:
        preflight([write_run(tmp_path, {"from": str(base)})], ["parallel.tensor=2"], 2)
    (problem,) = caught.value.problems
    assert (problem.path, problem.where) == ("model.kv_groups", str(base / "config.json"))


def test_the_printed_configuration_is_complete_and_names_the_sources(tmp_path, capsys):
    base = write_hf(tmp_path / "base")
    file = write_run(tmp_path, {"from": str(base), "vocab_multiple": 8})
    assert plan.main([file, "--print-config"]) == 0
    printed = capsys.readouterr().out
    config = load_training([file], []).config
    shutil.rmtree(base)
    (tmp_path / "printed.yaml").write_text(printed)
    assert load(Config, [str(tmp_path / "printed.yaml")], []).config == config
    borrowed = [
        line.split(":")[0].strip()
        for line in printed.splitlines()
        if line.endswith(f"# {base / 'config.json'}")
    ]
    assert {"layers", "base", "factor", "tied_embeddings"} <= set(borrowed)
    assert not {"vocab_multiple", "steps", "folder", "type"} & (set(borrowed) - {"type"})


def test_the_plan_names_the_folder_and_the_rows_without_a_token(tmp_path, capsys):
    base = write_hf(tmp_path / "base", QWEN2)
    write_tiny_data(tmp_path / "data")
    assert plan.main([write_run(tmp_path, {"from": str(base)})]) == 0
    text = capsys.readouterr().out
    assert str(base / "config.json") in text and "1,024" in text and "23" in text


def test_sources_are_comments_behind_values_only():
    text = to_yaml_text = "model:\n  rope:\n    base: 1.0\n  layers: 2\nrun:\n  layers: 3\n"
    marked = with_sources(text, {("model", "rope"): "a/config.json", ("model", "layers"): "b.json"})
    assert yaml.safe_load(marked) == yaml.safe_load(to_yaml_text)
    assert [line for line in marked.splitlines() if "#" in line] == [
        "    base: 1.0  # a/config.json",
        "  layers: 2  # b.json",
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(equal=st.sets(st.sampled_from(sorted(EQUAL))), changed=st.sets(st.sampled_from(sorted(OTHERS))))
def test_exactly_the_fields_that_differ_are_problems(equal, changed, tmp_path):
    base = write_hf(tmp_path / "base")
    model: dict[str, Any] = {
        "from": str(base),
        **{name: json.loads(json.dumps(EQUAL[name])) for name in equal},
    }
    for name in changed:
        *above, last = name.split(".")
        target = model
        for part in above:
            target = target.setdefault(part, {})
        target[last] = OTHERS[name]
    file = write_run(tmp_path, model)
    if not changed:
        assert load_training([file], []).config.model == read_config(base).model
        return
    assert set(problems_of(file)) == {(f"model.{name}", "contradicts-model-from") for name in changed}


def test_the_resolved_configuration_of_a_run_loads_without_the_folder(tmp_path):
    base = write_hf(tmp_path / "base", QWEN2)
    write_tiny_data(tmp_path / "data")
    checked = preflight([write_run(tmp_path, {"from": str(base), "vocab_multiple": 8})], [], 1)
    with checked.lock_run_folder():
        pass
    shutil.rmtree(base)
    again = load_training([str(tmp_path / "run" / "config.yaml")], []).config
    assert again == checked.config and to_yaml(again) == to_yaml(checked.config)
    assert str(base) in (tmp_path / "run" / "plan.txt").read_text()
