"""The command line: help and mistakes do not import torch, and conversions copy the tokenizer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint_tools.__main__ import operation_parser
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.tokenizer_files import copy_tokenizer, special_ids
from checkpoint_tools.options.conversion import ToHf
from megatron_ko.config.options import read_options
from megatron_ko.errors import ConfigError, DataError
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, copy_tokenizer_folder, write_tokenizer_folder

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 0, ["from-hf", "compare"]),
        (["--help"], 0, ["from-hf", "compare"]),
        (["to-hf", "--help"], 0, ["--max-shard-gb", "5.0"]),
        (["from-hf", "--help"], 0, ["--vocab-multiple"]),
        (["to_hf"], 2, ["to-hf"]),
        (["to-hf", "a", "b", "--overwite"], 2, ["--overwite", "--overwrite"]),
        (["to-hf", "a", "--dtype", "fp8", "--max-shard-gb", "0"], 2, ["DST", "--dtype", "--max-shard-gb"]),
        (["compare", "x", "y", "--tokens", "1", "-1"], 2, ["-1"]),
        (["to-hf", "a", "b", "c"], 2, ["c"]),
    ],
)
def test_help_and_mistakes_are_light(arguments, code, words):
    script = (
        "import sys; from checkpoint_tools.__main__ import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'megatron', 'transformers', 'safetensors', 'numpy'} & set(sys.modules); assert not heavy, heavy;"
        "raise SystemExit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert all(word in done.stdout + done.stderr for word in words)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["a", "b", "--dtype", "none"], ["./none", "3", "--max-shard-gb", "1e3"]]
)
def test_options_are_typed_by_their_fields(arguments):
    options = read_options(ToHf, operation_parser("to-hf"), arguments)
    assert (options.src, options.dst) == tuple(arguments[:2]) and options.dtype is None


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        read_options(ToHf, operation_parser("to-hf"), ["--tolerance", "x"])
    problems = {(problem.path, problem.rule) for problem in caught.value.problems}
    assert problems == {("SRC", "missing"), ("DST", "missing"), ("--tolerance", "float-type")}


@pytest.fixture
def tokenizer(tmp_path) -> TokenizerInfo:
    """A megatron_ko tokenizer with as many tokens as the models have."""
    vocabulary = {
        "<unk>": 0,
        "<s>": 3,
        "</s>": 9,
        **{f"w{i}": i for i in (1, 2, *range(4, 9), *range(10, 1001))},
    }
    content = {
        "version": "1.0",
        "added_tokens": [_added_token(i, token) for token, i in vocabulary.items() if token[0] == "<"],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    return write_tokenizer_folder(tmp_path / "ours", content, {"bos": "<s>", "eos": "</s>", "unk": "<unk>"})


def _added_token(number: int, token: str) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, "special": True, **flags}


def test_special_ids_come_from_megatron_ko_and_hugging_face_folders(tokenizer):
    expected = {"bos_token_id": 3, "eos_token_id": 9, "pad_token_id": None}
    assert special_ids(tokenizer.folder) == expected
    (tokenizer.folder / "fingerprint.json").unlink()
    assert special_ids(tokenizer.folder) == expected
    assert special_ids(None) == dict.fromkeys(expected)


def test_tokenizer_is_copied_in_both_directions(hf_models, tokenizer, tmp_path, run, capsys):
    source = Path(shutil.copytree(hf_models["mha"], tmp_path / "hf"))
    assert run("from-hf", src=source, dst=tmp_path / "without") == 0
    assert "warning:" in capsys.readouterr().out
    assert mcore.open_mcore(tmp_path / "without").tokenizer_fingerprint is None
    copy_tokenizer(tokenizer.folder, source)
    assert run("from-hf", src=source, dst=tmp_path / "with") == 0
    assert "warning" not in capsys.readouterr().out
    assert mcore.open_mcore(tmp_path / "with").tokenizer_fingerprint == tokenizer.fingerprint
    assert run("to-hf", src=tmp_path / "with", dst=tmp_path / "back") == 0
    names = [file.name for file in tokenizer.folder.iterdir() if file.name != "fingerprint.json"]
    assert "tokenizer.json" in names
    names.remove("tokenizer_config.json")
    for name in names:
        assert (tmp_path / "back" / name).read_bytes() == (tokenizer.folder / name).read_bytes()
    ours, published = (
        json.loads((folder / "tokenizer_config.json").read_text())
        for folder in (tokenizer.folder, tmp_path / "back")
    )
    assert ours.pop("split_special_tokens") is True and published == ours


def test_trained_checkpoint_exports_the_ids_of_its_tokenizer(checkpoints, tokenizer, tmp_path, run):
    """Training writes no ``special_ids``, but a tokenizer folder with its marker."""
    folder = Path(shutil.copytree(checkpoints["gqa"], tmp_path / "trained"))
    marker = json.loads((folder / "checkpoint.json").read_text())
    del marker["special_ids"]
    (folder / "checkpoint.json").write_text(json.dumps(marker))
    copy_tokenizer_folder(tokenizer.folder, folder / "tokenizer")
    assert run("to-hf", src=folder, dst=tmp_path / "back") == 0
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (3, 9, None)
    assert json.loads((tmp_path / "back" / "generation_config.json").read_text())["eos_token_id"] == 9

    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(tmp_path / "back")("w7 w1000")["input_ids"] == [7, 1000]


def fewer_tokens(folder: Path) -> dict:
    """The tokenizer without its last token."""
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, list):
        vocabulary.pop()
    else:
        last = max(vocabulary, key=vocabulary.__getitem__)
        del vocabulary[last]
        content["model"]["merges"] = [
            m for m in content["model"].get("merges", []) if last != "".join(m).replace(" ", "")
        ]
    return content


def test_a_tokenizer_larger_than_the_embedding_is_refused_and_a_smaller_one_is_a_warning(
    hf_models, tokenizer, tmp_path, run, expect_error, capsys
):
    source = Path(shutil.copytree(hf_models["mha"], tmp_path / "hf"))
    copy_tokenizer(tokenizer.folder, source)
    content = json.loads((source / "tokenizer.json").read_text())
    content["added_tokens"].append({"id": 1001, "content": "<pad>"})
    (source / "tokenizer.json").write_text(json.dumps(content))
    error = expect_error("from-hf", src=source, dst=tmp_path / "more")
    assert error.rule == "vocabulary-mismatch" and "mko checkpoint expand-vocab" in str(error)
    assert "1,002" in str(error) and "1,001" in str(error) and not (tmp_path / "more").exists()
    (source / "tokenizer.json").write_text(json.dumps(fewer_tokens(tokenizer.folder)))
    assert run("from-hf", src=source, dst=tmp_path / "fewer") == 0
    printed = capsys.readouterr().out
    assert "warning:" in printed and "1,000" in printed and "model.vocab_size: 1001" in printed
    (source / "tokenizer.json").write_text("{}")
    error = expect_error("from-hf", src=source, dst=tmp_path / "x")
    assert isinstance(error, DataError) and str(source) in str(error)
    assert not (tmp_path / "x").exists()
