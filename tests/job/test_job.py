"""The main job: settings become overrides, commands are lists in the order of the house, mistakes come first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from megatron_ko.config.loading import to_yaml
from megatron_ko.errors import EXIT_USER_ERROR, ConfigError, UserError
from megatron_ko.job import job as job_module
from megatron_ko.job.job import Job, check_job, layout_on_gpus, options_of, steps_of
from megatron_ko.job.run import check_same_training, main, parser
from megatron_ko.job.steps import Record, Step, StepFailed
from preprocessing.steps import clean


def job_of(folder: Path, *settings: str) -> Job:
    return check_job(options_of(parser().parse([str(folder), *settings])))


def record_of(job: Job) -> Record:
    return Record(job.runs / "job.json")


def commands(folder: Path, *settings: str) -> dict[str, list[str]]:
    job = job_of(folder, *settings)
    return {step.name: list(step.command) for step in steps_of(job, record_of(job))}


def test_commands_on_cpu(example_folder: Path) -> None:
    runs = example_folder.parent / "runs"
    by_name = commands(example_folder, "train.training.steps=8", "data.seed=7")
    data, train = str(example_folder / "data.yaml"), str(example_folder / "train.yaml")
    assert list(by_name) == ["data", "data-report", "train", "export", "samples", "report"]
    assert by_name["data"] == ["mko", "data", "run", data, "seed=7", "output.allow_bad_records=true"]
    assert by_name["data-report"] == ["mko", "data", "report", data, "seed=7"]
    assert by_name["train"] == [
        "mko", "train", train, "run.device=cpu", "training.steps=8", "--ranks", "2",
    ]  # fmt: skip
    assert by_name["export"] == [
        "mko", "checkpoint", "to-hf", f"{runs}/train", f"{runs}/train/hf", "--logits", "--overwrite",
    ]  # fmt: skip
    assert by_name["report"] == ["mko", "report", str(runs)]


def test_values_with_blanks_and_quotes_stay_one_argument(example_folder: Path) -> None:
    corpus = example_folder.parent / "my text; rm -rf $HOME.jsonl"
    corpus.write_text('{"text": "x"}\n', encoding="utf-8")
    setting = f"data.inputs.web.paths=['{corpus}']"
    assert setting.removeprefix("data.") in commands(example_folder, setting)["data"]


def test_runs_moves_everything(example_folder: Path, tmp_path: Path) -> None:
    found = commands(example_folder, "--runs", f"{tmp_path}/other")
    assert f"output.folder={tmp_path}/other/data" in found["data"]
    assert f"run.folder={tmp_path}/other/train" in found["train"]
    assert f"data.manifest={tmp_path}/other/data/manifest.json" in found["train"]
    assert found["report"][-1] == f"{tmp_path}/other"


def test_gpus_are_used_by_torchrun_and_own_settings_win(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "gpu_count", lambda: 4)
    train = commands(example_folder, "--device", "cuda", "train.precision.dtype=fp32")["train"]
    assert train[:4] == ["torchrun", "--standalone", "--nproc-per-node", "4"]
    assert train[4:6] == ["-m", "megatron_ko.train"]
    assert "run.device=cuda" in train and "parallel.tensor=2" in train
    assert train.index("precision.dtype=fp32") > train.index("precision.dtype=bf16")


@pytest.mark.parametrize(
    ("gpus", "ranks", "tensor"),
    # a batch of 4 sequences in micro-batches of 2: one or two data-parallel ranks
    [(1, 1, 1), (2, 2, 2), (3, 2, 2), (4, 4, 2), (8, 4, 2)],
)
def test_layout_on_gpus(example_folder: Path, gpus: int, ranks: int, tensor: int) -> None:
    training = job_of(example_folder).train.training
    found, overrides = layout_on_gpus(gpus, training)
    assert found == ranks and f"parallel.tensor={tensor}" in overrides


@pytest.mark.parametrize(
    ("settings", "rule", "path"),
    [
        (["steps=3"], "unknown-argument", ""),
        (["training.steps=3"], "unknown-argument", ""),
        (["--device", "tpu"], "usage", ""),
        (["--ranks", "0"], "usage", ""),
        (["--rank", "2"], "unknown-option", ""),
        (["train.training.stepz=3"], "unknown-key", "training.stepz"),
        (["data.tokenizer.vocabsize=3"], "unknown-key", "tokenizer.vocabsize"),
        (["--ranks", "3"], "layout-divides-ranks", "parallel"),
        (["train.run.folder=elsewhere/train"], "two-folders", ""),
    ],
)
def test_mistakes_come_before_anything_starts(
    example_folder: Path, settings: list[str], rule: str, path: str
) -> None:
    with pytest.raises(UserError) as caught:
        job_of(example_folder, *settings)
    assert (caught.value.rule, caught.value.problems[0].path) == (rule, path)
    assert main([str(example_folder), *settings]) == EXIT_USER_ERROR
    assert not (example_folder.parent / "runs" / "job.json").exists()


def test_a_dry_run_prints_the_commands_and_writes_nothing(
    example_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(example_folder.parent.rglob("*"))
    assert main([str(example_folder), "--dry-run", "data.seed=7"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line[0] == "mko"] == list(
        commands(example_folder, "data.seed=7").values()
    )
    assert main([str(example_folder), "--dry-run", "data.inputs.web.paths=[none]"]) == EXIT_USER_ERROR
    assert sorted(example_folder.parent.rglob("*")) == files


def test_folder_without_configurations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == EXIT_USER_ERROR
    assert str(tmp_path / "data.yaml") in capsys.readouterr().err


def test_changed_corpus_or_version_of_a_step_changes_the_key_of_the_data(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(example_folder)
    step = steps_of(job, record_of(job))[0]
    before = step.key()
    assert step.key() == before
    (job.runs / "corpus.jsonl").write_text('{"text": "한글, 영어"}\n', encoding="utf-8")
    changed = step.key()
    assert changed != before
    monkeypatch.setattr(clean, "VERSION", clean.VERSION + 1)
    assert step.key() != changed


def test_exit_code_of_a_failed_command(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(step: Step, *_: object) -> bool:
        raise StepFailed(step, 75)

    monkeypatch.setattr("megatron_ko.job.steps.run_step", failing)
    assert main([str(example_folder)]) == 75
    message = capsys.readouterr().err
    assert "mko data run" in message


def test_other_settings_never_meet_an_old_training(example_folder: Path) -> None:
    first = job_of(example_folder)
    record = record_of(first)
    first.manifest.parent.mkdir()
    first.manifest.write_text("{}")
    check_same_training(first, record)
    done = first.run / "checkpoints" / "step_00000040"
    done.mkdir(parents=True)
    (done / "checkpoint.json").write_text("{}")
    (first.run / "config.yaml").write_text(to_yaml(first.train))

    check_same_training(first, record)
    longer = job_of(example_folder, "train.training.steps=80", "train.checkpoint.keep=1")
    check_same_training(longer, record)
    wider = job_of(example_folder, "train.model.hidden_size=128")
    with pytest.raises(ConfigError) as caught:
        check_same_training(wider, record)
    assert caught.value.rule == "another-training" and "model.hidden_size: 64 -> 128" in str(caught.value)
    first.manifest.write_text(json.dumps({"other": "data"}))
    with pytest.raises(ConfigError) as caught:
        check_same_training(first, record)
    assert caught.value.rule == "another-training"
