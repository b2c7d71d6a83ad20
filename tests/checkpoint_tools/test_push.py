"""``push`` against a stand-in for the hub: what is uploaded, what is refused, and that the token is never shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko.errors import ConfigError
from tests.checkpoint_tools.conftest import run_quietly
from tests.checkpoint_tools.hub_stand_in import TOKEN, Hub, Repository, hub_stand_in
from tests.checkpoint_tools.tiny_checkpoint import write_tiny_checkpoint

REPO = "my-group/my-model"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """An export in several shards, with a tokenizer and a card."""
    folder = tmp_path_factory.mktemp("exported")
    source = write_tiny_checkpoint(folder)
    assert run_quietly("to-hf", src=source, dst=folder / "hf", max_shard_gb=0.0003, license="MIT") == 0
    return folder / "hf"


@pytest.fixture
def export(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "hf"))


@pytest.fixture
def hub(monkeypatch):
    """The stand-in, with a valid token in the environment of this process."""
    import huggingface_hub.constants as constants

    with hub_stand_in() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_program_uploads_every_file_of_an_export_to_a_private_repository(export):
    (export / "LICENSE").write_text("all of it")
    (export / "notes.txt").write_text("not for others")
    with hub_stand_in() as hub:
        done = subprocess.run(
            [sys.executable, "-m", "checkpoint_tools", "push", str(export), REPO],
            cwd=ROOT,
            env={**os.environ, "HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_DEBUG": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        repository = hub.repositories[REPO]
    assert repository.private
    expected = contents_of(export)
    assert len([name for name in expected if name.endswith(".safetensors")]) > 1
    del expected["verification.json"], expected["notes.txt"]
    assert repository.files == expected
    assert {"README.md", "LICENSE", "tokenizer.json", "config.json"} <= expected.keys()
    assert "notes.txt" in done.stdout and f"{hub.address}/{REPO}/commit/" in done.stdout


def test_weights_of_an_earlier_upload_do_not_stay(export, hub: Hub, run):
    files = {"model.safetensors": b"old", "eval.png": b"image"}
    hub.repositories[REPO] = Repository(private=False, files=files)
    assert run("push", folder=export, repo=REPO, public=True) == 0
    assert "model.safetensors" not in files and files["eval.png"] == b"image" and "config.json" in files
    assert hub.commits == 1


@pytest.mark.parametrize("public", [True, False])
def test_visibility_is_never_another_than_asked_for(export, hub: Hub, run, expect_error, public):
    hub.repositories[REPO] = Repository(private=public)
    asked = {"public": True} if public else {}
    error = expect_error("push", folder=export, repo=REPO, **asked)
    assert error.rule == f"repository-is-{'private' if public else 'public'}"
    assert hub.repositories[REPO].files == {} and REPO in str(error)
    assert run("push", folder=export, repo="my-group/new", **asked) == 0
    assert hub.repositories["my-group/new"].private is not public


@pytest.mark.parametrize(
    ("path", "status", "rule"),
    [
        ("/api/repos/create", 401, "unauthorized"),
        ("/api/repos/create", 403, "forbidden"),
        ("/api/repos/create", 404, "repository-not-found"),
        ("/api/repos/create", 400, "refused-by-hub"),
        ("/api/repos/create", 503, "hub-unavailable"),
        ("/api/validate-yaml", 400, "refused-by-hub"),
        (f"/api/models/{REPO}/preupload", 403, "forbidden"),
        ("/large/", 403, "upload-failed"),
        (f"/api/models/{REPO}/commit", 413, "refused-by-hub"),
    ],
)
def test_errors_of_the_hub_are_explained_without_the_token(
    export, hub: Hub, expect_error, capsys, path, status, rule
):
    """The stand-in repeats the token in its answer."""
    hub.refuse[path] = status
    error = expect_error("push", folder=export, repo=REPO)
    assert error.rule == rule
    printed = capsys.readouterr()
    assert TOKEN not in str(error) + printed.out + printed.err
    assert hub.commits == 0


def test_a_wrong_token_and_none(export, hub: Hub, expect_error, monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    wrong = "hf_" + "w" * 34
    monkeypatch.setenv("HF_TOKEN", wrong)
    error = expect_error("push", folder=export, repo=REPO)
    assert error.rule == "unauthorized" and wrong not in str(error)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    count = len(hub.requests)
    assert expect_error("push", folder=tmp_path / "no such export", repo=REPO).rule == "missing-token"
    assert len(hub.requests) == count
    (tmp_path / "token").write_text(TOKEN)  # as the hub's own login leaves it
    assert run_quietly("push", folder=export, repo=REPO) == 0


def test_no_network(export, hub: Hub, expect_error, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    error = expect_error("push", folder=export, repo=REPO)
    assert error.rule == "no-network" and "http://127.0.0.1:9" in str(error)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert expect_error("push", folder=export, repo=REPO).rule == "offline-mode"


@pytest.mark.parametrize(
    "repo", ["my-model", "a/b/c", "a b/c", "a/", "/b", "a/b--c", "https://hub/a/b", "ä/b"]
)
def test_names_of_repositories(export, expect_error, repo):
    error = expect_error("push", folder=export, repo=repo)
    assert isinstance(error, ConfigError) and error.rule == "not-a-repository" and repo in str(error)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _first_shard(folder: Path) -> Path:
    return min(folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda f: shutil.rmtree(f), "missing-folder"),
        (lambda f: (f / "config.json").unlink(), "incomplete-export"),
        (lambda f: (f / "verification.json").unlink(), "unverified-export"),
        (lambda f: _edit(f / "verification.json", files={}), "unverified-export"),
        (lambda f: _edit(f / "verification.json", files={"../x": {"bytes": 1, "xxh3_128": ""}}), "unverified-export"),
        (lambda f: _edit(f / "verification.json", weights={"largest_difference": 0.5}), "verification-failed"),
        (lambda f: _edit(f / "verification.json", logits={"difference": 1.0, "tolerance": 1e-4}), "verification-failed"),
        (lambda f: _edit(f / "verification.json", logits={"difference": float("nan"), "tolerance": 1e-4}), "verification-failed"),
        (lambda f: _flip(_first_shard(f)), "export-changed"),
        (lambda f: _first_shard(f).unlink(), "export-changed"),
        (lambda f: _edit(f / "config.json", vocab_size=7), "export-changed"),
        (lambda f: (f / "README.md").unlink(), "missing-card"),
        (lambda f: (f / "pytorch_model.bin").touch(), "foreign-weights"),
        (lambda f: (f / "model.safetensors").touch(), "foreign-weights"),
    ],
)  # fmt: skip
def test_only_complete_verified_exports_are_uploaded(export, hub: Hub, expect_error, damage, rule):
    damage(export)
    error = expect_error("push", folder=export, repo=REPO)
    assert error.rule == rule and str(export) in str(error)
    assert hub.requests == []


def test_an_edited_card_is_uploaded(export, hub: Hub, run):
    card = export / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert run("push", folder=export, repo=REPO) == 0
    assert hub.repositories[REPO].files["README.md"].endswith(b"\nMore.\n")
