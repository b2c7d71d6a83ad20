"""``mko distill cache``: training from the cache is training with the teacher; a cache of other data or another teacher is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from megatron_ko import distill
from megatron_ko.errors import EXIT_USER_ERROR, CheckpointError, ConfigError, DataError
from megatron_ko.files import locked_folder
from megatron_ko.formats import teacher_cache
from megatron_ko.formats.checkpoint_folder import Origin
from megatron_ko.formats.hugging_face import HfModel
from megatron_ko.formats.teacher_cache import TeacherCache, stage_folder
from megatron_ko.preflight import preflight
from megatron_ko.rank_start import run_rank
from megatron_ko.training import launch
from megatron_ko.training.cached_targets import decode, encode
from megatron_ko.training.soft_targets import IDS, LOG_PROBABILITIES
from tests import ranks
from tests.megatron_ko.test_distillation import (  # noqa: F401
    LAYOUTS,
    SHORT,
    assert_same_curves,
    curve,
    folder,
    other_teacher,
    refused,
    write_run,
)
from tests.run_records import records

pytestmark = pytest.mark.ranks
TOP_K = {"loss": {"type": "top_k", "k": 12}, "temperature": 1.5, "language_model_weight": 0.25}


def write_cache(config: str, overrides: list[str], count: int = 1) -> list[TeacherCache]:
    """What ``mko distill cache`` does, in warm ranks."""
    checked, stages = distill.check([config], overrides, count)
    caches = distill.prepare(checked, stages, writes=True)
    ranks.on_ranks(count, _write, checked, caches)
    return [cache for _, cache in caches]


def _write(rank: int, init_method: str, checked, caches) -> None:
    assert distill.write_caches(checked, caches, rank, init_method) == 0


@pytest.fixture(scope="module")
def cached(folder, tmp_path_factory) -> tuple[str, Path, Path]:  # noqa: F811
    """The configuration, its cache as one rank wrote it, and the run with the teacher beside it."""
    home = tmp_path_factory.mktemp("cached")
    config = write_run(folder, home / "run", {**TOP_K, "cache": str(home / "cache")})
    write_cache(config, [])
    ranks.train(config, ["distillation.cache=none", f"run.folder={home / 'online'}"])
    return config, home / "cache", home / "online"


def test_training_from_the_cache_equals_training_with_the_teacher_bit_for_bit(cached, tmp_path):
    config, _, online = cached
    plan = preflight([config], ["distillation.teacher=none"], 1).plan.text()
    assert "teacher      the 12 most probable tokens" in plan
    ranks.train(config, ["distillation.teacher=none", f"run.folder={tmp_path / 'run'}"])
    assert curve(tmp_path / "run") == curve(online)


@pytest.mark.parametrize(
    "layout", ["CP2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("TP2 x PP2", "CP2 x PP2"))]
)
def test_a_layout_reads_the_cache_like_one_rank(cached, tmp_path, layout):
    config, _, online = cached
    count, overrides = LAYOUTS[layout]
    ranks.train(config, [*overrides, "data.workers=1", f"run.folder={tmp_path / 'run'}"], count)
    assert_same_curves(tmp_path / "run", online)


def test_a_virtual_pipeline_learns_from_a_cache(cached, tmp_path):
    config, _, online = cached
    virtual = ["parallel.pipeline=2", "parallel.virtual_pipeline=2"]
    ranks.train(config, [*virtual, f"run.folder={tmp_path / 'run'}"], 2)
    assert_same_curves(tmp_path / "run", online)


def test_ranks_write_the_same_cache_and_a_killed_command_continues(cached, tmp_path, monkeypatch):
    config, expected, _ = cached
    monkeypatch.setattr("megatron_ko.formats.teacher_cache.SHARD_BYTES", 1 << 13)
    layout = ["parallel.pipeline=2", f"distillation.cache={tmp_path}"]
    [cache] = write_cache(config, layout, 4)
    assert cache.shards > 4
    [one] = [TeacherCache.read(stage_folder(str(expected), 0))]
    for sample in range(cache.samples):
        assert_same_record(one, cache, sample)
    names = sorted(path.name for path in cache.folder.glob("shard_*"))
    cache.path_of(1).unlink()
    leftover = cache.folder / f".{cache.path_of(1).name}.x.tmp"
    leftover.write_bytes(b"half")
    before = cache.path_of(2).stat().st_mtime_ns
    assert ("distillation.cache", "unfinished-cache") in refused(config, [layout[1]])
    write_cache(config, layout, 4)
    assert sorted(path.name for path in cache.folder.glob("shard_*")) == names
    assert cache.path_of(2).stat().st_mtime_ns == before and not leftover.exists()
    preflight([config], [layout[1]], 1)


def test_a_whole_teacher_beside_split_stages_writes_the_same_cache(cached, tmp_path):
    config, expected, _ = cached
    layout = [
        "parallel.tensor=2",
        "parallel.pipeline=2",
        "parallel.sequence=true",
        "distillation.teacher_tensor=1",
    ]
    [cache] = write_cache(config, [*layout, f"distillation.cache={tmp_path}"], 4)
    one = TeacherCache.read(stage_folder(str(expected), 0))
    for sample in range(cache.samples):
        assert_same_record(one, cache, sample)


def assert_same_record(one: TeacherCache, other: TeacherCache, sample: int) -> None:
    """The same tokens, and log-probabilities of ids within their rounding."""
    records = []
    for cache in (one, other):
        offset = sample % cache.samples_per_shard * cache.record_bytes
        with open(cache.path_of(sample // cache.samples_per_shard), "rb") as file:
            file.seek(offset)
            records.append(file.read(cache.record_bytes))
    assert records[0][:8] == records[1][:8]
    left, right = (decode(record[16:], one)[LOG_PROBABILITIES].double() for record in records)
    torch.testing.assert_close(left, right, rtol=2e-3, atol=0)


def test_bytes_per_token(cached):
    cache = TeacherCache.read(stage_folder(str(cached[1]), 0))
    # ids of 10 bits; 10 low bits of each log-probability, and a one for each among 12 + 31 bits; the tail
    assert cache.bytes_per_token == 15 + 15 + 6 + 2
    assert sum(p.stat().st_size for p in cache.folder.glob("*.bin")) == cache.samples * (32 * 38 + 16)


@pytest.mark.parametrize(
    ("vocab_size", "k", "size"),
    [(128_256, 64, 226), (65_536, 64, 218), (65_537, 64, 226), (8, 8, 19), (2, 1, 6)],
)
def test_a_record_has_every_bit_of_its_targets(vocab_size, k, size):
    """Also where log-probabilities are equal, 0 and -infinity, and ids the largest."""
    generator = np.random.default_rng(k)
    values = -np.abs(generator.normal(0, 8, (20, k + 1))).astype(np.float16)
    values[0], values[1], values[2] = -np.inf, -0.0, -65504
    values[:, :k] = -np.sort(-values[:, :k])
    ids = np.stack([generator.permutation(vocab_size)[:k] for _ in range(20)])
    ids[0] = np.arange(vocab_size - k, vocab_size)
    cache = described(vocab_size, k, 20)
    content = encode(torch.from_numpy(ids), torch.from_numpy(values), cache)
    assert len(content) == 20 * size == cache.record_bytes - 16
    again = decode(content, cache)
    np.testing.assert_array_equal(again[IDS], ids)
    np.testing.assert_array_equal(again[LOG_PROBABILITIES].numpy().view(np.uint16), values.view(np.uint16))
    values[3, 0] = np.nan
    with pytest.raises(DataError) as error:
        encode(torch.from_numpy(ids), torch.from_numpy(values), cache)
    assert error.value.rule == "teacher-not-finite"


def described(vocab_size: int, k: int, sequence_length: int) -> TeacherCache:
    return TeacherCache(
        folder=Path(), teacher=Origin("", 0, ""), tokenizer_fingerprint="", vocab_size=vocab_size, k=k, temperature=1.0,
        sequence_length=sequence_length, samples=1, samples_per_shard=1, dtype="bf16", data={},
    )  # fmt: skip


def test_a_cache_of_another_format_is_refused(cached, tmp_path):
    shutil.copytree(cached[1], tmp_path / "cache")
    path = tmp_path / "cache" / "stage_0" / "cache.json"
    path.write_text(path.read_text().replace(teacher_cache.FORMAT, "megatron_ko-teacher-cache-1"))
    with pytest.raises(CheckpointError) as error:
        preflight([cached[0]], [f"distillation.cache={tmp_path / 'cache'}"], 1)
    assert error.value.rule == "unknown-format" and f"delete {path.parent}" in str(error.value)


def test_a_cache_of_other_data_or_another_teacher_is_refused(cached, folder, tmp_path):  # noqa: F811
    config, cache, _ = cached
    place = "distillation.cache"
    assert refused(config, ["run.seed=2"]) == {(place, "cache-of-other-data")}
    assert refused(config, ["data.mixture.ko=1"]) == {(place, "cache-of-other-data")}
    assert refused(config, ["distillation.temperature=1"]) == {(place, "other-cache")}
    assert refused(config, ["distillation.loss.k=13"]) == {(place, "other-cache")}
    assert refused(config, [f"training.steps={SHORT['training']['steps'] + 1}"]) == {
        (place, "cache-too-short")
    }
    preflight([config], ["distillation.loss.k=5"], 1)
    other = other_teacher(folder, tmp_path / "other")
    with pytest.raises(CheckpointError) as error:
        preflight([config], [f"distillation.teacher={other}"], 1)
    assert error.value.rule == "cache-of-other-teacher"


def test_other_tokens_and_damage_are_found_while_reading(cached, tmp_path):
    config, cache, _ = cached
    shutil.copytree(cache, tmp_path / "cache")
    copy = TeacherCache.read(stage_folder(str(tmp_path / "cache"), 0))
    path = copy.path_of(0)
    content = bytearray(path.read_bytes())
    with pytest.raises(DataError) as error:
        copy.read_sample(1, b"12345678")
    assert error.value.rule == "cache-of-other-data"
    content[copy.record_bytes + 100] ^= 1
    path.write_bytes(content)
    copy.read_sample(0, bytes(content[:8]))
    with pytest.raises(DataError) as error:
        copy.read_sample(1, bytes(content[copy.record_bytes : copy.record_bytes + 8]))
    assert error.value.rule == "damaged-cache"


def test_the_command_refuses_what_it_cannot_write(folder, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    config = write_run(folder, run, TOP_K)
    teacher = folder / "teacher"
    taken = [run, run / "checkpoints", run / "checkpoints" / "c", teacher, teacher / "checkpoints" / "c"]
    for overrides, expected in (
        *(([f"distillation.cache={path}"], {("distillation.cache", "cache-is-another-folder")}) for path in taken),
        ([], {("distillation.cache", "missing-cache")}),
        ([f"distillation.cache={tmp_path}", "distillation.teacher=none"], {("distillation.teacher", "missing-teacher")}),
        ([f"distillation.cache={tmp_path}", "parallel.context=2"], {("parallel.context", "layout-of-a-cache")}),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as error:
            distill.check([config], overrides, 2)
        assert {(p.path, p.rule) for p in error.value.problems} == expected


def stages_with_a_cache(folder: Path, home: Path) -> str:  # noqa: F811
    """Two stages, of which the second has a cache and longer sequences."""
    stages = [
        {"name": "plain", "steps": 2, "distillation": None},
        {"name": "cached", "steps": 2, "sequence_length": 48},
    ]
    training = {**SHORT["training"], "steps": None}
    distillation = {**TOP_K, "cache": str(home / "cache")}
    return write_run(folder, home / "run", distillation, stages=stages, training=training)


def test_a_stage_reads_a_cache_of_its_own_samples(folder, tmp_path):  # noqa: F811
    config = stages_with_a_cache(folder, tmp_path)
    [cache] = write_cache(config, [])
    assert (cache.folder.name, cache.samples, cache.sequence_length) == ("stage_1", 8, 48)
    ranks.train(config, [])
    ranks.train(config, ["distillation.cache=none", f"run.folder={tmp_path / 'online'}"])
    runs = [records(tmp_path / name, "train") for name in ("run", "online")]
    assert [[r.get("distillation") for r in run] for run in runs][0] == [
        r.get("distillation") for r in runs[1]
    ]
    mark = json.loads((tmp_path / "run" / "checkpoints" / "step_00000004" / "checkpoint.json").read_text())
    assert mark["teacher"]["hash"] == cache.teacher.hash


def test_a_cache_of_a_later_stage_is_bound_to_what_earlier_ones_draw(folder, tmp_path):  # noqa: F811
    config = stages_with_a_cache(folder, tmp_path)
    write_cache(config, [])
    preflight([config], ["stages.1.learning_rate=1e-4", "stages.0.learning_rate=1e-4"], 1)
    for change in ("stages.0.steps=3", "stages.0.sequence_length=16"):
        assert refused(config, [change]) == {("distillation.cache", "cache-of-other-data")}, change


@pytest.mark.parametrize(
    "moving",
    [["data.order=megatron"], ["data.mixture.ko=0.5", "data.mixture.en=0.5", "data.mixture_end.ko=1"]],
)
def test_a_cache_whose_order_depends_on_its_length_fits_no_shorter_run(cached, tmp_path, moving):
    config, _, _ = cached
    overrides = [*moving, f"distillation.cache={tmp_path}"]
    write_cache(config, overrides)
    preflight([config], overrides, 1)
    assert refused(config, [*overrides, "training.steps=9"]) == {
        ("distillation.cache", "cache-of-other-data")
    }


def test_the_command_continues_only_the_same_cache(cached, tmp_path, monkeypatch):
    """What it refuses is not repaired by the same command: the folder has to go."""
    config, cache, _ = cached
    shutil.copytree(cache, tmp_path / "cache")
    place = f"distillation.cache={tmp_path / 'cache'}"
    in_bf16 = [place, "precision.dtype=bf16"]

    def problem(overrides: list[str]) -> tuple[str, str]:
        checked, stages = distill.check([config], overrides, 1)
        with pytest.raises(ConfigError) as error:
            distill.prepare(checked, stages, writes=False)
        [found] = error.value.problems
        return found.rule, found.message

    rule, message = problem([place, "training.steps=11"])
    assert rule == "cache-too-short" and f"delete {tmp_path / 'cache' / 'stage_0'}" in message
    checked, stages = distill.check([config], in_bf16, 1)
    distill.prepare(checked, stages, writes=False)  # nothing is missing
    preflight([config], in_bf16, 1)
    TeacherCache.read(tmp_path / "cache" / "stage_0").path_of(0).unlink()
    assert problem(in_bf16)[0] == "other-cache"


def test_the_command_checks_the_machine_like_training(folder, tmp_path):  # noqa: F811
    config = write_run(folder, tmp_path / "run", {**TOP_K, "cache": str(tmp_path / "cache")})
    with pytest.raises(ConfigError) as error:
        distill.check([config], ["run.device=cuda", "speed.layers=engine"], 1)
    assert {problem.rule for problem in error.value.problems} == {"engine-missing"}
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError) as error:
        distill.check([config], [], 1)
    assert {problem.rule for problem in error.value.problems} == {"folder-not-writable"}


def test_a_full_disk_on_one_rank_ends_all_with_its_error(cached, tmp_path, capfd):
    config, _, _ = cached
    checked, stages = distill.check([config], [f"distillation.cache={tmp_path}", "parallel.pipeline=2"], 2)
    task = partial(run_rank, partial(_write_to_a_full_disk, checked, distill.prepare(checked, stages, True)))
    assert launch.run_ranks(2, task, "forkserver", ranks.TIMEOUT_S) == EXIT_USER_ERROR
    error = capfd.readouterr().err
    assert "No space left" in error and "Traceback" not in error
    assert not list(tmp_path.rglob("*.bin"))


def _write_to_a_full_disk(checked, caches, rank: int, init_method: str) -> int:
    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    teacher_cache.atomic_file = fail  # type: ignore[assignment]  # of this rank's process alone
    return distill.write_caches(checked, caches, rank, init_method)


def test_a_conversion_needs_the_run_folder_for_itself(folder, tmp_path):  # noqa: F811
    config = write_run(folder, tmp_path / "run", {**TOP_K, "cache": str(tmp_path / "cache")})
    checked, _ = distill.check([config], [], 1)
    [path] = checked.teachers
    foreign = HfModel(
        folder=tmp_path, model=checked.config.model, vocab_size=1001, tokenizer_fingerprint=None
    )
    checked = dataclasses.replace(checked, teachers={path: foreign})
    with locked_folder(tmp_path / "run"), pytest.raises(DataError) as error:
        distill._convert_teachers(checked, 0)
    assert error.value.rule == "locked-folder"


@pytest.mark.slow
def test_the_program_writes_a_cache(folder, tmp_path):  # noqa: F811
    config = stages_with_a_cache(folder, tmp_path)
    command = [sys.executable, "-m", "megatron_ko", "distill", "cache", config, "--ranks", "2"]
    for _ in range(2):  # the second finds nothing to do
        subprocess.run(command, check=True, timeout=200)
    preflight([config], [], 1)
