"""mko data manifest: counts by hand, pairs of megatron-core, training on what it writes, every damage with its place."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.errors import ConfigError
from megatron_ko.files import sha256_file
from megatron_ko.formats.manifest import HEADER, check_tokens, read_manifest
from megatron_ko.formats.tokenizer_folder import MARKER, read_tokenizer_folder
from preprocessing.cli import main
from preprocessing.tokens import pair_check, token_files
from preprocessing.tokens.indexed_dataset import new_bin, write_index
from tests import ranks
from tests.preprocessing.corpus import EN, KO
from tests.preprocessing.refusals import refuses_command
from tests.preprocessing.tiny_bases import write_base
from tests.tiny_run import tiny_config

BUILD = """
import sys, json, numpy
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
prefix, dtype, documents = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
builder = IndexedDatasetBuilder(prefix + ".bin", dtype=getattr(numpy, dtype))
for document in documents:
    builder.add_document([token for row in document for token in row], [len(row) for row in document])
builder.finalize(prefix + ".idx")
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base("byte_bpe", tmp_path_factory.mktemp("base") / "tokenizer")


def write_pair(prefix, documents, dtype="uint16"):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with new_bin(prefix, dtype) as writer:
        for document in documents:
            writer.add(np.array(document, np.uint32), np.array([len(document)]))
    write_index(prefix, dtype, [writer.lengths])
    return prefix


def build_with_megatron(prefix, documents, dtype="uint16"):
    """``documents``: lists of sequences."""
    command = [sys.executable, "-c", BUILD, str(prefix), dtype, json.dumps(documents)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'megatron" in done.stderr:
        pytest.skip("megatron-core is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    return prefix


def manifest(*arguments, base, out):
    return main(
        ["manifest", *map(str, arguments), "--tokenizer", str(base), "--out", str(out), "--workers", "1"]
    )


def refuses_manifest(arguments, base, out, rule, *values, **more):
    refuses_command(
        ["manifest", *arguments, "--tokenizer", base, "--out", out, "--workers", "1"], rule, *values, **more
    )


def some_documents(base, count=30, length=60):
    eod, chance = read_tokenizer_folder(base).eos_id, np.random.default_rng(0)
    return [[*chance.integers(10, 600, length).tolist(), eod] for _ in range(count)]


def write_training(folder, path):
    config = tiny_config(folder)
    config["data"]["manifest"] = str(path)
    config["training"]["steps"] = 3
    (folder / "train.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return str(folder / "train.yaml")


def losses(folder):
    rows = map(json.loads, (folder / "run" / "metrics.jsonl").read_text("utf-8").splitlines())
    return [row["loss"] for row in rows if row["kind"] == "train"]


# --- whole roads ---------------------------------------------------------------------------------------------


@pytest.mark.ranks
def test_text_encoded_without_a_pipeline_trains(base, tmp_path):
    texts = {
        "ko": [" ".join(KO[i % 12 :]) for i in range(30)],
        "en": [" ".join(EN[i % 9 :]) for i in range(30)],
    }
    for name, of_set in texts.items():
        rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in of_set)
        (tmp_path / f"{name}.jsonl").write_text(rows, "utf-8")
        encode = [
            "tokens",
            "encode",
            tmp_path / f"{name}.jsonl",
            "--tokenizer",
            base,
            "--out",
            tmp_path / name,
        ]
        assert main([*map(str, encode), "--workers", "1"]) == 0
    assert (
        main(["tokens", "split", str(tmp_path / "en"), "--shares", "8", "2", "--out", str(tmp_path / "cut")])
        == 0
    )
    out = tmp_path / "data"
    arguments = (tmp_path / "ko", f"en={tmp_path / 'cut-00000'}", "--valid", f"en={tmp_path / 'cut-00001'}")
    assert manifest(*arguments, "--share", "ko=3", "en=1", base=base, out=out) == 0
    found = read_manifest(out / "manifest.json")
    check_tokens(found)
    assert found.mixture == {"ko": 0.75, "en": 0.25}
    assert found.of_split("train")["ko"].text_bytes == sum(len(text.encode()) for text in texts["ko"])
    english = [found.of_split(split)["en"] for split in ("train", "valid")]
    assert sum(tokens.text_bytes for tokens in english) == sum(len(text.encode()) for text in texts["en"])
    ranks.train(write_training(tmp_path, out / "manifest.json"), [])
    assert len(losses(tmp_path)) == 3 and all(map(np.isfinite, losses(tmp_path)))


@pytest.mark.ranks
@pytest.mark.parametrize("dtype", [pytest.param("uint16", marks=pytest.mark.slow), "int32"])
def test_a_pair_of_megatron_core_trains(base, tmp_path, dtype):
    documents = [[document] for document in some_documents(base)]
    # text that is empty: a document without a sequence, as preprocess_data.py writes it
    documents.insert(3, [])
    prefix = build_with_megatron(tmp_path / "my_text_document", documents, dtype)
    out = tmp_path / "data"
    assert manifest(prefix, base=base, out=out) == 0
    (tokens,) = read_manifest(out / "manifest.json").sets
    assert (tokens.name, tokens.dtype, tokens.documents, tokens.tokens) == ("my", dtype, 30, 30 * 61)
    ranks.train(write_training(tmp_path, out / "manifest.json"), [])
    assert len(losses(tmp_path)) == 3


def test_the_manifest_lists_what_the_files_contain(base, tmp_path):
    documents = some_documents(base)
    first = write_pair(tmp_path / "data" / "mine" / "a", documents[:10])
    second = write_pair(tmp_path / "b", documents[10:])
    out = tmp_path / "data"
    assert manifest(f"x={first}.bin", f"x={second}.idx", base=base, out=out) == 0
    content = json.loads((out / "manifest.json").read_text("utf-8"))
    (entry,) = content["sets"]
    assert [pair["prefix"] for pair in entry["pairs"]] == ["mine/a", "tokens/x_train-00001"]
    assert [pair["documents"] for pair in entry["pairs"]] == [10, 20]
    assert entry["max_id"] == max(map(max, documents)) and content["mixture"] == {"x": 1.0}
    for pair, prefix in zip(entry["pairs"], (first, second)):
        assert pair["sha256"] == {kind: sha256_file(f"{prefix}.{kind}") for kind in ("bin", "idx")}
    assert (out / "tokens" / "x_train-00001.bin").resolve() == (tmp_path / "b.bin").resolve()
    assert read_tokenizer_folder(out / "tokenizer").fingerprint == read_tokenizer_folder(base).fingerprint
    assert content["tokenizer"]["eod_id"] == read_tokenizer_folder(base).eos_id


def test_shares_default_to_sizes_and_a_tokenizer_inside_stays_where_it_is(base, tmp_path):
    documents, out = some_documents(base, 40), tmp_path / "data"
    own = write_base("byte_bpe", out / "deep" / "own")
    small, large = write_pair(out / "s", documents[:10]), write_pair(out / "l", documents[10:])
    assert manifest(small, large, base=own, out=out) == 0
    found = read_manifest(out / "manifest.json")
    assert found.mixture == pytest.approx({"s": 0.25, "l": 0.75})
    assert found.tokenizer_folder == out / "deep" / "own" and not (out / "tokenizer").exists()
    refuses_manifest([small], own, out, "output-exists", "manifest.json")
    assert manifest(small, "--overwrite", base=own, out=out) == 0


def test_another_token_may_end_documents(base, tmp_path):
    pad = read_tokenizer_folder(base).pad_id
    prefix = write_pair(tmp_path / "x", [[*document[:-1], pad] for document in some_documents(base)])
    refuses_manifest([prefix], base, tmp_path / "no", "no-eod", "x.bin", "document 0")
    assert not (tmp_path / "no").exists()
    assert manifest(prefix, "--eos-token", "<pad>", base=base, out=tmp_path / "data") == 0
    assert read_manifest(tmp_path / "data" / "manifest.json").eod_id == pad


def test_another_tokenizer_of_the_same_size_is_noticed(base, tmp_path, caplog):
    """Ids in range and EOD in place do not show that the tokenizer is the right one; decoded text does."""
    rows = "".join(json.dumps({"text": " ".join(EN[i % 9 :])}) + "\n" for i in range(20))
    (tmp_path / "en.jsonl").write_text(rows, "utf-8")
    encode = ["tokens", "encode", tmp_path / "en.jsonl", "--tokenizer", base, "--out", tmp_path / "en"]
    assert main([*map(str, encode), "--workers", "1"]) == 0
    other = write_base("bpe", tmp_path / "other")
    caplog.clear()
    assert manifest(tmp_path / "en", base=base, out=tmp_path / "right") == 0
    assert not caplog.records
    assert manifest(tmp_path / "en", base=other, out=tmp_path / "wrong") in (0, 2)
    assert not (tmp_path / "wrong" / "manifest.json").exists() or any(
        "en" in r.getMessage() for r in caplog.records
    )


# --- damage --------------------------------------------------------------------------------------------------


def damage(prefix, what):
    index, binary = (prefix.with_suffix(suffix) for suffix in (".idx", ".bin"))
    content, tokens = bytearray(index.read_bytes()), bytearray(binary.read_bytes())
    if what == "id":
        tokens[2 * 65 : 2 * 65 + 2] = struct.pack("<H", 60_000)
    elif what == "eod":
        tokens[2 * (2 * 61 - 1) : 2 * 2 * 61] = struct.pack("<H", 20)
    elif what == "cut":
        tokens = tokens[:-2]
    elif what == "type":
        content[17] = 5
    elif what == "offset":
        content[HEADER.size + 4 * 30 + 8 * 7] ^= 4
    elif what == "index":
        content = content[:-3]
    binary.write_bytes(tokens)
    index.write_bytes(content)


@pytest.mark.parametrize(
    "what, rule, file, place",
    [
        ("id", "id-outside-vocabulary", "x.bin", "document 1"), ("eod", "no-eod", "x.bin", "document 1"),
        ("cut", "size-mismatch", "x.bin", ""), ("type", "unsupported-token-type", "x.idx", "int64"),
        ("offset", "wrong-offsets", "x.idx", "sequence 7"), ("index", "truncated-index", "x.idx", ""),
    ],
)  # fmt: skip
def test_a_damaged_pair_is_refused_with_its_place(base, tmp_path, what, rule, file, place):
    sound = write_pair(tmp_path / "sound", some_documents(base))
    damaged = write_pair(tmp_path / "x", some_documents(base))
    damage(damaged, what)
    refuses_manifest([sound, damaged], base, tmp_path / "data", rule, file, place)
    assert not (tmp_path / "data").exists()


def test_sequences_and_types_that_training_cannot_read(base, tmp_path):
    documents = some_documents(base)
    several = build_with_megatron(tmp_path / "several", [[documents[0]], documents[1:3]])
    refuses_manifest([several], base, tmp_path / "data", "several-sequences", "document 1")
    mixed = [write_pair(tmp_path / f"m{dtype}", documents, dtype) for dtype in ("uint16", "int32")]
    named = [f"m={prefix}" for prefix in mixed]
    refuses_manifest(named, base, tmp_path / "data", "different-token-types", "set m", "int32")
    one = write_pair(tmp_path / "one", documents)
    refuses_manifest(
        [one, "--valid", f"v={write_pair(tmp_path / 'v', [documents[0][-1:]])}"],
        base,
        tmp_path / "data",
        None,
    )
    assert not (tmp_path / "data" / "manifest.json").exists()


def test_mistakes_of_the_command_line(base, tmp_path):
    a = write_pair(tmp_path / "a", some_documents(base))
    b = write_pair(tmp_path / "b", some_documents(base))
    cases = (
        ([a, "--valid", f"{a}.bin"], "duplicate-pair"), ([a, b, "--share", "a=1"], "share-missing"),
        ([a, "--share", "c=1"], "unknown-set"), ([a, "--share", "a=x"], "invalid-share"), ([a, "--share", "a=-1"], "share-not-positive"),
        ([a, "--share", "a=nan"], "share-not-positive"), ([write_pair(tmp_path / "가", some_documents(base))], "invalid-name"),
    )  # fmt: skip
    for arguments, rule in cases:
        refuses_manifest(arguments, base, tmp_path / "data", rule, error=ConfigError)
    refuses_manifest([tmp_path], base, tmp_path / "data", "is-a-folder")
    refuses_manifest([tmp_path / "none"], base, tmp_path / "data", "unreadable-file", "none.idx")
    refuses_manifest([a], tmp_path / "none", tmp_path / "data", "missing-tokenizer", "--tokenizer")
    refuses_manifest([a, "--eos-token", "<x>"], base, tmp_path / "data", "unknown-token", "--eos-token")
    assert not (tmp_path / "data").exists()
    assert (base / MARKER).is_file()


@given(data=st.data())
def test_any_pair_is_counted_as_its_documents_are_or_refused(tmp_path_factory, data):
    """Blocks of three tokens: documents and damage cross their ends."""
    documents = data.draw(
        st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=6), min_size=1, max_size=6)
    )
    prefix = write_pair(tmp_path_factory.mktemp("pairs") / "x", documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_files, "BLOCK_TOKENS", 3)
        found = pair_check.check_pair(prefix, 10, 2)
    tokens = [token for document in documents for token in document]
    open_ended = [number for number, document in enumerate(documents) if document[-1] != 2]
    if isinstance(found, list):
        rules = {problem.rule: problem.path for problem in found}
        outside = [number for number, document in enumerate(documents) if max(document) > 9]
        assert rules.get("id-outside-vocabulary") == (f"document {outside[0]}" if outside else None)
        assert outside or rules == {"no-eod": f"document {open_ended[0]}"}
        return
    assert not open_ended and max(tokens) < 10
    assert found.counts.tolist() == np.bincount(tokens, minlength=10).tolist()
    assert found.inner_eods == tokens.count(2) - len(documents)
    assert (found.entry["documents"], found.entry["tokens"]) == (len(documents), len(tokens))
    assert (found.entry["max_id"], found.entry["sha256"]["bin"]) == (
        max(tokens),
        sha256_file(f"{prefix}.bin"),
    )
