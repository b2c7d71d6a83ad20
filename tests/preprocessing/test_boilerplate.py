"""Cuts by-lines and notices at both ends and nothing between."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import Counts
from preprocessing.steps import text_operations
from preprocessing.text import boilerplate
from preprocessing.text.boilerplate import cut_boilerplate

BODY = "정부는 올해 예산을 늘리기로 했다. 전문가들은 환영했다.\n두 번째 문단에서는 앞으로의 일정을 다룬다."
LONG = "\n".join(f"{i}번째 문단이다. 날씨가 맑고 바람이 불었다는 이야기가 이어진다." * 3 for i in range(20))


@pytest.mark.parametrize(
    "line",
    [
        "홍길동 기자",
        "홍길동 기자 gildong@hanbit.example",
        "글·사진 홍길동 선임기자, 김영희 인턴기자",
        "hong.gd@hanbit.example",
        "ⓒ 한빛일보",
        "Copyright ⓒ 한빛뉴스. All rights reserved. 무단 전재 및 재배포 금지",
        "Copyright 2024 Hanbit Times",
        "저작권자(c) 한빛통신, 무단 전재-재배포 금지",
        "<저작권자 ⓒ 한빛통신, 무단전재 및 재배포 금지>",
        "기사입력 2024-03-05 10:20 최종수정 2024-03-05 11:00",
        "입력 : 2024.03.05 오전 10:20",
        "▶ 관련기사",
        "▶ 관련기사 시장, 새 공원 열어",
        "[사진=한빛일보]",
        "사진 제공: 한빛시청",
        "기사제보",
        "제보는 카카오톡 'hanbit', 이메일 report@hanbit.example",
        "By Jane Doe",
        "By Jane Q. Doe, The Hanbit Times",
        "By JANE DOE, staff writer",
    ],
)
@pytest.mark.parametrize("body", [BODY, LONG])
def test_by_lines_and_notices_are_cut_at_both_ends(line, body):
    assert cut_boilerplate(f"{line}\n{body}").strip() == body.strip()
    assert cut_boilerplate(f"{body}\n{line}").strip() == body.strip()
    assert cut_boilerplate(f"{LONG}\n{line}\n{LONG}") == f"{LONG}\n{line}\n{LONG}"


@pytest.mark.parametrize(
    "sentence",
    [
        "국회에서 연설했다. 이 기자 출신 의원은 법안을 냈다.",
        "홍길동 기자는 어제 상을 받았다.",
        "관련 기사를 읽고 나서 생각을 바꾸었다.",
        "저작권자는 작품을 쓸 권리를 허락할 수 있다.",
        "무단 복제를 막는 법이 어제 통과되었다.",
        "제보는 익명으로 처리된다.",
        "사진을 찍는 사람이 많다.",
        "등록 2000명을 넘긴 동호회가 있다.",
        "Copyright is a right that protects works.",
        "By Friday the river had risen again.",
        "(c) the third party shall be informed",
        "ⓒ 항목은 다음과 같다. 먼저 값을 더한다.",
        "(신문을 읽는 사람) 열 명 가운데 세 명이었다.",
        "Mail me at jane@hanbit.example if you can come.",
    ],
)
def test_sentences_about_the_same_things_stay(sentence):
    assert cut_boilerplate(sentence) == sentence
    assert cut_boilerplate(f"{BODY}\n{sentence}") == f"{BODY}\n{sentence}"


@pytest.mark.parametrize(
    "dateline",
    [
        "(서울=한빛뉴스) 홍길동 기자 = ",
        "[서울=한빛] ",
        "[한빛일보 홍길동 기자] ",
        "홍길동 특파원 = ",
        "【부산=한빛통신】 김영희·홍길동 기자 = ",
    ],
)
def test_the_dateline_is_cut_and_its_sentence_stays(dateline):
    assert cut_boilerplate(dateline + BODY) == BODY
    assert cut_boilerplate(f"{BODY}\n{dateline}{BODY}") == f"{BODY}\n{dateline}{BODY}"


def test_fenced_code_is_not_boilerplate():
    text = "말\n```\nBy Jane Doe\n```"
    assert cut_boilerplate(text) == text


def test_a_list_of_reporters_is_not_boilerplate_and_costs_little():
    text = "\n".join(["홍길동 기자"] * 20_000)
    assert cut_boilerplate(text) == text
    assert cut_boilerplate("\n".join(["홍길동 기자"] * 6)) == ""


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            ["홍길동 기자", "ⓒ 한빛", "(서울=한빛) ", "본문이다.", "\n", "\n\n", "```", "By Jane Doe", " "]
        ),
        max_size=20,
    ).map("".join)
)
def test_cutting_twice_is_cutting_once(text):
    once = cut_boilerplate(text)
    assert cut_boilerplate(once) == once and len(once) <= len(text)


LINES = st.one_of(
    st.from_regex(boilerplate._LINE, fullmatch=True),
    st.from_regex(boilerplate._DATELINE).map(lambda mark: mark + BODY),
    st.sampled_from(BODY.split("\n")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=4).map("\n".join))
def test_hints_match_all_rows_that_are_cut(text):
    found = pa.array([text, "", BODY], pa.large_string())
    ids = pa.array(["a", "b", "c"])
    column = text_operations.normalize_column(
        found, ids, "ko", "none", CleanConfig(cut_boilerplate=False), Counts()
    )
    cut = [row for row, text in enumerate(column.to_pylist()) if cut_boilerplate(text) != text]
    assert set(cut) <= set(text_operations.rows_with_boilerplate(column).tolist())
