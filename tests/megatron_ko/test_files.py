"""Files that are either complete or absent, even if the writer is killed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from megatron_ko import files
from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.files import atomic_file, read_json, sha256_file, sha256_text, write_json, write_text


def test_a_file_appears_complete_with_its_folders_and_ordinary_permissions(tmp_path):
    path = tmp_path / "a" / "b" / "파일.txt"
    before = os.umask(0o027)
    try:
        write_text(path, "한국어\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "한국어\n".encode()
    assert (
        stat.S_IMODE(path.stat().st_mode) == 0o640
    )  # 0666 without the umask, not the 0600 of temporary files
    assert os.listdir(path.parent) == ["파일.txt"]


def test_the_old_content_stays_until_the_block_ends(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_the_old_content_and_nothing_else(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_file(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_an_error_in_the_block_of_a_new_file_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic_file(tmp_path / "x", "w") as file:
        file.write("half")
        raise ValueError("stop")
    assert os.listdir(tmp_path) == []


KILLED = """
import os, signal, sys
from megatron_ko.files import atomic_file
with atomic_file(sys.argv[1]) as file:
    file.write(b"half" * 1000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_in_the_block_leaves_the_old_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", KILLED, str(path)]
    assert (
        subprocess.run(command, timeout=300, check=False, cwd=Path(__file__).resolve().parents[2]).returncode
        == -9
    )
    assert path.read_bytes() == b"old"
    assert all(
        name == "x" or (name.startswith(".x.") and name.endswith(".tmp")) for name in os.listdir(tmp_path)
    )


def test_content_is_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    """Otherwise a power failure may leave an empty file under the new name."""
    done = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", noted_sync)
    monkeypatch.setattr(files.os, "replace", lambda old, new: (done.append("rename"), replace(old, new)))
    write_text(tmp_path / "x", "x")
    assert done == ["content", "rename", "folder"]


def test_json_keeps_order_and_hangul(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": "한"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "한"\n}\n'
    assert read_json(tmp_path / "x.json") == {"b": 1, "a": "한"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": 1', b"\xff\xfe", b"[" * 100_000, b"[" + b"1" * 5000 + b"]"],
    ids=["empty", "open", "cut", "not UTF-8", "deep", "long number"],
)
def test_damaged_json_raises_the_requested_error(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    for error in (DataError, CheckpointError):
        with pytest.raises(error) as caught:
            read_json(tmp_path / "x.json", error=error)
        assert caught.value.rule == "invalid-json" and "x.json" in str(caught.value)


@pytest.mark.parametrize(
    "name, number", [("none", errno.ENOENT), ("", errno.EISDIR), ("x" * 300, errno.ENAMETOOLONG)]
)
def test_unreadable_json_is_refused_with_the_reason_of_the_system(tmp_path, name, number):
    with pytest.raises(DataError) as caught:
        read_json(tmp_path / name)
    assert caught.value.rule == "unreadable-file"
    assert str(tmp_path / name) in str(caught.value) and os.strerror(number) in str(caught.value)


def test_hashes_are_sha_256(tmp_path):
    content = b"x" * 3_000_000  # more than one block
    (tmp_path / "x").write_bytes(content)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert sha256_text("한") == hashlib.sha256("한".encode()).hexdigest()


def test_a_scratch_folder_is_empty_exclusive_and_removed_afterwards(tmp_path):
    left = tmp_path / "out" / ".work" / "files"
    left.mkdir(parents=True)
    (left / "half.model").write_text("of a run that was killed")
    with files.scratch_folder(tmp_path / "out" / ".work") as work:
        assert work.is_dir() and not list(work.iterdir())
        with pytest.raises(DataError) as caught, files.scratch_folder(tmp_path / "out" / ".work"):
            pass
        assert caught.value.rule == "locked-folder"
        assert work.is_dir()
    assert not list((tmp_path / "out").iterdir())
