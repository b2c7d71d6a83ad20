"""What is converted is read from the source once, and any error between reading and the written folder is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from checkpoint_tools import verify
from checkpoint_tools.digests import digest_of, with_digests
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.store import Store
from megatron_ko.formats.checkpoint_folder import UNFINISHED

LAYER = "model.layers.1.self_attn.k_proj.weight"


def test_a_digest_is_of_the_numbers_in_their_order_and_their_format():
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    assert digest_of(tensor) == digest_of(tensor.clone()) == digest_of(tensor.T.contiguous().T)
    others = [tensor.T, tensor.view(torch.int32), tensor.half(), tensor.index_fill(0, torch.tensor([1]), 0)]
    assert digest_of(tensor) not in [digest_of(other) for other in others]
    assert len(digest_of(torch.tensor(1.0))) == len(digest_of(torch.empty(0, 4))) == 16


@pytest.fixture
def sources(checkpoints, hf_models) -> dict[str, Path]:
    return {"to-hf": checkpoints["gqa"], "from-hf": hf_models["gqa"]}


OPERATIONS = ("to-hf", "from-hf")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_source_is_read_once(operation, sources, tmp_path, run, monkeypatch):
    read: list[tuple[str, str]] = []
    plain = Store.tensor

    def record(self, name):
        read.append((self.origin, name))
        return plain(self, name)

    monkeypatch.setattr(Store, "tensor", record)
    assert run(operation, src=sources[operation], dst=tmp_path / "out") == 0
    written = [name for origin, name in read if origin == str(tmp_path / "out")]
    names = verify.open_store(str(tmp_path / "out")).names()
    assert sorted(written) == sorted(names)
    # the digest asks the check of finite numbers, and that one the source: three Stores of one origin, once each
    count = {name: sum(item == (str(sources[operation]), name) for item in read) for name in names}
    assert set(count.values()) == {3}


def _swapped(parts, how, model, plain):
    """``join`` with an error: two weights of one shape in the wrong order."""
    wrong = how in ("groups", "stack")
    return plain([*parts[:-2], parts[-1], parts[-2]] if wrong else parts, how, model)


def _assert_refused(operation: str, source: Path, folder: Path, expect_error) -> dict[str, float]:
    """The operation ends with an error, nothing looks complete; returns the differences of the tensors that differ."""
    assert expect_error(operation, src=source, dst=folder).rule == "verification-failed"
    assert (folder / UNFINISHED).is_file()
    weights = json.loads((folder / "verification.json").read_text())["weights"]
    return {name: difference for name, difference in weights["tensors"].items() if difference}


def test_a_wrong_order_of_joined_weights_is_found(sources, tmp_path, expect_error, monkeypatch):
    plain = mcore.join
    monkeypatch.setattr(mcore, "join", lambda parts, how, model: _swapped(parts, how, model, plain))
    different = _assert_refused("from-hf", sources["from-hf"], tmp_path / "out", expect_error)
    assert {name.split(".")[-2] for name in different} == {"k_proj", "v_proj", "gate_proj", "up_proj"}
    source, output = hf.open_hf(sources["from-hf"]), mcore.open_mcore(tmp_path / "out", check_content=False)
    expected = (source.tensor(LAYER) - output.tensor(LAYER)).abs().max()
    assert different[LAYER] == float(expected) > 0


def test_one_wrong_number_is_found(sources, tmp_path, expect_error, monkeypatch):
    """An error after the tensor was read and before it is in the file."""
    plain = hf.join

    def damage(parts, how, model):
        whole = plain(parts, how, model)
        if whole.ndim == 1:
            return whole
        whole = whole.clone()
        whole.view(-1)[7] += 1.0
        return whole

    monkeypatch.setattr(hf, "join", damage)
    different = _assert_refused("to-hf", sources["to-hf"], tmp_path / "out", expect_error)
    assert different and all(difference == pytest.approx(1.0, rel=1e-3) for difference in different.values())


def test_a_digest_of_another_tensor_is_no_proof(hf_models):
    """Where the digest differs, both tensors are compared; a zero with another sign is equal."""
    store = hf.open_hf(hf_models["gqa"])
    digests: dict[str, bytes] = {}
    watched = with_digests(store, digests)
    for name in store.names():
        watched.tensor(name)
    changed = replace(store, read=lambda name: store.tensor(name) + (0.5 if name == LAYER else 0.0))
    rows = {row.name: row.difference for row in verify.compare(store, changed, digests).rows}
    assert rows.pop(LAYER) == pytest.approx(0.5, rel=1e-3) and set(rows.values()) == {0.0}
    assert verify.compare(store, store, dict.fromkeys(store.names(), b"")).is_equal_within(0.0)
    zeros = replace(store, read=lambda name: torch.zeros(store.shape(name)))
    negative = replace(store, read=lambda name: -torch.zeros(store.shape(name)))
    known = {name: digest_of(zeros.tensor(name)) for name in store.names()}
    assert verify.compare(zeros, negative, known).is_equal_within(0.0)
