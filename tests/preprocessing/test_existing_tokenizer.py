"""Tokenizers that exist already: taken, proven, reported, part of the keys; what is refused."""

import json
import shutil

import pytest

from megatron_ko.errors import ConfigError
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.formats.tokenizer_folder import (
    MARKER,
    Tokenizer,
    fingerprint_hf_folder,
    read_tokenizer_folder,
)
from preprocessing.cli import main
from preprocessing.config.tokens import TokenizerConfig
from preprocessing.steps.train_tokenizer import write_folder
from preprocessing.tokenizers.existing import (
    find_odd_pieces,
    identity_of,
    read_existing,
    refuse_eos_in_text,
    write_existing,
)
from preprocessing.tokens.token_files import open_pair
from tests.preprocessing.corpus import steps_run, write_config
from tests.preprocessing.refusals import refuses, refuses_command
from tests.preprocessing.sentencepiece_models import model_of
from tests.preprocessing.tiny_bases import ENGLISH, KINDS, other_model, write_base


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A base of each kind, and ``hf``: a Hugging Face folder with both files, as Llama 2 has."""
    folder = tmp_path_factory.mktemp("bases")
    found = {kind: write_base(kind, folder / kind) for kind in KINDS}
    found["hf"] = as_hugging_face(write_existing(read_existing(found["dummy_prefix"]), folder / "hf").folder)
    write_folder(folder / "unigram", iter(ENGLISH), TokenizerConfig(vocab_size=500, type="unigram"))
    found["unigram"] = folder / "unigram"
    return found


def as_hugging_face(folder):
    """Without our marker, and with special tokens that the library adds."""
    (folder / MARKER).unlink()

    def add(description):
        for number, name in enumerate(("<unk>", "<s>", "</s>")):
            flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
            description["added_tokens"].append({"id": number, "content": name, "special": True, **flags})

    edit(folder, add)
    return folder


def edit(folder, change, name="tokenizer.json"):
    content = json.loads((folder / name).read_text("utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content), "utf-8")
    return folder


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """A configuration and a run of it up to the corpus."""
    folder = tmp_path_factory.mktemp("cleaned")
    config = write_config(folder)
    config.write_text(
        config.read_text("utf-8").replace(
            "{vocab_size: 777, proof_strings: 300}", "{type: existing, folder: X, proof_strings: 200}"
        ),
        "utf-8",
    )
    return config


def run(config, base, out, *more):
    places = (f"output.folder={out}", f"tokenizer.folder={base}")
    return main(["run", str(config), "--workers", "1", *places, *more])


@pytest.mark.parametrize("kind", [*KINDS, "hf", "unigram"])
def test_the_pipeline_takes_a_tokenizer_of_any_kind(cleaned, bases, tmp_path, kind):
    out = tmp_path / "out"
    assert run(cleaned, bases[kind], out) == 0
    manifest = read_manifest(out / "manifest.json")
    info, written = read_tokenizer_folder(out / "tokenizer"), Tokenizer(out / "tokenizer")
    assert (
        manifest.tokenizer_fingerprint
        == info.fingerprint
        == fingerprint_hf_folder(out / "tokenizer").fingerprint
    )
    if (bases[kind] / "tokenizer.json").is_file():
        assert info.fingerprint == fingerprint_hf_folder(bases[kind]).fingerprint
    assert manifest.eod_id == info.eos_id == Tokenizer(out / "tokenizer", prefer_json=True).info.eos_id
    pair = open_pair(manifest.of_split("valid")["ko"].prefix)
    first = pair.ids[: pair.lengths()[0]]
    assert first[-1] == manifest.eod_id and written.encode(written.decode(first[:-1])) == first[:-1].tolist()
    report = json.loads((out / "tokenizer_report.json").read_text("utf-8"))
    assert report["type"] == "existing" and report["tokenizers"]["english_only"] is None
    assert report["existing"]["special_tokens"]["eos"] == "</s>"
    assert report["existing"]["duplicates"] == [] and report["existing"]["gaps"] == 0
    changed, count = report["existing"]["changed_documents"]
    assert count > 0 and (changed == 0 or kind == "removes_blanks")
    readers = {reader.split()[0] for reader in report["readers"]}
    assert {"tokenizers", "transformers"} <= readers
    assert ("sentencepiece" in readers) == (kind not in ("byte_bpe", "whole_words"))


def test_another_tokenizer_in_the_same_folder_runs_what_depends_on_it(cleaned, bases, tmp_path):
    base, out = shutil.copytree(bases["hf"], tmp_path / "base"), tmp_path / "out"
    assert run(cleaned, base, out) == 0
    assert steps_run(out, lambda: run(cleaned, base, out)) == []
    before = identity_of(base)
    edit(base, lambda config: config.update(model_max_length=77), "tokenizer_config.json")
    assert identity_of(base) != before
    assert steps_run(out, lambda: run(cleaned, base, out))[0] == "train-tokenizer"
    edit(base, lambda config: config.update(eos_token="<s>"), "tokenizer_config.json")
    assert steps_run(out, lambda: run(cleaned, base, out)) == ["train-tokenizer", "encode", "validate"]
    assert read_manifest(out / "manifest.json").eod_id == 1


def test_the_json_of_a_folder_is_its_tokenizer(cleaned, bases, tmp_path):
    """A model with the same pieces and other scores is another tokenizer, which is reported and not used."""
    base, out = shutil.copytree(bases["hf"], tmp_path / "base"), tmp_path / "out"
    edit(base, lambda description: description["model"].update(merges=description["model"]["merges"][::-1]))
    assert run(cleaned, base, out) == 0
    report = json.loads((out / "tokenizer_report.json").read_text("utf-8"))
    assert any("tokenizer.model" in warning for warning in report["existing"]["warnings"])
    assert not (out / "tokenizer" / "tokenizer.model").exists()
    assert read_tokenizer_folder(out / "tokenizer").fingerprint == fingerprint_hf_folder(base).fingerprint


def test_fields_of_a_trained_tokenizer_contradict_an_existing_one(cleaned, bases):
    for field in ("vocab_size=32000", "sample_bytes=5", "english_only=true"):
        refuses_command(
            ["run", cleaned, f"tokenizer.folder={bases['bpe']}", f"tokenizer.{field}"],
            "unknown-key",
            "existing",
            error=ConfigError,
        )


def test_what_is_missing_is_refused_before_the_first_step(cleaned, bases, tmp_path):
    without_eos = shutil.copytree(bases["byte_bpe"], tmp_path / "without")
    (without_eos / MARKER).unlink()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        edit(without_eos, lambda config: config.pop("eos_token"), name)
    cases = (
        (tmp_path / "none", [], "missing-tokenizer", "tokenizer.folder"),
        (without_eos, [], "no-eos-token", "tokenizer.eos_token"),
        (without_eos, ["tokenizer.eos_token=<eos>"], "unknown-token", "tokenizer.eos_token"),
    )
    for folder, more, rule, field in cases:
        refuses_command(
            ["run", cleaned, f"output.folder={tmp_path / 'out'}", f"tokenizer.folder={folder}", *more],
            rule,
            field,
        )
    assert not (tmp_path / "out" / "clean").exists()
    found = read_existing(without_eos, "</s>")
    assert found.special["eos"] == "</s>"
    assert write_existing(found, tmp_path / "with").eos_id == Tokenizer(bases["byte_bpe"]).info.eos_id


def test_a_token_of_text_cannot_end_documents(bases):
    for name in ("e", "!"):
        with refuses("eos-in-text", "tokenizer.eos_token", name):
            refuse_eos_in_text(read_existing(bases["byte_bpe"], name))
    for kind in ("byte_bpe", "bpe", "hf", "unigram"):
        refuse_eos_in_text(read_existing(bases[kind]))


def test_odd_pieces_are_found(bases, tmp_path):
    folder = shutil.copytree(bases["byte_bpe"], tmp_path / "odd")
    (folder / MARKER).unlink()

    def change(description):
        size = len(description["model"]["vocab"])
        description["model"]["vocab"] |= {"zzqqzz": size, "qqqqqq": size + 5}

    assert find_odd_pieces(read_existing(edit(folder, change))).unreachable == ["zzqqzz", "qqqqqq"]
    assert find_odd_pieces(read_existing(folder)).gaps == 4
    for kind in ("bpe", "unigram", "hf", "whole_words"):
        odd = find_odd_pieces(read_existing(bases[kind]))
        assert (odd.unreachable, odd.duplicates, odd.gaps) == ([], [], 0)
    model = tmp_path / "unreachable.model"
    model.write_bytes(model_of([("a", -1.0, 1), ("b", -2.0, 1), ("c", -3.0, 1), ("abc", -0.5, 1)]))
    assert find_odd_pieces(read_existing(model, "</s>")).unreachable == ["abc"]


def test_folders_and_files_that_cannot_be_taken(bases, tmp_path):
    two = shutil.copytree(bases["hf"], tmp_path / "two")
    edit(two, lambda description: description["model"]["vocab"].update(zz=5))
    moved = shutil.copytree(bases["byte_bpe"], tmp_path / "moved")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    edit(
        moved, lambda description: description["added_tokens"].append({"id": 900, "content": "<x>", **flags})
    )
    (tmp_path / "empty").mkdir()
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "tokenizer.model").write_bytes(other_model())
    (slow / "added_tokens.json").write_text('{"<x>": 600}', "utf-8")
    (tmp_path / "text.model").write_text("no model", "utf-8")
    (tmp_path / "nfkc.model").write_bytes(other_model(normalization_rule_name="nmt_nfkc"))
    cases = (
        ("two", "duplicate-ids"), ("moved", "added-token-ids"), ("empty", "no-tokenizer"), ("slow", "missing-file"),
        ("text.model", "not-a-sentencepiece-model"), ("nfkc.model", "normalizing-model"), ("two/tokenizer.json", "not-a-folder"),
    )  # fmt: skip
    for name, rule in cases:
        with refuses(rule):
            read_existing(tmp_path / name)


def test_the_corpus_comes_before_the_tokenizer_that_is_made_from_it(cleaned, bases, tmp_path, capsys):
    """``mko tokenizer extend`` counts the corpus of the configuration that names its result."""
    out, base = tmp_path / "out", tmp_path / "base"
    words = ("run", cleaned, "--workers", "1", f"output.folder={out}", f"tokenizer.folder={base}")
    refuses_command(words, "missing-tokenizer", str(base))
    refuses_command((*words, "--until", "train-tokenizer"), "missing-tokenizer", str(base))
    refuses_command((*words, "--until", "lines"), "step-off")
    assert not (out / "clean").exists()
    assert run(cleaned, base, out, "--until", "balance", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("balance")
    assert steps_run(out, lambda: run(cleaned, base, out, "--until", "balance"))[-1] == "balance"
    assert "manifest.json" not in capsys.readouterr().out
    shutil.copytree(bases["hf"], base)
    assert steps_run(out, lambda: run(cleaned, base, out)) == ["train-tokenizer", "encode", "validate"]
    assert (out / "manifest.json").is_file()
