"""Memory per document matches the docstrings. Invented signatures, no text; counts numpy's allocations."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from preprocessing.config.deduplication import DeduplicateConfig
from preprocessing.duplicates import clusters, exact_duplicates, near_duplicates, numbering
from preprocessing.duplicates.signatures import signature_schema
from tests.preprocessing.duplicates import write_batches

DOCUMENTS, SPARE = 300_000, 2_000_000
CONFIG = DeduplicateConfig(num_hashes=4, bands=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """One unit: a tenth exact duplicates, and every document in a bucket of two."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    digests = rng.integers(0, (1 << 64) - 1, (DOCUMENTS, 2), np.uint64)
    digests[: DOCUMENTS // 10] = digests[DOCUMENTS // 2 : DOCUMENTS // 2 + DOCUMENTS // 10]
    bands = np.repeat(rng.integers(0, (1 << 64) - 1, DOCUMENTS // 2, np.uint64), 2)
    columns = [
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), DOCUMENTS, [None, pa.py_buffer(digests)]),
        pa.array(np.full(DOCUMENTS, 9, np.int32)),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), DOCUMENTS, [None, pa.py_buffer(np.zeros(DOCUMENTS * 16, np.uint8))]),
        pa.array(bands),
    ]  # fmt: skip
    signed = pa.RecordBatch.from_arrays(columns, schema=signature_schema(CONFIG))
    write_batches(
        folder / "s.parquet", [signed.slice(k, 4096) for k in range(0, DOCUMENTS, 4096)], signed.schema
    )
    judged = pa.record_batch(
        {"id": pa.array([f"d{n}" for n in range(DOCUMENTS)]), "reason": pa.nulls(DOCUMENTS, pa.string())}
    )
    write_batches(
        folder / "f.parquet", [judged.slice(k, 4096) for k in range(0, DOCUMENTS, 4096)], judged.schema
    )
    return folder


def peak(work):
    """Result, and bytes at the peak."""
    tracemalloc.start()
    try:
        results = work()
        return results, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_per_document_is_as_stated(corpus):
    memory = 4_000_000
    near_duplicates.band_pairs([], np.zeros(0, np.uint32), 0, 0, 1, 16)  # compiles
    clusters.clusters_of(0, np.zeros((0, 2), np.uint32), [np.zeros(0, near_duplicates.VERIFIED_PAIR)])
    order, used = peak(lambda: numbering.numbering_of([corpus / "f.parquet"], memory))
    assert used < 12 * DOCUMENTS + memory + SPARE
    signatures = [corpus / "s.parquet"]
    duplicates, used = peak(lambda: exact_duplicates.exact_duplicates(signatures, order, memory))
    assert len(duplicates) == DOCUMENTS // 10
    assert used < memory + 16 * len(duplicates) + SPARE
    batches, used = peak(lambda: list(exact_duplicates.near_candidates(signatures, order, duplicates)))
    near = np.concatenate(batches)
    assert used < 5 * DOCUMENTS + SPARE and (near != numbering.NOBODY).sum() == DOCUMENTS * 9 // 10
    parts = near_duplicates.band_parts(DOCUMENTS, memory)
    assert parts == 4
    results = []
    for part in range(parts):
        pairs, used = peak(lambda part=part: near_duplicates.band_pairs(signatures, near, 0, part, parts, 16))
        assert used < memory + 16 * len(pairs) + SPARE
        results.append(pairs)
    pairs = np.sort(np.concatenate(results))
    assert len(pairs) == (near.reshape(-1, 2) != numbering.NOBODY).all(axis=1).sum() > DOCUMENTS // 3
    block = np.empty(len(pairs), near_duplicates.VERIFIED_PAIR)
    block["pair"], block["similarity"] = pairs, 0.9
    stars, used = peak(lambda: clusters.clusters_of(DOCUMENTS, duplicates, [block]))
    assert used < 25 * DOCUMENTS + 12 * len(block) + SPARE
    assert (stars.of != np.arange(DOCUMENTS)).sum() == len(duplicates) + len(pairs)
