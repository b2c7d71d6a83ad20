"""Damaged and wrong web archives: every record without damage is read, every damage is reported."""

import errno
import gzip
import io
import random
import tracemalloc
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from preprocessing.readers.archive_members import RunReader
from preprocessing.readers.streams import Section
from preprocessing.readers.warc import read_records
from tests.preprocessing.test_readers_files import record

MAX_BYTES = 1 << 20
RANDOM = random.Random(1)
RECORDS = [record(RANDOM.randbytes(RANDOM.randrange(400)), number=i) for i in range(3000)]


def zstd(data):
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACKED = {".warc": bytes, ".warc.gz": gzip.compress, ".warc.zst": zstd}


NUMBERS = {f"<urn:uuid:{i}>": i for i in range(len(RECORDS))}


def numbers_and_bad(folder, data, suffix=".warc.gz", max_bytes=MAX_BYTES):
    """``(numbers, bad)``: numbers of the records read (-1 where the number is damaged), and the bad records."""
    path = folder / f"x{suffix}"
    path.write_bytes(data)
    bad = []
    numbers = [
        NUMBERS.get(r.headers.get("warc-record-id", ""), -1)
        for r in read_records(path, "x", max_bytes, bad.append)
    ]
    return numbers, bad


@pytest.fixture(scope="module", params=PACKED)
def archive(request):
    """``(suffix, members)``: one for each of RECORDS."""
    return request.param, [PACKED[request.param](one) for one in RECORDS]


def starts_of(members):
    starts, at = [], 0
    for member in members:
        starts.append(at)
        at += len(member)
    return [*starts, at]


def overwrite(members, spots):
    """``(data, hit)``: the archive with ``spots`` (start, length) overwritten, and the members that they touch."""
    data, starts = bytearray(b"".join(members)), starts_of(members)
    hit = set()
    for at, length in spots:
        data[at : at + length] = bytes(b ^ 0xFF for b in data[at : at + length])
        hit |= {i for i in range(len(members)) if starts[i] < at + length and at < starts[i + 1]}
    return bytes(data), hit


@pytest.mark.parametrize("where", ["head", "middle", "end", "between"])
def test_two_damaged_spots_lose_only_the_records_they_hit(tmp_path, archive, where):
    suffix, members = archive
    starts = starts_of(members)
    spots = []
    for i in (750, 2100):
        at = {"head": starts[i], "middle": (starts[i] + starts[i + 1]) // 2, "end": starts[i + 1] - 20}
        spots.append((at.get(where, starts[i + 1] - 12), 24 if where == "between" else 12))
    data, hit = overwrite(members, spots)
    numbers, bad = numbers_and_bad(tmp_path, data, suffix)
    whole = [i for i in range(len(RECORDS)) if i not in hit]
    assert [i for i in numbers if i not in hit and i >= 0] == whole
    if suffix == ".warc.gz":  # each member has a checksum
        assert numbers == whole
        assert [one.rule for one in bad] == ["damaged-file"] * 2
        assert all(f"{starts[i]:,}" in one.cause for i, one in zip((750, 2100), bad))
    if where == "head":
        assert numbers == whole and len(bad) == 2
    assert len(numbers) + len(bad) <= len(RECORDS)


@settings(max_examples=150, deadline=None)
@given(spots=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 300)), min_size=1, max_size=5))
def test_any_damage_of_gzip_loses_only_the_records_it_hits(tmp_path_factory, spots):
    members = [gzip.compress(one) for one in RECORDS[:60]]
    size = sum(map(len, members))
    data, hit = overwrite(members, [(int(at * size), length) for at, length in spots])
    numbers, bad = numbers_and_bad(tmp_path_factory.getbasetemp(), data)
    intact = [i for i in range(len(members)) if i not in hit]
    # the name and time of a member may be anything
    assert [i for i in numbers if i not in hit] == intact
    assert bad or len(numbers) == len(members)


@settings(max_examples=300, deadline=None)
@given(
    hit=st.integers(1, 19),
    changes=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 255)), min_size=1, max_size=3),
    suffix=st.sampled_from([".warc.gz", ".warc.zst"]),
)
def test_damage_at_the_beginning_of_a_member_loses_no_other_record(tmp_path_factory, hit, changes, suffix):
    # a damaged beginning may decompress to bytes that look like a continuation of the record before it
    members = [PACKED[suffix](one) for one in RECORDS[:20]]
    start = sum(map(len, members[:hit]))
    data = bytearray(b"".join(members))
    for at, byte in changes:
        data[start + at] = byte
    numbers, bad = numbers_and_bad(tmp_path_factory.getbasetemp(), bytes(data), suffix)
    assert [i for i in numbers if i not in (hit, -1)] == [i for i in range(20) if i != hit]
    assert bad or len(numbers) == 20


@settings(max_examples=100, deadline=None)
@given(suffix=st.sampled_from([*PACKED]), share=st.floats(0, 1))
def test_a_truncated_file_yields_all_whole_records(tmp_path_factory, suffix, share):
    members = [PACKED[suffix](one) for one in RECORDS[:40]]
    starts = starts_of(members)
    end = 1 + int(share * (starts[-1] - 1))
    numbers, bad = numbers_and_bad(tmp_path_factory.getbasetemp(), b"".join(members)[:end], suffix)
    spare = 4 if suffix == ".warc" else 0  # the line ends after a record
    whole = sum(start - spare <= end for start in starts[1:])
    at_an_end = any(start - spare <= end <= start for start in starts)
    assert numbers == [*range(whole)] and len(bad) == (not at_an_end)


def with_length(one, length):
    """The record with another Content-Length."""
    size = one.split(b"Content-Length: ")[1].split(b"\r\n")[0]
    return one.replace(b"Content-Length: " + size, b"Content-Length: " + length)


@pytest.mark.parametrize("length", [b"3", b"9000", b"100000000000000000", b"1" * 30, b"-5", b"none", b""])
@pytest.mark.parametrize("suffix", [".warc.gz", ".warc.zst"])
def test_a_wrong_length_loses_only_its_own_record(tmp_path, length, suffix):
    some = list(RECORDS[:50])
    some[20] = with_length(some[20], length)
    members = list(map(PACKED[suffix], some))
    numbers, bad = numbers_and_bad(tmp_path, b"".join(members), suffix)
    assert numbers == [i for i in range(50) if i != 20]
    assert len(bad) == 1 and bad[0].rule in ("wrong-length", "truncated-record")
    assert "byte 0" in bad[0].cause and f"{starts_of(members)[20]:,}" in bad[0].cause


@pytest.mark.parametrize("max_bytes", [1000, MAX_BYTES])
@pytest.mark.parametrize("length", [b"3", b"9000", b"2000000", b"100000000000000000", b"none"])
@pytest.mark.parametrize("suffix", PACKED)
def test_a_wrong_length_among_records_that_are_not_compressed_one_by_one(tmp_path, length, suffix, max_bytes):
    some = list(RECORDS[:50])
    for i in (20, 21, 40):
        some[i] = with_length(some[i], length)
    numbers, bad = numbers_and_bad(tmp_path, PACKED[suffix](b"".join(some)), suffix, max_bytes)
    assert numbers == [i for i in range(50) if i not in (20, 21, 40)] and len(bad) == 3


def test_no_wrong_length_loses_the_next_record(tmp_path):
    """The length may end anywhere in the next records, also inside the first line of one or after its headers."""
    some = [record(b"x" * 50, number=i) for i in range(3)]
    size = int(some[0].split(b"Content-Length: ")[1].split(b"\r\n")[0])
    rest = b"".join(some[1:])
    breaks = [at for at in range(len(rest)) if rest.startswith(b"\r\n\r\n", at)]
    ends = {at + i for at in breaks for i in range(2)}  # two empty lines look like the end of a record
    ends |= {at + i for at in breaks for i in range(5) if rest[at + 4 :][:5] in (b"WARC/", b"")}
    lengths = [size + 4 + at for at in range(1, len(rest)) if at not in ends]
    assert len(lengths) > 450
    for length in lengths:
        for max_bytes in (200, MAX_BYTES):
            data = with_length(some[0], b"%d" % length) + rest
            numbers, bad = numbers_and_bad(tmp_path, data, ".warc", max_bytes)
            assert numbers == [1, 2] and len(bad) == 1, (length, max_bytes)


@pytest.mark.parametrize("length", [b"9000", b"100000000000000000"])
def test_a_wrong_length_before_damage_loses_no_other_record(tmp_path, length):
    some = [with_length(one, length) if i == 45 else one for i, one in enumerate(RECORDS[:50])]
    packed = gzip.compress(b"".join(some))
    numbers, bad = numbers_and_bad(tmp_path, packed[:-8])  # without its checksum and size
    assert numbers == [*range(45), *range(46, 49)]
    assert [one.rule for one in bad] == ["wrong-length", "damaged-file"]


def test_a_line_is_put_back_without_a_copy_of_a_large_buffer(tmp_path):
    content = b"a line\n" * (1 << 20)
    (tmp_path / "x.warc").write_bytes(content)
    reader = RunReader(tmp_path / "x.warc")
    assert reader.next_run()
    reader.unread(reader.read(len(content)))
    tracemalloc.start()
    try:
        for _ in range(100):
            reader.unread(reader.line())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(content) // 10
    assert reader.position == 0 and reader.read(len(content) + 1) == content and not reader.next_run()


@pytest.mark.parametrize("suffix", PACKED)
def test_an_unreadable_file_is_an_error(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(DataError) as caught:
        list(read_records(path, "x", MAX_BYTES, [].append))
    assert caught.value.rule == "unreadable-file" and str(path) in str(caught.value)
    path.mkdir()
    (path / "a").touch()
    with pytest.raises(DataError) as caught:
        list(read_records(path, "x", MAX_BYTES, [].append))
    assert caught.value.rule == "unreadable-file"
    path = tmp_path / f"y{suffix}"
    members = [PACKED[suffix](one) for one in RECORDS]
    path.write_bytes(b"".join(members[:10]) + b"damage" + b"".join(members[10:]))
    read = Section.read

    def refuse(section, *size):
        if section.position > 100_000:
            raise OSError(errno.EIO, "Input/output error")
        return read(section, *size)

    monkeypatch.setattr(Section, "read", refuse)
    with pytest.raises(DataError) as caught:
        list(read_records(path, "y", MAX_BYTES, [].append))
    assert caught.value.rule == "unreadable-file"
    assert str(path) in str(caught.value) and "Input/output error" in str(caught.value)


@pytest.mark.parametrize("block", [3, 100, 5000, 1 << 20])
@pytest.mark.parametrize("suffix", [".warc.gz", ".warc.zst"])
def test_members_need_not_be_records(tmp_path, block, suffix):
    plain = b"".join(RECORDS[:40])
    data = b"".join(PACKED[suffix](plain[i : i + block]) for i in range(0, len(plain), block))
    assert numbers_and_bad(tmp_path, data, suffix) == ([*range(40)], [])
    assert (
        numbers_and_bad(tmp_path, data + bytes(200_000), ".warc.gz")[0] == [*range(40)]
        or suffix != ".warc.gz"
    )


def test_lines_may_end_with_a_line_feed_only(tmp_path):
    some = [record(b"x" * i, number=i).replace(b"\r\n", b"\n") for i in range(30)]
    sizes = [one.split(b"Content-Length: ")[1].split(b"\n")[0] for one in some]
    some = [
        one.replace(b"Content-Length: " + size, b"Content-Length: %d" % (len(one.split(b"\n\n", 1)[1]) - 2))
        for one, size in zip(some, sizes)
    ]
    for suffix in PACKED:
        data = b"".join(map(PACKED[suffix], some))
        assert numbers_and_bad(tmp_path, data, suffix) == ([*range(30)], [])


def test_memory_is_bounded_at_any_claimed_length(tmp_path):
    path = tmp_path / "x.warc.gz"
    head = RECORDS[0].split(b"\r\n\r\n")[0]
    size = head.split(b"Content-Length: ")[1]
    packer = zlib.compressobj(9, wbits=31)
    claim = head.replace(b"Content-Length: " + size, b"Content-Length: 1000000000000") + b"\r\n\r\n"
    packed = packer.compress(claim) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200))
    path.write_bytes(packed + packer.flush() + gzip.compress(RECORDS[1]))
    bad = []
    tracemalloc.start()
    try:
        whole = [*read_records(path, "x", MAX_BYTES, bad.append)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(whole) == len(bad) == 1
    assert peak < 16 * MAX_BYTES


def test_fastwarc_reads_the_same(tmp_path):
    warc = pytest.importorskip("fastwarc.warc")
    for data in (b"".join(map(gzip.compress, RECORDS)), b"".join(RECORDS), gzip.compress(b"".join(RECORDS))):
        path = tmp_path / ("x.warc" if data.startswith(b"WARC") else "x.warc.gz")
        path.write_bytes(data)
        ours = [
            (r.headers["warc-record-id"], r.headers["warc-target-uri"], r.beginning)
            for r in read_records(path, "x", MAX_BYTES, lambda bad: pytest.fail(bad.cause))
        ]
        theirs = [
            (r.headers["WARC-Record-ID"], r.headers["WARC-Target-URI"], r.reader.read())
            for r in warc.ArchiveIterator(io.BytesIO(data), parse_http=False)
        ]
        assert ours == theirs
