"""Korean for a model you have: its settings, its text, its table; the whole road, tiny, as a slow test."""

from __future__ import annotations

import fcntl
import importlib
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from megatron_ko.config.loading import load
from megatron_ko.errors import EXIT_USER_ERROR, ConfigError, DataError, UserError
from megatron_ko.files import write_json
from megatron_ko.formats.model_source import load_training
from megatron_ko.formats.run_folder import checkpoints_of
from megatron_ko.job.steps import Record
from megatron_ko.planning.config_rules import layout_rules
from preprocessing.config import pipeline as data_schema
from preprocessing.config.tokens import ExistingTokenizerConfig

ROOT = Path(__file__).resolve().parents[2]
# "continue" is a word of the language, so the package cannot be written in an import statement
program = importlib.import_module("examples.continue.__main__")
results = importlib.import_module("examples.continue.results")
texts = importlib.import_module("examples.continue.texts")

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 32,
    "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "vocab_size": 5000, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
    "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["--step", "1"], "unknown-option"),
        (["--new", "0"], "usage"),
        (["training.steps=3"], "unknown-argument"),
        (["train.x"], "unknown-argument"),
    ],
)
def test_mistakes_are_reported_before_anything_starts(settings: list[str], rule: str, tmp_path: Path) -> None:
    assert program.main(["--runs", str(tmp_path / "runs"), *settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UserError) as caught:
        program.parse(settings)
    assert caught.value.rule == rule


@pytest.mark.parametrize("settings", ["train.schedule.warmup_steps=100000", "base.model.heads=7"])
def test_both_trainings_are_checked_before_the_first_step(settings: str, tmp_path: Path) -> None:
    assert program.main(["--runs", str(tmp_path / "runs"), settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()


def test_programs_accept_the_settings_of_their_commands(tmp_path: Path) -> None:
    """Both pipelines have the same inputs and validation documents; the training begins with the expanded model."""
    given = ["--runs", str(tmp_path), "base.run.seed=5", "train.training.steps=200", "data.seed=3"]
    commands = {step.name: list(step.command) for step in program.steps_of(program.parse(given))}
    assert [*commands] == [
        "text", "base_data", "base", "base_hf", "corpus", "tokenizer", "data", "expanded", "train", "hf", "compare", "samples",
    ]  # fmt: skip
    pipelines = {}
    for name in ("base_data", "corpus", "data"):
        words = [word for word in commands[name][3:] if word not in ("--until", "balance")]
        files = [word for word in words if word.endswith(".yaml")]
        overrides = [word for word in words if word not in files]
        pipelines[name] = load(data_schema.Config, files, overrides, data_schema.RULES).config
    base, corpus, data = pipelines.values()
    assert base.inputs == corpus.inputs == data.inputs and base.balance == corpus.balance == data.balance
    assert base.seed == data.seed == 3 and base.output != data.output == corpus.output
    assert isinstance(data.tokenizer, ExistingTokenizerConfig)
    assert data.tokenizer.folder == str(tmp_path / "tokenizer")
    shares = [domain.share or 0.0 for domain in data.domains.values()]
    assert sum(shares) == pytest.approx(1.0)
    write_json(tmp_path / "expanded" / "config.json", LLAMA)
    runs = {}
    for name in ("base", "train"):
        overrides = [word for word in commands[name][3:-2] if "=" in word]
        loaded = load_training([f"examples/continue/{name}.yaml"], overrides, layout_rules(2))
        runs[name] = loaded.config
        assert Path(loaded.config.data.manifest).parent.name == {"base": "base_data", "train": "data"}[name]
    assert runs["base"].run.seed == 5 and runs["train"].training.steps == 200
    assert runs["train"].model.vocab_size == 5000 and runs["train"].model.hidden_size == 32
    assert runs["train"].checkpoint.initial_weights == str(tmp_path / "expanded")


def test_paths_of_the_usual_folder_are_those_of_the_files() -> None:
    assert not [
        word for step in program.steps_of(program.parse([])) for word in step.command if "runs/continue" in word and "=" in word
    ]  # fmt: skip


def test_english_of_this_python(tmp_path: Path) -> None:
    texts.write_english(tmp_path / "a.jsonl")
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert len({record["id"] for record in records}) == len(records) > 300
    assert sum(len(record["text"]) for record in records) > 1_000_000
    assert {"topic-if-0", "module-json.__init__-0", "module-json.decoder-0"} <= {
        record["id"] for record in records
    }
    assert all(len(record["text"]) >= texts.LEAST_CHARACTERS for record in records)


def _runs(folder: Path, bytes_of_korean: int = 300) -> Path:
    """What the steps leave behind: losses in nats, sets of validation, the choice of the expansion."""
    for name, tokens in (("base_data", {"en": 40, "ko": 300}), ("data", {"en": 40, "ko": 100})):
        size = {"en": 160, "ko": 300 if name == "base_data" else bytes_of_korean}
        sets = [
            {"name": lang, "split": split, "documents": 2, "tokens": count, "text_bytes": size[lang]}
            for lang, count in tokens.items()
            for split in ("train", "valid")
        ]
        write_json(folder / name / "manifest.json", {"sets": sets})
    write_json(folder / "expanded" / "expansion.json", {"new_tokens": 1266, "init": "last-piece"})

    def valid(step: int, en: float, ko: float) -> str:
        return json.dumps({"kind": "valid", "step": step, "bits_per_byte": {"en": en, "ko": ko}}) + "\n"

    for name, lines in (
        ("base", valid(50, 9.0, 9.0) + valid(100, 2.0, 4.0)),
        ("train", valid(0, 2.25, 3.5) + '{"kind": "train", "step": 50}\n' + valid(90, 2.125, 2.5)),
    ):
        (folder / name).mkdir()
        (folder / name / "metrics.jsonl").write_text(lines)
    return folder


def test_the_table_has_the_three_models(tmp_path: Path) -> None:
    text = results.summarize(_runs(tmp_path))
    saved = json.loads((tmp_path / "results.json").read_text())
    assert [row["bits_per_byte"] for row in saved["rows"]] == [
        {"en": 2.0, "ko": 4.0}, {"en": 2.25, "ko": 3.5}, {"en": 2.125, "ko": 2.5},
    ]  # fmt: skip
    assert saved["changes"] == {"en": 0.125, "ko": -1.5}
    assert [row["bytes_per_token"]["ko"] for row in saved["rows"]] == [1.0, 3.0, 3.0]
    assert "last-piece" in text and "1,266" in text and "90" in text and "+0.125" in text and "-1.500" in text


def test_models_of_different_text_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        results.summarize(_runs(tmp_path, bytes_of_korean=299))
    assert caught.value.rule == "other-validation-text"


def test_other_weights_are_expanded_and_compared_again(tmp_path: Path) -> None:
    """Of two trainings, verifications are the same bytes: they record differences of 0."""
    steps = {step.name: step for step in program.steps_of(program.parse(["--runs", str(tmp_path)]))}
    files = ["base_hf/verification.json", "hf/verification.json", "expanded/verification.json"]
    files += [
        "tokenizer/fingerprint.json",
        "data/manifest.json",
        "train/checkpoints/step_00000001/checkpoint.json",
    ]
    files += [f"data/clean/{lang}_valid-00000.parquet" for lang in ("ko", "en")]
    for name in files:
        write_json(tmp_path / name, {})
    keys = []
    for content in (b"one", b"two"):
        for folder in ("base_hf", "expanded", "hf"):
            (tmp_path / folder / "model.safetensors").write_bytes(content)
        keys.append({name: steps[name].key() for name in ("expanded", "train", "compare", "samples")})
    assert all(keys[0][name] != keys[1][name] for name in keys[0])


def test_another_training_in_the_folder_is_refused(tmp_path: Path) -> None:
    record = Record(tmp_path / "job.json")
    write_json(tmp_path / "base_data" / "manifest.json", {})
    _check(record, tmp_path)
    (tmp_path / "base" / "checkpoints" / "step_00000010").mkdir(parents=True)
    (tmp_path / "base" / "checkpoints" / "step_00000010" / "checkpoint.json").write_text("{}")
    _check(record, tmp_path)  # a killed run continues
    _check(record, tmp_path, "--ranks", "1")
    with pytest.raises(ConfigError) as caught:
        _check(Record(tmp_path / "job.json"), tmp_path, "base.run.seed=9")
    assert caught.value.rule == "another-training"


def _check(record: Record, runs: Path, *settings: str) -> None:
    steps = {step.name: step for step in program.steps_of(program.parse(["--runs", str(runs), *settings]))}
    program.check_same_training(steps["base"], runs / "base", record)


def _killed_while_the_base_trains(settings: list[str], runs: Path) -> None:
    """Runs the program until the base has a checkpoint, and kills it."""
    process = subprocess.Popen([sys.executable, "-m", "examples.continue", *settings], cwd=ROOT)
    end = time.monotonic() + 900
    while not checkpoints_of(runs / "base"):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.wait()
    with open(runs / "base" / ".lock") as lock:  # its ranks end soon after it
        fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.mark.slow
def test_the_whole_road_killed_and_continued(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    few = [
        "training.steps=24",
        "schedule.warmup_steps=2",
        "schedule.decay_steps=8",
        "evaluation.max_sequences=16",
    ]
    settings = ["--runs", str(tmp_path), "--new", "300"]
    settings += [f"{name}.{override}" for name in ("base", "train") for override in few]
    settings += ["base.checkpoint.every_steps=4"]
    _killed_while_the_base_trains(settings, tmp_path)
    assert program.main(settings) == 0
    records = map(json.loads, (tmp_path / "base" / "metrics.jsonl").read_text().splitlines())
    starts = [record["step"] for record in records if record["kind"] == "start"]
    assert starts[0] == 0 and starts[-1] > 0  # it went on from a checkpoint
    assert "Korean" in capfd.readouterr().out
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    base, expanded, trained = (row["bits_per_byte"] for row in rows)
    assert all(math.isfinite(bits) for row in (base, expanded, trained) for bits in row.values())
    assert trained["ko"] < expanded["ko"] and trained["ko"] < base["ko"]
    assert rows[1]["bytes_per_token"]["ko"] > 1.5 * rows[0]["bytes_per_token"]["ko"]
    expansion = json.loads((tmp_path / "expanded" / "expansion.json").read_text())
    assert expansion["init"] == expansion["best"]
    assert len(json.loads((tmp_path / "samples.json").read_text())["samples"]) == len(program.PROMPTS)
    record = (tmp_path / "job.json").read_bytes()
    assert program.main(settings) == 0
    assert (
        json.loads((tmp_path / "job.json").read_bytes())["steps"] == json.loads(record)["steps"]
    )  # none ran again
