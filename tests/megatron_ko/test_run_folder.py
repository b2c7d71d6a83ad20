"""The checkpoint from which a run continues, and checkpoints that do not match it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from megatron_ko.config.model import ModelConfig
from megatron_ko.config.training import Config
from megatron_ko.config.yaml_tree import format_value
from megatron_ko.errors import CheckpointError
from megatron_ko.files import write_json
from megatron_ko.formats import run_folder
from megatron_ko.formats.checkpoint_folder import Checkpoint, check_fits
from megatron_ko.formats.run_folder import (
    checkpoint_folder,
    checkpoints_of,
    cut_metrics,
    folder_problem,
    newest_checkpoint,
    start_of_run,
)

MODEL = ModelConfig(
    layers=4, hidden_size=64, ffn_hidden_size=128, heads=4, kv_groups=2, max_sequence_length=128, rope={"base": 1e4}
)  # fmt: skip
FINGERPRINT = "sha256:" + "a" * 64


def refusal(checkpoint_error_of: Callable[[], object]) -> CheckpointError:
    """The CheckpointError that the call raises."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint_error_of()
    return caught.value


def write_checkpoint(run: Path, step: int, **changes) -> Checkpoint:
    """Writes a checkpoint without tensors."""
    checkpoint = Checkpoint(
        folder=checkpoint_folder(run, step),
        step=step,
        samples=8 * step,
        tokens=512 * step,
        model=MODEL,
        vocab_size=1001,
        padded_vocab_size=1008,
        tokenizer_fingerprint=FINGERPRINT,
        dtype="fp32",
        optimizer=True,
        layout={"world_size": 1, "tensor": 1, "pipeline": 1, "context": 1, "data": 1},
        config={"training": {"steps": 10}},
    )
    checkpoint = dataclasses.replace(checkpoint, **changes)
    checkpoint.folder.mkdir(parents=True)
    for name in (".metadata", "metadata.json"):
        (checkpoint.folder / name).touch()
    write_json(checkpoint.folder / "checkpoint.json", checkpoint.description())
    return checkpoint


def config_of(run: Path, resume: str = "auto") -> Config:
    return TypeAdapter(Config).validate_python(
        {
            "run": {"folder": str(run)},
            "model": dataclasses.asdict(MODEL),
            "training": {"steps": 1, "global_batch_size": 1, "micro_batch_size": 1, "sequence_length": 1},
            "optimizer": {"learning_rate": 1.0},
            "schedule": {"type": "constant"},
            "data": {"manifest": "m"},
            "checkpoint": {"resume": resume},
        }
    )


# --- reading one -----------------------------------------------------------------------------------------


def test_a_written_marker_is_read_and_has_the_documented_fields(tmp_path):
    written = write_checkpoint(tmp_path, 1000)
    assert written.folder.name == "step_00001000"
    assert Checkpoint.read(str(written.folder)) == written
    documented = {
        "format", "step", "samples", "tokens", "model", "vocab_size", "padded_vocab_size", "tokenizer_fingerprint", "dtype",
        "optimizer", "config", "layout", "versions", "loss", "lowest_loss", "data", "resumed_from",
        "window", "lora", "stage", "fp8", "teacher", "projections",
    }  # fmt: skip
    content = json.loads((written.folder / "checkpoint.json").read_text())
    assert set(content) == documented
    assert set(content["model"]) == set(ModelConfig.__pydantic_fields__)


def test_a_missing_folder_is_refused(tmp_path):
    assert refusal(lambda: Checkpoint.read(tmp_path / "step_00000001")).rule == "missing-checkpoint"


def test_another_folder_is_not_a_checkpoint(tmp_path):
    assert refusal(lambda: Checkpoint.read(tmp_path)).rule == "not-a-checkpoint"


def test_an_incomplete_checkpoint_is_refused(tmp_path):
    checkpoint = write_checkpoint(tmp_path, 1)
    (checkpoint.folder / "checkpoint.json").unlink()
    error = refusal(lambda: Checkpoint.read(checkpoint.folder))
    assert error.rule == "incomplete-checkpoint" and "checkpoint.json" in str(error)


@pytest.mark.parametrize("name", [".metadata", "metadata.json"])
def test_a_missing_index_is_refused(tmp_path, name):
    checkpoint = write_checkpoint(tmp_path, 1)
    (checkpoint.folder / name).unlink()
    error = refusal(lambda: Checkpoint.read(checkpoint.folder))
    assert error.rule == "missing-file" and name in str(error)


@pytest.mark.parametrize("name", ["__0_0.distcp", "common.pt"])
def test_a_truncated_or_missing_state_file_is_refused(tmp_path, name):
    """Whether ``common.pt`` exists depends on the megatron-core that wrote it; the marker lists it."""
    checkpoint = write_checkpoint(tmp_path, 1)
    (checkpoint.folder / name).write_bytes(b"12345")
    write_json(checkpoint.folder / "checkpoint.json", {**checkpoint.description(), "files": {name: 5}})
    assert Checkpoint.read(checkpoint.folder) == checkpoint
    (checkpoint.folder / name).write_bytes(b"1")
    error = refusal(lambda: Checkpoint.read(checkpoint.folder))
    assert error.rule == "wrong-size" and all(value in str(error) for value in (name, "1 byte", "5"))
    (checkpoint.folder / name).unlink()
    error = refusal(lambda: Checkpoint.read(checkpoint.folder))
    assert error.rule == "missing-file" and name in str(error)


@pytest.mark.parametrize(
    "edit, path, rule",
    [
        (lambda data: data.update(format="megatron_ko-checkpoint-9"), "", "unknown-format"),
        (lambda data: data.pop("step"), "step", "missing"),
        (lambda data: data.update(step="7"), "step", "int-type"),
        (lambda data: data.update(step=-1), "step", "greater-than-equal"),
        (lambda data: data.update(optimizer="yes"), "optimizer", "bool-type"),
        (lambda data: data["model"].pop("layers"), "model.layers", "missing"),
        (lambda data: data["model"].update(experts=8), "model.experts", "unexpected-keyword-argument"),
        (lambda data: data.update(model=None), "model", "dataclass-type"),
    ],
)
def test_a_damaged_marker_is_reported_with_its_field(tmp_path, edit, path, rule):
    marker = write_checkpoint(tmp_path, 1).folder / "checkpoint.json"
    data = json.loads(marker.read_text())
    edit(data)
    marker.write_text(json.dumps(data))
    (problem,) = refusal(lambda: Checkpoint.read(marker.parent)).problems
    assert (problem.path, problem.rule) == (path, rule)
    assert str(marker) in str(problem)


@pytest.mark.parametrize("content", ["[]", "null", '"x"'])
def test_a_marker_that_is_not_an_object_is_refused(tmp_path, content):
    marker = write_checkpoint(tmp_path, 1).folder / "checkpoint.json"
    marker.write_text(content)
    assert refusal(lambda: Checkpoint.read(marker.parent)).rule == "unknown-format"


def test_a_truncated_marker_is_refused_as_a_checkpoint_error(tmp_path):
    marker = write_checkpoint(tmp_path, 1).folder / "checkpoint.json"
    marker.write_text(marker.read_text()[:50])
    assert refusal(lambda: Checkpoint.read(marker.parent)).rule == "invalid-json"


# --- finding the newest ----------------------------------------------------------------------------------


def test_the_newest_complete_checkpoint_is_found(tmp_path):
    for step in (90, 1000, 200):
        write_checkpoint(tmp_path, step)
    write_checkpoint(tmp_path, 3000).folder.joinpath("checkpoint.json").unlink()  # killed while saving
    for other in ("latest", "step_7", "step_00004000.tmp", "xstep_00004000"):
        shutil.copytree(checkpoint_folder(tmp_path, 90), tmp_path / "checkpoints" / other)
    assert [path.name for path in checkpoints_of(tmp_path)] == [
        "step_00000090",
        "step_00000200",
        "step_00001000",
    ]
    assert newest_checkpoint(tmp_path).step == 1000
    assert start_of_run(config_of(tmp_path))[0] == Checkpoint.read(checkpoint_folder(tmp_path, 1000))


def test_steps_are_ordered_as_numbers_also_beyond_eight_digits(tmp_path):
    write_checkpoint(tmp_path, 99_999_999)
    write_checkpoint(tmp_path, 100_000_000)
    assert newest_checkpoint(tmp_path).step == 100_000_000


def test_a_checkpoint_folder_names_itself(tmp_path):
    write_checkpoint(tmp_path, 2)
    assert newest_checkpoint(write_checkpoint(tmp_path, 1).folder).step == 1


def test_a_run_folder_without_a_complete_checkpoint_is_refused(tmp_path):
    write_checkpoint(tmp_path, 1).folder.joinpath("checkpoint.json").unlink()
    assert refusal(lambda: newest_checkpoint(tmp_path)).rule == "no-checkpoints"


@pytest.mark.parametrize("exists", [True, False])
def test_a_new_run_starts_from_nothing(tmp_path, exists):
    run = tmp_path / "run"
    if exists:
        (run / "checkpoints").mkdir(parents=True)
    for resume in ("auto", "never"):
        assert start_of_run(config_of(run, resume)) == (None, None)


def test_resume_never_refuses_to_overwrite_a_run(tmp_path):
    write_checkpoint(tmp_path, 5)
    error = refusal(lambda: start_of_run(config_of(tmp_path, "never")))
    assert error.rule == "resume-never" and "step_00000005" in str(error)


def test_a_run_cannot_continue_from_weights_only(tmp_path):
    write_checkpoint(tmp_path, 0, optimizer=False)
    error = refusal(lambda: start_of_run(config_of(tmp_path)))
    assert error.rule == "no-optimizer-state" and "checkpoint.initial_weights" in str(error)


# --- comparison with a run -------------------------------------------------------------------------------


def test_the_same_model_and_tokenizer_match(tmp_path):
    check_fits(write_checkpoint(tmp_path, 1), MODEL, 1001, FINGERPRINT)


@pytest.mark.parametrize(
    "change",
    [
        {"max_sequence_length": 4096},
        {"vocab_size": 1001},
        {"init_std": 0.5},
        {"extra": {"recompute_granularity": "full"}},
        {"head_size": 16},  # 64 / 4 heads, explicit as in converted checkpoints
    ],
)
def test_fields_that_do_not_change_the_meaning_of_weights_may_differ(tmp_path, change):
    check_fits(write_checkpoint(tmp_path, 1), dataclasses.replace(MODEL, **change), 1001, FINGERPRINT)


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 2},
        {"hidden_size": 128},
        {"ffn_hidden_size": 64},
        {"heads": 8},
        {"kv_groups": 4},
        {"head_size": 32},
        {"tied_embeddings": True},
        {"qkv_bias": True},
        {"norm_epsilon": 1e-6},
        {"vocab_multiple": 64},
    ],
)
def test_another_shape_is_refused(tmp_path, change):
    model = dataclasses.replace(MODEL, **change)
    ((name, value),) = change.items()
    checkpoint = write_checkpoint(tmp_path, 1)
    problems = refusal(lambda: check_fits(checkpoint, model, 1001, FINGERPRINT)).problems
    (problem,) = [problem for problem in problems if problem.path == f"model.{name}"]
    assert (problem.where, problem.rule) == (str(checkpoint.folder), "model-mismatch")
    assert format_value(value) in problem.message


def test_every_difference_is_listed(tmp_path):
    model = dataclasses.replace(MODEL, layers=2, rope=dataclasses.replace(MODEL.rope, base=5e5))
    checkpoint = write_checkpoint(tmp_path, 1)
    error = refusal(lambda: check_fits(checkpoint, model, 1002, "sha256:" + "b" * 64))
    assert [(problem.path, problem.rule) for problem in error.problems] == [
        ("model.layers", "model-mismatch"),
        ("model.rope", "model-mismatch"),
        ("vocab_size", "vocabulary-mismatch"),
        ("tokenizer_fingerprint", "tokenizer-mismatch"),
    ]
    *_, vocabulary, tokenizer = error.problems
    assert "1,001" in vocabulary.message and "1,002" in vocabulary.message
    assert "sha256:aaaaaaaaaaaa" in tokenizer.message and "sha256:bbbbbbbbbbbb" in tokenizer.message


def test_a_checkpoint_without_a_tokenizer_matches_any(tmp_path):
    check_fits(write_checkpoint(tmp_path, 1, tokenizer_fingerprint=None), MODEL, 1001, FINGERPRINT)


# --- metrics, old checkpoints, the folder itself ---------------------------------------------------------


def line(kind: str, step: int) -> bytes:
    return json.dumps({"kind": kind, "step": step}).encode() + b"\n"


BEFORE = line("start", 0) + line("train", 1) + line("valid", 2) + line("save", 2)


@pytest.mark.parametrize(
    "after",
    [
        b"",
        line("train", 3),
        line("end", 2),  # the run goes on
        b'{"kind": "tra',  # killed while writing
        line("train", 3) + b"\0\0\0\0",  # a power failure
        line("train", 3) + '{"kind": "한'.encode()[:-1],  # in the middle of a character
    ],
)
def test_lines_that_a_resumed_run_writes_again_are_removed(tmp_path, after):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(BEFORE + after)
    cut_metrics(path, 2)
    assert path.read_bytes() == BEFORE


def test_a_last_line_without_line_end_is_completed(tmp_path):
    """Otherwise the next record would be on the same line."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(BEFORE[:-1])
    cut_metrics(path, 2)
    assert path.read_bytes() == BEFORE


@pytest.mark.parametrize(
    ("last_step", "kept"), [(0, ["start", "save"]), (1, ["start", "valid", "save", "train"])]
)
def test_the_baseline_is_written_again_only_by_a_run_that_begins_again(tmp_path, last_step, kept):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(
        line("start", 0) + line("valid", 0) + line("save", 0) + line("train", 1) + line("train", 2)
    )
    cut_metrics(path, last_step)
    assert [json.loads(text)["kind"] for text in path.read_text().splitlines()] == kept


def test_there_may_be_no_metrics_yet(tmp_path):
    cut_metrics(tmp_path / "metrics.jsonl", 2)
    assert os.listdir(tmp_path) == []


def test_a_run_folder_that_cannot_be_created_is_reported_before_the_run(tmp_path, monkeypatch):
    assert folder_problem(tmp_path) is None
    assert folder_problem(tmp_path / "new" / "run") is None
    (tmp_path / "file").touch()
    for run in (tmp_path / "file", tmp_path / "file" / "run"):
        assert str(tmp_path / "file") in (folder_problem(run) or "")
    # tests may run as root, who may write anywhere
    monkeypatch.setattr(run_folder.os, "access", lambda path, mode: False)
    assert str(tmp_path) in (folder_problem(tmp_path / "new") or "")
