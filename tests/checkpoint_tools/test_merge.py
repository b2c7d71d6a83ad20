"""Merged models: the formulas against a plain computation on whole tensors, the command, and what cannot be merged."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from checkpoint_tools import __main__ as program
from checkpoint_tools import merging, verify
from checkpoint_tools.endpoints import open_model
from checkpoint_tools.formats import hf, mcore
from checkpoint_tools.formats.store import Store
from checkpoint_tools.merging import Mixing
from checkpoint_tools.operations import verify as verify_operation
from checkpoint_tools.options.comparison import Verify
from megatron_ko.errors import EXIT_USER_ERROR, CheckpointError
from megatron_ko.formats.checkpoint_folder import UNFINISHED
from megatron_ko.formats.operations_record import RECORD
from tests.checkpoint_tools.tiny_checkpoint import MODEL, write_tiny_checkpoint


def _shifted(store: Store, seed: int, size: float = 0.05) -> Store:
    """The model with a random difference in each tensor; a third of the numbers stay."""

    def read(name: str) -> Tensor:
        generator = torch.Generator().manual_seed(sum(name.encode()) + 1000 * seed)
        shift = torch.randn(store.shape(name), generator=generator) * size
        return store.tensor(name) + shift * (torch.rand(shift.shape, generator=generator) > 1 / 3)

    return replace(store, origin=f"model {seed}", read=read)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Store:
    return mcore.open_mcore(write_tiny_checkpoint(tmp_path_factory.mktemp("base")))


@pytest.fixture(scope="module")
def models(base) -> list[Store]:
    return [_shifted(base, seed) for seed in (1, 2, 3)]


def _assert_merged(merged: Store, base: Store, models: list[Store], expect) -> None:
    for name in base.names():
        want = expect(base.tensor(name).double(), [model.tensor(name).double() for model in models])
        torch.testing.assert_close(merged.tensor(name).double(), want, rtol=1e-5, atol=1e-6)


def test_the_weighted_mean(base, models):
    merged = merging.merge(models, Mixing("linear", (1.0, 2.0, 0.5)))
    _assert_merged(merged, base, models, lambda _, m: (m[0] + 2 * m[1] + 0.5 * m[2]) / 3.5)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_arc(base, models, share):
    merged = merging.merge(models[:2], Mixing("slerp", (1 - share, share)))

    def expect(_: Tensor, m: list[Tensor]) -> Tensor:
        a, b = m
        angle = torch.acos((a * b).sum() / (a.norm() * b.norm()))
        if torch.cos(angle) > merging.PARALLEL:
            return (1 - share) * a + share * b
        return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)

    _assert_merged(merged, base, models[:2], expect)


def test_the_middle_of_a_right_angle_and_zeros():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    assert merging.slerp(a, b, 0.5).tolist() == pytest.approx([math.sqrt(2.0)] * 2)
    assert merging.slerp(torch.zeros(2), b, 0.5).tolist() == [0.0, 1.0]
    assert merging.slerp(a, -a, 0.25).tolist() == [1.0, 0.0]  # opposite: no arc is the shortest


def test_the_sum_of_differences(base, models):
    merged = merging.merge(models, Mixing("task", (1.0, 0.5, 0.25), scale=0.8), base)
    _assert_merged(
        merged, base, models, lambda o, m: o + 0.8 * ((m[0] - o) + 0.5 * (m[1] - o) + 0.25 * (m[2] - o))
    )


def test_ties_trims_elects_and_averages(base, models):
    weights, density = (1.0, 2.0, 1.0), 0.4
    merged = merging.merge(models, Mixing("ties", weights, density, scale=0.7), base)

    def expect(origin: Tensor, tensors: list[Tensor]) -> Tensor:
        """Number by number, as the paper describes it."""
        origin = origin.float()
        vectors = []
        for tensor in tensors:
            vector = tensor.float() - origin
            keep = max(1, round(density * vector.numel()))
            smallest = vector.abs().flatten().sort(descending=True).values[keep - 1]
            vectors.append(torch.where(vector.abs() >= smallest, vector, 0.0).flatten().tolist())
        result = []
        for number, values in enumerate(zip(*vectors, strict=True)):
            sign = math.copysign(1, sum(w * v for w, v in zip(weights, values)))
            agreeing = [(w, v) for w, v in zip(weights, values) if v * sign > 0]
            total = sum(w for w, _ in agreeing)
            shift = sum(w * v for w, v in agreeing) / total if agreeing else 0.0
            result.append(origin.flatten()[number].item() + 0.7 * shift)
        return torch.tensor(result, dtype=torch.float64).reshape(origin.shape)

    names = (
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.1.mlp.down_proj.weight",
        "model.norm.weight",
    )
    for name in names:
        want = expect(base.tensor(name), [model.tensor(name) for model in models])
        torch.testing.assert_close(merged.tensor(name).double(), want, rtol=1e-5, atol=1e-6)


def test_the_example_of_the_paper():
    """Figure 1 of arXiv 2306.01708 in one number each: agreement, conflict won by the larger sum, and nothing left."""
    vectors = [torch.tensor([3.0, -4.0, 0.0]), torch.tensor([1.0, 1.0, 0.0])]
    assert merging.mean_of_elected(vectors, (1.0, 1.0)).tolist() == [2.0, -4.0, 0.0]


@pytest.mark.parametrize("method", ["dare", "dare-ties"])
def test_dare_drops_at_random_and_keeps_the_mean(base, models, method):
    mixing = Mixing(method, (1.0, 1.0, 1.0), density=0.5)
    name = "model.layers.0.mlp.up_proj.weight"
    one = merging.merge(models[:1], replace(mixing, weights=(1.0,)), base).tensor(name) - base.tensor(name)
    shift = models[0].tensor(name) - base.tensor(name)
    kept = one != 0
    torch.testing.assert_close(one[kept], 2 * shift[kept], rtol=1e-4, atol=1e-6)
    moved = int((shift != 0).sum())
    assert abs(int(kept.sum()) - moved / 2) < 4 * math.sqrt(moved / 4)  # four deviations of a fair coin
    merged = merging.merge(models, mixing, base)
    backwards = {n: merged.tensor(n) for n in reversed(base.names())}
    assert all(
        torch.equal(backwards[n], merging.merge(models, mixing, base).tensor(n)) for n in base.names()[:4]
    )
    other = merging.merge(models, replace(mixing, seed=1), base).tensor(name)
    assert not torch.equal(other, merged.tensor(name))


def test_tensors_of_several_blocks_equal_those_of_one(base, models, monkeypatch):
    mixings = [Mixing("linear", (1.0, 2.0)), Mixing("slerp", (1.0, 2.0)), Mixing("ties", (1.0, 2.0), 0.3)]
    name = "model.embed_tokens.weight"
    bases = [None, None, base]
    whole = [merging.merge(models[:2], m, b).tensor(name) for m, b in zip(mixings, bases)]
    monkeypatch.setattr(merging, "BLOCK", 1000)
    monkeypatch.setattr(merging, "COMPUTED", 999)
    for mixing, start, expected in zip(mixings, bases, whole):
        torch.testing.assert_close(
            merging.merge(models[:2], mixing, start).tensor(name), expected, rtol=1e-6, atol=1e-7
        )


def test_rounding_block_by_block_is_rounding_at_the_end(base, models):
    """In bf16 no tensor exists in fp32, and the numbers are those of the fp32 merge."""
    mixings = [Mixing("linear", (1.0, 2.0)), Mixing("slerp", (1.0, 2.0)), Mixing("ties", (1.0, 2.0), 0.3)]
    for mixing, start in zip(mixings, [None, None, base]):
        rounded, whole = (merging.merge(models[:2], mixing, start, d) for d in ("bf16", "fp32"))
        assert (rounded.dtype, whole.dtype) == ("bf16", "fp32")
        for name in base.names():
            assert torch.equal(rounded.tensor(name), whole.tensor(name).bfloat16())


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(base, models, tmp_path_factory) -> dict[str, Path]:
    """A checkpoint, a Hugging Face folder, and their base."""
    folder = tmp_path_factory.mktemp("folders")
    mcore.write_mcore(models[0], folder / "a")
    hf.write_hf(replace(models[1], tokenizer=base.tokenizer), folder / "b", 5.0)
    mcore.write_mcore(base, folder / "base")
    return {name: folder / name for name in ("a", "b", "base")}


def test_models_of_two_formats_merge_with_text_and_record(folders, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("한국어 문장과 English words. " * 20, encoding="utf-8")
    arguments = [
        "merge",
        str(folders["a"]),
        str(tmp_path / "out"),
        "--others",
        str(folders["b"]),
        "--method",
        "ties",
    ]
    arguments += ["--base", str(folders["base"]), "--density", "0.5", "--text", str(text)]
    assert program.main(arguments) == 0
    out = mcore.open_mcore(tmp_path / "out")
    stores = [verify.open_store(str(folders[name])) for name in ("a", "b")]
    expected = merging.merge(stores, Mixing("ties", (1.0, 1.0), 0.5), mcore.open_mcore(folders["base"]))
    assert all(torch.equal(out.tensor(name), expected.tensor(name)) for name in out.names())
    [entry] = json.loads((tmp_path / "out" / RECORD).read_text())["operations"]
    assert (entry["operation"], entry["method"], entry["density"]) == ("merge", "ties", 0.5)
    assert entry["parameters"]["before"] == entry["parameters"]["after"]
    assert entry["texts"][0]["before"]["loss"] != entry["texts"][0]["after"]["loss"] > 0
    assert "text.txt" in capsys.readouterr().out
    # a second operation on the result keeps the first one in the record
    again = [
        "merge",
        str(tmp_path / "out"),
        str(tmp_path / "again"),
        "--others",
        str(folders["b"]),
        "--format",
        "hf",
    ]
    assert program.main(again) == 0
    record = json.loads((tmp_path / "again" / RECORD).read_text())["operations"]
    assert [(item["operation"], item["method"]) for item in record] == [
        ("merge", "ties"),
        ("merge", "linear"),
    ]
    _check_verify(tmp_path / "again", capsys)


def _check_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``verify`` accepts the export, and refuses what is not the model or the record that was written."""
    assert program.main(["verify", str(folder)]) == 0
    assert "merge -> merge" in capsys.readouterr().out and "189888" in (folder / RECORD).read_text()
    written = (folder / RECORD).read_text()

    def rule_with(record: str | None = None) -> str:
        (folder / RECORD).write_text(written if record is None else record)
        with pytest.raises(CheckpointError) as caught:
            verify_operation.run(Verify(src=str(folder)))
        return caught.value.rule

    assert rule_with("{}") == "wrong-checksum"  # the record is among the files with a checksum
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + b"?")
    assert rule_with() == "wrong-checksum"
    (folder / "model.safetensors").write_bytes(weights)
    report = json.loads((folder / "verification.json").read_text())
    del report["files"][RECORD]  # an export of an earlier version
    (folder / "verification.json").write_text(json.dumps(report))
    broken = ("{}", "[]", '{"operations": []}', '{"operations": [1]}')
    assert {rule_with(text) for text in broken} == {"not-a-record"}
    (folder / UNFINISHED).touch()
    assert rule_with() == "unfinished-folder"  # neither verified nor a source, and no initial weights
    with pytest.raises(CheckpointError) as caught:
        open_model(str(folder))
    assert caught.value.rule == "unfinished-folder"
    (folder / UNFINISHED).unlink()
    other = json.loads(written)
    other["operations"][-1]["parameters"]["after"] += 1
    assert rule_with(json.dumps(other)) == "other-record"
    other = json.loads(written)
    other["operations"][0]["checks"] = [{"name": "logits", "value": 1.0, "bound": 0.1}]
    assert rule_with(json.dumps(other)) == "failed-check"
    (folder / "verification.json").unlink()
    assert rule_with() == "nothing-recorded"


@pytest.mark.parametrize("density", [0.001, 0.3, 0.77, 1.0])
def test_the_threshold_is_that_of_sorting(density, monkeypatch):
    monkeypatch.setattr(merging, "BLOCK", 1000)
    monkeypatch.setattr(merging, "COMPUTED", 999)
    generator = torch.Generator().manual_seed(3)
    base = torch.randn(70, 90, generator=generator)
    shift = torch.randn(70, 90, generator=generator).bfloat16()
    tensor = base + shift * (torch.rand(70, 90, generator=generator) > 0.4)
    magnitudes = (tensor - base).abs().flatten().sort(descending=True).values
    kept = max(1, round(density * magnitudes.numel()))
    expected = -1.0 if kept == magnitudes.numel() else magnitudes[kept - 1].item()
    assert merging.threshold_of(base, tensor, density) == expected


def test_a_dry_run_writes_nothing(folders, tmp_path, capsys):
    arguments = [
        "merge",
        str(folders["a"]),
        str(tmp_path / "out"),
        "--others",
        str(folders["b"]),
        "--dry-run",
    ]
    assert program.main(arguments) == 0
    assert "would write" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--method", "ties"], "--base"),
        (["--method", "linear", "--base", "BASE"], "--base"),
        (["--method", "slerp", "--others", "B", "B"], "--others"),
        (["--weights", "1"], "--weights"),
        (["--weights", "0", "0"], "--weights"),
        (["--method", "task", "--base", "BASE", "--density", "0.5"], "--density"),
        (["--density", "1.5"], "--density"),
        (["--scale", "3"], "--scale"),
    ],
)
def test_options_that_do_not_belong_together(folders, tmp_path, capsys, options, named):
    paths = {"BASE": str(folders["base"]), "B": str(folders["b"])}
    others = [] if "--others" in options else ["--others", paths["B"]]
    arguments = [
        "merge",
        str(folders["a"]),
        str(tmp_path / "out"),
        *others,
        *(paths.get(o, o) for o in options),
    ]
    assert program.main(arguments) == EXIT_USER_ERROR
    assert named in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_other_models_are_refused_by_what_differs(base, models):
    wider = replace(base, origin="wider", model=replace(MODEL, ffn_hidden_size=128))
    longer = replace(models[0], origin="longer", model=replace(MODEL, rope=replace(MODEL.rope, base=1e6)))
    strange = replace(models[0], origin="strange", tokenizer_fingerprint="sha256:0")
    for other, name in (
        (wider, "ffn_hidden_size: 96 / 128"), (longer, "rope.base"), (strange, "tokenizer_fingerprint"),
    ):  # fmt: skip
        with pytest.raises(CheckpointError) as caught:
            merging.merge([base, other], Mixing("linear", (1.0, 1.0)))
        assert caught.value.rule == "models-differ" and name in str(caught.value)
