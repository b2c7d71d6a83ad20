"""Token files: megatron-core's own reader and builder, dtypes, copies, shuffling, hostile files, the commands."""

import argparse
import contextlib
import json
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from preprocessing.commands import token_files as command
from preprocessing.tokens import token_files, token_shuffle
from preprocessing.tokens.encode_columns import with_eod
from preprocessing.tokens.indexed_dataset import dtype_for, new_bin, read_index, write_index
from tests.preprocessing.refusals import refuses
from tests.tiny_data import write_tiny_data

READ_AND_BUILD = """
import sys, json
from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder
for prefix in sys.argv[1:]:
    made = IndexedDataset(prefix)
    builder = IndexedDatasetBuilder(prefix + "_built.bin", dtype=made.index.dtype)
    for document in made:
        builder.add_document(document.tolist(), [len(document)])
    builder.finalize(prefix + "_built.idx")
    print(json.dumps([str(made.index.dtype.__name__), [made[i].tolist() for i in range(len(made))],
                      made.document_indices.tolist(), made.sequence_lengths.tolist()]))
"""


def write(prefix, documents, dtype="uint16", eod=2):
    with new_bin(prefix, dtype) as writer:
        for start in range(0, len(documents), 2):  # several calls of add
            part = documents[start : start + 2]
            flat = np.array([t for d in part for t in d], np.uint32)
            writer.add(*with_eod(flat, np.cumsum([0, *map(len, part)]), eod))
    return writer, write_index(prefix, dtype, [writer.lengths])


def contents(prefix):
    pair = token_files.open_pair(prefix)
    starts = pair.starts()
    return [pair.ids[a:b].tolist() for a, b in zip(starts[:-1], starts[1:])]


def both(prefix):
    return [(prefix.parent / f"{prefix.name}{kind}").read_bytes() for kind in (".bin", ".idx")]


def some_documents(count, seed=0, highest=4000):
    chosen = random.Random(seed)
    return [[chosen.randrange(3, highest) for _ in range(chosen.randrange(1, 40))] for _ in range(count)]


# --- the format ----------------------------------------------------------------------------------------------


def test_megatron_core_reads_and_builds_the_same_bytes(tmp_path):
    sizes = (4001, 65_537)
    documents = {size: [[5, 6, 7], [size - 1], list(range(10, 60)), [3]] for size in sizes}
    prefixes = {size: tmp_path / f"ko_{size}" for size in sizes}
    written = {size: write(prefixes[size], documents[size], dtype_for(size)) for size in sizes}
    command = [sys.executable, "-c", READ_AND_BUILD, *prefixes.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'megatron" in done.stderr:
        pytest.skip("megatron-core is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    for size, line in zip(sizes, done.stdout.splitlines()[-2:]):
        name, read, starts, lengths = json.loads(line)
        assert name == dtype_for(size)
        assert read == [[*d, 2] for d in documents[size]] == contents(prefixes[size])
        assert starts == [0, 1, 2, 3, 4]
        assert lengths == [len(d) + 1 for d in documents[size]]
        assert both(tmp_path / f"ko_{size}_built") == both(prefixes[size])
        writer, index = written[size]
        assert index["idx_bytes"] == 42 + 20 * 4 == (tmp_path / f"ko_{size}.idx").stat().st_size
        assert writer.max_id == size - 1
        own = read_index(tmp_path / f"ko_{size}.idx")
        assert own.lengths.tolist() == lengths
        assert (own.offsets // np.dtype(name).itemsize).tolist() == [0, 4, 6, 57]


def test_dtype_avoids_the_sizes_on_which_readers_disagree():
    assert (dtype_for(65_499), dtype_for(65_537)) == ("uint16", "int32")
    for size in (65_500, 65_536):
        with refuses("ambiguous-token-type", str(size)):
            dtype_for(size)


@pytest.mark.parametrize("token", [70_000, 65_536])
def test_ids_that_do_not_fit_are_refused(tmp_path, token):
    with pytest.raises(ValueError, match=f"{token}.*uint16"):
        write(tmp_path / "x", [[token]])
    assert not list(tmp_path.iterdir())


@given(st.lists(st.lists(st.integers(3, 99), max_size=5), max_size=6))
def test_eod_ends_every_document(documents):
    flat = np.array([t for d in documents for t in d], np.uint32)
    ids, lengths = with_eod(flat, np.cumsum([0, *map(len, documents)]), 2)
    assert ids.tolist() == [t for d in documents for t in [*d, 2]]
    assert lengths.tolist() == [len(d) + 1 for d in documents]


def test_an_index_of_many_chunks_is_that_of_one(tmp_path, monkeypatch):
    lengths = np.random.default_rng(0).integers(1, 9, 1000).astype(np.int32)
    write_index(tmp_path / "one", "int32", [lengths])
    monkeypatch.setattr("preprocessing.tokens.indexed_dataset.CHUNK", 7)
    write_index(tmp_path / "many", "int32", [lengths[:13], lengths[13:13], lengths[13:]])
    assert (tmp_path / "one.idx").read_bytes() == (tmp_path / "many.idx").read_bytes()
    index = read_index(tmp_path / "many.idx")
    assert index.offsets.tolist() == [4 * sum(lengths[:i].tolist()) for i in range(1000)]
    assert index.documents.tolist() == list(range(1001))


# --- copies --------------------------------------------------------------------------------------------------


def test_joined_parts_are_the_bytes_of_one_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(token_files, "BLOCK_TOKENS", 50)
    documents = some_documents(40)
    write(tmp_path / "all", documents)
    for name, part in (("a", documents[:13]), ("b", documents[13:14]), ("c", documents[14:])):
        write(tmp_path / name, part)
    extents = [token_files.full_extent(token_files.open_pair(tmp_path / name)) for name in "abc"]
    facts = token_files.copy_documents(extents, tmp_path / "joined")
    assert both(tmp_path / "joined") == both(tmp_path / "all")
    assert facts["max_id"] == max(map(max, documents)) and facts["documents"] == 40
    assert facts["tokens"] * 2 == facts["bin_bytes"] == (tmp_path / "all.bin").stat().st_size


def test_runs_of_documents_cover_everything_once(tmp_path):
    documents = some_documents(60, seed=3)
    parts = [documents[:25], documents[25:]]
    for name, part in zip("ab", parts):
        write(tmp_path / name, part)
    lengths = [[len(d) + 1 for d in part] for part in parts]
    runs = token_files.cut_by_tokens([np.array(part) for part in lengths], 200)
    assert len(runs) > 3 and any(len(run) == 2 for run in runs), "one run goes over the border of the parts"
    found = []
    for number, run in enumerate(runs):
        extents = [token_files.Extent(tmp_path / "ab"[part], first, last) for part, first, last in run]
        token_files.copy_documents(extents, tmp_path / f"run{number}")
        found += contents(tmp_path / f"run{number}")
    assert found == [[*d, 2] for d in documents]
    starts = np.cumsum([0, *map(len, found)])[:-1] // 200
    assert [sum(last - first for _, first, last in run) for run in runs] == np.unique(
        starts, return_counts=True
    )[1].tolist()


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=30), st.lists(st.integers(1, 9), min_size=1, max_size=4)
)
def test_cuts_by_shares_cover_everything_and_are_near(lengths, shares):
    runs = token_files.cut_by_shares(np.array(lengths), shares)
    assert [runs[0][0], runs[-1][1]] == [0, len(lengths)] and len(runs) == len(shares)
    assert all(a[1] == b[0] for a, b in zip(runs, runs[1:]))
    done = wanted = 0
    for (first, last), share in zip(runs, shares):
        done, wanted = done + sum(lengths[first:last]), wanted + share / sum(shares) * sum(lengths)
        assert abs(done - wanted) <= max(lengths) / 2 + 1e-6


def test_documents_of_several_sequences_stay_together(tmp_path):
    """Like those that Megatron-LM writes with --split-sentences."""
    np.arange(10, dtype=np.uint16).tofile(tmp_path / "s.bin")
    write_index(tmp_path / "s", "uint16", [np.array([2, 3, 4, 1])], [np.array([0, 2, 4])])
    assert contents(tmp_path / "s") == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    extents = [token_files.Extent(tmp_path / "s", 1, 2), token_files.Extent(tmp_path / "s", 0, 2)]
    assert token_files.copy_documents(extents, tmp_path / "t")["documents"] == 3
    assert contents(tmp_path / "t") == [[5, 6, 7, 8, 9], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert read_index(tmp_path / "t.idx").lengths.tolist() == [4, 1, 2, 3, 4, 1]
    with refuses("several-sequences", str(tmp_path / "s")):
        token_shuffle.shuffle_documents([tmp_path / "s"], tmp_path / "u", 1)


def test_pairs_of_two_types_do_not_join(tmp_path):
    write(tmp_path / "a", [[5]])
    write(tmp_path / "b", [[5]], "int32")
    extents = [token_files.Extent(tmp_path / name, 0, 1) for name in "ab"]
    with refuses("different-token-types", "int32", "uint16"):
        token_files.copy_documents(extents, tmp_path / "c")
    assert not (tmp_path / "c.bin").exists()


# --- shuffling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory_bytes", [1 << 30, 400, 8])
def test_shuffled_documents_are_numpys_permutation_for_any_memory(tmp_path, monkeypatch, memory_bytes):
    monkeypatch.setattr(token_shuffle, "BLOCK_TOKENS", 90)
    documents = some_documents(50)
    write(tmp_path / "a", documents[:20])
    write(tmp_path / "b", documents[20:])
    done = token_shuffle.shuffle_documents([tmp_path / "a", tmp_path / "b"], tmp_path / "s", 7, memory_bytes)
    order = np.random.default_rng(7).permutation(50)
    write(tmp_path / "plain", [documents[i] for i in order])
    assert both(tmp_path / "s") == both(tmp_path / "plain")
    assert (done["buckets"] > 10) == (memory_bytes < 1000)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("s")) == ["s.bin", "s.idx"]


# --- hostile files -------------------------------------------------------------------------------------------


def damage_index(path, what):
    content = bytearray(path.read_bytes())
    if what == "cut":
        del content[-1]
    elif what == "short":
        del content[20:]
    elif what == "magic":
        content[0] ^= 1
    elif what == "version":
        content[9] = 2
    elif what == "dtype":
        content[17] = 6
    elif what == "count":
        content[18:26] = struct.pack("<Q", 2**60)
    elif what == "length":
        content[34:38] = struct.pack("<i", -3)
    elif what == "offset":
        content[34 + 8 + 8] ^= 2
    elif what == "documents":
        content[-8:] = struct.pack("<q", 1)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "what, rule",
    [
        ("cut", "truncated-index"), ("short", "truncated-index"), ("magic", "not-an-index"), ("version", "not-an-index"),
        ("dtype", "unsupported-token-type"), ("count", "truncated-index"), ("length", "negative-length"), ("offset", "wrong-offsets"),
        ("documents", "wrong-documents"),
    ],
)  # fmt: skip
def test_a_damaged_index_is_refused(tmp_path, what, rule):
    write(tmp_path / "x", [[5, 6], [7]])
    damage_index(tmp_path / "x.idx", what)
    with refuses(rule, "x.idx"):
        token_files.open_pair(tmp_path / "x")


def test_missing_and_truncated_tokens_are_refused(tmp_path):
    write(tmp_path / "x", [[5, 6], [7]])
    path = tmp_path / "x.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with refuses("size-mismatch", "x.bin", "9", "10"):
        token_files.open_pair(tmp_path / "x.bin")
    path.unlink()
    with refuses("missing-file", "x.bin"):
        token_files.open_pair(tmp_path / "x")
    with refuses("unreadable-file", "nowhere.idx"):
        token_files.open_pair(tmp_path / "nowhere")


@given(data=st.data())
def test_any_damaged_index_is_refused_or_sound(tmp_path_factory, data):
    """Every pair that opens can be read to its end."""
    prefix = tmp_path_factory.mktemp("fuzz") / "x"
    write(prefix, [[5, 6], [7], [8, 9, 10]])
    path = prefix.with_suffix(".idx")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    with contextlib.suppress(DataError):
        assert sum(map(len, contents(prefix))) == 9


# --- commands ------------------------------------------------------------------------------------------------


def tokens(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def test_split_merge_and_shuffle_commands(tmp_path, capsys):
    documents = some_documents(30)
    write(tmp_path / "all", documents)
    assert tokens("split", tmp_path / "all", "--out", tmp_path / "cut", "--shares", "8", "2") == 0
    assert tokens("split", tmp_path / "all", "--out", tmp_path / "ten", "--documents", "12") == 0
    assert [len(contents(tmp_path / f"ten-{n:05d}")) for n in range(3)] == [12, 12, 6]
    assert tokens("split", tmp_path / "all", "--out", tmp_path / "few", "--tokens", "100") == 0
    for name in ("cut", "few", "ten"):
        parts = sorted(path.with_suffix("") for path in tmp_path.glob(f"{name}-*.idx"))
        assert tokens("merge", *parts, "--out", tmp_path / f"{name}_again") == 0
        assert both(tmp_path / f"{name}_again") == both(tmp_path / "all")
    assert tokens("shuffle", tmp_path / "all.bin", "--out", tmp_path / "mixed", "--seed", "3") == 0
    assert sorted(contents(tmp_path / "mixed")) == sorted(contents(tmp_path / "all"))
    assert contents(tmp_path / "mixed") != contents(tmp_path / "all")
    capsys.readouterr()
    assert tokens("info", tmp_path / "all") == 0
    shown = capsys.readouterr().out
    assert "uint16" in shown and f"{sum(map(len, documents)) + 30:,}" in shown
    assert all(len(line) <= 80 or line == str(tmp_path / "all") for line in shown.splitlines())


def test_an_existing_pair_is_overwritten_only_on_request(tmp_path):
    write(tmp_path / "a", [[5]])
    write(tmp_path / "b", [[6], [7]])
    with refuses("output-exists", "b.bin"):
        tokens("merge", tmp_path / "a", "--out", tmp_path / "b")
    with refuses("output-is-input", str(tmp_path / "b")):
        tokens("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "b", "--overwrite")
    assert tokens("merge", tmp_path / "a", "--out", tmp_path / "b", "--overwrite") == 0
    assert contents(tmp_path / "b") == [[5, 2]]


def test_validate_command(tmp_path, capsys):
    write(tmp_path / "a", [[5, 6], [7]])
    assert tokens("validate", tmp_path / "a", "--vocab-size", "8", "--eod", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    for arguments in (("--vocab-size", "7"), ("--eod", "3"), ("--eod", "5")):
        assert tokens("validate", tmp_path / "a", *arguments) == 2
        assert arguments[1] in capsys.readouterr().out
    write(tmp_path / "b", [[5, 2, 6]])
    assert tokens("validate", tmp_path / "b", "--eod", "2") == 2
    (tmp_path / "b.bin").write_bytes(b"1")
    capsys.readouterr()
    assert tokens("validate", tmp_path / "b", tmp_path / "a") == 2
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "b.bin"), str(tmp_path / "a"),
    ]  # fmt: skip


def test_validate_command_shows_samples_with_a_tokenizer(tmp_path, capsys):
    write_tiny_data(tmp_path)
    pair = tmp_path / "tokens" / "ko_train"
    assert tokens("validate", pair, "--tokenizer", tmp_path / "tokenizer", "--samples", "2") == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 3 and "w" in shown


@pytest.mark.parametrize("inside", ["", "tokens"])
def test_info_and_validate_take_a_folder_of_pairs(tmp_path, capsys, inside):
    (tmp_path / "data" / "tokens").mkdir(parents=True)
    for name, documents in (("ko_train", [[5, 6], [7]]), ("ko_valid", [[8] * 41])):
        write(tmp_path / "data" / "tokens" / name, documents)
    (tmp_path / "data" / "manifest.json").write_text(
        json.dumps({"tokenizer": {"folder": "tokenizer", "vocab_size": 4321}})
    )
    assert tokens("info", tmp_path / "data" / inside) == 0
    shown = capsys.readouterr().out
    for value in ("ko_train", "ko_valid", "42", str(tmp_path / "data" / "tokenizer"), "4,321"):
        assert value in shown
    assert tokens("validate", tmp_path / "data" / inside, "--eod", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_commands_that_write_name_the_pairs_of_a_folder(tmp_path):
    write(tmp_path / "a", [[5]])
    with refuses("is-a-folder", str(tmp_path / "a")):
        tokens("merge", tmp_path, "--out", tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with refuses("no-pairs", str(tmp_path / "empty")):
        tokens("info", tmp_path / "empty")
    with refuses("is-a-folder", "empty"):
        tokens("split", tmp_path / "empty", "--shares", "1", "--out", tmp_path / "b")


def test_info_of_a_pair_beside_a_broken_manifest(tmp_path):
    write(tmp_path / "a", [[5]])
    (tmp_path / "manifest.json").write_text('{"tokenizer": {}}')
    with refuses("missing-key", "manifest.json"):
        tokens("info", tmp_path / "a")
