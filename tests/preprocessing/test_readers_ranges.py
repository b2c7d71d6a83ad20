"""Large files are split into parts that together yield the records of the whole file."""

import bz2
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.inputs import JsonlInput, ParquetInput, TextInput, WikiDumpInput
from preprocessing.readers.file_ranges import (
    Range,
    find_frame_starts,
    group_sizes,
    split_bzip2,
    split_evenly,
    split_row_groups,
)
from preprocessing.readers.input_units import InputHashes
from preprocessing.readers.lines import read_line_blocks
from preprocessing.readers.wiki_dumps import read_pages
from tests.preprocessing.units import read_units, units_of


def frame(data):
    return bytes(pa.compress(data, "zstd", asbytes=True))


def records(count, seed=3):
    random.seed(seed)
    return [
        json.dumps(
            {"text": "글" * random.randrange(200), "lang": "ko"}, ensure_ascii=random.random() < 0.5
        ).encode()
        for _ in range(count)
    ]


def numbered_lines(path, part=None):
    blocks = read_line_blocks(path, "x", part, 1 << 20, pytest.fail)
    return [(number + i, line) for number, block in blocks for i, line in enumerate(block[:-1].split(b"\n"))]


@pytest.mark.parametrize("split_bytes", [1, 7, 100, 4096])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n\n"])
def test_parts_of_a_plain_file_yield_its_lines_with_their_numbers(tmp_path, split_bytes, end):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join([*records(12), b"", b"   ", *records(4, seed=9)]) + end)
    whole = numbered_lines(path)
    hashes = InputHashes()
    parts = [line for part in hashes.line_ranges(path, split_bytes) for line in numbered_lines(path, part)]
    assert parts == whole
    assert hashes.of(path) == InputHashes().of(path)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=12)), st.integers(1, 40), st.integers(1, 6))
def test_any_bytes_are_split_without_loss(tmp_path_factory, lines, split_bytes, frames):
    folder = tmp_path_factory.getbasetemp()
    data = b"\n".join(lines)
    plain, packed = folder / "cut.jsonl", folder / "cut.jsonl.zst"
    plain.write_bytes(data)
    step = max(1, len(data) // frames)
    packed.write_bytes(b"".join(frame(data[i : i + step]) for i in range(0, len(data), step)) or frame(b""))
    whole = numbered_lines(plain)
    for path in plain, packed:
        parts = InputHashes().line_ranges(path, split_bytes)
        assert parts == [] or (parts[0].start, parts[-1].end) == (0, path.stat().st_size)
        cut = [line for part in parts for line in numbered_lines(path, part)]
        assert cut == whole


def test_units_of_a_split_file_keep_ids_and_names(tmp_path):
    lines = records(200)
    data = b"\n".join(lines)
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "b.jsonl.zst").write_bytes(
        b"".join(frame(data[i : i + 3000]) for i in range(0, len(data), 3000))
    )
    for name in "a.jsonl", "b.jsonl.zst":
        whole = JsonlInput(type="jsonl", paths=[str(tmp_path / name)])
        split = JsonlInput(type="jsonl", paths=[str(tmp_path / name)], split_bytes=500)
        units = units_of(split)
        assert [u.name for u in units] == [f"in-00000-{i:05d}" for i in range(len(units))]
        assert len(units) > 3
        assert [u.name for u in units_of(whole)] == ["in-00000"]
        assert read_units(units, split) == read_units(units_of(whole), whole)


def test_parquet_is_split_at_row_groups(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"text": [f"문서 {i} " * 50 for i in range(100)]})
    pq.write_table(table, path, row_group_size=10, compression="none")
    item = ParquetInput(type="parquet", paths=[str(path)], lang="ko", split_bytes=path.stat().st_size // 4)
    units = units_of(item)
    assert 3 <= len(units) <= 6
    assert [part.records_before for u in units for part in u.ranges if part] == sorted(
        {u.ranges[0].records_before for u in units}
    )  # type: ignore[union-attr]
    rows, bad = read_units(units, item)
    assert [row["id"] for row in rows] == [f"{path}:{i + 1}" for i in range(100)]
    assert [row["text"] for row in rows] == table["text"].to_pylist()
    assert not bad
    assert split_row_groups(path, 1)[-1] == Range(9, 10, 90)


def test_small_files_are_grouped(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(f"{i}" * 100)
    item = TextInput(type="text", paths=[f"{tmp_path}/*.txt"], lang="en", split_bytes=250)
    units = units_of(item)
    assert [u.name for u in units] == [f"in-files-{i:05d}" for i in range(5)]
    assert [len(u.files) for u in units] == [2] * 5
    assert [u.size for u in units] == [200] * 5
    assert [row["text"][0] for row in read_units(units, item)[0]] == list("0123456789")
    assert group_sizes([5, 1, 1, 9, 1], 4) == [(0, 1), (1, 3), (3, 4), (4, 5)]
    assert group_sizes([], 4) == []


PAGE = b"<page><title>t%d</title><ns>0</ns><id>%d</id><revision><text>%s</text></revision></page>\n"


@pytest.mark.parametrize("streams", ["pages", "anywhere"])
def test_dumps_are_split_at_pages_and_at_streams(tmp_path, streams):
    random.seed(7)
    source = [
        PAGE % (i, i + 1, bytes(random.choices(b"abc pqgex/", k=1 + random.randrange(400))))
        for i in range(60)
    ]
    text = b"<mediawiki><siteinfo/>" + b"".join(source) + b"</mediawiki>"
    step = 1500
    chunks = [b"".join(source[i : i + 5]) for i in range(0, 60, 5)]
    if streams == "anywhere":  # pbzip2 cuts inside pages
        chunks = [text[i : i + step] for i in range(0, len(text), step)]
    plain, packed = tmp_path / "d.xml", tmp_path / "d.xml.bz2"
    plain.write_bytes(text)
    packed.write_bytes(b"".join(map(bz2.compress, chunks)))
    expected = [page.rstrip(b"\n") for page in source]
    for path, cut in ((plain, split_evenly), (packed, split_bzip2)):
        for split_bytes in (300, 1000, 5000):
            size = path.stat().st_size if path is plain else path
            parts = cut(size, split_bytes)  # type: ignore[arg-type]
            assert len(parts) > 1
            raws = [raw for part in parts for _, raw in read_pages(path, "x", part, 1 << 20, pytest.fail)]
            assert raws == expected, (path, split_bytes)
    item = WikiDumpInput(type="wiki_dump", paths=[str(packed)], lang="en", split_bytes=1000)
    rows, _ = read_units(units_of(item), item)
    assert [row["id"] for row in rows] == [f"{packed}:{i + 1}" for i in range(60)]


def test_frames_are_located_without_decompressing(tmp_path):
    path = tmp_path / "x.zst"
    skippable = (0x184D2A5A).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    frames = [frame(b""), frame(b"a" * 1_000_000), skippable, frame(random.Random(1).randbytes(300_000))]
    path.write_bytes(b"".join(frames))
    ends = [sum(map(len, frames[: i + 1])) for i in range(4)]
    assert find_frame_starts(path) == [0, *ends]
    for damaged in (path.read_bytes()[:-1], path.read_bytes() + b"x", b"nothing"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError):  # noqa: PT011 - the wording does not matter
            find_frame_starts(path)


def test_hashes_and_ranges_are_cached_until_the_file_changes(tmp_path):
    data, cache = tmp_path / "x.jsonl", tmp_path / "hashes.json"
    data.write_bytes(b"a\nb\nc\n")
    hashes = InputHashes(cache)
    first, parts = hashes.of(data), hashes.line_ranges(data, 2)
    assert parts == [Range(0, 2, 0), Range(2, 4, 1), Range(4, 6, 2)]
    hashes.save()
    again = InputHashes(cache)
    assert (again.of(data), again.line_ranges(data, 2)) == (first, parts)
    cache.write_text(cache.read_text().replace(first[1], "0" * 32))
    assert InputHashes(cache).of(data) == [6, "0" * 32], "not read from the cache"
    data.write_bytes(b"a\nb\nc\nd\n")
    assert InputHashes(cache).of(data)[0] == 8
    cache.write_text("{damaged")
    assert InputHashes(cache).of(data)[1] != first[1]
