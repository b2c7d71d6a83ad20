"""The miniature of RedWhale: its settings, its split, its arithmetic; the whole of it once, tiny, as a slow test."""

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


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["--seed", "1"], "unknown-option"),
        (["--seeds", "1,x"], "usage"),
        (["--new", "0"], "usage"),
        (["--korean-shares", "0.1,1"], "settings"),
        (["--korean", "nowhere.jsonl"], "settings"),
    ],
)
def test_mistakes_come_before_anything_starts(settings: list[str], rule: str, tmp_path: Path) -> None:
    assert main(["--runs", str(tmp_path / "runs"), *settings]) == EXIT_USER_ERROR
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UserError) as caught:
        parse(settings)
    assert caught.value.rule == rule


def test_commands_have_settings_that_their_programs_accept(tmp_path: Path) -> None:
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


def test_split_keeps_every_fifth_document_for_judging(tmp_path: Path) -> None:
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
    with pytest.raises(DataError, match="at least 5"):
        split([source], tmp_path / "parts")


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


def test_the_table_says_what_was_measured_also_when_redwhale_is_not_repeated(tmp_path: Path) -> None:
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
    first, second = text.split("### 0% Korean")
    order = "decompose, decompose-output, mean, decompose-input, random; decompose is the lowest of them in 2 of 2"
    assert "### 4% Korean" in first and order in first
    assert "decompose against random: loss 2.15 ± 0.07 lower\n" in first  # 10.1 - 8 and 10.2 - 8
    assert "decompose against mean: loss 1.50 ± 0.00 lower\n" in first
    assert "| **focus** | 7.00 ± 0.00 | 9.21 |" in first
    assert "the lowest of them in 0 of 2" in second
    assert "decompose against decompose-output: loss 1.50 ± 0.71 higher\n" in second  # 10 - 9 and 11 - 9
    assert "decompose against random: loss 0.50 ± 0.71 higher (within two standard deviations" in second
    saved = json.loads((tmp_path / "results.json").read_text())["bases"]
    assert saved[1]["texts"]["korean"]["decompose"]["loss"] == [10.0, 11.0]
    assert set(FIVE) < set(saved[0]["texts"]["english"]) and saved[1]["korean_share"] == 0.0
    assert "one model: nothing is resolved" in summary({0.04: good[:1]}, tmp_path)


@pytest.mark.slow
def test_the_whole_miniature(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = [
        f"runs={tmp_path}",
        "seeds=1",
        "korean_shares=0.05",
        "steps=20",
        "new=300",
        "judge_tokens=1000",
    ]
    assert main(settings) == 0
    assert "RedWhale's five on Korean, lowest loss first" in capfd.readouterr().out
    scores = json.loads((tmp_path / "results.json").read_text())["bases"][0]["texts"]["korean"]
    assert len(scores) == 10 and scores["decompose"]["loss"] != scores["random"]["loss"]
    assert main(settings) == 0
    assert capfd.readouterr().out.count("unchanged, reused") == 5
