"""A checkpoint records its data; a run does not continue with other data unless that is allowed."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from megatron_ko import plan
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.data_record import DataRecord, describe_data, find_differences
from megatron_ko.formats.manifest import read_manifest
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.preflight import preflight
from tests import ranks
from tests.megatron_ko.test_run_folder import write_checkpoint
from tests.tiny_data import DOMAINS
from tests.tiny_run import write_tiny_run

FIXED = ["training.steps=4", "checkpoint.every_steps=2"]
MEGATRON = [*FIXED, "data.order=megatron"]


def edit(config: str, change: Callable[[dict], object]) -> None:
    """Changes the manifest of a tiny run."""
    path = Path(config).parent / "data" / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def entry(manifest: dict, name: str, split: str = "train") -> dict:
    (found,) = (item for item in manifest["sets"] if (item["name"], item["split"]) == (name, split))
    return found


def with_checksums(manifest: dict) -> None:
    for item in manifest["sets"]:
        item["sha256"] = {"bin": f"{item['prefix']} bin", "idx": f"{item['prefix']} idx"}


def remove_set(manifest: dict) -> None:
    manifest["sets"].remove(entry(manifest, "code"))
    manifest["mixture"] = {"ko": 0.5, "en": 0.5}


def add_set(manifest: dict) -> None:
    manifest["sets"].append({**entry(manifest, "code"), "name": "math"})
    manifest["mixture"] = {"ko": 0.4, "en": 0.3, "code": 0.2, "math": 0.1}


def add_files(manifest: dict) -> None:
    item = entry(manifest, "ko")
    names = ("prefix", "bin_bytes", "idx_bytes", "documents", "tokens", "max_id", "sha256")
    pair = {name: item[name] for name in names}
    item.update(documents=2 * item["documents"], tokens=2 * item["tokens"], pairs=[pair, pair])
    for name in ("prefix", "bin_bytes", "idx_bytes", "sha256"):
        del item[name]


@pytest.fixture
def config(tmp_path) -> str:
    """A run in megatron-core's order whose manifest has checksums and whose checkpoint records it."""
    file = write_tiny_run(tmp_path)
    text = Path(file).read_text(encoding="utf-8").replace("workers: 0", "workers: 0\n  order: megatron")
    Path(file).write_text(text, encoding="utf-8")
    edit(file, with_checksums)
    checked = preflight([file], [], 1)
    written = write_checkpoint(
        tmp_path / "run",
        2,
        model=checked.config.model,
        tokenizer_fingerprint=checked.manifest.tokenizer_fingerprint,
        data=checked.data_of(0).at({"ko": 7, "en": 5, "code": 4}),
    )
    (written.folder / "common.pt").touch()
    return file


def test_the_record_is_read_as_it_was_written(config):
    checked = preflight([config], [], 1)
    assert checked.start is not None and checked.start.data is not None
    train = checked.start.data.train
    assert {name: item.share for name, item in train.items()} == DOMAINS
    assert {name: item.samples for name, item in train.items()} == {"ko": 7, "en": 5, "code": 4}
    (files,) = train["ko"].files
    assert (files.prefix, files.documents) == ("tokens/ko_train", 60)
    assert files.sha256 == {"bin": "tokens/ko_train bin", "idx": "tokens/ko_train idx"}
    assert sorted(checked.start.data.valid) == sorted(DOMAINS)


CHANGES: dict[str, tuple[Callable[[dict], object], set[tuple[str, str]]]] = {
    "a set removed": (
        remove_set,
        {("data.train.code", "data-set-removed"), ("data.train.ko.share", "data-share-changed"), ("data.train.en.share", "data-share-changed")},
    ),
    "a set added": (
        add_set,
        {("data.train.math", "data-set-added"), ("data.train.code.share", "data-share-changed")},
    ),
    "shares": (
        lambda manifest: manifest["mixture"].update(ko=0.3, en=0.4),
        {("data.train.ko.share", "data-share-changed"), ("data.train.en.share", "data-share-changed")},
    ),
    "content of the same size": (
        lambda manifest: entry(manifest, "en")["sha256"].update(bin="other"),
        {("data.train.en.files", "data-file-changed")},
    ),
    "more files": (add_files, {("data.train.ko.files", "data-files-changed")}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_other_data_at_the_same_path_is_refused_before_ranks_start(config, name, capsys):
    change, expected = CHANGES[name]
    edit(config, change)
    with pytest.raises(CheckpointError) as caught:
        preflight([config], [], 2)
    assert {(problem.path, problem.rule) for problem in caught.value.problems} == expected
    assert all(problem.where.endswith("step_00000002") for problem in caught.value.problems)
    assert plan.main([config]) == 2
    assert all(path in capsys.readouterr().err for path, _ in list(expected)[:1])
    allowed = preflight([config], ["checkpoint.allow_data_change=true"], 2)
    assert allowed.start is not None and allowed.start.data is not None
    (noted,) = allowed.data_of(0).after(allowed.start.data, 2).changes
    assert noted.step == 2 and len(noted.differences) == len(expected)


def test_a_mixture_of_the_configuration_is_compared_too(config):
    with pytest.raises(CheckpointError) as caught:
        preflight([config], ["data.mixture={ko: 1, en: 1, code: 1}"], 1)
    assert {problem.rule for problem in caught.value.problems} == {"data-share-changed"}
    preflight([config], ["data.mixture={ko: 4, en: 3, code: 3}"], 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: None,  # the file is formatted in another way
        lambda manifest: manifest.update(note="x"),
        lambda manifest: manifest["sets"].reverse(),
        lambda manifest: [
            item.update(sha256={}) for item in manifest["sets"]
        ],  # nothing but sizes to compare
        lambda manifest: manifest["mixture"].update(ko=0.4 + 1e-7),
    ],
)
def test_a_manifest_that_means_the_same_is_accepted(config, change, caplog):
    edit(config, change)
    with caplog.at_level(logging.WARNING):
        preflight([config], [], 1)
    assert caplog.text == ""


def test_data_may_move(config, tmp_path):
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    preflight([config], [f"data.manifest={tmp_path / 'elsewhere' / 'manifest.json'}"], 1)


def test_other_validation_data_is_a_warning(config, caplog):
    edit(config, lambda manifest: entry(manifest, "en", "valid")["sha256"].update(bin="other"))
    with caplog.at_level(logging.WARNING):
        preflight([config], [], 1)
    assert "set en " in caplog.text and "set ko " not in caplog.text


def test_a_checkpoint_of_an_earlier_version_is_continued_with_a_warning(config, tmp_path, caplog):
    marker = checkpoint_folder(tmp_path / "run", 2) / "checkpoint.json"
    content = json.loads(marker.read_text())
    for name in ("data", "loss", "lowest_loss", "resumed_from"):
        del content[name]
    marker.write_text(json.dumps(content))
    edit(config, remove_set)
    with caplog.at_level(logging.WARNING):
        checked = preflight([config], [], 1)
    assert checked.start is not None and checked.start.data is None and "step_00000002" in caplog.text


@pytest.mark.parametrize("content", [[], {"train": {}}, {"manifest": "x", "train": {"ko": 5}, "valid": {}}])
def test_a_damaged_record_is_reported_with_its_field(config, tmp_path, content):
    marker = checkpoint_folder(tmp_path / "run", 2) / "checkpoint.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "data": content}))
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(marker.parent)
    assert all(problem.path.startswith("data") for problem in caught.value.problems)


# --- runs ---------------------------------------------------------------------------------------------------


def data_of(run: Path, step: int) -> DataRecord:
    data = Checkpoint.read(checkpoint_folder(run, step)).data
    assert data is not None
    return data


def sample_counts(run: Path, first: int, last: int, size: int) -> dict[str, int]:
    """Samples of each set among numbers of samples, from the index that megatron-core has written."""
    (file,) = (run / "index").glob(f"*-{size}-1-64/*dataset_index.npy")
    found = np.load(file)[first:last].tolist()
    return {name: found.count(number) for number, name in enumerate(sorted(DOMAINS))}


@pytest.mark.ranks
def test_positions_of_sets_go_on_through_an_allowed_change(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    ranks.train(config, [*MEGATRON, "training.steps=2"], 2)
    first = {name: item.samples for name, item in data_of(run, 2).train.items()}
    assert first == sample_counts(run, 0, 16, 16) and data_of(run, 2).changes == ()
    mixture = "data.mixture={ko: 1, en: 1, code: 8}"
    with pytest.raises(CheckpointError):
        preflight([config], [*MEGATRON, mixture], 1)
    ranks.train(config, [*MEGATRON, mixture, "checkpoint.allow_data_change=true"])
    after = data_of(run, 4)
    drawn = sample_counts(run, 16, 32, 32)
    assert {name: item.samples for name, item in after.train.items()} == {
        n: first[n] + drawn[n] for n in first
    }
    assert sum(item.samples for item in after.train.values()) == 32
    assert after.train["code"].share == pytest.approx(0.8)
    (change,) = after.changes
    assert change.step == 2 and len(change.differences) == 3
    # from here on this is the data of the run, which needs no permission
    checked = preflight([config], [*MEGATRON, mixture], 1)
    assert checked.data_of(0).after(checked.start.data, 4).changes == after.changes  # type: ignore[union-attr]


@pytest.mark.ranks
def test_one_set_in_several_pairs_has_one_position(tmp_path):
    config = write_tiny_run(tmp_path)
    edit(config, add_files)
    ranks.train(config, [*FIXED, "training.steps=2"])
    samples = {name: item.samples for name, item in data_of(tmp_path / "run", 2).train.items()}
    assert sum(samples.values()) == 16 and all(samples.values())
    manifest = read_manifest(tmp_path / "data" / "manifest.json")
    assert len(data_of(tmp_path / "run", 2).train["ko"].files) == 2
    assert find_differences(data_of(tmp_path / "run", 2), describe_data(manifest, DOMAINS, "windows")) == []
    assert dataclasses.replace(data_of(tmp_path / "run", 2), train={}).at({}).train == {}
