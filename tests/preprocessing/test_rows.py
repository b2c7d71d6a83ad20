"""Rows of tables and lists that tell references from lists of prices and keywords."""

import numpy as np
import pyarrow as pa
import pytest

from preprocessing.config.rules import FilterConfig
from preprocessing.judging import prose, rows, rules
from preprocessing.text.language import detect

NAMES = ["한강", "낙동강", "금강", "섬진강", "영산강", "임진강", "대동강", "청천강", "두만강", "압록강"]


def counts(text):
    columns = rows.count_rows(pa.array([text], pa.large_string()), np.array([True]))
    return {name: column[0].as_py() for name, column in columns.items()}


def reason_of(text):
    columns = pa.RecordBatch.from_pydict(prose.measure(pa.array([text], pa.large_string()), "ko"))
    columns = columns.append_column("lang", pa.array(["ko"]))
    languages = detect(pa.array([text], pa.large_string())).columns()
    for name, values in languages.items():
        columns = columns.append_column(name, values)
    return rules.find_reasons(columns, FilterConfig())[0]


def table(*titles, rows_of):
    head = [" | ".join(titles), " | ".join("---" for _ in titles)]
    return "\n".join(f"| {row} |" for row in [*head, *rows_of])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("서울\t02", (1, 0)),
        ("배열\tarray", (1, 0)),
        ("감자\t200도\t40분", (1, 0)),
        ("1\t수소\tH\t1.008", (1, 0)),
        ("배열\t목록", (0, 0)),
        ("array\t12", (0, 0)),
        ("전북 : 대구\t1.52\t3.10", (0, 0)),
        ("장미\t45,900", (0, 1)),
        ("장미\t4만원", (0, 1)),
        ("장미\t$12", (0, 1)),
        ("할인\tSALE10\t10%", (0, 1)),
        ("강남점\t02-345-1234", (0, 1)),
        ("강남점\t<\tphone\t>", (0, 1)),
        ("오류\t12:30:05\t끊김", (0, 1)),
        ("김메밀 별세, 박들깨 남편상=20일 나루성당, 발인 22일,\t<\tphone\t>", (1, 0)),
        ("부친상 상담\t<\tphone\t>\t390만원", (0, 1)),
    ],
)
def test_pairs_are_names_with_a_code_and_prices_are_no_codes(row, expected):
    found = counts(row)
    assert (found["pair_lines"], found["price_lines"]) == expected


def test_a_series_repeats_a_line_but_for_its_digits():
    lines = "[1] 작업 3을 시작합니다.\n[2] 작업 17을 시작합니다.\n[3] 작업 5를 마쳤습니다.\n작업을 시작합니다.\n작업을 시작합니다."
    assert counts(lines)["series_lines"] == 1


def test_an_echo_is_a_word_that_occurs_earlier_in_its_row():
    assert counts("임플란트 가격 임플란트 추천 임플란트 비용")["echoed_words"] == 2
    assert counts("임플란트 가격\n임플란트 추천\n임플란트 비용 임플란트")["echoed_words"] == 0


def test_a_document_that_is_not_searched_has_zeros():
    columns = rows.count_rows(pa.array(["서울\t02"] * 2, pa.large_string()), np.array([False, True]))
    assert columns["pair_lines"].to_pylist() == [0, 1]


def test_tables_of_pairs_are_kept_and_tables_of_prices_are_dropped():
    assert (
        reason_of(table("강", "번호", rows_of=[f"{name} | {n:03}" for n, name in enumerate(NAMES)])) is None
    )
    assert (
        reason_of(
            table("강", "로마자", rows_of=[f"{name} | {chr(65 + n)}gang" for n, name in enumerate(NAMES)])
        )
        is None
    )
    prices = [f"{name} | {n}{n},900원 | {n}9,000원" for n, name in enumerate(NAMES, 1)]
    assert reason_of(table("강", "정가", "할인가", rows_of=prices)) is not None
    slots = [f"11/{n} | 마감 | 예약" for n in range(1, 20)]
    assert reason_of(table("날짜", "오전", "오후", rows_of=slots)) == "number_lines"


def test_rows_of_names_and_numbers_are_kept_and_odds_are_dropped():
    marks = [f"{n},{name},{60 + n},{99 - n},7{n % 10}" for n, name in enumerate(NAMES, 1)]
    assert reason_of("번호,이름,국어,수학,영어\n" + "\n".join(marks)) is None
    weights = [f"{name} {chr(65 + n)} {n + 1} {n + 1}.00{n}" for n, name in enumerate(NAMES)]
    assert reason_of("\n".join(weights)) is None
    odds = [f"{name} | 1.{n}7 | 3.{n}1 | 2.{n}4" for n, name in enumerate(NAMES)]
    assert reason_of(table("경기", "승", "무", "패", rows_of=odds)) == "number_lines"


def test_results_of_tests_beside_code_are_kept():
    code = "```java\nint sum = 0;\n" + "for (int i = 0; i < n; i++) sum += a[i];\n" * 9 + "return sum;\n```\n"
    results = "\n".join(f"테스트 {n} 〉 통과 (0.{n}5ms, {60 + n}.8MB)" for n in range(1, 12))
    note = f"모두 더하면 된다. 다음에는 정렬을 먼저 해 보자.\n\n{code}\n{results}\n"
    assert reason_of(note) is None
    assert reason_of(results) == "number_lines"


def test_prices_in_sentences_are_kept():
    text = "\n".join(
        f"{name}에서는 물고기를 {n},000원에 팔았지만 올해는 값이 올랐다고 한다."
        for n, name in enumerate(NAMES, 1)
    )
    assert reason_of(text) is None


def test_keywords_that_echo_are_dropped_and_refrains_are_kept():
    echoes = "\n".join(
        f"{name}강 최저가 {name}강 할인코드 {name}강 쿠폰 {name}강 사진 {name}강 날씨"
        for name in "가나다라마바사아"
    )
    assert reason_of(f"# 숙소\n\n{echoes}") == "echoed_words"
    refrain = "\n".join(
        f"{name}은 흐르고 {name}은 흐르고 우리는 {name}을 따라 노래를 불렀네" for name in NAMES
    )
    assert reason_of(refrain) is None


def test_a_reference_whose_sections_repeat_their_parameters_is_kept():
    parameters = "- 이름: 강을 찾을 때 쓰는 값입니다.\n- 제한: 기다리는 시간을 초로 적습니다."
    sections = [
        f"## {name}\n\n{name}의 길이와 넓이를 물어보는 함수이며, 값이 없으면 {n}을 돌려줍니다. {name}에 댐이 있으면 댐의 이름도 함께 옵니다.\n\n{parameters}"
        for n, name in enumerate(NAMES)
    ]
    assert reason_of("\n\n".join(sections)) is None
    copies = [f"## {name}\n\n{parameters}" for name in NAMES]
    assert reason_of("\n\n".join(copies)) == "repeated_lines"


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("가야금, 거문고, 해금, 대금", 0),
        ("천안 꽃집, 천안 화환, 아산 꽃집, 아산 화환, 천안 난, 아산 난", 12),
        ("무릎배나무, 무릎배나무값, 무릎배나무밭, 해금", 3),
        ("침대가격\n침대추천\n침대 순위", 3),
        ("홈 | 로그인 | 회원가입 | 가야금", 3),
        ("#바다 #들", 2),
        ("표지 1\n표지 2\n표지 3\n표지 4", 0),
        ("home, about, cart, violin", 3),
    ],
)
def test_keywords_are_words_of_shops_and_menus_and_all_combinations_of_a_few_words(text, keywords):
    assert counts(text)["keywords"] == keywords


def test_words_of_entries_are_counted():
    found = counts("◇과장 △운영과장 김가온 △홍보과장 이나래 새 박실장")
    assert (found["entry_words"], found["short_entry_words"]) == (7, 3)


def test_results_have_a_name_and_two_numbers_with_units():
    lines = (
        "김가온 1시간 3분\n이나래 2승 1패\n세종 이도 1418~1450\n장미 3,000원 2개\n3승 1패\n김가온 2시간 4분"
    )
    assert counts(lines)["result_lines"] == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# 악기\n\n" + ", ".join(NAMES + ["가야금", "거문고", "해금", "대금"]), None),
        ("# 악기\n\n" + ", ".join(f"{name} 가격" for name in NAMES), "listed_words"),
        ("# 당선\n\n" + "\n".join(f"{n}. {name} {n}승 {n + 2}패" for n, name in enumerate(NAMES, 1)), None),
        ("인사 " + " ".join(f"△{name}과장 김{name[0]}온" for name in NAMES), None),
        ("상담 " + " ".join(f"{name}대출 {name[0]}실장" for name in NAMES) + " 24시간 상담 카톡 a1", "spam"),
    ],
)
def test_lists_are_dropped_for_words_of_shops_only(text, reason):
    assert reason_of(text) == reason


def test_verse_may_repeat_its_refrain_and_boilerplate_may_not():
    refrain = "강물은 바다로 흘러가고\n우리는 노래를 부르네\n"
    verses = [f"{name}에 해가 뜨면\n{name}을 따라 걷자\n" for name in NAMES[:4]]
    assert reason_of("\n".join(refrain + verse for verse in verses)) is None
    assert reason_of(refrain * 6) == "repeated_lines"


def test_a_page_about_filler_text_is_kept_and_a_template_with_it_is_dropped():
    about = "채움 글은 자리를 채우려고 넣는 글이다. 널리 쓰이는 것은 이렇게 시작한다.\n\n> Lorem ipsum dolor sit amet.\n\n뜻은 없지만 글의 모양을 볼 때 쓴다."
    assert reason_of(about) is None
    assert (
        reason_of("# 회사\n\nLorem ipsum dolor sit amet.\n\n## 소개 문의\n\nLorem ipsum dolor sit amet.")
        == "lorem"
    )
    other = "Cras justo odio, dapibus ac facilisis in, egestas eget quam. Donec id elit non mi porta gravida."
    assert reason_of(f"# 회사\n\n{other}\n\n## 소개 문의\n\n회사를 소개하는 글이 들어갈 자리") == "lorem"
