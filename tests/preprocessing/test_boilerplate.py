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
        "서울=홍길동 기자 gildong@hanbit.example",
        "홍길동 기자 gildong@hanbit.example 부산/김영희 기자 younghee@hanbit.example",
        "홍길동 기자 a@hanbit.example, 김영희 기자 b@hanbit.example 이순희 기자 c@hanbit.example",
        "Copyright © 한빛뉴스",
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
        "All rights reserved라는 문구의 뜻을 알아보자.",
        'print("Hong © 2026 • All rights reserved.")',
        '"All rights reserved"는 모든 권리를 보유한다는 뜻이다.',
        "All rights reserved 표시가 없어도 글은 보호된다.",
        "표시가 없는 글은 Copyright © 2026 Hong. All rights reserved.입니다.",
        "모두 Copyright © 2026 Hong. All rights reserved. 로 표시한다.",
        "Copyright © 표시는 이제 필요하지 않다.",
        "정답=홍길동 기자",
        "Mail me at jane@hanbit.example if you can come.",
    ],
)
def test_sentences_about_the_same_things_stay(sentence):
    assert cut_boilerplate(sentence) == sentence
    assert cut_boilerplate(f"{BODY}\n{sentence}") == f"{BODY}\n{sentence}"


@pytest.mark.parametrize(
    "line",
    [
        "기자 회견",
        "수습 기자",
        "유명한 기자",
        "사회부 기자",
        "도쿄 특파원",
        "뉴스 앵커",
        "올해의 기자",
        "기자의 눈",
        "어느 기자",
        "신입 기자",
        "By The Sea",
        "By Any Means Necessary",
        "By Your Side",
        "By Royal Appointment",
        "By Force Alone",
        "By Design Thinking",
        "© 기호의 역사",
        "ⓒ와 ®의 차이",
        "ⓒ 2024년 개정안의 쟁점은 무엇인가?",
        "Copyright by Design",
        "Copyright: A Short History",
        "Copyright 2024: What Changes",
        "저작권 2024년 개정안의 쟁점",
        "저작권: 무엇이 문제인가",
        "무단 복제 금지 규정의 역사",
        "AI 학습 데이터 무단 사용 금지",
        "GPL과 재배포 금지 조항",
        "# 구독하기",
        "# 홍길동 기자",
        "> 홍길동 기자",
        "| 홍길동 기자 |",
        "사진 = 빛의 예술",
        "이미지 = 픽셀의 모음",
        "[뉴스] 오늘의 날씨",
        "[오늘의 뉴스] 비가 온다",
        "(단위=천원) 표",
        "[기자수첩] 봄이 온다",
        "[취재 기자] 구함",
        "> 관련 기사를 읽고 씀",
        "* 구독하기 기능을 추가했다.",
        "이메일: x@y.kr",
        "E-mail: jobs@hanbit.example",
        "메일 jobs@hanbit.example",
    ],
)
@pytest.mark.parametrize("body", [BODY, LONG])
def test_titles_that_begin_like_by_lines_and_notices_stay(line, body):
    assert cut_boilerplate(f"{line}\n{body}") == f"{line}\n{body}"
    assert cut_boilerplate(f"{body}\n{line}") == f"{body}\n{line}"


@pytest.mark.parametrize(
    "line", ["구독하기", "제보하기", "© 표시", "By Xavier Quill", "허준 기자", "ⓒ 김철수"]
)
def test_the_first_line_may_be_a_title(line):
    assert cut_boilerplate(f"{line}\n{BODY}") == f"{line}\n{BODY}"


@pytest.mark.parametrize(
    "name",
    [
        "logo@2x.png",
        "Default-568h@2x.png",
        "icon@1.5x.webp",
        "cover@2x.ai",
        "left-pad@1.3.0.tgz",
        "tool@1.2.0.sh",
        "getty@tty1.service",
        "root@server1.lan",
        "git@github.com",
        "[logo@2x.png]",
        "E-mail logo@2x.png",
    ],
)
def test_names_of_files_packages_and_logins_are_no_addresses(name):
    for text in (f"{name}\n\n{BODY}", f"{BODY}\n\n{name}", f"{LONG}\n{name}", name):
        assert cut_boilerplate(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "지원서\n이름: 홍길동\n전화: 010-0000-0000\n이메일: gildong@hanbit.example",
        "아래로 보내 주세요.\n이메일: jobs@hanbit.example",
        "아래 메일로 보내 주세요.\njobs@hanbit.example",
        "모집 인원은 열 명이다.\nE-mail: jobs@hanbit.example",
        "김철수\ncs.kim@hanbit.example",
        "위반을 보셨다면 언제든 아래로 알려 주세요.\n**coc@hanbit.example**",
        "궁금한 점은 언제든 물어 보십시오.\njobs@hanbit.example",
        "Please report it to the team.\nteam@hanbit.example",
        "정부는 예산을 늘렸다.\ngildong@hanbit.example\n\n---\n\n모두를 위한 모임입니다.\n함께해 주세요.",
        "접수 안내\n접수번호: 12\n등록일시: 2024-03-05 10:20",
        "참석자\n- 홍길동 기자\n- 김영희 기자",
        "| 이름 |\n| --- |\n| 홍길동 기자 |",
    ],
)
def test_entries_of_forms_and_lists_stay(text):
    assert cut_boilerplate(text) == text
    assert cut_boilerplate(f"{BODY}\n\n{text}") == f"{BODY}\n\n{text}"


@pytest.mark.parametrize(
    "lines",
    [
        "홍길동 기자\n이메일: gildong@hanbit.example",
        "gildong@hanbit.example\nⓒ 한빛일보",
        "입력 : 2024.03.05 오전 10:20\n수정 : 2024.03.05 오전 11:20",
        "▶ 구독하기\n▶ 많이 본 뉴스",
        "ⓒ 2024 Hanbit",
        "- 홍길동 기자",
        "■ 제보하기\n▷ 전화 : 02-781-0000\n▷ 메신저 : '한빛제보' 검색\nⓒ 한빛일보",
    ],
)
def test_several_lines_are_cut_together(lines):
    assert cut_boilerplate(f"{BODY}\n{lines}") == BODY


@pytest.mark.parametrize("line", ["By Xavier Quill", "허준 기자", "ⓒ 김철수"])
def test_by_lines_after_a_title_are_cut(line):
    assert cut_boilerplate(f"봄이 왔다\n{line}\n\n{BODY}") == f"봄이 왔다\n\n{BODY}"


@pytest.mark.parametrize(
    "dateline",
    [
        "(서울=한빛뉴스) 홍길동 기자 = ",
        "(용인=한빛뉴스) 홍길동 김영희 기자 = ",
        "[서울=한빛] ",
        "[한빛일보 홍길동 기자] ",
        "홍길동 특파원 = ",
        "【부산=한빛통신】 김영희·홍길동 기자 = ",
    ],
)
def test_the_dateline_is_cut_and_its_sentence_stays(dateline):
    assert cut_boilerplate(dateline + BODY) == BODY
    assert cut_boilerplate(f"{BODY}\n{dateline}{BODY}") == f"{BODY}\n{dateline}{BODY}"


@pytest.mark.parametrize(
    "dateline",
    [
        "(고창=한빛뉴스) 홍길동 기자 = ",
        "[서울=한빛]홍길동 기자, 김영희 기자 = ",
        "[도쿄(일본)=한빛뉴스] ",
        "【한빛뉴스 수원=홍길동 기자】 ",
        "[한빛일보] 홍길동 기자 = ",
        "홍길동 특파원 = ",
        "(서울=한빛뉴스1) " + ",".join(["홍길동 기자"] * 8) + " = ",
        "[서울=한빛뉴스] [부산=한빛뉴스] 홍길동 기자 = ",
    ],
)
def test_a_certain_dateline_is_cut_below_headlines(dateline):
    for heads in (
        "시장, 새 공원 열어",
        '# 시장 "공원 연다"',
        "공원이 열렸다…왜?\n- 시민 '환영'",
        "공원 열려...\n\n부제",
    ):
        for gap in ("\n", "\n\n"):
            assert cut_boilerplate(heads + gap + dateline + BODY) == heads + gap + BODY


@pytest.mark.parametrize(
    "heads",
    [
        "어제 공원이 열렸습니다.",
        "기사는 다음처럼 시작합니다:",
        "> 인용",
        "| 표 | 칸 |",
        "긴 글이 이어지며 " * 12,
        "하나\n둘\n셋",
        "보기\n```",
    ],
)
def test_a_dateline_below_other_lines_stays(heads):
    text = f"{heads}\n(고창=한빛뉴스) 홍길동 기자 = {BODY}"
    assert cut_boilerplate(text) == text


@pytest.mark.parametrize(
    "line", ["(가=나) ", "[서울=한빛] ", "(학생=홍길동) ", "[한빛일보] ", "신문 기자 = ", "홍길 기자 = "]
)
def test_below_headlines_what_may_not_be_a_dateline_stays(line):
    text = f"시장, 새 공원 열어\n{line}{BODY}"
    assert cut_boilerplate(text) == text


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
            [
                "홍길동 기자",
                "ⓒ 한빛",
                "(서울=한빛) ",
                "(서울=한빛) 홍길동 기자 = ",
                "제목",
                "본문이다.",
                "\n",
                "\n\n",
                "```",
                "By Jane Doe",
                " ",
            ]
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


def test_only_the_last_sentences_of_a_paragraph_ask_for_mail():
    asks, says = (
        "신청서는 아래 주소로 보내면 된다.",
        "위원회는 예산을 늘리기로 하고 내년에 새 공원을 열기로 했다.",
    )
    address = "hong.gd@hanbit.example"
    assert cut_boilerplate(f"{asks} {says * 4}\n{address}") == f"{asks} {says * 4}"
    assert cut_boilerplate(f"{says * 4} {asks}\n{address}") == f"{says * 4} {asks}\n{address}"
