"""Samples read from token files: exactly the next tokens, the same for any ranks and workers, and exact at every resume."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from megatron_ko.errors import CheckpointError, DataError
from megatron_ko.formats.checkpoint_folder import Checkpoint
from megatron_ko.formats.data_record import SetPosition
from megatron_ko.formats.manifest import Manifest, TokenSet, read_manifest
from megatron_ko.formats.run_folder import checkpoint_folder
from megatron_ko.planning.mixing import Mixing
from megatron_ko.planning.set_windows import Grain
from megatron_ko.preflight import preflight
from megatron_ko.training.data import training_batches
from megatron_ko.training.distributed import World
from megatron_ko.training.token_reading import OpenFiles, SetReader
from megatron_ko.training.window_samples import WindowSamples
from tests import ranks
from tests.megatron_ko.test_data_pairs import write_pairs
from tests.tiny_data import DOMAINS, write_tiny_data
from tests.tiny_run import write_tiny_run

SMALL = Grain(block_tokens=64, group_blocks=8)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    """Tokens of each set are replaced by their place in it, so that a sample shows where it is from."""
    path = write_tiny_data(tmp_path_factory.mktemp("data"))
    manifest = read_manifest(path)
    for number, tokens in enumerate(manifest.of_split("train").values()):
        assert tokens.tokens < 20_000
        (np.arange(tokens.tokens, dtype=np.uint16) + 20_000 * number).tofile(f"{tokens.prefix}.bin")
    return manifest


def samples_of(
    manifest: Manifest, length: int, mixture: dict[str, float] | None = None, **more
) -> WindowSamples:
    mixing = Mixing(mixture or DOMAINS, more.pop("end", None), more.pop("total", None), seed=1)
    return WindowSamples(manifest, mixing, seed=1, sequence_length=length, grain=SMALL, **more)


def seen(manifest: Manifest, rows) -> dict[str, Counter[int]]:
    """How often each set's token was an input; checks that each label is the next token of the file."""
    found: dict[str, Counter[int]] = {name: Counter() for name in manifest.of_split("train")}
    sizes = {name: tokens.tokens for name, tokens in manifest.of_split("train").items()}
    for row in rows:
        tokens, labels = row["tokens"].numpy(), row["labels"].numpy()
        number = int(tokens[0]) // 20_000
        name = list(found)[number]
        places = tokens - 20_000 * number
        assert (labels - 20_000 * number == (places + 1) % sizes[name]).all()
        found[name].update(places.tolist())
    return found


def test_every_token_once_while_mixture_batch_steps_and_length_change(manifest):
    """Four runs, each from the positions that the last one has left; the sets end in their first epoch."""
    stretches = [
        (64, {"ko": 0.4, "en": 0.3, "code": 0.3}, 41),
        (32, {"ko": 0.1, "en": 0.1, "code": 0.8}, 60),
        (128, {"ko": 1.0}, 13),
        (64, {"en": 0.5, "ko": 0.5}, 40),
    ]
    begin: dict[str, SetPosition] = {}
    first, tokens = 0, 0
    total = {name: Counter() for name in DOMAINS}
    for length, mixture, count in stretches:
        samples = samples_of(manifest, length, mixture, first=first, begin=begin)
        for name, counter in seen(manifest, samples.samples(first, first + count)).items():
            total[name] += counter
        first, tokens = first + count, tokens + length * count
        begin = {**begin, **samples.counters_after(first)}
    assert all(set(counter.values()) == {1} for counter in total.values())
    assert {name: position.tokens for name, position in begin.items()} == {
        name: counter.total() for name, counter in total.items()
    }
    assert sum(position.tokens for position in begin.values()) == tokens
    assert {position.epoch for position in begin.values()} == {0}


def test_every_token_once_in_samples_of_several_stretches(manifest):
    """Three runs, each with another number of stretches, and so another length of the draws, from the positions of the last."""
    begin: dict[str, SetPosition] = {}
    first, total = 0, {name: Counter() for name in DOMAINS}
    for stretches, changes, count in ((2, 0.5, 40), (4, None, 30), (1, None, 20)):
        samples = samples_of(manifest, 64, first=first, begin=begin, stretches=stretches, set_changes=changes)
        rows = list(samples.samples(first, first + count))
        parts = [
            {name: row[name].view(stretches, -1)[part] for name in ("tokens", "labels")}
            for row in rows
            for part in range(stretches)
        ]
        drawn = seen(manifest, parts)
        for name, counter in drawn.items():
            total[name] += counter
        size = 64 // stretches
        assert samples.count(first, first + count) == {n: c.total() // size for n, c in drawn.items()}
        for number in range(first, first + count):
            joints = samples.joints(number)  # and those within a window of the new length, after a change
            assert set(joints) >= {size * part for part in range(1, stretches)} and joints == sorted(joints)
        first += count
        begin = {**begin, **samples.counters_after(first)}
    assert all(set(counter.values()) == {1} for counter in total.values())


def test_an_interrupted_stage_goes_on_as_if_it_were_not(manifest):
    """Three epochs of the smallest set, with moving shares."""
    move = {"end": {"en": 1.0, "code": 3.0}, "total": 300}
    whole = samples_of(manifest, 64, **move)
    part = samples_of(manifest, 64, **move, first=123, begin=whole.counters_after(123))
    for number in range(123, 300):
        assert torch.equal(whole[number]["tokens"], part[number]["tokens"])
    assert part.counters_after(300) == whole.counters_after(300)
    assert part.count(200, 300) == whole.count(200, 300)
    assert sum(whole.count(0, 300).values()) == 300
    assert whole.count(250, 300)["ko"] < 50 * 0.1 < whole.count(0, 50)["ko"]


def test_an_epoch_ends_when_every_token_has_been_seen(manifest):
    """Windows of one token: nothing stays out."""
    tokens = manifest.of_split("train")["ko"].tokens
    samples = samples_of(manifest, 1, {"ko": 1.0})
    found = seen(manifest, samples.samples(0, tokens))["ko"]
    assert found == Counter(range(tokens))
    position = samples.counters_after(tokens)["ko"]
    assert (position.epoch, position.tokens) == (0, tokens)
    assert samples.count(0, tokens) == {"ko": tokens}


@pytest.mark.parametrize("ranks_, workers", [(1, 2), (2, 0), (4, 0)])
def test_batches_are_the_same_for_any_ranks_and_workers(manifest, ranks_, workers):
    samples = samples_of(manifest, 64, first=8, begin=samples_of(manifest, 64).counters_after(8))
    plain = [samples[number]["tokens"] for number in range(8, 24)]

    def batches(rank: int) -> list[torch.Tensor]:
        world = World(rank, ranks_, torch.device("cpu"), rank, ranks_, 1, True, True)
        found = training_batches(
            samples, world, consumed=8, total=24, batch_size=lambda _: 8, micro_batch=2, workers=workers
        )
        return [batch["tokens"] for batch in found]

    per_rank = [batches(rank) for rank in range(ranks_)]
    rows = [row for of_all in zip(*per_rank) for batch in of_all for row in batch]
    assert torch.equal(torch.stack(rows), torch.stack(plain))


def test_windows_run_over_all_pairs_of_a_set(tmp_path):
    write_pairs(tmp_path)
    manifest = read_manifest(tmp_path / "manifest.json")
    tokens = manifest.of_split("train")["ko"]
    stream = np.concatenate([np.fromfile(f"{pair.prefix}.bin", tokens.dtype) for pair in tokens.pairs])
    assert (
        np.fromfile(f"{tokens.pairs[1].prefix}.bin", tokens.dtype)[:1] == stream[tokens.pairs[0].tokens]
    ).all()
    reader = SetReader(tokens, OpenFiles(limit=1))
    for start, count in (
        (0, 7),
        (tokens.pairs[0].tokens - 5, 20),
        (len(stream) - 3, 9),
        (5, 2 * len(stream)),
    ):
        expected = stream[(start + np.arange(count)) % len(stream)]
        assert (reader.read(start, count) == expected).all()
    samples = WindowSamples(manifest, Mixing({"ko": 1.0}, seed=1), seed=1, sequence_length=1)
    drawn = Counter(int(row["tokens"]) for row in samples.samples(0, len(stream)))
    assert drawn == Counter(stream.tolist())


def test_a_spawned_worker_opens_its_own_files(manifest):
    samples = samples_of(manifest, 64)
    first = samples[0]["tokens"]
    assert torch.equal(pickle.loads(pickle.dumps(samples))[0]["tokens"], first)


def test_documents_of_samples_are_those_that_contain_their_tokens(tmp_path):
    write_pairs(tmp_path)
    manifest = read_manifest(tmp_path / "manifest.json")
    samples = WindowSamples(manifest, Mixing({"ko": 1.0, "en": 1.0}, seed=1), seed=1, sequence_length=50)
    for number in range(40):
        source, _, ((start, count),) = samples._window(number)
        tokens = manifest.of_split("train")[samples._names[source]]
        assert samples.documents(number, number + 1) == _documents(tokens, start, count + 1)


def _documents(tokens: TokenSet, start: int, count: int) -> dict[str, list[int]]:
    """Document by document: those with a token among ``count`` from ``start``."""
    wanted = {(start + n) % tokens.tokens for n in range(count)}
    found: dict[str, list[int]] = {}
    place = 0
    for pair in tokens.pairs:
        lengths = np.fromfile(f"{pair.prefix}.idx", np.int32, pair.documents, offset=34)
        for number, length in enumerate(lengths.tolist()):
            if wanted & set(range(place, place + length)):
                found.setdefault(str(pair.prefix), []).append(number)
            place += length
    return dict(sorted(found.items()))


def test_a_file_that_has_become_shorter_is_named(tmp_path):
    manifest = read_manifest(write_tiny_data(tmp_path))
    tokens = manifest.of_split("train")["ko"]
    with open(f"{tokens.prefix}.bin", "r+b") as file:
        file.truncate(100)
    with pytest.raises(DataError) as caught:
        SetReader(tokens, OpenFiles()).read(40, 20)
    assert caught.value.rule == "wrong-size" and str(tokens.prefix) in str(caught.value)


# --- runs ---------------------------------------------------------------------------------------------------


def data_of(run: Path, step: int):
    data = Checkpoint.read(checkpoint_folder(run, step)).data
    assert data is not None
    return data


@pytest.mark.ranks
def test_a_run_goes_on_exactly_with_another_mixture_batch_length_and_number_of_steps(tmp_path):
    config, run = write_tiny_run(tmp_path), tmp_path / "run"
    ranks.train(config, ["training.steps=2", "checkpoint.every_steps=2"], 2)
    before = data_of(run, 2)
    assert before.order == "windows" and before.changes == ()
    assert {name: item.samples for name, item in before.train.items()} == {"ko": 6, "en": 5, "code": 5}
    others = [
        "training.steps=4", "training.global_batch_size=4", "training.sequence_length=32",
        "data.mixture={ko: 1, code: 3}", "schedule={type: constant}",
    ]  # fmt: skip
    checked = preflight([config], others, 1)
    ranks.train(config, others)
    after = data_of(run, 4)
    manifest, begin = checked.manifest, before.positions("windows")
    samples = WindowSamples(
        manifest, Mixing({"ko": 1, "code": 3}, seed=1), seed=1, sequence_length=32, first=16, begin=begin
    )
    counts = samples.count(16, 24)
    assert counts["ko"] in (1, 2, 3) and sum(counts.values()) == 8
    expected = {**begin, **samples.counters_after(24)}
    assert after.positions("windows") == expected
    assert {name: item.samples for name, item in after.train.items()} == {
        name: item.samples + counts.get(name, 0) for name, item in before.train.items()
    }
    assert {name: item.position.windows for name, item in after.train.items() if item.position} == {
        "ko": ((64, 6), (32, counts["ko"])), "en": ((64, 5),), "code": ((64, 5), (32, counts["code"])),
    }  # fmt: skip
    assert after.train["en"].share == 0 and after.train["code"].share == 0.75
    (change,) = after.changes
    assert change.step == 2
    assert not (run / "index").exists()


@pytest.mark.ranks
def test_another_order_is_refused_unless_a_change_is_allowed(tmp_path):
    config = write_tiny_run(tmp_path)
    constant = "schedule={type: constant}"
    ranks.train(config, ["training.steps=1", "data.order=megatron", "checkpoint.every_steps=1", constant])
    before = data_of(tmp_path / "run", 1)
    assert before.order == "megatron" and before.positions("megatron") == {}
    with pytest.raises(CheckpointError) as caught:
        preflight([config], [], 1)
    assert (caught.value.problems[0].path, caught.value.rule) == ("data.order", "data-order-changed")
    assert "megatron" in str(caught.value) and "windows" in str(caught.value)
    allowed = ["checkpoint.allow_data_change=true", "training.steps=2", constant]
    ranks.train(config, allowed)
    after = data_of(tmp_path / "run", 2)
    assert sum(item.samples for item in after.train.values()) == 16
    assert sum(position.tokens for position in after.positions("windows").values()) == 8 * 64
    # a record of an earlier version has neither order nor positions
    marker = checkpoint_folder(tmp_path / "run", 2) / "checkpoint.json"
    content = json.loads(marker.read_text())
    del content["data"]["order"]
    for item in content["data"]["train"].values():
        del item["position"]
    marker.write_text(json.dumps(content))
    assert data_of(tmp_path / "run", 2).order == "megatron"
    preflight([config], ["data.order=megatron"], 1)
