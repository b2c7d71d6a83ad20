"""The hybrid tokenizer: rules by hand, the choice by plain counting, the command from text to folder, bad input."""

import functools
import json
from collections import Counter

import pytest

from megatron_ko.errors import ConfigError, DataError
from megatron_ko.formats.sentencepiece_model import with_pieces
from megatron_ko.formats.tokenizer_folder import Tokenizer, read_tokenizer_folder
from megatron_ko.formats.vocabulary import (
    BLANK,
    CONTROL,
    NORMAL,
    Piece,
)
from megatron_ko.tables import width_of
from preprocessing.cli import main
from preprocessing.running.worker_pool import WorkerPool
from preprocessing.tokenizers import derived_proof, donor, forecast, hybrid
from preprocessing.tokenizers.bases import read_base
from preprocessing.tokenizers.hybrid_rules import DEFAULT_RULES, Rules
from preprocessing.tokenizers.text_files import parts_of
from tests.preprocessing.refusals import refuses, refuses_command
from tests.preprocessing.tiny_bases import ENGLISH, KINDS, korean_texts, other_model, write_base, write_texts


@pytest.mark.parametrize(
    "surface, rule",
    [
        ("가", None), (" 나라", None), ("여덟글자인조각이다", "length"), (" 여덟글자인조각이", None), ("ㅋㅋㅋ", None),
        ("the", "foreign"), (" ", "foreign"), ("漢字", "foreign"), ("2024년", "digits"), ("２년", "digits"),
        ("가.", "hangul"), ("가 나", "hangul"), ("  가", "hangul"), ("C언어", "hangul"), ("韓글", "hangul"), ("가 ", "hangul"),
    ],
)  # fmt: skip
def test_the_default_rules(surface, rule):
    assert Rules.of(DEFAULT_RULES).broken_by(surface) == rule


def test_rules_are_chosen_by_name():
    assert Rules.of("syllables").broken_by("ㅋㅋ") == "syllables"
    assert Rules.of("syllables").broken_by("2년") == "syllables"
    assert Rules.of("length=2-3").broken_by("가") == "length"
    assert Rules.of("length=2-3").broken_by(" 가나다") is None
    assert Rules.of("").broken_by("2024년.") is None
    assert Rules.of("").broken_by("2024") == "foreign"
    for wrong in ("hanja", "length=3-1", "length=0-2", "length"):
        with refuses("unknown-rule", repr(wrong), error=ConfigError):
            Rules.of(f"hangul,{wrong}")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return read_base(write_base("bpe", tmp_path_factory.mktemp("base") / "base"))


PIECES = [
    ("<s>", 0, CONTROL), ("▁두루", -3, NORMAL), ("두루", -2, NORMAL), ("the", -4, NORMAL), ("▁두루미", -5, NORMAL),
    ("x두루미", -6, NORMAL), ("e", -7, NORMAL), ("두", -8, NORMAL), ("루", -9, NORMAL), ("미", -10, NORMAL),
]  # fmt: skip


def test_candidates_are_in_the_order_of_their_scores(base):
    pieces = [Piece(*piece) for piece in PIECES]
    found = hybrid.find_candidates(base, pieces, Rules.of(DEFAULT_RULES))
    assert found.surfaces == ["두루", " 두루", " 두루미", "두", "루", "미"]
    known = "known" if "the" in base.vocabulary.ids else "foreign"
    assert found.dropped == {"<s>": "special", "the": known, "x두루미": "hangul", "e": "known"}


@pytest.mark.parametrize("kind", ["bpe", "byte_bpe"])
@pytest.mark.parametrize("new", [15, 40, 1000])
def test_the_most_frequent_pieces_are_chosen(tmp_path, kind, new):
    """Against plain counting with the tokenizer with all candidates."""
    base = read_base(write_base(kind, tmp_path / "base"))
    texts = korean_texts()
    parts = parts_of([str(write_texts(tmp_path / "ko.jsonl", texts))])
    with WorkerPool(1) as pool:
        amounts = donor.amounts_of(parts, pool)
        (tmp_path / "donor.model").write_bytes(donor.train_donor(parts, amounts, None, 400, 1 << 20))
        pieces = donor.read_donor(tmp_path / "donor.model")
        choice = hybrid.choose(base, pieces, parts, tmp_path, hybrid.Settings(new=new), pool)
    everything = Tokenizer(tmp_path / "all", prefer_json=True)
    names = read_base(tmp_path / "all").vocabulary.surfaces
    counts = Counter(names[number] for text in texts for number in everything.encode(text))
    assert amounts["ko"].bytes == sum(len(text.encode()) for text in texts)
    total = len(choice.surfaces) + len(choice.needed)
    assert new // 2 < total <= new or new == 1000
    rows = {row.surface: row for row in choice.decisions}
    assert len(rows) == len(choice.decisions)
    for surface in choice.surfaces:
        assert (rows[surface].keep, rows[surface].count) == (True, counts[surface])
    left_out = [row for row in choice.decisions if row.reason.startswith("budget")]
    assert min(counts[s] for s in choice.surfaces) >= max((row.count for row in left_out), default=0)
    assert bool(left_out) == (new < 1000)
    assert choice.by_rule["known"] == sum(row.reason.startswith("known") for row in choice.decisions)


def run(tmp_path, *arguments):
    return main(
        ["tokenizer", "hybrid", *map(str, arguments), "--out", str(tmp_path / "out"), "--workers", "1"]
    )


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return write_texts(folder / "both.jsonl", [*korean_texts(), ENGLISH[0]])


@pytest.fixture
def without_transformers(monkeypatch):
    """Skips transformers, whose import takes seconds."""
    monkeypatch.setattr(derived_proof, "prove", functools.partial(derived_proof.prove, pythons=()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_transformers_reads_the_merged_tokenizer(text, tmp_path, kind):
    base = write_base(kind, tmp_path / "base")
    assert run(tmp_path, base, "--text", text, "--new", 60, "--donor-size", 500) == 0
    readers = json.loads((tmp_path / "out" / "hybrid.json").read_text("utf-8"))["readers"]
    assert any(name.startswith("transformers") for name in readers)


def test_from_text_to_a_folder_with_a_table_and_ratios(base, text, tmp_path, without_transformers, capsys):
    assert run(tmp_path, base.folder, "--text", text, "--new", 60, "--donor-size", 500) == 0
    shown = capsys.readouterr().out
    assert max(width_of(line) for line in shown.splitlines() if str(tmp_path) not in line) <= 80
    old, new = Tokenizer(base.folder), Tokenizer(tmp_path / "out")
    assert base.size < read_tokenizer_folder(tmp_path / "out").vocab_size <= base.size + 60
    summary = json.loads((tmp_path / "out" / "hybrid.json").read_text("utf-8"))
    tokens = [sum(len(reader.encode(text)) for text in korean_texts()) for reader in (old, new)]
    found = summary["languages"]["ko"]
    assert [found["tokens_base"], found["tokens"]] == tokens
    assert (
        found["token_ratio"] == pytest.approx(tokens[1] / tokens[0], abs=1e-4) and found["token_ratio"] < 0.7
    )
    assert summary["languages"]["en"]["token_ratio"] == 1.0
    assert f"{found['token_ratio']:.3f}" in shown
    for text in ENGLISH:
        assert new.encode(text) == old.encode(text)
    kept = [
        line.split("\t") for line in (tmp_path / "out" / "decisions.tsv").read_text("utf-8").splitlines()[1:]
    ]
    surfaces = [json.loads(row[0]) for row in kept if row[3] == "keep"]
    assert (
        len(surfaces)
        == summary["new_tokens"]
        == read_tokenizer_folder(tmp_path / "out").vocab_size - base.size
    )
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


@pytest.fixture
def unproven(monkeypatch):
    """Without the comparison of readers, which takes seconds."""
    monkeypatch.setattr(derived_proof, "prove_derived", lambda *_: derived_proof.Proof(0, []))


def test_an_existing_donor_and_edited_decisions_are_used(base, text, tmp_path, unproven, capsys):
    parts = parts_of([str(text)])
    with WorkerPool(1) as pool:
        model = donor.train_donor(parts, donor.amounts_of(parts, pool), 500, 60, 1 << 20)
    (tmp_path / "donor.model").write_bytes(model)
    table = tmp_path / "decisions.tsv"
    table.write_text('"두루미는"\t9\tdonor\tdrop\t\n"뚊뚊"\t0\thand\tkeep\t\n', "utf-8")
    given = (base.folder, "--text", text, "--new", 60, "--donor", tmp_path / "donor.model")
    assert run(tmp_path, *given, "--decisions", table) == 0
    encode = Tokenizer(tmp_path / "out").encode
    assert len(encode("뚊뚊")) == 1 and len(encode("두루미는")) > 1
    table.write_text('"the"\t9\tdonor\tkeep\t\n', "utf-8")
    refuses_run(tmp_path, [*given, "--decisions", table], "impossible-piece", "decisions.tsv:1", "'the'")


def test_any_number_of_workers_gives_the_same_bytes(base, tmp_path, unproven):
    for number in range(3):
        write_texts(tmp_path / f"{number}.jsonl", korean_texts(seed=number))
    made = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        given = (
            base.folder,
            "--text",
            *sorted(tmp_path.glob("?.jsonl")),
            "--new",
            60,
            "--out",
            out,
        )
        assert main(["tokenizer", "hybrid", *map(str, given), "--workers", str(workers)]) == 0
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert made[0] == made[1]


def refuses_run(tmp_path, arguments, rule, *values, error=DataError):
    command = ["tokenizer", "hybrid", *arguments, "--out", tmp_path / "out", "--workers", 1]
    refuses_command(command, rule, *values, error=error)


def test_bad_input_is_refused_before_work_starts(base, text, tmp_path, monkeypatch):
    english = write_texts(tmp_path / "en.jsonl", ENGLISH[:1])
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    monkeypatch.setattr(donor.trainers, "train", lambda *_: pytest.fail("training started"))
    given = (base.folder, "--new", 60, "--text")
    for arguments, error, rule, value in (
        ((*given, english), DataError, "no-korean-text", "en 1"),
        ((*given, tmp_path / "empty.jsonl"), DataError, "no-korean-text", "--text"),
        ((*given, tmp_path / "nothing.jsonl"), DataError, "no-text", "nothing.jsonl"),
        ((*given, text, "--donor-size", 300), ConfigError, "vocab-too-small", "--donor-size: 300"),
        ((*given, text, "--donor", tmp_path / "no.model"), DataError, "missing-file", "no.model"),
        ((*given, text, "--donor", text), DataError, None, str(text)),
        (
            (*given, text, "--donor", text, "--donor-size", 9),
            ConfigError,
            "exclusive-options",
            "--donor-size",
        ),
        ((*given, text, "--rules", "hangul,jamo"), ConfigError, "unknown-rule", "'jamo'"),
        ((tmp_path / "nowhere", "--text", text), DataError, "missing-file", "nowhere"),
    ):
        refuses_run(tmp_path, arguments, rule, value, error=error)
    monkeypatch.setattr(forecast, "free_memory", lambda: 1 << 20)
    refuses_run(tmp_path, [*given, text], "too-little-memory", "--sample-mb")
    assert not (tmp_path / "out" / "fingerprint.json").exists()


def test_a_requested_size_that_the_text_cannot_give_is_refused(text, tmp_path):
    parts = parts_of([str(text)])
    with WorkerPool(1) as pool:
        amounts = donor.amounts_of(parts, pool)
    with refuses("vocab-too-large", "--donor-size", "90,000", error=ConfigError):
        donor.train_donor(parts, amounts, 90_000, 60, 1 << 20)


def test_too_few_new_tokens_for_the_first_piece_are_refused(base, text, tmp_path, unproven):
    """The first piece of a base without Korean needs its characters too."""
    (tmp_path / "d.model").write_bytes(
        with_pieces(other_model(), [Piece(" 두루미는".replace(" ", BLANK), -1.0, NORMAL)])
    )
    given = (base.folder, "--text", text, "--donor", tmp_path / "d.model", "--new")
    refuses_run(tmp_path, [*given, 5], "budget-too-small", "--new 5")
    assert run(tmp_path, *given, 8) == 0


def test_dropping_every_piece_is_refused_with_the_rules(base, text, tmp_path):
    pieces = [Piece("the", -1.0, NORMAL), Piece("2년", -2.0, NORMAL)]
    with WorkerPool(1) as pool, refuses("no-pieces-left", "digits 1"):
        hybrid.choose(base, pieces, parts_of([str(text)]), tmp_path, hybrid.Settings(), pool)
