"""The miniature of RedWhale: its settings, its split, its arithmetic; the whole of it once, tiny, as a slow test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.redwhale.__main__ import main, parse, stages_of
from examples.redwhale.results import FIVE, summary
from examples.redwhale.texts import split
from megatron_ko.config.loading import load
from megatron_ko.config.schema import Config
from megatron_ko.errors import EXIT_USER_ERROR, ConfigError, DataError
from preprocessing import schema as data_schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["seed=1"], "write one of runs="),
        (["seeds=1,x"], "'seeds=1,x'"),
        (["new=0"], "'new=0'"),
        (["korean_share=1"], "a share from 0 to below 1"),
        (["korean=nowhere.jsonl"], "nowhere.jsonl: no such file"),
    ],
)
def test_mistakes_come_before_anything_starts(
    settings: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"runs={tmp_path / 'runs'}", *settings]) == EXIT_USER_ERROR
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError):
        parse(settings)


@pytest.mark.parametrize("share", ["0.04", "0"])
def test_commands_have_settings_that_their_programs_accept(tmp_path: Path, share: str) -> None:
    options = parse([f"runs={tmp_path}", f"korean_share={share}", "seeds=3,4", "steps=30"])
    found = {stage.name: list(stage.command) for stage in stages_of(options)}
    assert list(found) == ["data", "hybrid", "base_3", "hf_3", "judged_3", "base_4", "hf_4", "judged_4"]
    files = [part for part in found["data"] if part.endswith(".yaml")]
    assert len(files) == (2 if share != "0" else 1)
    settings = [part for part in found["data"] if "=" in part]
    shares = [
        d.share or 0.0
        for d in load(data_schema.Config, files, settings, data_schema.RULES).config.domains.values()
    ]
    assert sum(shares) == pytest.approx(1.0)
    training = load(
        Config, [str(ROOT / "examples/redwhale/train.yaml")], [p for p in found["base_4"] if "=" in p]
    ).config
    assert training.run.seed == 4 and training.training.steps == 30 and not training.model.tied_embeddings
    assert (training.data.mixture or {}).get("ko", 0.0) == float(share)


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
    text = summary(good, tmp_path / "good", 0.04)
    assert (
        "decompose, decompose-output, mean, decompose-input, random; decompose is the lowest in 2 of 2"
        in text
    )
    assert "2.15 ± 0.07 from random" in text and "lower by more than two standard deviations" in text
    assert "| **focus** | 7.00 ± 0.00 | 9.21 |" in text
    lost = [_report(tmp_path / "lost", seed, {**won, "decompose": 12.0 + seed}) for seed in (1, 2)]
    text = summary(lost, tmp_path / "lost", 0.0)
    assert "the lowest in 0 of 2" in text and "-3.50 ± 0.71 from random" in text and "higher by more" in text
    saved = json.loads((tmp_path / "lost" / "results.json").read_text())
    assert saved["texts"]["korean"]["decompose"]["loss"] == [13.0, 14.0]
    assert set(FIVE) < set(saved["texts"]["english"])


@pytest.mark.slow
def test_the_whole_miniature(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = [f"runs={tmp_path}", "seeds=1", "steps=20", "new=300", "judge_tokens=1000"]
    assert main(settings) == 0
    assert "order of RedWhale's five on Korean" in capfd.readouterr().out
    scores = json.loads((tmp_path / "results.json").read_text())["texts"]["korean"]
    assert len(scores) == 9 and scores["decompose"]["loss"] != scores["random"]["loss"]
    assert main(settings) == 0
    assert capfd.readouterr().out.count("unchanged, reused") == 5
