"""Our step in a real datatrove pipeline gives what the plain functions give."""

import json

import pyarrow as pa
import pytest

pytest.importorskip("datatrove")

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter

from preprocessing.adapters.datatrove import CleanAndFilter
from preprocessing.config.cleaning import CleanConfig
from preprocessing.config.rules import FilterConfig, ProseRules
from preprocessing.documents import DOCUMENT
from preprocessing.judging import rules
from preprocessing.steps.clean import clean_batch
from preprocessing.steps.measure import measure_batch
from tests.preprocessing.corpus import write_corpus

RULES = FilterConfig(ko=ProseRules(min_characters=60))


def lines_of(folder):
    return [
        json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def test_a_pipeline_of_datatrove_cleans_and_drops_like_ours(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", documents=20)
    texts = [json.loads(line) for line in (corpus / "en.jsonl").read_text().splitlines()]
    ko = [
        json.loads(line)
        for line in (corpus / "ko.jsonl").read_text().splitlines()
        if line.startswith('{"id": "ko')
    ]
    documents = [
        *texts,
        *ko,
        {"id": "mail", "text": "담당자 메일은 hong@example.com이고 " + ko[0]["text"], "lang": "ko"},
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    step = CleanAndFilter(
        filter=RULES, batch_documents=7,
        exclusion_writer=JsonlWriter(str(tmp_path / "dropped"), compression=None),
    )  # fmt: skip
    pipeline = [
        JsonlReader(str(tmp_path / "in"), glob_pattern="*.jsonl"), step, JsonlWriter(str(tmp_path / "out"), compression=None)
    ]  # fmt: skip
    LocalPipelineExecutor(pipeline, logging_dir=str(tmp_path / "logs")).run()

    rows = [{**row, "source": "datatrove", "lang": "", "meta": "{}"} for row in documents]
    cleaned, _, _ = clean_batch(pa.RecordBatch.from_pylist(rows, schema=DOCUMENT), CleanConfig(), "none")
    reasons = rules.find_reasons(measure_batch(cleaned), RULES)
    expected = [
        (i, t)
        for i, t, r in zip(cleaned["id"].to_pylist(), cleaned["text"].to_pylist(), reasons)
        if r is None
    ]
    kept, dropped = lines_of(tmp_path / "out"), lines_of(tmp_path / "dropped")
    assert [(row["id"], row["text"]) for row in kept] == expected
    assert {row["metadata"]["language"] for row in kept} == {"ko", "en"}
    assert "<|email|>" in kept[-1]["text"]
    assert [(row["id"], row["metadata"]["filter_reason"]) for row in dropped] == [("short", "too_short")]
