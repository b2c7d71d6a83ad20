"""The main job: settings become overrides, commands are lists in the order of the house, mistakes come first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples import job as job_module
from examples.job import checked_job, layout_on_gpus, parse, stages_of
from examples.main_job import check_same_training, main
from examples.stages import Record, Stage, StageFailed
from megatron_ko.config.loading import to_yaml
from megatron_ko.errors import EXIT_USER_ERROR, ConfigError
from preprocessing.steps import clean


def commands(folder: Path, *settings: str) -> dict[str, list[str]]:
    job = checked_job(parse(str(folder), settings))
    return {stage.name: list(stage.command) for stage in stages_of(job, Record(job.runs / "stages.json"))}


def test_commands_on_cpu(example_folder: Path) -> None:
    runs = example_folder.parent / "runs"
    found = commands(example_folder, "train.training.steps=8", "data.seed=7")
    data, train = str(example_folder / "data.yaml"), str(example_folder / "train.yaml")
    assert list(found) == ["data", "train", "export", "samples", "report"]
    assert found["data"] == ["-m", "preprocessing", "run", data, "seed=7", "output.allow_bad_records=true"]
    assert found["train"] == [
        "-m", "megatron_ko.train", train, "run.device=cpu", "training.steps=8", "--ranks", "2",
    ]  # fmt: skip
    assert found["export"][:3] == ["-m", "checkpoint_tools", "to-hf"]
    assert f"src={runs}/train" in found["export"] and "logits=true" in found["export"]
    assert found["report"] == ["-m", "examples.report", str(runs)]


def test_values_with_blanks_and_quotes_stay_one_argument(example_folder: Path) -> None:
    corpus = example_folder.parent / "my text; rm -rf $HOME.jsonl"
    corpus.write_text('{"text": "x"}\n', encoding="utf-8")
    setting = f"data.inputs.web.paths=['{corpus}']"
    assert setting.removeprefix("data.") in commands(example_folder, setting)["data"]


def test_runs_moves_everything(example_folder: Path, tmp_path: Path) -> None:
    found = commands(example_folder, f"runs={tmp_path}/other")
    assert f"output.folder={tmp_path}/other/data" in found["data"]
    assert f"run.folder={tmp_path}/other/train" in found["train"]
    assert f"data.manifest={tmp_path}/other/data/manifest.json" in found["train"]
    assert found["report"][-1] == f"{tmp_path}/other"


def test_gpus_are_used_by_torchrun_and_own_settings_win(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "gpu_count", lambda: 4)
    train = commands(example_folder, "device=cuda", "train.precision.dtype=fp32")["train"]
    assert train[:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"]
    assert train[5:7] == ["-m", "megatron_ko.train"]
    assert "run.device=cuda" in train and "parallel.tensor=2" in train
    assert train.index("precision.dtype=fp32") > train.index("precision.dtype=bf16")


@pytest.mark.parametrize(
    ("gpus", "ranks", "tensor"),
    # a batch of 4 sequences in micro-batches of 2: one or two data-parallel ranks
    [(1, 1, 1), (2, 2, 2), (3, 2, 2), (4, 4, 2), (8, 4, 2)],
)
def test_layout_on_gpus(example_folder: Path, gpus: int, ranks: int, tensor: int) -> None:
    training = checked_job(parse(str(example_folder), [])).train.training
    found, overrides = layout_on_gpus(gpus, training)
    assert found == ranks and f"parallel.tensor={tensor}" in overrides


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["steps=3"], "write device="),
        (["training.steps=3"], "write device="),
        (["device=tpu"], "device=cpu or device=cuda"),
        (["ranks=0"], "positive number"),
        (["train.training.stepz=3"], "did you mean 'steps'"),
        (["data.tokenizer.vocabsize=3"], "did you mean 'vocab_size'"),
        (["ranks=3"], "does not divide the 3 ranks"),
        (["train.run.folder=elsewhere/train"], "Give runs=FOLDER"),
    ],
)
def test_mistakes_come_before_anything_starts(
    example_folder: Path, capsys: pytest.CaptureFixture[str], settings: list[str], message: str
) -> None:
    assert main([str(example_folder), *settings]) == EXIT_USER_ERROR
    assert message in capsys.readouterr().err
    assert not (example_folder.parent / "runs" / "stages.json").exists()


def test_folder_without_configurations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == EXIT_USER_ERROR
    assert f"{tmp_path / 'data.yaml'}: no such file" in capsys.readouterr().err


def test_changed_corpus_or_version_of_a_step_changes_the_key_of_the_data(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = checked_job(parse(str(example_folder), []))
    stage = stages_of(job, Record(job.runs / "stages.json"))[0]
    before = stage.key()
    assert stage.key() == before
    (job.runs / "corpus.jsonl").write_text('{"text": "한글, 영어"}\n', encoding="utf-8")
    changed = stage.key()
    assert changed != before
    monkeypatch.setattr(clean, "VERSION", clean.VERSION + 1)
    assert stage.key() != changed


def test_exit_code_of_a_failed_command(
    example_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(stage: Stage, *_: object) -> bool:
        raise StageFailed(stage, 75)

    monkeypatch.setattr("examples.stages.run_stage", failing)
    assert main([str(example_folder)]) == 75
    message = capsys.readouterr().err
    assert "python -m preprocessing run" in message and "it continues" in message


def test_other_settings_never_meet_an_old_training(example_folder: Path) -> None:
    first = checked_job(parse(str(example_folder), []))
    record = Record(first.runs / "stages.json")
    first.manifest.parent.mkdir()
    first.manifest.write_text("{}")
    check_same_training(first, record)
    done = first.run / "checkpoints" / "step_00000040"
    done.mkdir(parents=True)
    (done / "checkpoint.json").write_text("{}")
    (first.run / "config.yaml").write_text(to_yaml(first.train))

    check_same_training(first, record)
    longer = checked_job(parse(str(example_folder), ["train.training.steps=80", "train.checkpoint.keep=1"]))
    check_same_training(longer, record)
    wider = checked_job(parse(str(example_folder), ["train.model.hidden_size=128"]))
    with pytest.raises(ConfigError, match="model.hidden_size: 64 -> 128"):
        check_same_training(wider, record)
    first.manifest.write_text(json.dumps({"other": "data"}))
    with pytest.raises(ConfigError, match="the data was made again and differs"):
        check_same_training(first, record)
