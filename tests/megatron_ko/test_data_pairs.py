"""Training data of a set in several pairs: every pair is drawn in proportion to its tokens."""

from __future__ import annotations

import json

import numpy as np
import pytest

from megatron_ko.files import write_json
from megatron_ko.formats.manifest import check_tokens, read_manifest
from preprocessing.tokens.token_files import Extent, copy_documents
from tests import ranks
from tests.tiny_data import write_tiny_data

LENGTH, SAMPLES, LATE = 16, 200, 900


def write_pairs(folder) -> None:
    """``ko_train`` of 60 documents as pairs of 45 and 15; those of the second contain only one id."""
    path = write_tiny_data(folder)
    tokens = folder / "tokens"
    ids = np.fromfile(tokens / "ko_train.bin", np.uint16)
    lengths = np.fromfile(tokens / "ko_train.idx", np.int32, 60, offset=34)
    later = ids[lengths[:45].sum() :]
    later[later != 2] = LATE
    ids.tofile(tokens / "ko_train.bin")
    manifest = json.loads(path.read_text())
    entry = next(e for e in manifest["sets"] if (e["name"], e["split"]) == ("ko", "train"))
    for name in ("prefix", "bin_bytes", "idx_bytes", "sha256"):
        del entry[name]
    runs = [(0, 45), (45, 60)]
    entry["pairs"] = [
        {
            "prefix": f"tokens/part-{n}",
            **copy_documents([Extent(tokens / "ko_train", *run)], tokens / f"part-{n}"),
        }
        for n, run in enumerate(runs)
    ]
    entry["max_id"] = max(pair["max_id"] for pair in entry["pairs"])
    write_json(path, manifest)


def _drawn(rank: int, init_method: str, folder: str) -> list[list[int]]:
    from pathlib import Path

    from megatron_ko.config.training import ParallelConfig, RunConfig
    from megatron_ko.training import distributed
    from megatron_ko.training.data import build_training_data

    distributed.start(RunConfig(folder=folder, device="cpu"), ParallelConfig(), rank, 1, init_method)
    manifest = read_manifest(Path(folder) / "manifest.json")
    dataset = build_training_data(
        manifest, {"ko": 1.0}, samples=SAMPLES, sequence_length=LENGTH, seed=1, cache=Path(folder) / "index"
    )
    return [dataset[i]["tokens"].tolist() for i in range(SAMPLES)]


@pytest.mark.ranks
def test_pairs_are_drawn_in_proportion_to_their_tokens(tmp_path):
    write_pairs(tmp_path)
    manifest = read_manifest(tmp_path / "manifest.json")
    check_tokens(manifest)
    pairs = manifest.of_split("train")["ko"].pairs
    samples = ranks.on_ranks(1, _drawn, str(tmp_path))[0]
    late = np.mean([max(sample) >= LATE for sample in samples])
    assert late == pytest.approx(pairs[1].tokens / (pairs[0].tokens + pairs[1].tokens), abs=0.02)
    assert 0.1 < late < 0.5
