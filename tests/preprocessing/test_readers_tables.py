"""Parquet, Arrow, Hugging Face data sets."""

import json
import sys
import types

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from megatron_ko.errors import DataError
from preprocessing.config.inputs import HuggingfaceInput, ParquetInput
from tests.preprocessing.units import read, read_units, units_of


def parquet(**options):
    return ParquetInput(type="parquet", paths=["x"], **{"lang": "ko", **options})


def test_columns_are_selected_and_bad_rows_reported(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "key": [1, 2, 3, None],
            "doc": [{"body": "하나", "x": 1}, {"body": None, "x": 1}, None, {"body": "넷", "x": 2}],
            "url": ["u1", "u2", "u3", "u4"],
        }
    )
    pq.write_table(table, path)
    rows, bad = read(path, parquet(text_field="doc.body", id_field="key", meta_fields=["url"]))
    assert [(row["id"], row["text"]) for row in rows] == [("1", "하나"), (f"{path}:4", "넷")]
    assert json.loads(rows[1]["meta"]) == {"file": str(path), "line": 4, "url": "u4"}
    assert [(b.line, b.rule) for b in bad] == [(2, "not-text"), (3, "missing-field")]
    assert all("'doc.body'" in b.cause for b in bad) and "doc is null" in bad[1].cause
    rows, bad = read(path, parquet(text_field="nothing"))
    assert not rows and [(b.line, b.rule) for b in bad] == [(0, "missing-column")]
    assert "nothing" in bad[0].cause and "key, doc, url" in bad[0].cause


def test_templates_and_languages_come_from_columns(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"ko": ["가", "나"], "en": ["a", "b"], "lang": ["mixed", "fr"]}), path)
    rows, bad = read(path, parquet(lang="record", templates=["{en}={ko}"]))
    assert [(row["text"], row["lang"]) for row in rows] == [("a=가", "mixed")]
    assert [(b.line, b.rule) for b in bad] == [(2, "unknown-language")] and "'fr'" in bad[0].cause


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string()), pa.large_string()]
)
def test_text_in_other_types(tmp_path, kind):
    path = tmp_path / "x.parquet"
    values = ["글", "둘", "글"]
    text = pa.array([v.encode() for v in values] if "binary" in str(kind) else values)
    text = text.dictionary_encode() if pa.types.is_dictionary(kind) else text.cast(kind)
    pq.write_table(pa.table({"text": text}), path)
    rows, bad = read(path, parquet())
    assert [row["text"] for row in rows] == values and not bad


def test_text_that_is_not_utf_8_is_one_bad_record_each(tmp_path):
    path = tmp_path / "x.parquet"
    text = pa.array([b"good", b"\xff\xfe", "둘".encode()], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": text}), path)
    rows, bad = read(path, parquet())
    assert [row["text"] for row in rows] == ["good", "둘"]
    assert [(b.line, b.rule) for b in bad] == [(2, "not-utf8")]


def test_a_damaged_row_group_costs_its_rows_only(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"text": [f"문서 {i * 7919 % 1009}" for i in range(90)]})
    pq.write_table(table, path, row_group_size=30, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    rows, bad = read(path, parquet())
    assert [int(row["id"].split(":")[-1]) for row in rows] == [*range(1, 31), *range(61, 91)]
    assert [(b.line, b.rule) for b in bad] == [(31, "damaged-row-group")] and "30 rows" in bad[0].cause
    path.write_bytes(path.read_bytes()[:-50])
    rows, bad = read(path, parquet())
    assert not rows and [b.rule for b in bad] == ["damaged-file"]


def save_like_datasets(folder, tables):
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(tables):05d}.arrow" for i in range(len(tables))]
    for name, table in zip(names, tables):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
            out.write_table(table, max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))


def test_saved_data_sets_are_read_without_their_library(tmp_path):
    tables = [pa.table({"text": ["하나", "둘", "셋"]}), pa.table({"text": ["넷"]})]
    save_like_datasets(tmp_path / "all" / "train", tables)
    save_like_datasets(tmp_path / "all" / "test", tables[1:])
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for path, split, expected in (
        ("all/train", "train", ["하나", "둘", "셋", "넷"]),
        ("all", "train", ["하나", "둘", "셋", "넷"]),
        ("all", "test", ["넷"]),
    ):
        item = HuggingfaceInput(type="huggingface", path=str(tmp_path / path), lang="ko", split=split)
        rows, bad = read_units(units_of(item), item)
        assert [row["text"] for row in rows] == expected and not bad


def test_the_names_of_parquet_files_contain_their_split(tmp_path):
    (tmp_path / "data").mkdir()
    for name in "train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001":
        pq.write_table(pa.table({"text": [name]}), tmp_path / "data" / f"{name}.parquet")

    def texts(**options):
        item = HuggingfaceInput(type="huggingface", path=str(tmp_path), lang="en", **options)
        return [row["text"] for row in read_units(units_of(item), item)[0]]

    assert texts() == ["train-00000-of-00002", "train-00001-of-00002"]
    assert texts(split="validation") == ["validation-00000-of-00001"]
    with pytest.raises(DataError) as caught:
        texts(split="other")
    assert [(p.path, p.rule) for p in caught.value.problems] == [("inputs.in.path", "no-files-of-split")]
    assert "'other'" in str(caught.value)


def test_a_damaged_state_file_is_an_error(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DataError) as caught:
        units_of(HuggingfaceInput(type="huggingface", path=str(tmp_path), lang="ko"))
    assert caught.value.rule == "damaged-state-file" and "state.json" in str(caught.value)


def test_a_truncated_arrow_file_yields_its_first_batches(tmp_path):
    path = tmp_path / "x.arrow"
    table = pa.table({"text": [f"문서 {i}" * 20 for i in range(100)]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
        out.write_table(table, max_chunksize=10)
    path.write_bytes(path.read_bytes()[:-3000])
    rows, bad = read(path, HuggingfaceInput(type="huggingface", path="x", lang="ko"))
    assert 10 <= len(rows) < 100 and len(rows) % 10 == 0
    assert [b.rule for b in bad] == ["damaged-file"]


def test_a_data_set_of_the_hub_needs_a_commit_and_runs_no_code(monkeypatch):
    item = HuggingfaceInput(type="huggingface", path="someone/corpus", lang="ko")
    with pytest.raises(DataError) as caught:
        units_of(item)
    assert [(p.path, p.rule) for p in caught.value.problems] == [("inputs.in.revision", "missing-revision")]
    asked = {}

    def load_dataset(path, name, *, split, revision, streaming, trust_remote_code=None):
        asked.update(locals())
        yield {"text": "하나"}
        yield {"text": 5}
        if revision == "broken":
            raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    item = HuggingfaceInput(type="huggingface", path="someone/corpus", lang="ko", revision="abc")
    rows, bad = read_units(units_of(item), item)
    assert [row["id"] for row in rows] == ["someone/corpus:1"]
    assert bad[0].line == 2
    assert asked["streaming"] is True and asked["trust_remote_code"] is False and asked["revision"] == "abc"
    item = HuggingfaceInput(type="huggingface", path="someone/corpus", lang="ko", revision="broken")
    with pytest.raises(DataError) as caught:
        read_units(units_of(item), item)
    assert caught.value.rule == "unreadable-dataset"
    assert "someone/corpus" in str(caught.value) and "no network" in str(caught.value)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError) as caught:
        read_units(units_of(item), item)
    assert caught.value.rule == "missing-library" and "megatron_ko[datasets]" in str(caught.value)
