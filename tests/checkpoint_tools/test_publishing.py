"""Exports that can be published: the card has what the run has, nothing else; paths, licenses and chat templates."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkpoint_tools.formats import mcore
from checkpoint_tools.publishing.chat_template import end_ids, read_chat_template
from checkpoint_tools.publishing.export_files import files_to_publish
from checkpoint_tools.publishing.facts import Facts, read_facts
from checkpoint_tools.publishing.licenses import read_license
from checkpoint_tools.publishing.training_config import publishable
from megatron_ko import initial_weights
from megatron_ko.config.loading import load
from megatron_ko.config.training import Config
from megatron_ko.errors import CheckpointError, ConfigError, UserError
from megatron_ko.files import read_json, write_json
from megatron_ko.preflight import preflight
from tests import ranks
from tests.checkpoint_tools.conftest import run_quietly
from tests.checkpoint_tools.tiny_checkpoint import MODEL, write_tiny_checkpoint
from tests.tiny_data import DOMAINS
from tests.tiny_run import tiny_config


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """``data/``, ``checkpoint/`` with random weights, ``hf/`` its export."""
    folder = tmp_path_factory.mktemp("base")
    assert run_quietly("to-hf", src=write_tiny_checkpoint(folder), dst=folder / "hf") == 0
    return folder


def _write_report(data: Path, fingerprint: str) -> None:
    measured = {
        "ko": {"tokens": 100, "bytes_per_token": 3.4849, "characters_per_token": 1.5132},
        "code": {"tokens": 0, "bytes_per_token": None, "characters_per_token": None},
    }
    report = {"type": "bpe", "vocab_size": 1001, "fingerprint": fingerprint, "tokenizers": {"this": measured}}
    write_json(data / "tokenizer_report.json", report)


@pytest.fixture(scope="module")
def job(base, tmp_path_factory) -> Path:
    """A job's folder: ``data/``, and ``train/``, a run of 2 steps from the Hugging Face folder of ``base``."""
    folder = tmp_path_factory.mktemp("jobs") / "korean_toy"
    shutil.copytree(base / "data", folder / "data")
    _write_report(folder / "data", read_json(folder / "data" / "manifest.json")["tokenizer"]["fingerprint"])
    config = tiny_config(folder)
    config["run"]["folder"] = str(folder / "train")
    config["model"] = {"from": str(base / "hf"), "vocab_multiple": 8}
    config["training"]["steps"] = 2
    config["schedule"] = {"type": "constant", "warmup_steps": 1}
    config["checkpoint"] = {"every_steps": 2, "initial_weights": str(base / "hf")}
    (folder / "train.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    checked = preflight([str(folder / "train.yaml")], [], 1)
    with checked.lock_run_folder():
        ranks.on_ranks(1, ranks._train, initial_weights.convert(checked))
    return folder


def records(job: Path, kind: str) -> list[dict[str, Any]]:
    lines = (job / "train" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def sections_of(card: str) -> tuple[str, str]:
    """The Korean and the English part."""
    _, korean, english = re.split(r"^## (?:한국어|English)$", card, flags=re.MULTILINE)
    return korean, english


def rows_of(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


# --- the card --------------------------------------------------------------------------------------------


@pytest.mark.ranks
def test_the_card_has_what_the_run_has_in_both_languages(job, tmp_path, run, capsys):
    from huggingface_hub import ModelCard

    assert run("to-hf", src=job / "train", dst=tmp_path / "hf", license="apache-2.0") == 0
    assert "model card without" not in capsys.readouterr().out
    card = (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")
    data = ModelCard(card).data.to_dict()
    assert (data["language"], data["license"]) == (["ko", "en"], "apache-2.0")
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-generation")
    assert card.count("\n# ") == 1 and "# korean\\_toy" in card
    first, last = records(job, "valid")
    assert (first["step"], last["step"]) == (0, 2)
    manifest = read_json(job / "data" / "manifest.json")
    versions = read_json(job / "train" / "checkpoints" / "step_00000002" / "checkpoint.json")["versions"]
    for text in sections_of(card):
        rows = rows_of(text)
        for name, share in DOMAINS.items():
            [entry] = [s for s in manifest["sets"] if s["name"] == name and s["split"] == "train"]
            sizes = [f"{entry['tokens']:,}", f"{entry['documents']:,}"]
            assert [name, f"{100 * share:.1f} %", *sizes] in [row[:4] for row in rows]
            loss = f"{last['loss'][name]:.4f} ({first['loss'][name]:.4f})"
            bits = f"{last['bits_per_byte'][name]:.4f} ({first['bits_per_byte'][name]:.4f})"
            assert [name, loss, bits] in rows
        assert ["ko", "3.48", "1.51"] in rows
        assert not any(row[0] == "code" and len(row) == 3 and "None" in row[1] for row in rows)
        assert ["torch", versions["torch"]] in rows
        # 2 steps of 8 sequences of 64 tokens
        assert "1,024" in text and "`hf`" in text and records(job, "start")[0]["weights"]["hash"] in text
        assert "Apache-2.0" in text and "0.003" in text and "LlamaForCausalLM" in text
    for path in (tmp_path / "hf" / "README.md", tmp_path / "hf" / "training_config.yaml"):
        assert str(job.parent) not in path.read_text(encoding="utf-8")
        assert "/tmp" not in path.read_text(encoding="utf-8")


@pytest.mark.ranks
def test_the_training_configuration_loads_and_differs_only_in_paths(job, tmp_path, run):
    assert run("to-hf", src=job / "train", dst=tmp_path / "hf") == 0
    written = load(Config, [str(tmp_path / "hf" / "training_config.yaml")], []).config
    resolved = load(Config, [str(job / "train" / "config.yaml")], []).config
    assert (written.run.folder, written.data.manifest) == ("train", "manifest.json")
    assert written.checkpoint.initial_weights == "hf"
    paths = {
        "run": replace(written.run, folder=resolved.run.folder),
        "data": replace(written.data, manifest=resolved.data.manifest),
        "checkpoint": replace(written.checkpoint, initial_weights=resolved.checkpoint.initial_weights),
    }
    assert replace(written, **paths) == resolved


def test_a_converted_model_has_no_training_and_no_license(base, run):
    card = (base / "hf" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert "license" not in front and "language" not in front
    assert not (base / "hf" / "training_config.yaml").exists()
    for text in sections_of(card):
        assert ["2"] in [row[1:] for row in rows_of(text)]  # layers
        assert not {"### Data", "### Losses", "### 데이터", "### 손실"} & set(text.splitlines())


@pytest.fixture
def checkpoint(job, tmp_path) -> Path:
    """A copy of the run's last checkpoint, in a run folder of its own; its configuration names the copy's manifest."""
    shutil.copytree(job / "data", tmp_path / "data")
    shutil.copytree(job / "train" / "checkpoints", tmp_path / "run" / "checkpoints")
    shutil.copy(job / "train" / "metrics.jsonl", tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints" / "step_00000002"
    marker = read_json(folder / "checkpoint.json")
    marker["config"]["data"]["manifest"] = str(tmp_path / "data" / "manifest.json")
    write_json(folder / "checkpoint.json", marker)
    return folder


def edit(path: Path, **changes: Any) -> None:
    write_json(path, {**read_json(path), **changes})


def known(facts: Facts) -> set[str]:
    return {name for name in ("sets", "rates", "losses", "config") if getattr(facts, name)}


@pytest.mark.ranks
@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (lambda f: None, set()),
        (lambda f: (f / "data/manifest.json").unlink(), {"sets", "rates"}),
        (lambda f: (f / "data/manifest.json").write_text("{"), {"sets", "rates"}),
        (lambda f: edit(f / "data/manifest.json", tokenizer={"fingerprint": "other"}), {"sets", "rates"}),
        (lambda f: edit(f / "data/manifest.json", sets=[{"name": "ko"}]), {"sets"}),
        (lambda f: edit(f / "data/manifest.json", tokenizer=["x"]), {"sets", "rates"}),
        (lambda f: edit(f / "data/manifest.json", mixture={"ko": 0}), {"sets"}),
        (lambda f: (f / "data/tokenizer_report.json").unlink(), {"rates"}),
        (lambda f: edit(f / "data/tokenizer_report.json", vocab_size=None), {"rates"}),
        (lambda f: edit(f / "data/tokenizer_report.json", fingerprint="other"), {"rates"}),
        (lambda f: edit(f / "data/tokenizer_report.json", tokenizers={"this": {"ko": {"tokens": 1}}}), {"rates"}),
        (lambda f: (f / "run/metrics.jsonl").unlink(), {"losses"}),
        (lambda f: (f / "run/metrics.jsonl").write_text('{"kind": "start", "step": 0}\n{"ki'), {"losses"}),
        (lambda f: (f / "run/metrics.jsonl").write_text('{"kind": "valid", "step": 2}\n'), {"losses"}),
        (lambda f: (f / "run/metrics.jsonl").write_text('{"kind": "valid", "step": 3, "loss": {"ko": 1}}\n'), {"losses"}),
    ],
)  # fmt: skip
def test_what_is_missing_damaged_or_of_another_run_is_left_out(checkpoint, tmp_path, change, lost):
    change(tmp_path)
    facts = read_facts(checkpoint, "name")
    assert known(facts) == {"sets", "rates", "losses", "config"} - lost
    assert bool(facts.missing) == bool(lost)


@pytest.mark.ranks
def test_a_checkpoint_outside_of_its_run_or_of_another_version(checkpoint, tmp_path, run, capsys):
    alone = Path(shutil.copytree(checkpoint, tmp_path / "alone"))
    marker = read_json(alone / "checkpoint.json")
    del marker["config"]["optimizer"]["learning_rate"]
    write_json(alone / "checkpoint.json", marker)
    assert known(read_facts(alone, "alone")) == {"sets", "rates"}
    assert run("to-hf", src=alone, dst=tmp_path / "hf") == 0
    printed = capsys.readouterr().out
    assert "optimizer.learning_rate" in printed and "losses" in printed
    card = (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")
    assert "# hf" in card and "1,024" in card and (tmp_path / "hf" / "training_config.yaml").is_file()


def test_a_model_without_a_hugging_face_form_is_refused(tmp_path, expect_error):
    source = write_tiny_checkpoint(tmp_path, replace(MODEL, qkv_bias=True, qk_norm=True))
    assert expect_error("to-hf", src=source, dst=tmp_path / "hf").rule == "no-hugging-face-model"
    assert not (tmp_path / "hf").exists()


def test_a_published_tokenizer_names_no_machine(base, tmp_path, run):
    source = Path(shutil.copytree(base / "checkpoint", tmp_path / "checkpoint"))
    kept = {"name_or_path": "org/name", "model_max_length": 64}
    edit(source / "tokenizer" / "tokenizer_config.json", **kept, special_tokens_map_file="/home/kim/map.json")
    assert run("to-hf", src=source, dst=tmp_path / "hf") == 0
    config = read_json(tmp_path / "hf" / "tokenizer_config.json")
    assert "special_tokens_map_file" not in config and config.items() >= kept.items()


def test_an_edited_card_stays_and_an_old_one_is_replaced(base, tmp_path, run, capsys):
    folder = tmp_path / "hf"
    run("to-hf", src=base / "checkpoint", dst=folder)
    assert run("to-hf", src=base / "checkpoint", dst=folder, overwrite=True, license="MIT") == 0
    assert "warning" not in capsys.readouterr().out and not (folder / "README.generated.md").exists()
    for _ in range(2):  # the second export must not take the edited card for its own
        (folder / "README.md").write_text("mine")
        assert run("to-hf", src=base / "checkpoint", dst=folder, overwrite=True) == 0
        assert (folder / "README.md").read_text() == "mine"
        assert "README.generated.md" in capsys.readouterr().out
        assert "README.md" not in read_json(folder / "verification.json")["files"]
        assert files_to_publish(folder)[1] == ["README.generated.md"]
    assert "license" not in yaml.safe_load((folder / "README.generated.md").read_text().split("---")[1])
    (folder / "README.md").unlink()
    assert run("to-hf", src=base / "checkpoint", dst=folder, overwrite=True) == 0
    assert (folder / "README.md").is_file() and not (folder / "README.generated.md").exists()


# --- configuration and license -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("runs/a/train", "runs/a/train"),
        ("/home/kim/runs/a", "a"),
        ("/home/kim/runs/a/", "a"),
        ("~/runs/a", "a"),
        ("~kim", "~kim"),
        ("../shared/m.json", "m.json"),
        ("runs/../../m.json", "m.json"),
        ("C:\\Users\\kim\\m", "m"),
        ("\\\\host\\share\\m", "m"),
        ("file:///home/kim/m", "m"),
        ("/", "folder"),
        ("https://kim:pw@host/x", "https://host/x"),
        ("hf_" + "a" * 34, None),
        ("name-of-a-project", "name-of-a-project"),
        (["/a/b", 3, None, {"c": "/d/e"}], ["b", 3, None, {"c": "e"}]),
        ({"api_key": "x", "wandb_token": "y", "tokens": 3}, {"api_key": None, "wandb_token": None, "tokens": 3}),
    ],
)  # fmt: skip
def test_paths_are_shortened_and_secrets_removed(value, expected):
    assert publishable(value) == expected


@pytest.mark.parametrize(
    ("text", "identifier", "front"),
    [
        ("Apache-2.0", "Apache-2.0", {"license": "apache-2.0"}),
        ("mit", "MIT", {"license": "mit"}),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("gpl-3.0-only", "GPL-3.0-only", {"license": "gpl-3.0"}),
        ("ODC-By-1.0", "ODC-By-1.0", {"license": "odc-by"}),
        ("0BSD", "0BSD", {"license": "other", "license_name": "0bsd"}),
        ("LicenseRef-llama3.1", "LicenseRef-llama3.1", {"license": "llama3.1"}),
        ("LicenseRef-Our-Own", "LicenseRef-Our-Own", {"license": "other", "license_name": "our-own"}),
    ],
)
def test_licenses_are_spdx_identifiers(text, identifier, front):
    license_ = read_license(text)
    assert (license_.identifier, license_.front_matter) == (identifier, front)


@pytest.mark.parametrize(
    "text", ["Apache 2", "MIT OR Apache-2.0", "LicenseRef-", "free", " ", "Classpath-exception-2.0"]
)
def test_other_licenses_are_refused_before_anything_is_written(base, tmp_path, expect_error, text):
    error = expect_error("to-hf", src=base / "checkpoint", dst=tmp_path / "hf", license=text)
    assert error.rule == "unknown-license" and error.problems[0].path == "--license" and text in str(error)
    assert not (tmp_path / "hf").exists()


def test_the_nearest_license_is_suggested():
    with pytest.raises(ConfigError) as caught:
        read_license("apache2.0")
    assert "Apache-2.0" in str(caught.value).partition("?")[0]


# --- chat templates ----------------------------------------------------------------------------------------

CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m.role }}\n{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant\n{% endif %}"
)


def test_an_exported_chat_template_ends_answers_with_an_id(base, tmp_path, run):
    from transformers import AutoTokenizer

    (tmp_path / "chat.jinja").write_text(CHAT)
    folder = tmp_path / "hf"
    assert run("to-hf", src=base / "checkpoint", dst=folder, chat_template=tmp_path / "chat.jinja") == 0
    assert (folder / "chat_template.jinja").read_text() == CHAT
    assert read_json(folder / "tokenizer_config.json")["chat_template"] == CHAT
    assert "chat_template.jinja" in read_json(folder / "verification.json")["files"]
    assert not (base / "checkpoint" / "tokenizer" / "chat_template.jinja").exists()
    reader = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "w7"}, {"role": "assistant", "content": "w8 w9"}]
    ids = reader.apply_chat_template(messages, return_dict=False)
    unknown, bos, eos = reader.convert_tokens_to_ids(["<unk>", "<s>", "</s>"])
    assert ids == [bos, unknown, 7, unknown, 8, 9, eos]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{% for m in messages %}", "template-syntax"),
        ("\n{{ }}", "template-syntax"),
        ("{{ messages[9].content }}", "template-fails"),
        ("{{ raise_exception('no') }}", "template-fails"),
        ("{{ 1 + 'a' }}", "template-fails"),
        (CHAT.replace("m.content", "m.content[:3]"), "template-loses-text"),
        (CHAT.replace("eos_token if m.role == 'assistant'", "''"), "template-without-end"),
        (CHAT.replace("eos_token if m.role == 'assistant'", "'</S>'"), "template-without-end"),
        (CHAT.replace("eos_token if m.role == 'assistant'", "eos_token if m.role == 'user'"), "template-without-end"),
        (b"\xff\xfe", "not-utf-8"),
        (None, "unreadable-file"),
    ],
)  # fmt: skip
def test_a_wrong_chat_template_is_refused_before_anything_is_written(
    base, tmp_path, expect_error, text, rule
):
    path = tmp_path / "chat.jinja"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = expect_error("to-hf", src=base / "checkpoint", dst=tmp_path / "hf", chat_template=path)
    assert error.rule == rule and error.problems[0].path == "--chat-template" and str(path) in str(error)
    assert not (tmp_path / "hf").exists()


def test_a_template_needs_a_tokenizer_and_ends_with_any_of_its_ends(base, tmp_path):
    path = tmp_path / "chat.jinja"
    store = mcore.open_mcore(base / "checkpoint")
    path.write_text(CHAT.replace("eos_token if", "' w9' if"))  # as Llama 3, whose answers end with <|eot_id|>
    with pytest.raises(ConfigError):
        read_chat_template(str(path), store)
    several = replace(store, generation={"eos_token_id": [2, 9]})
    assert end_ids(several) == {2, 9}
    assert read_chat_template(str(path), several) == path.read_text()
    errors: list[UserError] = []
    damaged = Path(shutil.copytree(base / "checkpoint" / "tokenizer", tmp_path / "damaged"))
    edit(
        damaged / "tokenizer_config.json",
        tokenizer_class="TokenizerThatDoesNotExist",
        auto_map={"AutoTokenizer": ["x.X", None]},
    )
    (damaged / "tokenizer.json").unlink()
    changes: list[dict[str, Any]] = [{"tokenizer": None}, {"special_ids": {}}, {"tokenizer": damaged}]
    for broken in (replace(store, **change) for change in changes):
        with pytest.raises(CheckpointError) as caught:
            read_chat_template(str(path), broken)
        errors.append(caught.value)
    assert [error.rule for error in errors] == ["missing-tokenizer", "no-end-of-text", "unreadable-tokenizer"]
