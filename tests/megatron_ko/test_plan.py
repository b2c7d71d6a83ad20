"""The arithmetic of a run, the checks before it, and the output of the commands."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import yaml

from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, ConfigError, DataError
from megatron_ko.plan import main
from megatron_ko.planning.run_plan import Plan, mixture_of
from megatron_ko.planning.weights import padded_vocab_size
from megatron_ko.preflight import preflight
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_data import write_tiny_data
from tests.tiny_run import tiny_config


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_tiny_data(tmp_path_factory.mktemp("data") / "data").parent


@pytest.fixture
def file(tmp_path, data) -> str:
    """A configuration whose every path is below ``tmp_path``."""
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(tiny_config(tmp_path)))
    return str(path)


def config_of(file: str, *overrides: str) -> Config:
    return load(Config, [file], overrides).config


@pytest.mark.parametrize(
    "size, multiple, padded",
    [(1001, 8, 1008), (1008, 8, 1008), (1, 128, 128), (128_256, 128, 128_256), (5, 1, 5)],
)
def test_the_vocabulary_is_padded_to_the_next_multiple(size, multiple, padded):
    assert padded_vocab_size(size, multiple) == padded


def test_the_arithmetic_of_a_run(file):
    """16 ranks = tensor 2 x pipeline 2 x context 2 x data 2. A step of 32 sequences is 4 micro-batches of 4 on each of
    2 data-parallel ranks; 10 steps of 32 x 64 tokens are 20,480, of which Korean is 40 %."""
    overrides = [
        "parallel={tensor: 2, pipeline: 2, context: 2}", "training.global_batch_size=32", "training.micro_batch_size=4"
    ]  # fmt: skip
    plan = preflight([file], overrides, 16).plan
    assert plan.layout == {"world_size": 16, "tensor": 2, "pipeline": 2, "context": 2, "data": 2}
    assert (plan.micro_batches, plan.tokens_per_step, plan.total_samples, plan.total_tokens) == (
        4,
        2048,
        320,
        20_480,
    )
    assert (plan.vocab_size, plan.padded_vocab_size) == (1001, 1008)
    # 4 layers of 64 x 128 + 64 x 64 + 3 x 64 x 128 and 2 norms of 64, the final norm, two embeddings of 1001 x 64
    assert plan.parameters == 4 * (8192 + 4096 + 24_576 + 128) + 64 + 2 * 1001 * 64
    # the logits are computed for the padded vocabulary; causal attention costs half of 2 x 64 x 64 per layer
    assert plan.flops_per_token == 6 * (4 * (8192 + 4096 + 24_576 + 64 * 64) + 64 * 1008)
    assert [(s.name, s.share, s.tokens) for s in plan.shares] == [
        ("code", 0.3, 6144),
        ("en", 0.3, 6144),
        ("ko", 0.4, 8192),
    ]


def test_epochs_are_tokens_drawn_over_tokens_there_are(file):
    checked = preflight([file], ["data.mixture={ko: 3, en: 1}"], 1)
    tokens = {name: tokens.tokens for name, tokens in checked.manifest.of_split("train").items()}
    english, korean = checked.plan.shares
    assert (english.share, korean.share) == (0.25, 0.75)
    assert english.epochs == 1280 / tokens["en"]  # a quarter of 10 steps x 8 x 64 tokens
    assert korean.epochs == 3840 / tokens["ko"]


def test_shares_sum_to_one_in_the_order_of_names(file):
    manifest = preflight([file], [], 1).manifest
    assert mixture_of(config_of(file).data, manifest.mixture) == {"code": 0.3, "en": 0.3, "ko": 0.4}
    mixture = mixture_of(config_of(file, "data.mixture={ko: 2, code: 6}").data, manifest.mixture)
    assert list(mixture.items()) == [("code", 0.75), ("ko", 0.25)]


def test_shares_that_move_count_with_the_mean_of_both_ends(file):
    overrides = ["data.mixture={ko: 3, en: 1}", "data.mixture_end={ko: 1, code: 3}"]
    checked = preflight([file], overrides, 1)
    assert [(item.name, item.share) for item in checked.plan.shares] == [
        ("code", 0.375),
        ("en", 0.125),
        ("ko", 0.5),
    ]
    assert {name: item.share for name, item in checked.data_of(0).train.items()} == {
        "code": 0.375,
        "en": 0.125,
        "ko": 0.5,
    }
    with pytest.raises(ConfigError) as caught:
        preflight([file], [*overrides, "data.order=megatron"], 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("data.mixture_end", "moving-mixture")
    with pytest.raises(ConfigError) as caught:
        preflight([file], ["data.mixture_end={kr: 1}"], 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("data.mixture_end.kr", "unknown-set")


def test_sets_that_are_repeated_too_often_are_named_before_the_start(file):
    """10 steps of 512 tokens are less than an epoch of each set; 1,000 are not."""
    assert preflight([file], [], 1).plan.repeated == ()
    plan = preflight([file], ["training.steps=1000", "data.mixture={ko: 0.98, en: 0.02}"], 1).plan
    assert [item.name for item in plan.repeated] == ["ko"]
    assert plan.repeated[0].epochs > 4 > plan.shares[0].epochs
    assert "data.max_epochs" in plan.text() and "data.max_epochs" not in preflight([file], [], 1).plan.text()
    assert preflight([file], ["training.steps=1000", "data.max_epochs=1e6"], 1).plan.repeated == ()


def test_without_data_the_vocabulary_must_be_given(file):
    with pytest.raises(ConfigError) as caught:
        Plan.of(config_of(file), 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("model.vocab_size", "missing")
    assert Plan.of(config_of(file, "model.vocab_size=500"), 1).padded_vocab_size == 504


def test_the_memory_of_the_plan_is_that_of_the_layout(file):
    """bf16: 2 bytes per weight, 12 of optimizer state sharded over data x context ranks."""
    plan = preflight([file], ["precision.dtype=bf16", "parallel.context=2"], 4).plan
    padded = plan.parameters + 2 * 7 * 64
    assert plan.memory.parameters == padded
    assert plan.memory.weights_bytes == 2 * padded
    assert plan.memory.optimizer_bytes == 12 * padded / 4


# --- before anything starts ------------------------------------------------------------------------------


def test_preflight_of_a_good_run(file):
    checked = preflight([file], [], 2)
    assert checked.plan.data == 2
    assert checked.start is None


def test_data_encoded_with_another_tokenizer_is_refused(file, tmp_path):
    shutil.rmtree(tmp_path / "data" / "tokenizer")
    other = write_tiny_data(tmp_path / "other", vocab_size=999).parent
    shutil.copytree(other / "tokenizer", tmp_path / "data" / "tokenizer")
    with pytest.raises(DataError) as caught:
        preflight([file], [], 1)
    assert caught.value.rule == "tokenizer-mismatch" and "sha256-2:" in str(caught.value)


def test_a_tokenizer_that_was_edited_is_refused(file, tmp_path):
    path = tmp_path / "data" / "tokenizer" / "tokenizer.json"
    path.write_text(path.read_text().replace('"w10"', '"W10"'))
    with pytest.raises(DataError) as caught:
        preflight([file], [], 1)
    assert caught.value.rule == "tokenizer-changed"


def test_a_missing_tokenizer_is_refused(file, tmp_path):
    shutil.rmtree(tmp_path / "data" / "tokenizer")
    with pytest.raises(DataError) as caught:
        preflight([file], [], 1)
    assert caught.value.rule == "missing-tokenizer"


def test_ids_are_scanned(file, tmp_path):
    path = tmp_path / "data" / "tokens" / "ko_train.bin"
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    with pytest.raises(DataError) as caught:
        preflight([file], [], 1)
    assert caught.value.rule == "id-outside-vocabulary"
    assert all(value in str(caught.value) for value in ("ko_train.bin", "65535", "1001"))


def test_fields_that_do_not_match_the_data_are_reported_with_their_origin(file):
    with pytest.raises(ConfigError) as caught:
        preflight([file], ["data.mixture={ko: 1, math: 2}", "model.vocab_size=1000"], 1)
    assert [(problem.where, problem.path, problem.rule) for problem in caught.value.problems] == [
        ("command line", "data.mixture.math", "unknown-set"),
        ("command line", "model.vocab_size", "vocabulary-mismatch"),
    ]


def test_a_run_folder_that_is_a_file_is_refused(file):
    with pytest.raises(ConfigError) as caught:
        preflight([file], [f"run.folder={file}/x"], 1)
    (problem,) = caught.value.problems
    assert (problem.where, problem.path, problem.rule) == (
        "command line",
        "run.folder",
        "folder-not-writable",
    )
    assert "train.yaml" in problem.message


def test_the_package_that_saving_needs_must_be_installed(file, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "psutil" else object())
    with pytest.raises(ConfigError) as caught:
        preflight([file], [], 1)
    assert caught.value.rule == "missing-package" and "psutil" in str(caught.value)


def test_a_run_continues_from_its_newest_checkpoint_if_it_matches(file, tmp_path):
    checked = preflight([file], [], 1)
    fits = dict(model=checked.config.model, tokenizer_fingerprint=checked.manifest.tokenizer_fingerprint)
    written = write_checkpoint(tmp_path / "run", 5, **fits)
    (written.folder / "common.pt").touch()  # as megatron-core 0.16 writes it, which both versions load
    assert preflight([file], [], 4).start.step == 5  # on any number of ranks
    with pytest.raises(CheckpointError) as caught:
        preflight([file], ["model.layers=2"], 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("model.layers", "model-mismatch")
    with pytest.raises(CheckpointError) as caught:
        preflight([file], ["checkpoint.resume=never"], 1)
    assert caught.value.rule == "resume-never"


def test_initial_weights_must_match_too(file, tmp_path):
    override = f"checkpoint.initial_weights={tmp_path / 'hf' / 'checkpoints' / 'step_00000000'}"
    with pytest.raises(CheckpointError) as caught:
        preflight([file], [override], 1)
    assert caught.value.rule == "missing-checkpoint"
    write_checkpoint(tmp_path / "hf", 0, optimizer=False)
    with pytest.raises(CheckpointError) as caught:
        preflight([file], [override], 1)
    assert {"model.rope", "tokenizer_fingerprint"} <= {problem.path for problem in caught.value.problems}


# --- the commands ----------------------------------------------------------------------------------------


def test_the_plan_is_printed(file, capsys):
    assert main([file, "--world-size", "4"]) == 0
    printed = capsys.readouterr().out
    for text in (
        "ranks        4 = tensor 1 x pipeline 1 x context 1 x data 4",
        "model        276,160 parameters, vocabulary 1,001 (padded 1,008)",
        "batch        8 sequences x 64 tokens = 512 tokens per step, 1 micro-batch",
        "run          10 steps, 5,120 tokens, 7.01e+09 FLOPs",  # 5120 x 1,370,112
        "ko            40.0%            2,048 tokens",
    ):
        assert text in printed


def test_a_plan_needs_no_data_when_the_vocabulary_is_given(file, tmp_path, capsys):
    shutil.rmtree(tmp_path / "data")
    assert main([file]) == 2
    assert "manifest.json" in capsys.readouterr().err
    assert main([file, "model.vocab_size=1001"]) == 0
    assert "276,160 parameters" in capsys.readouterr().out


def test_existing_data_is_checked_even_if_the_vocabulary_is_given(file, tmp_path, capsys):
    (tmp_path / "data" / "tokens" / "ko_train.bin").unlink()
    assert main([file, "model.vocab_size=1001"]) == 2
    assert "ko_train.bin" in capsys.readouterr().err


def test_the_printed_configuration_can_be_loaded_again_and_needs_neither_ranks_nor_data(
    file, tmp_path, capsys
):
    shutil.rmtree(tmp_path / "data")
    overrides = ["parallel.tensor=2", "run.folder=runs/한국어"]
    assert main([file, *overrides, "--print-config"]) == 0
    (tmp_path / "again.yaml").write_text(capsys.readouterr().out)
    assert config_of(str(tmp_path / "again.yaml")) == config_of(file, *overrides)


def test_the_printed_configuration_is_checked_against_the_ranks_that_are_given(file, capsys):
    assert main([file, "parallel.tensor=2", "--print-config", "--world-size", "3"]) == 2
    assert "parallel" in capsys.readouterr().err


def test_mistakes_end_the_command_with_2(file, capsys):
    assert main([file, "training.steps=0", "modle.layers=3"]) == 2
    error = capsys.readouterr().err
    assert "training.steps" in error
    assert "modle" in error and "'model'" in error


def test_planning_writes_nothing(file):
    assert main([file, "--dry-run"]) == 0
    assert not (Path(file).parent / "run").exists()
