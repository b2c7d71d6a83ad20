"""A checkpoint whose files changed after they were written is never loaded, and a run goes on from an older one."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from checkpoint_tools.__main__ import main as operation
from megatron_ko.config.training import ParallelConfig, RunConfig
from megatron_ko.errors import CheckpointError
from megatron_ko.formats.checkpoint_folder import Checkpoint, damaged_files
from megatron_ko.formats.checksums import BLOCK_BYTES, HashingFile, describe_files, hash_file, state_files
from megatron_ko.formats.run_folder import checkpoints_of, start_of_run
from megatron_ko.planning.megatron_version import missing_for
from megatron_ko.planning.weights import padded_vocab_size, parameter_count
from megatron_ko.preflight import preflight
from tests import ranks
from tests.tiny_run import write_tiny_run

NEWER = missing_for("0.19") is None

FIXED = ["schedule={type: constant}", "checkpoint.every_steps=2"]


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES - 1])
def test_a_streamed_checksum_is_that_of_the_content(tmp_path, size):
    import xxhash

    content = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert hash_file(tmp_path / "file") == xxhash.xxh3_128_hexdigest(content[:size])


def test_the_checksum_of_writing_is_that_of_the_file(tmp_path):
    with open(tmp_path / "file", "wb") as plain:
        file = HashingFile(plain)
        parts = (b"", b"ab", memoryview(bytes(range(256)) * (BLOCK_BYTES // 100)), b"c")
        for part in parts:
            assert file.write(part) == len(part)
    assert file.checksum() == hash_file(tmp_path / "file")
    described = describe_files(tmp_path, ["file"], {"file": "known", "other": "unused"})
    assert described["file"]["xxh3_128"] == "known"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[str, Path]:
    """A run of two ranks with checkpoints of steps 2 and 4: its configuration and folder."""
    folder = tmp_path_factory.mktemp("checksums")
    config = write_tiny_run(folder)
    ranks.train(config, [*FIXED, "training.steps=4"], 2)
    return config, folder / "run"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished[1], tmp_path / "run"))


@pytest.mark.ranks
def test_every_file_of_the_state_has_a_checksum(run):
    for folder in checkpoints_of(run):
        files = {path.name for path in folder.iterdir() if path.is_file()}
        checkpoint = Checkpoint.read(folder)
        assert set(checkpoint.files) == set(state_files(folder)) == files - {"checkpoint.json"}
        assert damaged_files(checkpoint) == []


@pytest.mark.ranks
def test_any_changed_file_is_found(run):
    folder = checkpoints_of(run)[-1]
    checkpoint = Checkpoint.read(folder)
    for name in checkpoint.files:
        before = (folder / name).read_bytes()
        flip(folder / name)
        assert damaged_files(checkpoint) == [name]
        (folder / name).write_bytes(before)
    parts = [damaged_files(checkpoint, part, 3) for part in range(3)]
    assert parts == [[], [], []]


@pytest.mark.ranks
def test_operations_refuse_a_damaged_checkpoint(run, tmp_path, capsys):
    assert operation(["verify", str(run)]) == 0
    assert capsys.readouterr().out.count("sound") == 2
    newest = checkpoints_of(run)[-1]
    flip(next(newest.glob("*.distcp")))
    assert operation(["verify", str(run)]) == 2
    assert operation(["verify", str(newest)]) == 2
    assert operation(["to-hf", str(run), str(tmp_path / "hf")]) == 2
    assert not (tmp_path / "hf").exists()
    assert operation(["verify", str(checkpoints_of(run)[0])]) == 0


@pytest.mark.ranks
def test_inspect_tells_weights_from_the_state_of_training(run, capsys):
    """Every number of the model with its padded vocabulary, and none of the optimizer's or of the random generators'."""
    checkpoint = Checkpoint.read(checkpoints_of(run)[-1])
    model = checkpoint.model
    padded = padded_vocab_size(checkpoint.vocab_size, model.vocab_multiple)
    assert operation(["inspect", str(run)]) == 0
    out = capsys.readouterr().out
    assert f" {parameter_count(model, padded):,} numbers" in out and "norm rms," in out
    assert "random" not in out and operation(["inspect", str(run), "--state"]) == 0
    assert "random" in capsys.readouterr().out


@pytest.mark.ranks
def test_a_checkpoint_with_sizes_alone_is_still_read(run, capsys):
    folder = checkpoints_of(run)[-1]
    marker = json.loads((folder / "checkpoint.json").read_text())
    marker["files"] = {
        name: facts["bytes"] for name, facts in marker["files"].items() if name.endswith(".distcp")
    }
    (folder / "checkpoint.json").write_text(json.dumps(marker))
    assert damaged_files(Checkpoint.read(folder)) == []
    assert operation(["verify", str(folder)]) == 0 and "sizes only" in capsys.readouterr().out


@pytest.mark.ranks
@pytest.mark.parametrize(
    "files", [None, {"x": "1"}, {"../x": 1}, {"/etc/passwd": 1}, {"x": {"bytes": True}}, [1]]
)
def test_a_damaged_list_of_files_is_an_error(run, files):
    folder = checkpoints_of(run)[-1]
    marker = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**marker, "files": files}))
    if files is None:  # of the first versions
        assert Checkpoint.read(folder).files == {}
        return
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.read(folder)
    assert caught.value.rule == "damaged-marker"


def _save_twice(rank: int, init_method: str, folder: str) -> dict:
    """A tensor of each rank, which does not end at a block, saved with and without checksums; what was hashed by reading."""
    import torch
    from megatron.core import dist_checkpointing
    from megatron.core.dist_checkpointing.mapping import ShardedTensor
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    from megatron_ko.formats import checksums
    from megatron_ko.training import checkpoint, distributed
    from megatron_ko.training.hashed_writes import hashed_writes

    distributed.start(RunConfig(folder=folder, device="cpu"), ParallelConfig(), rank, 2, init_method)
    checkpoint._use_plain_results_queue()
    part = torch.arange(BLOCK_BYTES // 4 + 7, dtype=torch.float32) + rank
    state = {"x": ShardedTensor.from_rank_offsets("x", part, (0, rank, 2))}

    def save(name: str) -> None:
        if rank == 0:
            (Path(folder) / name).mkdir()
        torch.distributed.barrier()
        dist_checkpointing.save(dict(state), f"{folder}/{name}")
        torch.distributed.barrier()

    save("plain")
    with hashed_writes(filesystem_async) as written:
        save("hashed")
    read: list[str] = []
    whole = checksums.hash_file
    checksums.hash_file = lambda path: read.append(path.name) or whole(path)
    described = checkpoint._describe_files(Path(folder) / "hashed", written)
    return {"written": written, "read": read, "described": described}


@pytest.mark.ranks
def test_a_save_hashes_what_it_writes(tmp_path):
    """Each rank's files are hashed while they are written, not read again, and have the bytes of a plain save.

    megatron-core 0.16 writes them in processes of their own; there they are hashed by reading.
    """
    outcomes = ranks.on_ranks(2, _save_twice, str(tmp_path))
    files = sorted(path.name for path in (tmp_path / "plain").glob("*.distcp"))
    written, read = ({name for outcome in outcomes for name in outcome[key]} for key in ("written", "read"))
    assert len(files) >= 2
    assert set(files) & written == (set(files) if NEWER else set())
    assert set(files) & read == (set() if NEWER else set(files))
    assert outcomes[0]["described"] == outcomes[1]["described"]
    for name in files:
        assert (tmp_path / "hashed" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    expected = describe_files(tmp_path / "hashed", state_files(tmp_path / "hashed"))
    assert outcomes[0]["described"] == expected


# --- runs ---------------------------------------------------------------------------------------------------


def losses(folder: Path) -> dict[int, float]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {r["step"]: r["loss"] for r in map(json.loads, lines) if r["kind"] == "train"}


@pytest.mark.ranks
def test_a_run_goes_on_from_the_newest_sound_checkpoint(finished, tmp_path):
    config, uninterrupted = finished
    damaged, whole = (Path(shutil.copytree(uninterrupted, tmp_path / name)) for name in ("damaged", "whole"))
    flip(next(checkpoints_of(damaged)[-1].glob("*.distcp")))
    for folder in (damaged, whole):
        ranks.train(config, [*FIXED, "training.steps=6", f"run.folder={folder}"], 2)
    assert losses(damaged) == losses(whole) and sorted(losses(damaged)) == [1, 2, 3, 4, 5, 6]
    assert operation(["verify", str(damaged)]) == 0  # the damaged one was written again


@pytest.mark.ranks
@pytest.mark.parametrize("newest_has", ["another size", "another content"])
def test_damage_of_two_sorts_is_skipped(finished, tmp_path, newest_has):
    """Ranks read the content of a checkpoint; one of another size was skipped before they start, or comes after it."""
    config, uninterrupted = finished
    run, whole = (Path(shutil.copytree(uninterrupted, tmp_path / name)) for name in ("run", "whole"))
    ranks.train(config, [*FIXED, "training.steps=6", f"run.folder={run}"], 2)
    _, second, newest = checkpoints_of(run)
    other, size = (second, newest) if newest_has == "another size" else (newest, second)
    flip(next(other.glob("*.distcp")))
    (size / ".metadata").write_bytes(b"")
    for folder in (run, whole):
        ranks.train(config, [*FIXED, "training.steps=6", f"run.folder={folder}"], 2)
    assert losses(run) == losses(whole) and sorted(losses(run)) == [1, 2, 3, 4, 5, 6]
    assert operation(["verify", str(run)]) == 0


@pytest.mark.ranks
def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_again(finished, run):
    for folder in checkpoints_of(run):
        flip(next(folder.glob("*.distcp")))
    with pytest.raises(AssertionError):
        ranks.train(finished[0], [*FIXED, "training.steps=6", f"run.folder={run}"], 2)
    assert max(losses(run)) == 4


@pytest.mark.ranks
def test_a_truncated_newest_checkpoint_is_skipped_before_ranks_start(finished, run, caplog):
    older, newest = checkpoints_of(run)
    file = next(newest.glob("*.distcp"))
    file.write_bytes(file.read_bytes()[:-1])
    config = preflight([finished[0]], [*FIXED, f"run.folder={run}"], 2).config
    with caplog.at_level(logging.WARNING):
        start, _ = start_of_run(config)
    assert start is not None and start.folder == older and file.name in caplog.text
    assert "trying an older checkpoint" in caplog.text and "use another" not in caplog.text
    (older / ".metadata").unlink()
    with pytest.raises(CheckpointError) as caught:
        start_of_run(config)
    assert caught.value.rule == "wrong-size" and "every older checkpoint" in str(caught.value)
    assert "use another" not in str(caught.value)
    shutil.rmtree(older)
    with pytest.raises(CheckpointError) as caught:
        start_of_run(config)
    assert caught.value.rule == "wrong-size" and "no other checkpoint" in str(caught.value)
