"""Checkpoints written with one megatron-core and read with the other, and the objects that reading unpickles.

Both keep the same tensors. State other than tensors is a separate file in 0.16 (``common.pt``) and an object of the index
in 0.19; ``as_older`` and ``as_newer`` change one into the other.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, MetadataIndex

from megatron_ko.errors import CheckpointError, ConfigError
from megatron_ko.formats.checkpoint_folder import MARKER, Checkpoint
from megatron_ko.formats.run_folder import checkpoint_folder, checkpoints_of
from megatron_ko.planning import megatron_version
from megatron_ko.preflight import preflight
from megatron_ko.training.checkpoint_index import check_objects, read_index
from tests import ranks
from tests.megatron_ko.test_resume import curve
from tests.tiny_run import write_tiny_run

NEWER = megatron_version.missing_for("0.19") is None
COMMON = "common_state/shard_0_1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of ten steps that saved after five and ten."""
    folder = tmp_path_factory.mktemp("versions")
    write_tiny_run(folder)
    ranks.train(str(folder / "train.yaml"), [])
    return folder


def half(finished: Path, name: str) -> Path:
    """A copy of the run as it was after step five."""
    shutil.copytree(finished / "run", finished / name)
    shutil.rmtree(checkpoint_folder(finished / name, 10))
    return checkpoint_folder(finished / name, 5)


def edit_index(folder: Path, edit) -> None:
    index = read_index(folder)
    edit(index)
    (folder / ".metadata").write_bytes(pickle.dumps(index))


def without_sizes(folder: Path) -> None:
    marker = json.loads((folder / MARKER).read_text())
    (folder / MARKER).write_text(json.dumps({**marker, "files": {}}))


def state_of(folder: Path) -> dict:
    if (folder / "common.pt").exists():
        return torch.load(folder / "common.pt", weights_only=True)
    location = read_index(folder).storage_data[MetadataIndex(COMMON)]
    data = (folder / location.relative_path).read_bytes()[location.offset :][: location.length]
    return torch.load(io.BytesIO(data), weights_only=True)[0]


def put_object(folder: Path, name: str, content: bytes) -> None:
    """Adds ``content`` as an object of the index, in a separate file."""
    (folder / "__9_0.distcp").write_bytes(content)

    def edit(index):
        index.state_dict_metadata[name] = BytesStorageMetadata()
        index.storage_data[MetadataIndex(name)] = _StorageInfo("__9_0.distcp", 0, len(content))

    edit_index(folder, edit)


def as_older(folder: Path) -> None:
    state = state_of(folder)
    for group in state["optimizer"]["optimizer"]["param_groups"]:  # as our code wrote them beside 0.16
        group.update(max_lr=group["lr"], min_lr=group["lr"], start_wd=0.1, end_wd=0.1)
    torch.save(state, folder / "common.pt")
    without_sizes(folder)

    def edit(index):
        index.state_dict_metadata.pop(COMMON, None)
        index.storage_data.pop(MetadataIndex(COMMON), None)

    edit_index(folder, edit)


def as_newer(folder: Path) -> None:
    content = io.BytesIO()
    torch.save([state_of(folder)], content)
    (folder / "common.pt").unlink(missing_ok=True)
    without_sizes(folder)
    put_object(folder, COMMON, content.getvalue())


@pytest.mark.ranks
def test_the_format_of_the_older_continues_bit_for_bit(finished):
    folder = half(finished, "older")
    as_older(folder)
    assert not Checkpoint.read(folder).state_in_index
    ranks.train(str(finished / "train.yaml"), [f"run.folder={finished / 'older'}"])
    assert curve(finished / "older") == curve(finished / "run")


@pytest.mark.ranks
def test_the_format_of_the_newer_continues_or_is_refused_before_ranks_start(finished):
    folder = half(finished, "newer")
    as_newer(folder)
    assert Checkpoint.read(folder).state_in_index
    overrides = [f"run.folder={finished / 'newer'}"]
    if NEWER:
        ranks.train(str(finished / "train.yaml"), overrides)
        assert curve(finished / "newer") == curve(finished / "run")
    else:
        with pytest.raises(CheckpointError) as caught:
            preflight([str(finished / "train.yaml")], overrides, 1)
        assert caught.value.rule == "megatron-core-too-old" and "0.19" in str(caught.value)


@pytest.mark.parametrize("form", [as_older, as_newer])
def test_weights_in_both_formats_are_read_without_megatron(finished, form):
    from checkpoint_tools.formats.mcore import open_mcore

    folder = half(finished, f"weights_{form.__name__}")
    form(folder)
    written, converted = open_mcore(checkpoints_of(finished / "run")[0]), open_mcore(folder)
    assert all(torch.equal(written.tensor(name), converted.tensor(name)) for name in written.entries)


@pytest.mark.parametrize(
    ("installed", "needed", "enough"),
    [
        ("0.16.1", "0.19", False),
        ("0.19.2", "0.19", True),
        ("0.20.0rc1", "0.19", True),
        ("0.20rc1", "0.20", True),
        ("1.0.0", "0.19", True),
    ],
)
def test_a_version_that_is_too_old_is_reported(monkeypatch, installed, needed, enough):
    monkeypatch.setattr(megatron_version.metadata, "version", lambda package: installed)
    problem = megatron_version.missing_for(needed)
    assert problem is None if enough else needed in problem and installed in problem


@pytest.mark.parametrize(("minor", "enough"), [(16, False), (19, True)])
def test_the_version_of_a_folder_without_metadata_is_read(monkeypatch, tmp_path, minor, enough):
    (tmp_path / "megatron" / "core").mkdir(parents=True)
    (tmp_path / "megatron" / "core" / "__init__.py").write_text("raise AssertionError('was imported')")
    (tmp_path / "megatron" / "core" / "package_info.py").write_text(
        f"MAJOR = 0\nMINOR = {minor}\nPATCH = 1\nPRE_RELEASE = 'rc2'\n"
    )

    def not_found(package: str) -> str:
        raise megatron_version.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(megatron_version.metadata, "version", not_found)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "megatron", raising=False)
    problem = megatron_version.missing_for("0.19")
    assert problem is None if enough else f"0.{minor}.1" in problem
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ConfigError) as caught:
        megatron_version.missing_for("0.19")
    assert caught.value.rule == "missing-package"


# --- untrusted objects -----------------------------------------------------------------------------------


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def _load_it(rank: int, init_method: str, config: str, folder: str, undo: str) -> str:
    from megatron_ko.training import checkpoint, distributed, model

    if undo:
        checkpoint.check_objects = lambda folder, index: None
    checked = preflight([config], [], 1)
    settings = checked.config
    world = distributed.start(settings.run, settings.parallel, rank, 1, init_method)
    gpt = model.build_gpt(
        settings.model, settings.parallel, settings.precision, vocab_size=checked.plan.vocab_size, device=world.device
    )  # fmt: skip
    try:
        checkpoint.load_weights(Checkpoint.read(folder), gpt)
    except CheckpointError as error:
        return str(error)
    return "loaded"


@pytest.mark.ranks
def test_objects_of_a_checkpoint_cannot_run_code(finished, tmp_path):
    """megatron-core 0.19 reads the state in the index with ``weights_only=False``."""
    folder = half(finished, "hostile")
    as_newer(folder)
    content = io.BytesIO()
    torch.save([{"state": _Touch(tmp_path / "ran")}], content)
    put_object(folder, COMMON, content.getvalue())
    config = str(finished / "train.yaml")
    outcome = ranks.on_ranks(1, _load_it, config, str(folder), "")[0]
    assert "cannot be loaded" in outcome and not (tmp_path / "ran").exists()
    if NEWER:
        ranks.on_ranks(1, _load_it, config, str(folder), "undo")
        assert (tmp_path / "ran").exists(), "repaired: check_objects can go"


@pytest.mark.parametrize("name", [COMMON, "model.decoder._extra_state/shard_0_1"])
def test_every_object_is_checked(finished, tmp_path, name):
    folder = half(finished, f"object_{tmp_path.name}")
    content = io.BytesIO()
    torch.save(_Touch(tmp_path / "ran"), content)
    put_object(folder, name, content.getvalue())
    with pytest.raises(pickle.UnpicklingError):
        check_objects(folder, read_index(folder))
    assert not (tmp_path / "ran").exists()


def edit_first_location(folder: Path, **changes) -> None:
    def edit(index):
        for name, value in changes.items():
            setattr(next(iter(index.storage_data.values())), name, value)

    edit_index(folder, edit)


@pytest.mark.parametrize("path", ["../elsewhere.distcp", "..", ".", "", "/etc/passwd", "a/b"])
def test_an_index_cannot_point_outside_its_folder(finished, tmp_path, path):
    folder = half(finished, f"outside_{tmp_path.name}")
    edit_first_location(folder, relative_path=path)
    with pytest.raises(pickle.UnpicklingError):
        read_index(folder)


def test_an_index_with_transformed_entries_is_refused(finished):
    """torch unpacks them if zstandard is installed: other bytes than the checked ones."""
    folder = half(finished, "transformed")
    edit_first_location(folder, transform_descriptors=["zstd"])
    with pytest.raises(pickle.UnpicklingError):
        read_index(folder)
