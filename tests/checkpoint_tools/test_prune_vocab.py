"""prune-vocab: rows follow the id map in both formats; an id map of other tokenizers is rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.tokenizer_files import copy_tokenizer
from megatron_ko.errors import UserError
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, write_tokenizer_folder
from tests.checkpoint_tools.small_tokenizers import SPECIAL, WORDS, fallback_json

DROPPED = ("he", "\u2581the", "한")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory) -> dict[str, Any]:
    """A random Llama with its tokenizer, the tokenizer without DROPPED, and the id map between them."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("pruned")
    old = write_tokenizer_folder(folder / "old", fallback_json(WORDS, False), SPECIAL)
    words = [word for word in WORDS if word not in DROPPED]
    new = write_tokenizer_folder(folder / "new", fallback_json(words, False), SPECIAL)
    first = old.vocab_size - len(WORDS)
    ids = [*range(first), *(first + WORDS.index(word) for word in words)]
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=old.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, eos_token_id=old.eos_id, bos_token_id=old.bos_id, pad_token_id=old.pad_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "hf")
    copy_tokenizer(old.folder, folder / "hf")
    return {
        "folder": folder,
        "old": old,
        "new": new,
        "ids": ids,
        "map": _map(folder / "id_map.json", old, new, ids),
    }


def _map(path: Path, old: TokenizerInfo, new: TokenizerInfo, ids: list[int], **other: Any) -> Path:
    content = {
        "format": "megatron_ko-id-map-1",
        "source_fingerprint": old.fingerprint,
        "target_fingerprint": new.fingerprint,
        "old_ids": ids,
    }
    path.write_text(json.dumps({**content, **other}))
    return path


def test_rows_follow_the_id_map_in_both_formats(pruned, tmp_path, run, capsys):
    before, new = load_file(pruned["folder"] / "hf" / "model.safetensors"), pruned["new"]
    options = {"tokenizer": new.folder, "map": pruned["map"]}
    assert run("prune-vocab", src=pruned["folder"] / "hf", dst=tmp_path / "hf", **options) == 0
    printed = capsys.readouterr().out
    assert f"{new.vocab_size} of {pruned['old'].vocab_size} rows" in printed
    after = load_file(tmp_path / "hf" / "model.safetensors")
    for name, tensor in before.items():
        expected = (
            tensor[pruned["ids"]] if name in ("lm_head.weight", "model.embed_tokens.weight") else tensor
        )
        assert torch.equal(after[name], expected)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["vocab_size"] == new.vocab_size and config["eos_token_id"] == new.eos_id
    assert run("from-hf", src=pruned["folder"] / "hf", dst=tmp_path / "ours") == 0
    assert run("prune-vocab", src=tmp_path / "ours", dst=tmp_path / "ours_pruned", **options) == 0
    assert mcore.open_mcore(tmp_path / "ours_pruned").tokenizer_fingerprint == new.fingerprint
    assert run("compare", a=tmp_path / "hf", b=tmp_path / "ours_pruned", tolerance=0) == 0


def test_logits_of_remaining_tokens_stay(pruned, tmp_path, run):
    """For text of remaining tokens the logits are a selection of the old ones."""
    from transformers import AutoModelForCausalLM

    options = {"tokenizer": pruned["new"].folder, "map": pruned["map"]}
    assert run("prune-vocab", src=pruned["folder"] / "hf", dst=tmp_path / "hf", **options) == 0
    ids = torch.tensor(pruned["ids"])
    tokens = torch.randint(0, len(ids), (2, 20), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        old = AutoModelForCausalLM.from_pretrained(pruned["folder"] / "hf")(ids[tokens]).logits[..., ids]
        new = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")(tokens).logits
    assert torch.allclose(old, new, atol=1e-6)


def test_id_maps_that_do_not_fit_are_rejected(pruned, tmp_path, expect_error):
    old, new, ids = pruned["old"], pruned["new"], pruned["ids"]

    def reject(numbers: Any = ids, **other: Any) -> UserError:
        path = _map(tmp_path / "map.json", old, new, numbers, **other)
        options = {"dst": tmp_path / "out", "tokenizer": new.folder, "map": path}
        error = expect_error("prune-vocab", src=pruned["folder"] / "hf", **options)
        assert not (tmp_path / "out").exists() and str(path) in str(error)
        return error

    assert reject(format="x").rule == "unknown-format"
    error = reject(source_fingerprint="sha256:0")
    assert error.rule == "tokenizer-mismatch"
    assert "source_fingerprint" in str(error) and "sha256:0" in str(error)
    error = reject(target_fingerprint=old.fingerprint)
    assert error.rule == "tokenizer-mismatch" and "target_fingerprint" in str(error)
    assert reject([*ids[:-1], old.vocab_size]).rule == "invalid-id-map"
    assert reject([*ids[:-1], True]).rule == "invalid-id-map"
    assert reject(ids[:-1]).rule == "not-one-row-per-token"
    assert reject([*ids[:-1], ids[0]]).rule == "not-one-row-per-token"
    assert reject([*ids[:-2], ids[-1], ids[-2]]).rule == "rows-of-other-tokens"
    error = expect_error(
        "prune-vocab",
        src=pruned["folder"] / "hf",
        dst=tmp_path / "out",
        tokenizer=tmp_path / "no",
        map=pruned["map"],
    )
    assert error.rule == "missing-tokenizer" and str(tmp_path / "no") in str(error)


def test_a_special_token_of_the_model_is_never_pruned(pruned, tmp_path, expect_error):
    """The tokenizer may have another end-of-text token than the configuration of the model."""
    model = pruned["folder"] / "hf"
    config = json.loads((model / "config.json").read_text())
    dropped = pruned["old"].vocab_size - len(WORDS) + WORDS.index("he")
    (model / "config.json").write_text(
        json.dumps({**config, "eos_token_id": [config["eos_token_id"], dropped]})
    )
    options = {"tokenizer": pruned["new"].folder, "map": pruned["map"]}
    error = expect_error("prune-vocab", src=model, dst=tmp_path / "out", **options)
    (model / "config.json").write_text(json.dumps(config))
    assert error.rule == "special-token-pruned"
    assert "eos_token_id" in str(error) and str(dropped) in str(error)
