"""Web archives that are damaged or wrong: every record that is not hit is read, every damaged place is named."""

import gzip
import io
import random
import tracemalloc
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.readers.warc import records
from tests.preprocessing.test_readers_files import record

MAX_BYTES = 1 << 20
RANDOM = random.Random(1)
RECORDS = [record(RANDOM.randbytes(RANDOM.randrange(400)), number=i) for i in range(3000)]


def zstd(data):
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACKED = {".warc": bytes, ".warc.gz": gzip.compress, ".warc.zst": zstd}


NUMBERS = {f"<urn:uuid:{i}>": i for i in range(len(RECORDS))}


def numbers_and_causes(folder, data, suffix=".warc.gz"):
    """``(record numbers, causes)``: which records are read, -1 for one whose number is damaged, and what is wrong."""
    path = folder / f"x{suffix}"
    path.write_bytes(data)
    bad = []
    found = [
        NUMBERS.get(r.headers.get("warc-record-id", ""), -1)
        for r in records(path, "x", MAX_BYTES, bad.append)
    ]
    return found, [one.cause for one in bad]


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


def overwritten(members, spots):
    """``(data, hit)``: the archive after ``spots`` (start, length) were overwritten, and the members they touch."""
    data, starts = bytearray(b"".join(members)), starts_of(members)
    hit = set()
    for at, length in spots:
        data[at : at + length] = bytes(b ^ 0xFF for b in data[at : at + length])
        hit |= {i for i in range(len(members)) if starts[i] < at + length and at < starts[i + 1]}
    return bytes(data), hit


@pytest.mark.parametrize("where", ["head", "middle", "end", "between"])
def test_two_damaged_spots_cost_the_records_they_hit(tmp_path, archive, where):
    suffix, members = archive
    starts = starts_of(members)
    spots = []
    for i in (750, 2100):
        at = {"head": starts[i], "middle": (starts[i] + starts[i + 1]) // 2, "end": starts[i + 1] - 20}
        spots.append((at.get(where, starts[i + 1] - 12), 24 if where == "between" else 12))
    data, hit = overwritten(members, spots)
    found, causes = numbers_and_causes(tmp_path, data, suffix)
    whole = [i for i in range(len(RECORDS)) if i not in hit]
    assert [i for i in found if i not in hit and i >= 0] == whole
    if suffix == ".warc.gz":  # each member has a checksum
        assert found == whole
        assert len(causes) == 2 and all(
            f"from byte {starts[min(i, 2999)]:,} on" in cause for i, cause in zip((750, 2100), causes)
        )
    if where == "head":
        assert found == whole and len(causes) == 2
    assert len(found) + len(causes) <= len(RECORDS)


@settings(max_examples=150, deadline=None)
@given(spots=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 300)), min_size=1, max_size=5))
def test_any_damage_of_gzip_costs_the_records_it_hits(tmp_path_factory, spots):
    members = [gzip.compress(one) for one in RECORDS[:60]]
    size = sum(map(len, members))
    data, hit = overwritten(members, [(int(at * size), length) for at, length in spots])
    found, causes = numbers_and_causes(tmp_path_factory.getbasetemp(), data)
    intact = [i for i in range(len(members)) if i not in hit]
    # the name and time of a member may be anything
    assert [i for i in found if i not in hit] == intact
    assert causes or len(found) == len(members)


@settings(max_examples=100, deadline=None)
@given(suffix=st.sampled_from([*PACKED]), share=st.floats(0, 1))
def test_a_file_that_is_cut_gives_all_whole_records(tmp_path_factory, suffix, share):
    members = [PACKED[suffix](one) for one in RECORDS[:40]]
    starts = starts_of(members)
    end = 1 + int(share * (starts[-1] - 1))
    found, causes = numbers_and_causes(tmp_path_factory.getbasetemp(), b"".join(members)[:end], suffix)
    spare = 4 if suffix == ".warc" else 0  # the line ends behind a record
    whole = sum(start - spare <= end for start in starts[1:])
    at_an_end = any(start - spare <= end <= start for start in starts)
    assert found == [*range(whole)] and len(causes) == (not at_an_end)


@pytest.mark.parametrize("length", [b"3", b"9000", b"100000000000000000", b"1" * 30, b"-5", b"none", b""])
@pytest.mark.parametrize("suffix", [".warc.gz", ".warc.zst"])
def test_a_wrong_length_costs_its_own_record(tmp_path, length, suffix):
    some = list(RECORDS[:50])
    size = some[20].split(b"Content-Length: ")[1].split(b"\r\n")[0]
    some[20] = some[20].replace(b"Content-Length: " + size, b"Content-Length: " + length)
    data = b"".join(map(PACKED[suffix], some))
    found, causes = numbers_and_causes(tmp_path, data, suffix)
    assert found == [i for i in range(50) if i != 20]
    assert len(causes) == 1 and "(record at byte 0 of what is compressed from byte" in causes[0]


@pytest.mark.parametrize("length", [b"3", b"9000", b"none"])
@pytest.mark.parametrize("suffix", [".warc", ".warc.gz"])
def test_a_wrong_length_among_records_that_are_not_packed_one_by_one(tmp_path, length, suffix):
    some = list(RECORDS[:50])
    size = some[20].split(b"Content-Length: ")[1].split(b"\r\n")[0]
    some[20] = some[20].replace(b"Content-Length: " + size, b"Content-Length: " + length)
    found, causes = numbers_and_causes(tmp_path, PACKED[suffix](b"".join(some)), suffix)
    assert found == [i for i in range(50) if i != 20] and len(causes) == 1


@pytest.mark.parametrize("block", [3, 100, 5000, 1 << 20])
@pytest.mark.parametrize("suffix", [".warc.gz", ".warc.zst"])
def test_members_need_not_be_records(tmp_path, block, suffix):
    plain = b"".join(RECORDS[:40])
    data = b"".join(PACKED[suffix](plain[i : i + block]) for i in range(0, len(plain), block))
    assert numbers_and_causes(tmp_path, data, suffix) == ([*range(40)], [])
    assert (
        numbers_and_causes(tmp_path, data + bytes(200_000), ".warc.gz")[0] == [*range(40)]
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
        assert numbers_and_causes(tmp_path, data, suffix) == ([*range(30)], [])


def test_memory_is_bounded_whatever_an_archive_claims(tmp_path):
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
        found = [*records(path, "x", MAX_BYTES, bad.append)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == len(bad) == 1
    assert peak < 16 * MAX_BYTES


def test_fastwarc_reads_the_same(tmp_path):
    warc = pytest.importorskip("fastwarc.warc")
    for data in (b"".join(map(gzip.compress, RECORDS)), b"".join(RECORDS), gzip.compress(b"".join(RECORDS))):
        path = tmp_path / ("x.warc" if data.startswith(b"WARC") else "x.warc.gz")
        path.write_bytes(data)
        ours = [
            (r.headers["warc-record-id"], r.headers["warc-target-uri"], r.beginning)
            for r in records(path, "x", MAX_BYTES, pytest.fail)
        ]
        theirs = [
            (r.headers["WARC-Record-ID"], r.headers["WARC-Target-URI"], r.reader.read())
            for r in warc.ArchiveIterator(io.BytesIO(data), parse_http=False)
        ]
        assert ours == theirs
