"""Evaluation sets in documents: our search against plain Python, guards, bad sets, and the whole step."""

import json
import random
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.config.scoring import (
    DecontaminateConfig,
    EvaluationSet,
    evaluation_set_fields,
    minimum_words,
)
from preprocessing.documents import utf8_buffer
from preprocessing.kernels import ngrams
from preprocessing.scoring import evaluation_sets
from preprocessing.steps import decontaminate
from preprocessing.steps.score import scoring_verdicts
from tests.preprocessing.refusals import refuses
from tests.preprocessing.scoring_context import SmallContext

WORDS = [
    "바람",
    "나무",
    "hello",
    "사람",
    "하늘은",
    "물고기를",
    "data",
    "학습",
    "2024",
    "7",
    "구름",
    "바다로",
    "漢",
    "don_t",
]


def sentence(generator, words):
    return " ".join(generator.choice(WORDS) for _ in range(words))


def write_set(folder, name, records):
    path = folder / f"{name}.jsonl"
    path.write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8"
    )
    return EvaluationSet(paths=[str(path)], format="jsonl", fields=["question"], id_field="id")


def plain_words(text):
    """One script after another, as documented for ``kernels.shingles``; enough for the words used here."""

    return re.findall(r"[가-힣]+|[a-z_]+|[0-9]+|[一-鿿]", text.lower())


def plain_hits(text, phrases):
    """``(first word, phrase)`` of every phrase (a tuple of words) in a text."""
    words = plain_words(text)
    return {
        (i, phrase)
        for phrase in phrases
        for i in range(len(words))
        if tuple(words[i : i + len(phrase)]) == phrase
    }


def test_the_search_finds_what_plain_python_finds(tmp_path):
    generator = random.Random(3)
    items = [sentence(generator, generator.choice([3, 5, 6, 9, 14, 30])) for _ in range(60)]
    texts = []
    for _ in range(80):
        parts = [sentence(generator, 20)]
        for _ in range(generator.randrange(3)):
            parts += [generator.choice(items)[: generator.choice([40, 400])], sentence(generator, 6)]
        texts.append(generator.choice([" ", ", ", "\n"]).join(parts))
    texts += ["", "짧다", items[3]]
    found_set = write_set(
        tmp_path, "questions", [{"id": str(i), "question": item} for i, item in enumerate(items)]
    )
    config = DecontaminateConfig(sets={"questions": found_set}, ngram=8, ngram_ko=6, min_words=5)
    index = evaluation_sets.build(config)
    column = pa.array(texts, pa.large_string())
    found = ngrams.find_ngrams(*utf8_buffer(column), config.min_words, *index.tables)

    phrases = set()
    for item in items:
        words = plain_words(item)
        korean = sum("가" <= word[0] <= "힣" for word in words)
        others = sum(not word.isdigit() for word in words)
        length = min(6 if 2 * korean > others else 8, len(words))
        if len(words) >= 5:
            windows = [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
            phrases |= {w for w in windows if len(set(w)) > 1 and not all(word.isdigit() for word in w)}
    assert len(index.keys) == len(phrases)
    expected = [{(i, len(p)) for i, p in plain_hits(text, phrases)} for text in texts]
    seen = [set() for _ in texts]
    for row, ngram, word, words in found.tolist():
        assert words == len(plain_words(texts[row]))
        seen[row].add((word, int(index.lengths[ngram])))
    assert seen == expected
    assert sum(map(len, expected)) > 100


def test_spans_are_those_of_the_hashed_words():
    text = "Python을 3번, 漢字 don_t! ㅋㅋ e\u0301 끝"
    data = text.encode()
    buffer, bounds = np.frombuffer(data, np.uint8), np.array([0, len(data)])
    spans = ngrams.word_spans(buffer, bounds)
    assert [data[a:b].decode() for a, b, _ in spans] == [
        "Python", "을", "3", "번", "漢", "字", "don_t", "ㅋㅋ", "e\u0301", "끝"
    ]  # fmt: skip
    assert len(ngrams.hash_words(buffer, bounds)) == len(spans)


@pytest.fixture
def found(tmp_path):
    """Six tasks of ordinary documents; three documents contain an item, one sentence occurs in many."""
    generator = random.Random(9)
    letters = "가나다라마바사아자차카타파하"
    honest = lambda: " ".join("".join(generator.choices(letters, k=3)) for _ in range(60))  # noqa: E731
    question = "다음 중 조선 시대에 한글을 만든 임금은 누구이며 그 까닭은 무엇인가 고르시오"
    short = "세종대왕은 어느 해에 태어났는가"  # 4 words
    whole = "훈민정음이 반포된 해는 언제인지 쓰시오"  # 5 words
    common = "이 글의 내용과 일치하는 것을 아래에서 모두 고르고 그 이유를 쓰시오"
    records = [
        {"id": "k1", "question": question},
        {"id": "k2", "question": short},
        {"id": "k3", "question": whole},
        {"id": "k4", "question": common},
        {"id": "k5", "question": "하 하 하 하 하 하 하 하 하 하 하 하"},
        {"id": "k6", "question": "1 2 3 4 5 6 7 8 9 10 11 12 13"},
    ]
    units = {f"web{u}": [(f"{u}-{i}", honest(), "ko") for i in range(20)] for u in range(3)}
    units["web1"][11] = ("1-11", f"{honest()} {question}. {honest()}", "ko")
    units["web2"][3] = ("2-3", f"{whole}? {short}", "ko")
    units["web2"][4] = ("2-4", f"{honest()} {short}. {'하 ' * 30} 1 2 3 4 5 6 7 8 9 10 11 12 13", "ko")
    for i in range(6):
        units["web0"][i] = (f"0-{i}", f"{honest()} {common}", "ko")
    english = write_set(
        tmp_path,
        "english",
        [
            {
                "id": "e1",
                "question": "Which of these animals can live the longest without any fresh water at all?",
            }
        ],
    )
    sets = {"history": write_set(tmp_path, "history", records), "english": english}
    config = DecontaminateConfig(sets=sets, max_documents=5)
    context = SmallContext(tmp_path / "out", units, decontaminate=config)
    outcome = decontaminate.run(context)
    return context, outcome


def columns_of(context):
    return {
        row["id"]: row
        for unit in context.units
        for row in pq.read_table(context.path("decontaminate", unit.name)).to_pylist()
    }


def test_the_step_marks_documents_with_items_and_no_others(found):
    context, outcome = found
    rows = columns_of(context)
    assert list(rows) == [f"{u}-{i}" for u in range(3) for i in range(20)]
    marked = {identity: row for identity, row in rows.items() if row["contaminated_ngrams"]}
    assert set(marked) == {"1-11", "2-3"}  # short, repeated, numbers and common ones do not count
    assert (marked["1-11"]["contaminated_set"], marked["1-11"]["contaminated_item"]) == ("history", "k1")
    assert marked["1-11"]["contaminated_ngrams"] == 12 - 10 + 1
    assert marked["1-11"]["contaminated_share"] == pytest.approx(12 / 132)
    assert marked["2-3"]["contaminated_item"] == "k3"
    assert outcome.summary == {"documents": 60, "with_shared_ngrams": 2}


def test_the_report_names_found_items_and_ignored_ngrams(found):
    context, _ = found
    data = json.loads((context.folder / "decontamination.json").read_text(encoding="utf-8"))["sets"]
    assert {name: data["history"][name] for name in ("items", "items_searched", "texts_too_short", "items_found", "documents")} == {
        "items": 6, "items_searched": 5, "texts_too_short": 1, "items_found": 2, "documents": 2,
    }  # fmt: skip
    assert data["english"]["documents"] == data["english"]["items_found"] == 0
    assert data["history"]["ngrams_ignored"] == {"count": 2, "items": ["k4"]}
    texts = {example["id"]: example["text"] for example in data["history"]["examples"]}
    assert texts["1-11"] == "다음 중 조선 시대에 한글을 만든 임금은 누구이며 그 까닭은 무엇인가 고르시오"
    assert "k1 in 1-11" in (context.folder / "decontamination.txt").read_text(encoding="utf-8")


def test_documents_that_share_enough_fail(found):
    context, _ = found
    batches = pq.read_table(context.path("decontaminate", "web2"))
    columns = batches.append_column("lang", pa.array(["ko"] * len(batches))).combine_chunks().to_batches()[0]

    def failed(**settings):
        context.config.decontaminate = DecontaminateConfig(sets=context.config.decontaminate.sets, **settings)
        return [
            (reason, np.flatnonzero(rows).tolist())
            for reason, rows in scoring_verdicts(columns, context.config, {})
        ]

    assert failed() == [("contaminated", [3])]
    assert failed(min_share=0.99) == [("contaminated", [])]
    assert failed(min_ngrams=2) == [("contaminated", [])]


def test_two_runs_write_the_same_bytes(found):
    context, _ = found
    files = [path for path in (context.folder / "steps" / "decontaminate").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    decontaminate.run(context)
    assert {path: path.read_bytes() for path in files} == before
    assert len(files) > 10


def test_sets_are_read_from_parquet_text_and_lists(tmp_path):
    questions = ["하나 둘 셋 넷 다섯 여섯", "일곱 여덟 아홉 열 열하나"]
    pq.write_table(
        pa.table({"q": questions, "choices": [["가 나 다 라 마 바", "예"], []]}), tmp_path / "a.parquet"
    )
    (tmp_path / "b.txt").write_text("\n" + "\n".join(questions) + "\n", encoding="utf-8")
    sets = {
        "parquet": EvaluationSet(
            paths=[str(tmp_path / "a.parquet")], format="parquet", fields=["q", "choices"]
        ),
        "text": EvaluationSet(paths=[str(tmp_path / "*.txt")], format="txt"),
    }
    items = list(evaluation_sets.items_of(DecontaminateConfig(sets=sets)))
    assert [(item.set_name, item.identity, item.texts) for item in items] == [
        ("parquet", "a.parquet:1", [questions[0], "가 나 다 라 마 바", "예"]),
        ("parquet", "a.parquet:2", [questions[1]]),
        ("text", "b.txt:2", [questions[0]]),
        ("text", "b.txt:3", [questions[1]]),
    ]


@pytest.mark.parametrize(
    "lines, fields, rule, value",
    [
        ("", ["q"], "empty-evaluation-set", "set.jsonl"),
        ('{"q": "하나 둘 셋 넷 다섯 여섯"}\n', ["q", "answer"], "missing-field", "answer"),
        ('{"q": "하나 둘"}\n', ["q"], "texts-too-short", "5"),
        ('{"q": "하나"\n', ["q"], "unreadable-file", "set.jsonl"),
        ("[1]\n", ["q"], "unreadable-file", "line 1"),
    ],
)
def test_bad_sets_are_refused(tmp_path, lines, fields, rule, value):
    path = tmp_path / "set.jsonl"
    path.write_text(lines, encoding="utf-8")
    item = EvaluationSet(paths=[str(path)], format="jsonl", fields=fields)
    with refuses(rule, value):
        evaluation_sets.build(DecontaminateConfig(sets={"one": item}))


def test_a_set_without_files_is_refused(tmp_path):
    item = EvaluationSet(paths=[str(tmp_path / "none*.jsonl")], format="jsonl", fields=["q"])
    with refuses("missing-file", "none*"):
        evaluation_sets.build(DecontaminateConfig(sets={"one": item}))


def test_settings_that_contradict_are_named():
    text = EvaluationSet(paths=["a.txt"], format="txt", fields=["q"])
    records = EvaluationSet(paths=["a.jsonl"], format="jsonl", ngram=4)
    config = DecontaminateConfig(sets={"a": text, "b": records})
    assert {path for path, _ in evaluation_set_fields(config)} == {
        "decontaminate.sets.a.fields",
        "decontaminate.sets.b.fields",
    }
    assert [path for path, _ in minimum_words(config)] == ["decontaminate.min_words"]
