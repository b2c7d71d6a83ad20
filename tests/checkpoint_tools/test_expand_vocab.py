"""expand-vocab against plain arithmetic: new rows, rows that never change, and errors."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoint_tools.embeddings import initializations, similarity
from checkpoint_tools.embeddings.initializations import METHODS
from checkpoint_tools.embeddings.pieces import decompose, read_vocabulary
from checkpoint_tools.formats import mcore
from checkpoint_tools.formats.hf import open_hf
from checkpoint_tools.formats.tokenizer_files import copy_tokenizer
from megatron_ko.errors import DataError
from megatron_ko.formats.byte_alphabet import LETTERS
from megatron_ko.formats.tokenizer_folder import TokenizerInfo, write_tokenizer_folder
from tests.checkpoint_tools.small_tokenizers import NEW, byte_level_json, fallback_json, old_and_new

INPUT, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"
PADDING = 5
HUGE = 1e4
TEXT = "한국어 the 한국\n" * 40


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory) -> tuple[TokenizerInfo, TokenizerInfo]:
    return old_and_new(tmp_path_factory.mktemp("tokenizers"))


def make_model(folder: Path, tokenizer: TokenizerInfo, tied: bool = False, padding: int = 0) -> Path:
    """A random Llama with ``padding`` rows of HUGE numbers after the tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=tokenizer.vocab_size + padding, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=tied,
        eos_token_id=tokenizer.eos_id, bos_token_id=tokenizer.bos_id, pad_token_id=tokenizer.pad_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.3)
        for matrix in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
            matrix[tokenizer.vocab_size :] = HUGE
    model.save_pretrained(folder)
    copy_tokenizer(tokenizer.folder, folder)
    return folder


@pytest.fixture(scope="session")
def source(tokenizers, tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("source"), tokenizers[0], padding=PADDING)


@pytest.fixture(scope="session")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "judge.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def by_hand(tokenizers: tuple[TokenizerInfo, TokenizerInfo]) -> dict[str, list[str]]:
    """The old pieces of each new piece, cut by hand."""
    guk, eo = (f"<0x{byte:02X}>" for byte in "국".encode()), (f"<0x{byte:02X}>" for byte in "어".encode())
    guk, eo = list(guk), list(eo)
    return {
        "국": guk, "어": eo, "한국": ["한", *guk], "\u2581한국": ["\u2581한", *guk], "한국어": ["한", *guk, *eo],
        "theer": ["t", "he", "er"], "\u2581국어": ["\u2581", *guk, *eo], "<|sys|>": [],
    }  # fmt: skip


# --- decomposition ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dummy_prefix", [False, True])
def test_pieces_are_cut_by_the_old_merges_alone(tmp_path, dummy_prefix):
    old, new = (read_vocabulary(info.folder) for info in old_and_new(tmp_path, dummy_prefix))
    expected = by_hand((old.info, new.info))
    pieces = {
        new.names[old.size + i]: [old.names[number] for number in row]
        for i, row in enumerate(decompose(old, new))
    }
    assert pieces == expected
    whole = __import__("tokenizers").Tokenizer.from_file(str(old.folder / "tokenizer.json"))
    blank = "\u2581" if dummy_prefix else ""  # the dummy prefix of the whole tokenizer
    assert whole.encode("어", add_special_tokens=False).tokens == [
        *([blank] if blank else []),
        *expected["어"],
    ]


def test_byte_level_pieces_are_cut_by_bytes_also_where_they_are_not_characters(tmp_path):
    letters = LETTERS
    han, guk = ("".join(letters[byte] for byte in c.encode()) for c in "한국")
    old_merges = [(han[0], han[1])]
    new_merges = [*old_merges, (han[:2], han[2]), (guk[0], guk[1]), (letters[0x20], han)]
    old = write_tokenizer_folder(tmp_path / "old", byte_level_json(old_merges), {"eos": "<|end|>"})
    new = write_tokenizer_folder(tmp_path / "new", byte_level_json(new_merges), {"eos": "<|end|>"})
    old, new = read_vocabulary(old.folder), read_vocabulary(new.folder)
    pieces = [[old.names[number] for number in row] for row in decompose(old, new)]
    blank = letters[0x20]
    assert pieces == [[han[:2], han[2]], [guk[0], guk[1]], [blank, han[:2], han[2]]]
    assert old.byte_level and new.sizes[new.names.index(blank + han)] == 4


def test_letters_of_bytes_are_those_of_the_library():
    from tokenizers.pre_tokenizers import ByteLevel

    assert sorted(LETTERS) == sorted(ByteLevel.alphabet())
    for byte, letter in enumerate(LETTERS):
        if byte < 128:
            assert ByteLevel(add_prefix_space=False).pre_tokenize_str(chr(byte))[0][0] == letter


# --- rows ------------------------------------------------------------------------------------------------


def test_rows_match_the_rules_of_their_names(source, tokenizers, tmp_path, run):
    """Rows are recomputed in fp64 from the files; no row contains the HUGE numbers of the padding."""
    old, new = (read_vocabulary(info.folder) for info in tokenizers)
    before = load_file(source / "model.safetensors")
    pieces = by_hand(tokenizers)
    for name in (
        "mean",
        "decompose-input",
        "decompose-output",
        "decompose",
        "eeve",
        "last-piece",
        "weighted",
        "random",
    ):
        assert run("expand-vocab", src=source, dst=tmp_path / name, tokenizer=new.folder, init=name) == 0
        after = load_file(tmp_path / name / "model.safetensors")
        assert set(after) == set(before)
        for matrix, rule in ((INPUT, METHODS[name].input), (OUTPUT, METHODS[name].output)):
            rows = before[matrix][: old.size]
            assert torch.equal(after[matrix][: old.size].view(torch.int32), rows.view(torch.int32))
            assert after[matrix].shape[0] == old.size + len(NEW) and after[matrix].abs().max() < 3
            for i, piece in enumerate(NEW):
                row = after[matrix][old.size + i].double()
                expected = _by_hand_row(rows.double(), [old.names.index(p) for p in pieces[piece]], old, rule)
                if expected is not None:
                    assert torch.allclose(row, expected, atol=1e-6), (name, matrix, piece)
        for weight in set(before) - {INPUT, OUTPUT}:
            assert torch.equal(after[weight], before[weight])


def _by_hand_row(rows: torch.Tensor, ids: list[int], old, rule: str) -> torch.Tensor | None:
    if rule == "random":
        return None
    if rule == "mean" or not ids:
        return rows.mean(0)
    if rule == "first":
        return rows[ids[0]]
    if rule == "last":
        return rows[ids[-1]]
    weights = {
        "pieces": [1.0] * len(ids),
        "bytes": [float(len(p.replace("\u2581", " ").encode())) if p[:3] != "<0x" else 1.0 for p in map(old.names.__getitem__, ids)],
        "position": [2.0**-i for i in range(len(ids))],
    }[rule]  # fmt: skip
    return sum(weight * rows[number] for weight, number in zip(weights, ids)) / sum(weights)


def test_random_rows_have_the_deviation_of_old_rows_and_follow_the_seed():
    torch.manual_seed(0)
    old = torch.randn(500, 64) * 0.37 + 0.11

    def make(seed: int, name: str = "a") -> torch.Tensor:
        used = torch.arange(400)
        return initializations.Rows(3000, used, {}, seed).make(name, old, "random")

    rows = make(1)
    assert abs(rows.mean() - old[:400].mean()) < 0.005 and abs(rows.std() - old[:400].std()) < 0.005
    assert torch.equal(rows, make(1))
    assert not torch.equal(rows, make(2)) and not torch.equal(rows, make(1, "b"))
    narrow = initializations.Rows(3000, torch.arange(400), {}, 1, random_std=0.02).make("a", old, "random")
    assert abs(narrow.mean()) < 0.0005 and abs(narrow.std() - 0.02) < 0.0005


def test_bf16_rows_are_means_in_fp32_rounded_once(source, tokenizers, tmp_path, run):
    half = Path(shutil.copytree(source, tmp_path / "half"))
    weights = {name: tensor.bfloat16() for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(weights, half / "model.safetensors", {"format": "pt"})
    assert run("expand-vocab", src=half, dst=tmp_path / "out", tokenizer=tokenizers[1].folder) == 0
    rows = load_file(tmp_path / "out" / "model.safetensors")[INPUT]
    ids = decompose(*(read_vocabulary(info.folder) for info in tokenizers))[2]
    assert rows.dtype == torch.bfloat16 and len(ids) == 4
    expected = weights[INPUT][ids].double().mean(0)
    assert torch.equal(rows[tokenizers[0].vocab_size + 2], expected.float().bfloat16())


def test_means_leave_out_the_padding_rows_of_a_checkpoint(tokenizers, tmp_path, run):
    """A checkpoint pads to a multiple of 128; the test overwrites the padding in the file with huge numbers."""
    old, new = tokenizers
    hf = make_model(tmp_path / "hf", old)
    assert run("from-hf", src=hf, dst=tmp_path / "ours") == 0
    assert (
        run("expand-vocab", src=hf, dst=tmp_path / "a", tokenizer=new.folder, init="mean", format="megatron")
        == 0
    )
    marker = json.loads((tmp_path / "ours" / "checkpoint.json").read_text())
    (tmp_path / "ours" / "checkpoint.json").write_text(json.dumps({**marker, "files": {}}))
    padded = marker["padded_vocab_size"]
    assert padded > old.vocab_size
    content = bytearray((file := next((tmp_path / "ours").glob("*.distcp"))).read_bytes())
    row = mcore.open_mcore(tmp_path / "ours").tensor(INPUT)[-1].numpy().tobytes()
    zeros = bytes((padded - old.vocab_size) * len(row))
    at = bytes(content).find(row + zeros)
    assert at >= 0
    huge = torch.full((len(zeros) // 4,), HUGE).numpy().tobytes()
    content[at + len(row) : at + len(row) + len(zeros)] = huge
    file.write_bytes(bytes(content))
    assert (
        run("expand-vocab", src=tmp_path / "ours", dst=tmp_path / "b", tokenizer=new.folder, init="mean") == 0
    )
    assert run("compare", a=tmp_path / "a", b=tmp_path / "b", tolerance=0) == 0
    store = mcore.open_mcore(tmp_path / "b")
    assert store.tokenizer_fingerprint == new.fingerprint and store.vocab_size == new.vocab_size
    assert store.tensor(INPUT).abs().max() < 3


def test_tied_embeddings_stay_one_matrix(tokenizers, text, tmp_path, run, expect_error, capsys):
    old, new = tokenizers
    tied = make_model(tmp_path / "tied", old, tied=True, padding=PADDING)
    error = expect_error("expand-vocab", src=tied, dst=tmp_path / "x", tokenizer=new.folder, init="eeve")
    assert error.rule == "init-of-tied-embeddings" and "decompose" in str(error)
    assert not (tmp_path / "x").exists()
    options = {"tokenizer": new.folder, "text": text, "judge_length": 16}
    assert run("expand-vocab", src=tied, dst=tmp_path / "y", **options) == 0
    assert "eeve" not in capsys.readouterr().out
    before, after = (load_file(folder / "model.safetensors") for folder in (tied, tmp_path / "y"))
    assert OUTPUT not in after
    pieces, cut = read_vocabulary(old.folder), by_hand(tokenizers)
    old_rows = before[INPUT][: pieces.size]
    assert torch.equal(after[INPUT][: len(old_rows)].view(torch.int32), old_rows.view(torch.int32))
    for i, piece in enumerate(NEW):
        expected = _by_hand_row(
            old_rows.double(), [pieces.names.index(p) for p in cut[piece]], pieces, "pieces"
        )
        assert expected is not None
        assert torch.allclose(after[INPUT][len(old_rows) + i].double(), expected, atol=1e-6), piece
    model = _load(tmp_path / "y")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    scores = read_report(tmp_path / "y")["scores"]
    assert list(scores) == ["before (old tokenizer)", "random", "mean", "decompose"]
    assert scores["decompose"]["loss"] == pytest.approx(
        loss_and_accuracy(tmp_path / "y", new, 16)[0], abs=1e-4
    )


def _load(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


# --- focus -----------------------------------------------------------------------------------------------


def test_focus_takes_the_rows_of_tokens_that_are_used_alike():
    """Tokens 0-9 are old, 10-12 new; 10 occurs in the contexts of 3, 11 in those of 7, 12 never."""
    random = torch.Generator().manual_seed(5)
    ids: list[int] = []
    for _ in range(3000):
        start = int(torch.randint(0, 2, (1,), generator=random))
        swap = bool(torch.rand(1, generator=random) < 0.5)
        ids += (
            [1, 2, 10 if swap else 3, 4, 5, 0, 0, 0, 0, 0]
            if start
            else [6, 8, 11 if swap else 7, 9, 9, 0, 0, 0, 0, 0]
        )
    fallback = initializations.combination([[(0, 1.0)], [(0, 1.0)], [(5, 1.0)]])
    weights, rare = similarity.learn_similar(ids, 10, 13, fallback, seed=1)
    assert rare == 1
    for row, alike in ((0, 3), (1, 7)):
        part = slice(int(weights.offsets[row]), int(weights.offsets[row + 1]))
        assert weights.weights[part].sum().item() == pytest.approx(1.0)
        assert weights.ids[part][weights.weights[part].argmax()] == alike
    assert weights.ids[weights.offsets[2] :].tolist() == [5]


def test_ppmi_is_the_plain_count(monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", 97)
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 9, (600,), generator=random).tolist()
    count = [[0.0] * 9 for _ in range(9)]
    for i, a in enumerate(ids):
        for b in ids[i + 1 : i + 1 + similarity.WINDOW]:
            count[a][b] += 1
            count[b][a] += 1
    sums = [sum(row) for row in count]
    smooth = [value**0.75 for value in sums]
    expected = [
        [max(0.0, math.log(n / sums[a] / (smooth[b] / sum(smooth)))) for b, n in enumerate(row)]
        for a, row in enumerate(count)
    ]
    ppmi = similarity._ppmi(torch.tensor(ids), 9).to_dense()
    assert torch.allclose(ppmi, torch.tensor(expected), atol=1e-6)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    scores = torch.tensor([[0.5, 0.4, -1.0], [3.0, 0.0, 0.0], [0.2, 0.2, 0.2]])
    expected = torch.tensor([[0.55, 0.45, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert torch.allclose(similarity.sparsemax(scores), expected)


# --- judging ---------------------------------------------------------------------------------------------


def read_report(folder: Path) -> dict[str, Any]:
    """The part of ``expansion.json`` on the only text."""
    return json.loads((folder / "expansion.json").read_text())["judged"][0]


def loss_and_accuracy(folder: Path, tokenizer: TokenizerInfo, length: int) -> tuple[float, float, int]:
    """``(loss, accuracy, tokens)`` of TEXT by the model that transformers loads from a folder."""
    backend = __import__("tokenizers").Tokenizer.from_file(str(tokenizer.folder / "tokenizer.json"))
    stream = [tokenizer.eos_id, *backend.encode(TEXT, add_special_tokens=False).ids]
    model, loss, hits = _load(folder), 0.0, 0
    for start in range(0, len(stream) - 1, length):
        inputs, targets = stream[start : start + length], stream[start + 1 : start + length + 1]
        with torch.no_grad():
            logits = model(torch.tensor([inputs[: len(targets)]])).logits[0].double()
        loss -= logits.log_softmax(-1)[range(len(targets)), targets].sum().item()
        hits += (logits.argmax(-1) == torch.tensor(targets)).sum().item()
    return loss / (len(stream) - 1), hits / (len(stream) - 1), len(stream) - 1


def test_scores_are_those_of_the_written_model(source, tokenizers, text, tmp_path, run, capsys):
    """Compares loss, accuracy and bits per byte with transformers, token by token; the lowest loss is marked."""
    new = tokenizers[1]
    options = {"tokenizer": new.folder, "text": text, "judge_length": 16, "focus_text": _other(tmp_path)}
    assert run("expand-vocab", src=source, dst=tmp_path / "out", init="eeve", **options) == 0
    printed = capsys.readouterr().out
    report = read_report(tmp_path / "out")
    assert list(report["scores"]) == ["before (old tokenizer)", *METHODS]
    assert report["text_bytes"] == len(TEXT.encode())
    loss, accuracy, tokens = loss_and_accuracy(tmp_path / "out", new, 16)
    scores = report["scores"]["eeve"]
    assert scores["tokens"] == tokens
    assert scores["loss"] == pytest.approx(loss, abs=1e-4)
    assert scores["accuracy"] == pytest.approx(accuracy)
    assert scores["bits_per_byte"] == pytest.approx(
        loss * tokens / math.log(2) / len(TEXT.encode()), abs=1e-4
    )
    assert scores["ln_vocab_size"] == pytest.approx(math.log(new.vocab_size))
    lines = printed[printed.index("initialization") :].splitlines()[1 : len(METHODS) + 2]
    assert max(map(len, lines)) <= 80
    table = {line.split()[0]: line.split() for line in lines[1:]}
    assert list(table) == list(METHODS)
    marked = [name for name, cells in table.items() if cells[1].endswith("*")]
    assert marked == [min(METHODS, key=lambda name: report["scores"][name]["loss"])]
    assert [name for name, cells in table.items() if cells[-1] == "written"] == ["eeve"]


def test_a_tokenizer_that_begins_texts_with_a_space(text, tmp_path, run):
    """Rows leave out that space, judging includes it, as transformers does."""
    both = old_and_new(tmp_path, dummy_prefix=True)
    base = make_model(tmp_path / "base", both[0])
    options = {"tokenizer": both[1].folder, "text": text, "judge_length": 16}
    assert run("expand-vocab", src=base, dst=tmp_path / "out", **options) == 0
    pieces = read_vocabulary(both[0].folder)
    before, after = (load_file(folder / "model.safetensors")[INPUT] for folder in (base, tmp_path / "out"))
    for i, piece in enumerate(NEW):
        ids = [pieces.names.index(p) for p in by_hand(both)[piece]]
        expected = _by_hand_row(before.double(), ids, pieces, "pieces")
        assert expected is not None
        assert torch.allclose(after[len(before) + i].double(), expected, atol=1e-6), piece
    scores = read_report(tmp_path / "out")["scores"]["decompose"]
    loss, accuracy, tokens = loss_and_accuracy(tmp_path / "out", both[1], 16)
    assert (scores["loss"], scores["accuracy"], scores["tokens"]) == pytest.approx(
        (loss, accuracy, tokens), abs=1e-4
    )


def _other(folder: Path) -> Path:
    path = folder / "learn.jsonl"
    path.write_text(json.dumps({"text": "국어 한국어 the an 한국 어 " * 30}) + "\n", encoding="utf-8")
    return path


def test_megatron_judges_as_transformers_does(source, tokenizers, text, tmp_path, run):
    assert run("from-hf", src=make_model(tmp_path / "hf", tokenizers[0]), dst=tmp_path / "ours") == 0
    scores = []
    for name in ("hf", "ours"):
        options = {"tokenizer": tokenizers[1].folder, "text": text, "judge_length": 32, "init": "compare"}
        assert run("expand-vocab", src=tmp_path / name, dst=tmp_path / f"{name}_out", **options) == 0
        assert [p.name for p in (tmp_path / f"{name}_out").iterdir()] == ["expansion.json"]
        scores.append(read_report(tmp_path / f"{name}_out")["scores"])
    assert len(scores[0]) == len(METHODS)  # without focus, but with the source model
    for name, expected in scores[0].items():
        assert scores[1][name]["loss"] == pytest.approx(expected["loss"], abs=1e-3), name
        assert scores[1][name]["accuracy"] == pytest.approx(expected["accuracy"], abs=0.01)


# --- the best --------------------------------------------------------------------------------------------


def _bits(report: dict[str, Any]) -> dict[str, float]:
    """Bits per byte of each initialization over all texts together, from the losses and sizes of each."""
    judged = report["judged"]
    size = sum(text["text_bytes"] for text in judged)
    return {
        name: sum(t["scores"][name]["loss"] * t["scores"][name]["tokens"] for t in judged)
        / math.log(2)
        / size
        for name in judged[0]["scores"]
        if name != "before (old tokenizer)"
    }


def test_the_best_over_all_texts_is_written_and_another_one_warned_of(
    source, tokenizers, text, tmp_path, run, capsys
):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"text": "the an 어 국 " * 200}) + "\n", encoding="utf-8")
    options = {"tokenizer": tokenizers[1].folder, "text": f"{text},{other}", "judge_length": 32}
    assert run("expand-vocab", src=source, dst=tmp_path / "best", init="best", **options) == 0
    assert "warning" not in capsys.readouterr().out
    report = json.loads((tmp_path / "best" / "expansion.json").read_text())
    bits = _bits(report)
    best = min(bits, key=lambda name: bits[name])
    assert report["init"] == report["best"] == best and len(bits) == len(METHODS) - 1
    assert report["rules"] == {"input": METHODS[best].input, "output": METHODS[best].output}
    worst = max(bits, key=lambda name: bits[name])
    assert run("expand-vocab", src=source, dst=tmp_path / "worst", init=worst, **options) == 0
    warning = capsys.readouterr().out.partition("warning: ")[2]
    assert f"{bits[worst]:.4f}" in warning and f"{best} {bits[best]:.4f}" in warning
    assert json.loads((tmp_path / "worst" / "expansion.json").read_text())["init"] == worst
    assert run("expand-vocab", src=source, dst=tmp_path / "again", init=best, **options) == 0
    assert "warning" not in capsys.readouterr().out
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("best", "again")]
    assert weights[0] == weights[1]
    assert run("expand-vocab", src=source, dst=tmp_path / "one", judge="chosen", **options) == 0
    assert json.loads((tmp_path / "one" / "expansion.json").read_text())["best"] is None
    assert "warning" not in capsys.readouterr().out


def test_the_files_of_a_corpus_are_text(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    from checkpoint_tools.texts import documents, text_files

    rows = ["하나", " ", None, "two", "셋"]
    for kind in (pa.string(), pa.large_string()):
        path = tmp_path / f"{kind}.parquet"
        parquet.write_table(
            pa.table({"id": [*"abcde"], "text": pa.array(rows, kind)}), path, row_group_size=2
        )
        assert list(documents(text_files(str(path), "--text")[0])) == ["하나", "two", "셋"]
    parquet.write_table(pa.table({"text": [1, 2]}), tmp_path / "numbers.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    for name, rule in (("numbers", "missing-text"), ("broken", "unreadable-file")):
        with pytest.raises(DataError) as caught:
            list(documents(tmp_path / f"{name}.parquet"))
        assert caught.value.rule == rule and f"{name}.parquet" in str(caught.value)


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"init": "focus"}, "--init", "focus-without-text"),
        ({"init": "compare"}, "--init", "compare-without-text"),
        ({"init": "best"}, "--init", "best-without-text"),
        ({"init": "best", "text": "TEXT", "judge": "none"}, "--init", "best-without-text"),
        ({"dst": None}, "DST", "missing-destination"),
        ({"text": "none.txt"}, "--text", "missing-file"),
        ({"text": "TOKENIZER/tokenizer.json"}, "--text", "unknown-file-type"),
        ({"text": "TEXT", "focus_text": "TEXT"}, "--focus-text", "judged-on-learned-text"),
        ({"tokenizer": "nowhere"}, "", "missing-tokenizer"),
        ({"dst": "TOKENIZER/inside"}, "", "overlapping-folders"),
    ],
)
def test_options_that_do_not_fit(source, tokenizers, text, tmp_path, expect_error, changes, path, rule):
    options = {"src": source, "dst": tmp_path / "out", "tokenizer": tokenizers[1].folder, **changes}
    folders = {"TEXT": str(text), "TOKENIZER": str(tokenizers[1].folder)}
    for name, value in list(options.items()):
        for short, long in folders.items():
            options[name] = str(options[name]).replace(short, long) if value is not None else None
    error = expect_error("expand-vocab", **{k: v for k, v in options.items() if v is not None})
    assert [(problem.path, problem.rule) for problem in error.problems] == [(path, rule)]
    assert not (tmp_path / "out").exists()


def _with_pieces(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    from tests.checkpoint_tools.small_tokenizers import SPECIAL, WORDS

    write_tokenizer_folder(folder, fallback_json(change([*WORDS, *NEW]), False), SPECIAL)
    return folder


def test_a_tokenizer_that_is_not_an_extension_is_rejected_with_the_first_differences(
    source, tmp_path, expect_error
):
    options = {"src": source, "dst": tmp_path / "out"}
    swapped = _with_pieces(tmp_path / "swapped", lambda pieces: [pieces[1], pieces[0], *pieces[2:]])
    error = expect_error("expand-vocab", tokenizer=swapped, **options)
    assert error.rule == "not-an-extension" and "'an'" in str(error) and "'he'" in str(error)
    smaller = _with_pieces(tmp_path / "smaller", lambda pieces: pieces[:4])
    assert expect_error("expand-vocab", tokenizer=smaller, **options).rule == "fewer-tokens"
    same = _with_pieces(tmp_path / "same", lambda pieces: pieces[: -len(NEW)])
    assert expect_error("expand-vocab", tokenizer=same, **options).rule == "nothing-to-expand"


def test_a_checkpoint_of_another_tokenizer_is_rejected(source, tokenizers, tmp_path, run, expect_error):
    old, new = tokenizers
    assert run("from-hf", src=source, dst=tmp_path / "ours") == 0
    copy_tokenizer(new.folder, tmp_path / "ours" / "tokenizer")
    options = {"dst": tmp_path / "out", "tokenizer": new.folder}
    error = expect_error("expand-vocab", src=tmp_path / "ours", **options)
    assert error.rule == "tokenizer-mismatch" and old.fingerprint in str(error)
    bare = Path(shutil.copytree(source, tmp_path / "bare"))
    (bare / "tokenizer.json").unlink()
    assert expect_error("expand-vocab", src=bare, **options).rule == "missing-tokenizer"
    large = Path(shutil.copytree(source, tmp_path / "large"))
    copy_tokenizer(new.folder, large)
    assert expect_error("expand-vocab", src=large, **options).rule == "tokenizer-larger-than-embedding"


@pytest.mark.parametrize(
    "content", ["{}", '{"model": {"vocab": {"a": 0}}}', '{"model": {"vocab": [1, 2]}}', "[]"]
)
def test_a_damaged_tokenizer_folder_is_rejected(source, tokenizers, tmp_path, expect_error, content):
    damaged = Path(shutil.copytree(tokenizers[1].folder, tmp_path / "damaged"))
    (damaged / "tokenizer.json").write_text(content)
    error = expect_error("expand-vocab", src=source, dst=tmp_path / "out", tokenizer=damaged)
    assert isinstance(error, DataError) and str(damaged) in str(error)


def test_an_expanded_model_can_be_expanded_again(source, tokenizers, tmp_path, run):
    """Hugging Face to megatron to Hugging Face, without padding rows."""
    new = tokenizers[1]
    assert (
        run("expand-vocab", src=source, dst=tmp_path / "ours", tokenizer=new.folder, format="megatron") == 0
    )
    assert run("to-hf", src=tmp_path / "ours", dst=tmp_path / "back") == 0
    assert open_hf(tmp_path / "back").vocab_size == new.vocab_size
    assert run("expand-vocab", src=source, dst=tmp_path / "direct", tokenizer=new.folder) == 0
    assert run("compare", a=tmp_path / "back", b=tmp_path / "direct", tolerance=0) == 0
    again = tmp_path / "direct"
    assert run("expand-vocab", src=source, dst=again, tokenizer=new.folder, init="mean", overwrite=True) == 0
    assert json.loads((again / "expansion.json").read_text())["init"] == "mean"
