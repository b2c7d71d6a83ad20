"""RedWhale in miniature: its settings, its split, its arithmetic; the whole example, tiny, as a slow test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.redwhale.__main__ import main, parse, steps_of
from examples.redwhale.results import FIVE, summary
from examples.redwhale.texts import split
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import EXIT_USER_ERROR, DataError, UserError
from preprocessing.config import pipeline as data_schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["--seed", "1"], "unknown-option"),
        (["--seeds", "1,x"], "usage"),
        (["--new", "0"], "usage"),
        (["--korean-shares", "0.1,1"], "share-out-of-range"),
        (["--korean", "nowhere.jsonl"], "missing-file"),
    ],
)
def test_mistakes_are_reported_before_anything_starts(settings: list[str], rule: str, tmp_path: Path) -> None:
    assert main(["--runs", str(tmp_path / "runs"), *settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UserError) as caught:
        parse(settings)
    assert caught.value.rule == rule


def test_programs_accept_the_settings_of_their_commands(tmp_path: Path) -> None:
    options = parse(["--runs", str(tmp_path), "--korean-shares", "0.04,0", "--seeds", "3,4", "--steps", "30"])
    found = {step.name: list(step.command) for step in steps_of(options)}
    models = [
        f"{step}_{model}"
        for model in ("ko4_3", "ko4_4", "ko0_3", "ko0_4")
        for step in ("base", "hf", "judged")
    ]
    assert list(found) == ["data", "hybrid", *models]
    data = found["data"][3:]
    read = load(data_schema.Config, data[:1], data[1:], data_schema.RULES).config
    assert sum(domain.share or 0.0 for domain in read.domains.values()) == pytest.approx(1.0)
    assert vars(read.inputs["korean"])["paths"] == [str(tmp_path / "korean" / "learn.jsonl")]
    for name, share in (("base_ko4_4", 0.04), ("base_ko0_4", None)):
        settings = [part for part in found[name] if "=" in part]
        training = load(Config, [str(ROOT / "examples/redwhale/train.yaml")], settings).config
        assert training.run.seed == 4 and training.training.steps == 30 and not training.model.tied_embeddings
        mixture = training.data.mixture or {}
        assert mixture.get("ko") == share and sum(mixture.values()) == pytest.approx(1.0)


def test_every_fifth_document_judges(tmp_path: Path) -> None:
    source = tmp_path / "all.jsonl"
    source.write_text(
        "".join(json.dumps({"text": f"문서 {i} " + "가" * (5000 * (i == 3))}) + "\n" for i in range(12))
    )
    split([source], tmp_path / "parts")
    learn, judge = (
        [json.loads(line)["text"] for line in (tmp_path / "parts" / name).read_text().splitlines()]
        for name in ("learn.jsonl", "judge.jsonl")
    )
    assert [text.split()[1] for text in judge] == ["4", "9"]
    assert len(learn) == 11 and not set(learn) & set(judge)  # ten documents, one in two parts
    source.write_text('{"text": "하나"}\n')
    with pytest.raises(DataError) as caught:
        split([source], tmp_path / "parts")
    assert caught.value.rule == "too-few-documents" and str(source) in str(caught.value)


def _report(folder: Path, seed: int, losses: dict[str, float]) -> Path:
    scores = {
        name: {
            "loss": loss,
            "ln_vocab_size": 9.21,
            "accuracy": 0.01,
            "bits_per_byte": loss / 2,
            "tokens": 100,
        }
        for name, loss in {"before (old tokenizer)": 5.0, **losses}.items()
    }
    judged = [
        {"text": f"runs/{lang}/judge.jsonl", "text_bytes": 500, "scores": scores}
        for lang in ("korean", "english")
    ]
    path = folder / f"judged_{seed}" / "expansion.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"old_tokens": 8001, "new_tokens": 2000, "judged": judged}))
    return path


def _claim_about(claims: list[str], name: str) -> str:
    """The claim that compares decompose with another initialization."""
    (line,) = [claim for claim in claims if f"against {name}:" in claim]
    return line


def test_the_table_reports_claims_that_are_reproduced_and_those_that_are_not(tmp_path: Path) -> None:
    won = {
        "random": 10.0,
        "mean": 9.5,
        "decompose-input": 9.9,
        "decompose-output": 9.0,
        "decompose": 8.0,
        "focus": 7.0,
    }
    good = [_report(tmp_path / "good", seed, {**won, "random": 10.0 + seed / 10}) for seed in (1, 2)]
    lost = [_report(tmp_path / "lost", seed, {**won, "decompose": 9.0 + seed}) for seed in (1, 2)]
    text = summary({0.04: good, 0.0: lost}, tmp_path)
    saved = json.loads((tmp_path / "results.json").read_text())["bases"]
    first, second = (base["claims"] for base in saved)
    assert "decompose, decompose-output, mean, decompose-input, random" in first[0] and "2 of 2" in first[0]
    assert _claim_about(first, "random").endswith("2.15 ± 0.07 lower")  # 10.1 - 8 and 10.2 - 8
    assert _claim_about(first, "mean").endswith("1.50 ± 0.00 lower")
    assert "| **focus** | 7.00 ± 0.00 | 9.21 |" in text and "4%" in text and "0%" in text
    assert "0 of 2" in second[0]
    assert _claim_about(second, "decompose-output").endswith("1.50 ± 0.71 higher")  # 10 - 9 and 11 - 9
    assert "0.50 ± 0.71 higher (" in _claim_about(second, "random")  # not resolved
    assert saved[1]["texts"]["korean"]["decompose"]["loss"] == [10.0, 11.0]
    assert set(FIVE) < set(saved[0]["texts"]["english"]) and saved[1]["korean_share"] == 0.0
    assert "2.10 lower (" in summary({0.04: good[:1]}, tmp_path)  # one model resolves nothing


@pytest.mark.slow
def test_the_whole_miniature(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = ["--runs", str(tmp_path), "--seeds", "1", "--korean-shares", "0.05"]
    settings += ["--steps", "20", "--new", "300", "--judge-tokens", "1000"]
    assert main(settings) == 0
    assert (tmp_path / "results.md").read_text() in capfd.readouterr().out
    scores = json.loads((tmp_path / "results.json").read_text())["bases"][0]["texts"]["korean"]
    assert len(scores) == 10 and scores["decompose"]["loss"] != scores["random"]["loss"]
    record = (tmp_path / "job.json").read_bytes()
    assert len(json.loads(record)["steps"]) == 5
    assert main(settings) == 0
    assert (tmp_path / "job.json").read_bytes() == record  # with the times of the steps: none ran again
