"""What a folder contains, and what differs between two: names, shapes, formats, positions, and numbers that can be derived."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools.formats import contents, hf, mcore
from checkpoint_tools.operations import inspect_folder
from checkpoint_tools.operations.diff import relative
from tests.checkpoint_tools.test_ckpt_conversion import tensors_of


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # a narrow table continues in a second block


def lines_of(capsys) -> dict[str, list[str]]:
    """Printed lines by their first word; the table's by the end of the tensor's name."""
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    return {words[0]: words[1:] for words in lines}


@pytest.mark.parametrize("model", ["gqa", "gpt_neox"])
def test_a_hugging_face_folder_is_listed_from_headers(model, hf_models, tmp_path, run, capsys, monkeypatch):
    monkeypatch.setattr(hf, "safe_open", None)  # nothing opens a file to read tensors
    tensors = contents.contents_of_hf(hf_models[model])
    truth = tensors_of(hf_models[model])
    assert {t.name: (t.shape, t.size * t.itemsize) for t in tensors} == {
        name: (tuple(tensor.shape), tensor.nbytes) for name, tensor in truth.items()
    }
    assert {t.place for t in tensors} == {path.name for path in hf_models[model].glob("*.safetensors")}
    assert run("inspect", src=hf_models[model], out=tmp_path / "out.json") == 0
    lines = lines_of(capsys)
    label, shape = {"gqa": ("o_proj.weight", "64x128"), "gpt_neox": ("embed_in.weight", "1001x64")}[model]
    assert lines[label][:2] == [shape, "F32"]
    listed = json.loads((tmp_path / "out.json").read_text())["tensors"]
    assert {name: tuple(facts["shape"]) for name, facts in listed.items()} == {
        t.name: t.shape for t in tensors
    }
    assert lines["embedding"] == ["1,001", "rows"]


def test_a_checkpoint_is_listed_with_its_padding_and_pieces(checkpoints, run, capsys):
    assert run("inspect", src=checkpoints["gqa"]) == 0
    lines = lines_of(capsys)
    assert lines["weight"][:2] == ["3x192x64", "float32"]  # the last of that name: linear_fc1
    assert lines["output_layer.weight"][0] == "1024x64"
    assert lines["embedding"][0] == "1,001" and "1,024" in lines["embedding"]
    assert lines["position"][:2] == ["step", "0,"]


def test_settings_are_spelled_as_in_a_configuration(hf_models, run, capsys):
    assert run("inspect", src=hf_models["mha"]) == 0
    out = capsys.readouterr().out
    assert "tied_embeddings true," in out and "norm rms," in out


def test_a_model_that_is_not_supported_is_listed_with_the_reason(hf_models, tmp_path, run, capsys):
    folder = Path(shutil.copytree(hf_models["mha"], tmp_path / "x"))
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    assert run("inspect", src=folder) == 0
    out = capsys.readouterr().out
    assert "'gpt2'" in out
    [norm] = [line.split() for line in out.splitlines() if line.strip().startswith("norm.weight")]
    assert norm[1:3] == ["64", "BF16"]


def test_what_is_no_folder_of_weights_is_refused(tmp_path, hf_models, expect_error):
    assert expect_error("inspect", src=tmp_path / "no").rule == "missing-folder"
    assert expect_error("inspect", src=tmp_path).rule == "wrong-format"
    (tmp_path / "file").write_text("")
    for operation in ("inspect", "verify", "to-hf"):
        destination = {"dst": tmp_path / "out"} if operation == "to-hf" else {}
        for name in ("no", "file"):
            assert expect_error(operation, src=tmp_path / name, **destination).rule == "missing-folder"
    folder = Path(shutil.copytree(hf_models["mha"], tmp_path / "x"))
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])
    assert expect_error("inspect", src=folder).rule == "damaged-safetensors"


def test_tensors_are_a_tree_whose_levels_are_the_parts_of_their_names():
    def group(name: str) -> contents.Group:
        return contents.Group(name, (contents.StoredTensor(name, (2,), "F32", "a", 4),))

    groups = [group(name) for name in ("a.b.c", "a.b.d.e", "f.g", "a.b", "a.h")]
    assert inspect_folder._tree(groups) == [
        ("a", None),
        ("  b", groups[3]),
        ("    c", groups[0]),
        ("    d.e", groups[1]),
        ("  h", groups[4]),
        ("f.g", groups[2]),
    ]


@pytest.mark.parametrize("model", ["gqa", "mha"])
def test_the_operations_that_made_a_model_are_listed(model, hf_models, tmp_path, run, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    run("grow", src=hf_models[model], dst=first, map="0-2,2", new_layers="zero", logits=True)
    run("grow", src=first, dst=second, map="0-3,0", format="megatron")
    capsys.readouterr()
    assert run("inspect", src=second) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"made by 1 grow of {hf_models[model]}, to" in out and "fp32 logits" in out
    assert f"made by 2 grow of {first}, to" in out


def test_layers_that_are_alike_are_one_line():
    def tensor(name: str, rows: int = 2) -> contents.StoredTensor:
        return contents.StoredTensor(name, (rows,), "F32", "a", 4)

    names = ["h.0.w.weight", "h.1.w.weight", "h.3.w.weight"]
    groups = contents.group_layers([*map(tensor, names), tensor("h.2.w.weight", 3), tensor("norm")])
    assert [(group.name, len(group.tensors)) for group in groups] == [
        ("h.0-1,3.w.weight", 3),
        ("h.2.w.weight", 1),
        ("norm", 1),
    ]


@pytest.fixture
def changed(hf_models, tmp_path) -> Path:
    """``mha`` in fp32 with layer 1's o_proj twice as large."""
    folder = Path(shutil.copytree(hf_models["mha"], tmp_path / "changed"))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.self_attn.o_proj.weight"] *= 2
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_the_difference_is_found_where_it_is(changed, hf_models, tmp_path, run, capsys):
    assert run("diff", a=hf_models["mha"], b=changed, out=tmp_path / "diff.json") == 0
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "diff.json").read_text())
    name = "model.layers.1.self_attn.o_proj.weight"
    assert {n for n, facts in report["weights"].items() if facts["relative"]} == {name}
    assert report["weights"][name]["relative"] == pytest.approx(1.0)  # |2w - w| / |w|
    truth = tensors_of(hf_models["mha"])
    norm = torch.cat([tensor.float().flatten() for tensor in truth.values()]).norm()
    assert report["relative"] == pytest.approx(float(truth[name].float().norm() / norm), rel=1e-5)
    lines = {
        "".join(w[:2]): w[2:] for w in map(str.split, out.splitlines()) if len(w) > 2 and w[0] == "layer"
    }
    assert {layer: float(words[0]) > 0 for layer, words in lines.items()} == {
        "layer0": False,
        "layer1": True,
        "layer2": False,
    }
    assert report["settings"] == report["missing"] == report["extra"] == []


def test_models_that_are_equal_and_formats_that_are_not(hf_models, checkpoints, tmp_path, run):
    assert run("diff", a=hf_models["gqa"], b=checkpoints["gqa"], out=tmp_path / "diff.json") == 0
    report = json.loads((tmp_path / "diff.json").read_text())
    assert report["relative"] == 0 and not any(facts["note"] for facts in report["weights"].values())


def test_of_larger_embeddings_the_common_rows_are_compared(hf_models, tmp_path, run):
    store = hf.open_hf(hf_models["qwen2"])
    names = store.names_with_row_per_token()

    def read(name: str) -> torch.Tensor:
        tensor = store.tensor(name)
        return torch.cat([tensor, torch.ones(7, *tensor.shape[1:])]) if name in names else tensor

    mcore.write_mcore(replace(store, vocab_size=1008, read=read), tmp_path / "larger")
    assert run("diff", a=hf_models["qwen2"], b=tmp_path / "larger", out=tmp_path / "diff.json") == 0
    report = json.loads((tmp_path / "diff.json").read_text())
    assert report["relative"] == 0
    assert {name for name, facts in report["weights"].items() if facts["note"]} == set(names)
    assert relative([]) == 0


def test_of_other_shapes_nothing_is_compared(hf_models, tmp_path, run):
    """Channels of another width are other channels: the first rows of a norm have no counterpart."""
    store = hf.open_hf(hf_models["gqa"])
    narrow = replace(store.model, ffn_hidden_size=store.model.ffn_hidden_size // 2)

    def read(name: str) -> torch.Tensor:
        tensor = store.tensor(name)
        if "gate_proj" in name or "up_proj" in name:
            return tensor[: narrow.ffn_hidden_size].contiguous() + 1
        return tensor[:, : narrow.ffn_hidden_size].contiguous() if "down_proj" in name else tensor

    mcore.write_mcore(replace(store, model=narrow, read=read), tmp_path / "narrow")
    assert run("diff", a=hf_models["gqa"], b=tmp_path / "narrow", out=tmp_path / "diff.json") == 0
    report = json.loads((tmp_path / "diff.json").read_text())
    noted = {name for name, facts in report["weights"].items() if facts["note"]}
    assert noted == {name for name in store.names() if ".mlp." in name}
    assert report["relative"] == 0


def test_a_folder_without_a_checkpoint_is_not_called_damaged(tmp_path, expect_error, capsys):
    assert expect_error("verify", src=tmp_path).rule == "not-a-checkpoint"
    assert "DAMAGED" not in capsys.readouterr().out
