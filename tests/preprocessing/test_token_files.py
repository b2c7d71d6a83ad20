"""Token files are read by megatron-core's own reader; dtypes, EOD and validation."""

import subprocess
import sys

import numpy as np
import pytest

from megatron_ko.errors import DataError
from preprocessing.encode import with_eod
from preprocessing.indexed_dataset import dtype_for, new_bin, read_index, write_index

READER = """
import sys, json
from megatron.core.datasets.indexed_dataset import IndexedDataset
made = IndexedDataset(sys.argv[1])
print(json.dumps([str(made.index.dtype.__name__), [made[i].tolist() for i in range(len(made))],
                  made.document_indices.tolist(), made.sequence_lengths.tolist()]))
"""


def write(prefix, documents, dtype, eod=2):
    with new_bin(prefix, dtype) as writer:
        for start in range(0, len(documents), 2):  # several calls of add
            part = documents[start : start + 2]
            flat = np.array([t for d in part for t in d], np.int64)
            writer.add(*with_eod(flat, np.cumsum([0, *map(len, part)]), eod))
    return writer, write_index(prefix, writer)


@pytest.mark.parametrize("vocab_size", [4001, 65_537])
def test_megatron_core_reads_what_was_written(tmp_path, vocab_size):
    dtype = dtype_for(vocab_size)
    documents = [[5, 6, 7], [vocab_size - 1], list(range(10, 60)), [3]]
    writer, index = write(tmp_path / "ko_train", documents, dtype)
    script = tmp_path / "read.py"
    script.write_text(READER)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "ko_train"], capture_output=True, text=True, check=False
    )
    if "No module named 'megatron" in done.stderr:
        pytest.skip("megatron-core is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    import json

    name, read, starts, lengths = json.loads(done.stdout.splitlines()[-1])
    assert name == dtype
    assert read == [[*d, 2] for d in documents]
    assert starts == [0, 1, 2, 3, 4]
    assert lengths == [len(d) + 1 for d in documents]
    assert index["idx_bytes"] == 42 + 20 * len(documents) == (tmp_path / "ko_train.idx").stat().st_size
    assert writer.max_id == vocab_size - 1
    own = read_index(tmp_path / "ko_train.idx")
    assert own.lengths.tolist() == lengths
    assert (own.offsets // np.dtype(dtype).itemsize).tolist() == [0, 4, 6, 57]


def test_dtype_avoids_the_sizes_on_which_readers_disagree():
    assert (dtype_for(65_499), dtype_for(65_537)) == ("uint16", "int32")
    for size in (65_500, 65_536):
        with pytest.raises(DataError, match="65500 to 65536"):
            dtype_for(size)


def test_ids_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not fit"):
        write(tmp_path / "x", [[70_000]], "uint16")
    assert not list(tmp_path.iterdir())


def test_a_cut_index_is_refused(tmp_path):
    write(tmp_path / "x", [[5], [6]], "uint16")
    path = tmp_path / "x.idx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="2 sequences need"):
        read_index(path)
