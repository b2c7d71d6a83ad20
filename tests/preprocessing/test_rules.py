"""Rules over columns, their thresholds and presets."""

import dataclasses
import re
from typing import get_type_hints

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from megatron_ko.config.loading import load
from megatron_ko.errors import ConfigError, DataError
from preprocessing.config.languages import LANGUAGES
from preprocessing.config.rules import CodeRules, Count, FilterConfig, Number, ProseRules, Share, is_of
from preprocessing.judging import list_words, prose, rule_table, rules
from preprocessing.judging.measures import measure
from preprocessing.judging.presets import values
from preprocessing.text.language import detect

GLOSSARY = "# Terms\n\n| English | 한국어 |\n|---|---|\n" + "".join(
    f"| {english} | {korean} |\n"
    for english, korean in [
        ("asynchronous programming", "비동기"), ("garbage collection", "쓰레기 수집"), ("object-oriented inheritance", "상속"),
        ("stochastic gradient descent", "경사 하강법"), ("overfitting and underfitting", "과적합"), ("recurrent network", "순환 신경망"),
        ("error backpropagation", "역전파"), ("categorical cross-entropy", "교차 엔트로피"), ("hyperparameter search", "탐색"),
    ]
)  # fmt: skip
ARTICLE = (
    "은행 대출을 알아보는 직장인이 늘고 있다. 전문가들은 급전이 필요하다고 당일 대출 광고를 믿지 말라고 말한다. 금융감독원에 "
    "따르면 지난해 불법 사금융 피해 신고는 만 건을 넘었다. 김 씨는 카드값을 갚으려다 높은 이자에 시달렸다고 털어놓았다. "
    "한 상담사는 빚을 숨기지 말고 가족과 의논하는 것이 첫걸음이라고 조언했다. 이 제도는 내년부터 전국에서 시행된다."
)
PLAIN = {
    "misread": 0, "spam_terms": 0, "spam_groups": 0, "spam_contact": False, "lorem": False, "generated": False, "minified": False,
    "data_file": False, "encoded_data_share": 0.0, "encoded_data_longest": 0, "comment_share": 0.1, "secrets": 0,
    "license_kind": "permissive",
}  # fmt: skip
TYPES = {"encoded_data_share": pa.float32(), "comment_share": pa.float32(), "license_kind": pa.string()}


def columns(texts, lang="ko", **others):
    """Columns as step measure writes them; ``others`` are lists for columns of other modules."""
    text = pa.array(texts, pa.large_string())
    arrays = {
        "lang": pa.array([lang] * len(texts)),
        **(_measure_code(text) if lang == "code" else prose.measure(text, lang)),
        **detect(text).columns(),
    }
    for name, plain in PLAIN.items():
        data_type = TYPES.get(name, pa.bool_() if isinstance(plain, bool) else pa.int32())
        arrays[name] = pa.array(others.get(name, [plain] * len(texts)), data_type)
    return pa.RecordBatch.from_pydict({"lang": arrays.pop("lang"), **dict(sorted(arrays.items()))})


def _measure_code(text):
    numbers = measure(text, "code")
    nulls = {field.name: pa.nulls(len(text), field.type) for field in prose.COLUMNS}
    return {**dict(zip(numbers.schema.names, numbers.columns)), **nulls}


def reasons(texts, lang="ko", config=None, **others):
    return list(rules.find_reasons(columns(texts, lang, **others), config or FilterConfig()))


def configure(preset="default", lang="ko", **fields):
    section = CodeRules if lang == "code" else ProseRules
    return FilterConfig(preset=preset, **{lang: section(**fields)})


NAMES = ["두루미", "기러기", "고니", "딱새", "참새", "까치", "제비", "뻐꾸기", "꾀꼬리", "물떼새", "올빼미", "해오라기"]  # fmt: skip


def reference(sections, structure="#### 매개변수\n\n<Parameter flatten>"):
    """A reference whose sections repeat the same list of parameters below sentences of their own."""
    words = ["바람", "구름", "나무", "강물", "바위", "모래", "이슬", "안개", "서리", "노을", "번개", "우박", "소나기", "무지개", "달빛", "별빛"]  # fmt: skip
    listed = "\n".join(f"- {word}는 결제를 요청할 때 필요한 값을 적는 칸입니다." for word in words)
    own = [
        " ".join(
            f"{words[n]}에서 {words[k]}의 값도 {words[(n + k) % 16]}와 {n}{k}번 화면으로 보는 것이 좋습니다."
            for k in range(8)
        )
        for n in range(sections)
    ]
    return "\n\n".join(f"{structure}\n\n{own[n]}\n\n{listed}" for n in range(sections))


def test_a_reference_that_repeats_its_lists_is_kept_and_one_page_over_and_over_is_not():
    limits = configure(max_repeated_lines="off", max_duplicate_lines="off", max_repeated_words=0.6)
    assert value_of("repeated_words", reference(7)) > 0.6
    assert reasons([reference(7)], config=limits) == [None]
    assert reasons([reference(3) * 6], config=limits) == ["repeated_words"]


def value_of(name, text):
    return columns([text], "ko").column(name)[0].as_py()


def test_a_table_of_names_and_codes_is_kept_and_one_of_numbers_is_not():
    codes = "| 카드사 | 번호 |\n| --- | --- |\n" + "\n".join(
        f"| {name}카드 | {n * 1001} |" for n, name in enumerate(NAMES, 10)
    )
    prices = "| 회사 | 시가 | 종가 |\n| --- | --- | --- |\n" + "\n".join(
        f"| {name} | {n * 1001:,} | {n * 1003:,} |" for n, name in enumerate(NAMES, 10)
    )
    numbers = "| 달 | 강수 |\n| --- | --- |\n" + "\n".join(
        f"| {n}월 | {n * 1001.5} | {n}.{n} |" for n in range(10, 22)
    )
    limits = configure(
        max_number_lines=0.5,
        min_letter_ratio="off",
        min_hangul_ratio="off",
        max_repeated_words="off",
        max_listed_words=0.9,
    )
    assert reasons([codes, prices, numbers], config=limits) == [None, "number_lines", "number_lines"]


HEADLINE = "봄소녀들 '소나무'도 넘겼다…15번째 억대 뷰 영상\n\n멤버 하나·두나·세나는 비디오 K-팝 애니메이션 영화 '케이팝 봄꽃 여행자'(케봄여) 속 가상 걸그룹 '왓 잇 사운즈 라이크(What It Sounds Like)'·'골든(Golden)'"


@pytest.mark.parametrize(
    ("reason", "lang", "text"),
    [
        (None, "ko", ARTICLE),
        ("too_short", "ko", "네, 알겠습니다."),
        ("too_short", "ko", ""),
        ("hangul_ratio", "ko", "This page is written in English from the first word to the very last one."),
        ("symbol_ratio", "ko", "★☆★☆ ◆◇◆◇ ▶▶▶ 목록 ■□■□ ※※※ ↑↓←→ ◎◎◎ ♣♣♣ 끝 ★☆★☆ ◆◇◆◇"),
        (None, "ko", "\n".join(f"- {word}나무와 {word}꽃을 심었다" for word in "가나다라마바사아")),
        ("listed_words", "ko", "\n".join(f"- {word}나무 가격" for word in "가나다라마바사아자차카타")),
        (None, "ko", "\n".join(f"- {word}나무 {word}꽃집" for word in "가나다라마바사아자차카타")),
        ("listed_words", "ko", ", ".join(f"{word}나무 묘목" for word in "가나다라마바사아자차카타")),
        ("few_function_words", "ko", " ".join(["청소", "카메라", "비트코인", "면접", "부동산", "시험", "맛집", "가방"][n * n % 8 - n % 3] for n in range(60))),
        (None, "ko", f"{HEADLINE} 커버 무대를 선보여 라이브 실력이 재조명되며..."),
        (None, "ko", "### 나무\n\n:::table\n" + "\n".join(f':row{{\nname="tree_{n}"\nrequiredText="string"\ndescription="{word}나무를 심은 사람"\n}}' for n, word in enumerate("가나다라마바사아자차카타"))),
        (None, "ko", f"{HEADLINE} 커버 무대 라이브 실력 재조명..."),  # without the verbs of a sentence
        ("few_function_words", "ko", f"{HEADLINE} 굿즈 공구 할인 쿠폰 추천 무대를 선보여 라이브 실력이 재조명되며..."),
        ("few_function_words", "ko", "무료 영화 다시보기 사이트\n\n무료 영화 다시보기 드라마 예능 애니 링크 모음 최신 주소 우회 토렌트 순위 웹툰 만화 소설 스포츠 중계 라이브 채널 실시간 고화질 자막 더빙 극장판 시즌 완결 미드 일드 중드 영드 티비는 여기에서 보고 무료로 하는 곳을 이용..."),
        ("listed_words", "ko", "정치 > 사회 > 경제\n문화 장바구니 국제 포토 최신글 연예 갤러리 공지사항 즐겨찾기 회원가입 글쓰기 제휴문의 북마크 채용정보 자료실 이전글 구독 뉴스레터 홈 로그인 목록 날씨 영상 만화 연혁 조직도 정치 스포츠"),
        (None, "ko", "민지: 밥 먹었어\n수아: 아직 회의 중\n민지: 그럼 이따 봐\n수아: 응 저녁 같이 먹자\n민지: 좋아 어디\n수아: 역 앞 국수집 어때\n민지: 거기 오늘 휴무"),
        ("link_lines", "ko", " | ".join(f"[봄나무 {n}](https://example.com/{n})" for n in range(12))),
        ("repeated_words", "ko", "댓글을 남기려면 로그인하세요. " * 7),
        ("link_lines", "ko", "추천 사이트\n" + "\n".join(f"- [봄나무 {n}](https://example.com/{n})" for n in range(12))),
        ("number_lines", "ko", "월별 강수량과 기온을 함께 적은 표\n" + "\n".join(f"서울 {n}월 강수 {n}12.5 기온 1{n}.25" for n in range(1, 10))),
        ("letter_ratio", "ko", "??? ?? ???? ??? ?? ? ?????. ?? ??? ?? ???? ??? ??? ?????"),
        ("rare_hangul", "ko", " ".join(chr(0xAC01 + 37 * n + k) + chr(0xAC02 + 41 * n) for n, k in zip(range(60), range(60)))),
        ("repeated_pair", "ko", " ".join(f"강남 꽃집 {word}" for word in ["가격은", "예약은", "후기는", "위치는", "추천은", "순위는", "주소는", "주차는", "배달", "결혼", "생일", "개업", "승진", "화환"])),
        ("repeated_lines", "ko", "이 글은 회원만 볼 수 있습니다.\n댓글 쓰기\n" * 6),
        ("repeated_words", "ko", "봄이 왔네 봄이 왔어 " * 20),
        ("broken_jamo", "ko", "ㅎㅏㄴㄱㅡㄹ ㅈㅏㅍㅏㄴㅇㅣ ㄱㅗㅈㅏㅇㄴㅏㅆㄷㅏ. ㄱㅡㄹㅈㅏㄱㅏ ㅁㅗㅇㅣㅈㅣ ㅇㅏㄶㄱㅗ"),
        ("mojibake", "ko", "°­¾ÆÁö¿Í ÇÔ²² ¹Ù´å°¡¸¦ °É¾ú´Ù. ¸ð·¡°¡ ¹ß°¡¶ô »çÀÌ·Î"),
        ("mojibake", "en", "The page \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd could not be read as it was meant to be read, and no one at all saw it."),
        (None, "ko", "영화 너무 재밌어요ㅋㅋㅋㅋㅋㅋㅋㅋ 마지막에 울었어요ㅠㅠㅠㅠㅠㅠㅠ 강추합니다!!!!!!"),
        ("long_lines", "code", "x = [" + "1234, abc, " * 200 + "]\n"),
        ("mean_line_length", "code", ("x = [" + "abc, " * 30 + "]\n") * 5),
        (None, "code", "# v2.1\n\n" + "".join(
            f"* [[`9d46f4e{n}`](https://example.com/node/commit/9d46f4e{n})] - **deps**: fix the build with compiler {n} on old systems [#{n}](https://example.com/pull/{n})\n"
            for n in range(8)
        )),
        ("alphabetic_ratio", "code", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9,\n" * 5),
        ("unbroken", "ko", "가" * 5000),
        ("unbroken", "ko", "가나다라" * 40),
        ("unbroken", "en", "abcd" * 100),
        (None, "code", "def area(width, height):\n    return width * height\n\nprint(area(2, 3))\n"),
    ],
)  # fmt: skip
def test_default_rules_drop_their_documents(reason, lang, text):
    assert reasons([text], lang) == [reason]


SENTENCES = [f"{word}나무 숲에는 {word}새가 살고 {word}꽃이 핀다." for word in "가나다라마바사아자차카타"]
VARIED = " ".join(SENTENCES)


@pytest.mark.parametrize(
    ("reason", "fields", "text"),
    [
        ("too_long", {"max_characters": 100}, VARIED),
        ("bullet_lines", {"max_bullet_lines": 0.9}, "\n".join(f"- {s}" for s in SENTENCES)),
        ("too_few_words", {"min_words": 50}, "단어가 모자란 글이다. 그래도 서른 글자는 넘는 글이기는 하다."),
        ("too_many_words", {"max_words": 50}, VARIED),
        ("language", {"languages": ["en"]}, VARIED),
        ("ellipsis_lines", {"max_ellipsis_lines": 0.5}, "\n".join(f"{s[:-1]}..." for s in SENTENCES)),
        ("short_lines", {"max_short_lines": 0.5}, "\n".join(SENTENCES)),
        ("ended_lines", {"min_ended_lines": 0.5}, "\n".join(s[:-1] for s in SENTENCES)),
        ("newline_ratio", {"max_newline_ratio": 0.1}, "\n".join(SENTENCES)),
        (
            "duplicate_lines",
            {"max_duplicate_lines": 0.2},
            "\n".join([*SENTENCES, "끝", "끝", "끝", "끝", "끝"]),
        ),
        (
            "duplicate_paragraphs",
            {"max_duplicate_paragraphs": 0.2},
            "\n\n".join([*SENTENCES, "끝", "끝", "끝", "끝", "끝"]),
        ),
        (
            "duplicate_paragraph_characters",
            {"max_duplicate_paragraph_characters": 0.05},
            "\n\n".join([*SENTENCES, SENTENCES[0]]),
        ),
        ("top_2_gram", {"max_top_2_gram": 0.1}, VARIED.replace("숲에는", "나무")),
        ("top_3_gram", {"max_top_3_gram": 0.1}, VARIED + " 봄이 왔다" * 8),
        ("top_4_gram", {"max_top_4_gram": 0.1}, VARIED + " 봄이 다시 왔다 ." * 8),
        (
            "duplicate_5_gram",
            {"max_duplicate_5_gram": 0.1},
            VARIED + " 봄이 다시 왔다 우리 마을 뒤 언덕에도" * 6,
        ),
        ("duplicate_10_gram", {"max_duplicate_10_gram": 0.1}, f"{VARIED} {VARIED}"),
        ("no_sentence_end", {"min_sentence_ends": 1}, VARIED.replace(".", "") + " 들판"),
        ("word_length", {"min_word_length": 5.0}, VARIED),
        ("word_length", {"max_word_length": 2.0}, VARIED),
        ("alphabetic_words", {"min_alphabetic_words": 0.9}, VARIED + " 12 34 56 78 90 11 22 33 44"),
        ("stop_words", {"min_stop_words": 20}, VARIED),
    ],
)
def test_rules_that_are_off_by_default_drop_their_documents(reason, fields, text):
    assert reasons([text], config=configure(max_repeated_words="off", max_repeated_lines="off")) == [None]
    assert reasons(
        [text], config=configure(max_repeated_words="off", max_repeated_lines="off", **fields)
    ) == [reason]


@pytest.mark.parametrize(
    ("reason", "fields", "column", "value"),
    [
        ("generated", {}, "generated", True),
        ("minified", {}, "minified", True),
        ("data_file", {}, "data_file", True),
        ("secrets", {"max_secrets": 0}, "secrets", 1),
        ("license", {"licenses": ["permissive", "none"]}, "license_kind", "copyleft"),
        ("encoded_data", {"max_encoded_run": 1024}, "encoded_data_longest", 1025),
        ("encoded_data", {"max_encoded_share": 0.5}, "encoded_data_share", 0.6),
        ("few_comments", {"min_comment_share": 0.05}, "comment_share", 0.0),
        ("many_comments", {"max_comment_share": 0.8}, "comment_share", 0.9),
    ],
)
def test_rules_for_code_read_columns_of_other_modules(reason, fields, column, value):
    text = "def area(width, height):\n    return width * height\n\nprint(area(2, 3))\n"
    config = configure(lang="code", **fields)
    assert reasons([text, text], "code", config, **{column: [PLAIN[column], value]}) == [None, reason]


def test_a_value_equal_to_its_limit_passes():
    # 3 of 13 lines are repeated
    lines = "\n".join([*SENTENCES[:7], *["한 줄이 네 번 선다."] * 4, SENTENCES[8], SENTENCES[9]])
    for limit, expected in ((3 / 13, None), (0.23, "duplicate_lines")):
        assert reasons([lines], config=configure(max_duplicate_lines=limit)) == [expected]
    assert reasons([VARIED], config=configure(max_characters=len(VARIED))) == [None]
    assert reasons([VARIED], config=configure(max_characters=len(VARIED) - 1)) == ["too_long"]


def test_spam_needs_groups_terms_contact_and_density():
    spam = {"spam_terms": [4] * 5, "spam_groups": [3] * 5, "spam_contact": [True] * 5}
    for name, weak in (("spam_terms", 2), ("spam_groups", 1), ("spam_contact", False)):
        row = list(spam).index(name)
        spam[name][row] = weak
    texts = [*[ARTICLE] * 4, ARTICLE * 10]
    assert reasons(texts, config=configure(max_repeated_words="off"), **spam) == [
        None,
        None,
        None,
        "spam",
        None,
    ]
    assert reasons(texts, config=configure(max_repeated_words="off", spam=False), **spam) == [None] * 5


def test_languages_are_judged_by_their_own_rules_and_rows_keep_their_order():
    parts = [
        columns([ARTICLE, "짧다"]),
        columns(["short", "a" * 30], "en"),
        columns([ARTICLE], "mixed"),
        columns(["x"], "code"),
    ]
    table = pa.Table.from_batches(parts).take(pa.array([5, 2, 0, 4, 1, 3]))
    expected = ["too_short", "too_short", None, None, "too_short", "too_short"]
    assert list(rules.find_reasons(table, FilterConfig())) == expected
    assert list(rules.find_reasons(table.combine_chunks().to_batches()[0], FilterConfig())) == expected
    assert list(rules.find_reasons(table.slice(0, 0), FilterConfig())) == []


def test_a_missing_column_is_an_error_only_for_a_rule_that_reads_it():
    table = columns([ARTICLE]).drop_columns(["lorem"])
    with pytest.raises(DataError) as caught:
        rules.find_reasons(table, FilterConfig())
    assert caught.value.rule == "missing-column" and "'lorem'" in str(caught.value)
    assert list(rules.find_reasons(table, configure(lorem=False))) == [None]


def test_a_row_without_a_measure_does_not_fail():
    text = "def area(width, height):\n    return width * height\n\nprint(area(2, 3))\n"
    config = configure(lang="code", licenses=["none"], max_secrets=0, max_comment_share=0.5)
    result = reasons(
        [text], "code", config, license_kind=[None], secrets=[None], comment_share=[None], generated=[None]
    )
    assert result == [None]


def test_a_language_without_rules_is_an_error():
    table = columns([ARTICLE]).set_column(0, "lang", pa.array(["fr"]))
    with pytest.raises(DataError) as caught:
        rules.find_reasons(table, FilterConfig())
    assert caught.value.rule == "unknown-language" and "'fr'" in str(caught.value)


def test_explain_lists_the_value_of_every_rule():
    row = columns(["봄이 왔네 봄이 왔어 " * 20]).to_pylist()[0]
    explanations = rules.explain(row, configure(languages=["ko"]))
    assert (
        "repeated_words",
        pytest.approx(74 / 78, abs=1e-5),
        "<= 0.6",
        False,
        "max_repeated_words",
    ) in explanations
    assert ("too_short", 240, ">= 30", True, "min_characters") in explanations
    assert ("language", "ko", "ko", True, "languages") in explanations
    assert ("spam", False, False, True, "spam") in explanations
    failed = [verdict.reason for verdict in explanations if not verdict.passed]
    assert failed[0] == rules.find_reasons(pa.RecordBatch.from_pylist([row]), configure())[0]


# --- thresholds and presets ---------------------------------------------------------------------------------


def test_own_thresholds_override_the_preset_and_off_switches_off():
    config = FilterConfig(
        preset="fineweb2",
        ko=ProseRules(max_top_2_gram=0.5, max_top_3_gram="off"),
        en=ProseRules(preset="gopher"),
    )
    ko = values.thresholds(config, "ko")
    assert (ko["max_top_2_gram"], ko["max_top_4_gram"]) == (0.5, 0.185)
    assert "max_top_3_gram" not in ko and "min_characters" not in ko and "preset" not in ko
    assert values.thresholds(config, "en")["min_word_length"] == 3
    assert values.thresholds(config, "code") == values.thresholds(FilterConfig(), "code")
    base_gopher = FilterConfig(preset="fineweb")
    assert values.thresholds(base_gopher, "en")["max_top_2_gram"] == 0.2
    assert set(values.resolve_thresholds(config)) == set(LANGUAGES)


@pytest.mark.parametrize("name", values.NAMES)
def test_presets_are_valid_and_start_with_a_comment(name):
    own = {
        lang: {field: value for field, value in limits.items() if field != values.BASE}
        for lang, limits in values.read_file(name).items()
    }
    config = FilterConfig(**own)
    for lang in LANGUAGES:
        limits = values.thresholds(FilterConfig(preset=name), lang)
        fields = {rule.field for rule in rule_table.rules_of(lang)}
        assert set(limits) <= fields
        assert set(own.get(lang, {})) <= {field.name for field in dataclasses.fields(getattr(config, lang))}
    assert (values.FOLDER / f"{name}.yaml").read_text("utf-8").startswith("# ")
    assert {path.stem for path in values.FOLDER.glob("*.yaml")} == set(values.NAMES)


@pytest.mark.parametrize("lang", ["ko", "code"])
def test_every_field_has_a_rule_and_every_rule_a_field(lang):
    fields = [
        field.name for field in dataclasses.fields(getattr(FilterConfig(), lang)) if field.name != "preset"
    ]
    assert sorted({rule.field for rule in rule_table.rules_of(lang)}) == sorted(fields)


def test_presets_keep_good_text_and_drop_repeated_text():
    good, repeated = [VARIED.replace(" ", "\n", 8) + " " + ARTICLE], [f"{VARIED}\n" * 6]
    for name in ("ko", "fineweb2"):
        assert reasons(good, config=FilterConfig(preset=name)) == [None]
        assert reasons(repeated, config=FilterConfig(preset=name))[0] in (
            "duplicate_lines",
            "repeated_lines",
            "top_2_gram",
        )


@pytest.mark.parametrize(
    ("threshold", "wrong"),
    [
        (Share, 1.5),
        (Share, -0.1),
        (Share, True),
        (Share, "of"),
        (Count, 3.5),
        (Count, -1),
        (Count, "30"),
        (Number, -1.0),
        (Number, False),
    ],
)
def test_wrong_thresholds_are_one_error(threshold, wrong):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(threshold).validate_python(wrong)
    assert len(caught.value.errors()) == 1


def test_the_configuration_names_the_line_of_a_wrong_threshold(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("preset: ko\nko:\n  max_symbol_ratio: 1.5\n  min_words: off\n  languages: ko\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(FilterConfig, [str(file)], [])
    lines = {problem.path: problem.where for problem in caught.value.problems}
    assert lines == {"ko.max_symbol_ratio": f"{file}:3", "ko.languages": f"{file}:5"}
    file.write_text("preset: ko\nko:\n  max_symbol_ratio: 0.5\n  min_words: off\n", "utf-8")
    assert load(FilterConfig, [str(file)], ["en.min_words=off"]).config.en.min_words == "off"


def test_limits_of_counts_have_integer_values():
    hints = get_type_hints(ProseRules, include_extras=True)
    table = columns([ARTICLE, VARIED])
    assert any(is_of(hint, Count) for hint in hints.values())
    for rule in rule_table.PROSE:
        if is_of(hints[rule.field], Count):
            value = rule.value(rules.columns_of(table))
            assert np.array_equal(value, np.floor(value)), rule.field


def test_a_glossary_of_two_languages_stays():
    table = columns([GLOSSARY])
    of = rules.columns_of(table)
    assert of("measured")[0] == "text"
    assert of("hangul")[0] / (of("letters") + of("digits"))[0] < 0.2  # each word in both languages
    assert rules.find_reasons(table, FilterConfig()).tolist() == [None]
    english = columns(["".join(re.sub("[가-힣]", "x", line) for line in GLOSSARY.splitlines(keepends=True))])
    assert rules.find_reasons(english, FilterConfig()).tolist() == ["hangul_ratio"]


COMMITS = "\n".join(
    f"* [[`{n:07x}`](https://example.com/commit/{n:07x})] - **doc**: fix the typo in what the reference of page_{n} says about the order of its events (Kim) [#{n}](https://example.com/pull/{n})"
    for n in range(1000, 1040)
)
FILES = "\n".join(
    f"- {word}_scraper.py"
    for word in ["boseong", "damyang", "gangjin", "goheung", "gokseong", "gurye", "naju", "yeosu"]
)
PAGES = "\n".join(
    [f"* [{word} 코딩표준](/ko/{word})" for word in ["C++", "C#"]]
    + [
        f"* [봄나무 교실용 {word} 코딩표준](/ko/a-{word})"
        for word in ["C", "C++", "C#", "Java", "Go", "어셈블리"]
    ]
)
PARAMETERS = "".join(
    f"### 풀링 {n}차원\n\n" + "- __값__: 정수 또는 정수 두 개의 튜플이다. 풀링 창의 크기를 정한다.\n- __틈__: 정수, 또는 비워 둔다. 창을 옮기는 폭이다.\n\n"
    + "```python\n" + f"pool_{n}(values, size=2, strides=None, padding='valid')\n" * 6 + "```\n\n" for n in range(1, 13)
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (f"# 판 4.8.6\n\n- 인증서를 새로 고쳤습니다.\n- 최신 판의 지원을 더했습니다.\n\n### Commits\n\n{COMMITS}\n", "en"),
        (f"# 검증 보고서\n\n## 요약\n\n| 항목 | 수치 |\n|---|---|\n| 총 수집기 | 27 |\n| 통과 | 24 |\n| 실패 | 3 |\n\n### 실패\n\n- naju_scraper.py: 누락된 함수 main, 전송 로직 없음\n\n#### 확인할 것\n\n##### 시각과 오류 처리\n\n### 통과\n\n{FILES}\n", "ko"),
        (f"## 코딩표준\n\n{PAGES}\n\n## 번역\n\n* [번역 용어집](/ko/terms)\n", "ko"),
        (f"{ARTICLE}\n\n{PARAMETERS}", "ko"),
        ("\n\n".join(f"* [{n} - 모두의 백과사전](https://example.com/iris)\n\n```python\nshow(iris)\n```" for n in ["붓꽃 자료", "꽃받침", "로널드 피셔", "선형 회귀", "상관계수"]), "ko"),
    ],
)  # fmt: skip
def test_lists_of_changes_tables_links_and_parameters_stay(text, language):
    assert detect(pa.array([text], pa.large_string())).languages.tolist() == [language]
    assert reasons([text], language, spam_terms=[0], spam_contact=[True], spam_groups=[1]) == [None]


def test_numbers_of_issues_are_no_hashtags():
    assert list_words.count_words("꽃 #12 #345 심기 #봄꽃")[2] == 1
    assert list_words.count_words("연못 소개 {#pond}\n물고기 {#fish-list}")[0::2] == (3, 0)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (0, "업데이트 크롤링 스크롤링 컨트롤링 생성형 구성형 작성형식 오피스 카오피스 오피셜 줄일수록 토토로 긴급전화 최대출력 외부업무 내부업무"),
        (0, "전세계 이전세대 누적금액 서스펜션 서버리스 헤드리스 릴리스 스테이트리스 우선순위 레플리카셋 레플리케이션 제안마감 월변동률"),
        (17, "강남데이트 롤링 쌍꺼풀성형 성형외과 강남오피 일수 토토사이트 급전 무직자대출 재택부업 전세자금 전세대출 강남일수 직장인적금 가평펜션 장기리스 업체순위"),
        (4, "레플리카 출장안마 홈타이 월변"),
    ],
)  # fmt: skip
def test_goods_inside_of_other_words_are_no_keywords(keywords, words):
    assert list_words.count_words("\n".join(words.split()))[2] == keywords
