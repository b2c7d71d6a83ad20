"""Whole columns compared with the plain functions, on generated text rich in the characters that they change."""

import dataclasses
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.cleaning import CleanConfig
from preprocessing.documents import Counts, utf8_buffer
from preprocessing.kernels.normalize import OPERATIONS, UNDONE
from preprocessing.kernels.normalize import normalize as normalize_rows
from preprocessing.kernels.normalize_classes import COMPOSES, CONTROL, SINGLE, SIZE, WIDTH
from preprocessing.markup.html_text import html_to_text
from preprocessing.steps.text_operations import (
    _suspects,
    normalize_column,
    operations_for,
    rows_with_boilerplate,
)
from preprocessing.text import boilerplate, characters, jamo, mojibake
from preprocessing.text.character_table import prose_table, usual_table

PIECES = [
    "{`\n", "`}",
    *"가하크각갛힣ㄱㅋㅎㅠㅜㅏㄴㅡㄳㄸㅗahw0.!?~^♡★…―─:/_-\"'=<>&;@[m\x1b\n\t\r`", "```", "",
    " ", "  ", "\n\n\n", "\r\n", "```\n", "\n```\n", "\n````\n", "\n```py\n", "★", "★★★★", "☆", "♥", "♥♥♥", "♡", "?!", "!?!?", "`", "``", "\\", "`a  b!!!!`", "\n    x  =  1", "\n\tx  y", "\n  \tx  가  나", "http://", "https://", "www.", "\u200b", "\u200d",
    "\u200d", "\ufeff", "\u00ad", "\u202e", "\u0085", "\u2028", "\u2581", "\u00a0", "\u3000", "\u2003", "！", "Ａ", "～",
    "｀", "ﾡ", "ㆍ", "ㆍ", " ㆍ ", "\nㆍ ",  "ￂ", "ﾠ", "ㅤ", "👨", "👩", "\ufe0f", "☆", "\x00", "\x1c", "\x1f", "\x0b", "\x0c", "\x0c\x0c", "\n\x0c", "\x1b[31m", "ᄒ", "ᅡ", "ᆫ", "ᆨ", "ㆍ", "ᄊ", "ᆞ",
    "\u0301", "e\u0301", "ᄏ", "ᅲ", "큐", "ᆢ", "ᇫ", "\u1160", "\u115f", "ᄏ큐ᅲ", "ᄓ", "ퟦ", "é", "\u1fef", "\u037e", "豈", "\uf967", "\u212b", "漢", "\u0e48", "ㅎㅏㄴㄱㅡㄹ", "ㅋㅋㅋ", "하하하하하", "....", " .... .", '["....', '....",', "['!!!!!']", ', "....", ', '"', ",", "]", ".- ....\n", "....-", " ~~~~ 1 & ", "한글",
    "👨\u200d👩", "🏴\U000e0067\U000e0062\U000e007f", "\U000e0041", "가ㅎㅏㄴㄱㅡㄹ", "```\na  b!!!!\n  ``` \nc  d", "https://a.kr/!!!!",
    "\n+--+\n", "\n| a  | b |", "이름  나이\n가나  10", "\na   12\nbb   3", "\na\tb\nc\td", "\n1.  가", "|", "+-",
    "> ", "\n> ", "\n> ```\n", "\n>     x  =  1", "\n>   - 가  나", "\n>\t1. 가", "\n- ```\n", "\n12. ```\n", "\n>>> a  b", "\n...   a  b", "\n│  a  b", "，", "漢，", "？漢", "。",
    "┌", "│", "─", "────", "┐\n", "BAN....11", "1....", "가....2", " ~~~~6", ",~~~~", "}~~~~", "~~~~\\", "&~~~~", "~~~~", "~~~", "\n~~~\n", "\n~~~~\n", "\n~~~ r\n", "~~~ {.a b}\n", "\n> ~~~\n", "\n- ~~~\n", "    x  =  1\n", "\n\tx  y\n",
    "\nㆍ둘", "\nㆍ는", "\n    ^^^^", "\n    a!!!!", "\n\t가!!!!", "\n>>> a!!!!", "!!!!", " " * 90, "ab" * 50, "가나다라 마바사아. 자차카타파하 abc def",
]  # fmt: skip
HARD = [
    "<A>\n{`\n  가 --> 나\n  |       |  \n\n\n\n  v  v`}   글   글\n</A>\n다   라", "{`\n\n가  나\n~~~\nx  y\n~~~\n`}", "    {`\n가  나\n  `x`}\n다  라",
    "┌────┬────┐\n│ 가 │ 나 │\n└────┴────┘ ──── ㅡㅡㅡㅡ┐ ┃━━━━┃ ┐ㅡ────", "1 & ~~~~6 a},~~~~~ ~~~~\\a `x` ~~~~& 네~~~~6 ,~~~~〜 ```", ".... . .-.. \".... ..\" ~~~~~ 1 & -2 (....-)", '["..........", ".....#....!!!!!", "ㅋㅋㅋㅋㅋ","가.....", \'....\'] "....", ["' + "." * 70 + '", "x' + "y" * 64 + '....", "....!", "....", "!!!!!",\n"....",  "....", ["....', "1950BAN....11..135V a....b 가....1 1.....2 1……2 ....3 4....",
    "~~~\na  b!!!!\n~~~\nc  d\n~~~\ne  f", "~~~~ {.r a=1}\na  b\n~~~\n```\n~~~~\nc  d\n```\ne  f\n```\n", "~~~~~\na  b\n~~~~\n```\nc  d\n```\n~~~\ne  f\n~~~",
    "\n  \tx  가  나★\n  \tx  가  나", "    x  =  1\n    y  =  2\n\n가  나", "\n \n\tx  y\n\n가  나", "    x  =  1\n가  나", "    가나  다라\n    마  바", "    ```\n    a  b\n    ```\nc  d", "    x  =  1  ", "    x  y \n \n z",
    "이름    나이  비고\n홍길동  34    없음\n끝  말", "+----+---+\n| a  | b |\n+====+===+\n| 가 | 1  |\n\n| c  | d |", "합계     12\n나머지  340\n끝  말  이다.",
    "이름\t값\n가\t1\n나\t\t2\t3", "-   하나\n-   둘\n1.  셋\n2.  넷", "끝.  시작\n말.  다시", "```\na  b\n```\na  b\nc  d\n```x  y\nc  d",
    "> ```py\n>   a   b!!!!\n> ```\nc  d", "> > ```\n> >  a   b\nc  d\n> ```\ne  f", "```\n> ```\na  b\n```\nc  d", "1. ```\n  a  b\n  ```\nc  d", "> ```\n> a  b",
    "> - 가  나\n>   - 다  라\n> >\t2)  마\n>  > - 바  사\n>    아  자\n  >   + 차",
    ">     x  =  1\n>     가나다   라\n> >\t\tx  y\n>>     x  y\n    >>> 가나다   라\n>>> a  b\n...    a  b\n... a  b\n├──  a  b", "漢，字！？\n漢：가，漢！", "漢；　漢，，漢，",
    "👨\u200d👩\u200d👧 가\u200d나 👨\u200d\u200b👩 👨\u200d\u200d👩 ❤\ufe0f\u200d👩", "\x1b[31m빨강\x1b[0m \x1b[", "가ㅎㅏㄴㄱㅡㄹ ㅎㅏㄴㄱㅡㄹ은",
    "````\n```\na  b!!!!\n```\nc  d\n`````\ne  f", "```\n````\na  b\n```", "````\na  b\n```\nc  d\n```",
    "  ```py\na  b\n\n\n\n!!!!  \n  ```\t\nc  d\n```\ne  f", "```a\n```` \nx  y\n``` z\n", "http://!!!! http:// !!!! wwww.!!!! www. !!!! https:///...",
    "....... …… ..... ․․․․", "하하하하하 하하하하 크크크크크크크 ㅋㅎㅋㅎ ㅠㅜㅜ ㅡ―─ㅡ ^^^^ ♡♡♥♥♥♥", "ᄏ큐ᅲᅲ 5ᆞ18 ᄊᆞ ᄒᄒᄏᄏᄏ큐ᅲᅲᅲᆢᆢ", "가\u11a8 각\u11a8 \u1112\u1161\u11ab\u1100\u11a8",
    "★★★★☆ ★★★★★★★★★★★ ★★★★★★☆☆☆☆☆ ♥♥♥♥♡ ♥♥♥♥♥ ?!?!?!?! ??!!??!!??!! ？！？！ !!!!!?????", "`a  b!!!!` ``c `  d!!!!`` \\`e  f!!!!` `g  h!!!!\n` ｀i  j！！！！｀ " + "`" + "x  !!!!" * 200 + "`",
    "말  x\n    x  =  1   # 정렬\n    가나  다라\n\t`a  b`  가  나\n  \tx  y  \n   z  w\n    ```\n  a  b\n```", "ﾤﾷ！！！！　ﾱﾱﾱﾱ", "a\r\rb\r\n\r\n\r\nc\u2028d\u0085", "\x0c쪽\x0b줄\x0c\x0c쪽\n\x0c쪽\x0c\n쪽\x0c\u200d\n👨\u200d\x0c👩\x0c\u200d👩\r\x0c\n\x0c", "\uf967可 \u212b \u1fef\u1fef\u1fef\nx  y\n```", " \t\n가 \t나\t다  \n \n \n \n    라 \n",
]  # fmt: skip
ENDS = [
    "홍길동 기자", "gildong@news.example", "By Jane Doe", "ⓒ 한빛뉴스", "무단 전재 및 재배포 금지", "(서울=한빛뉴스) 홍길동 기자 = ",
    "▶ 관련기사", "[사진=한빛일보]", "입력 2024.03.05 10:20", "Copyright ⓒ 한빛", "\n", "```", "본문이다.", "기사", "뉴스", " ",
]  # fmt: skip
MARKUP = ["<b>", "</b>", "<br/>", "<p", ">", "&amp;", "&", "lt;", "&#35", ";", "<!--", "-->", "<a href=\"", "<x ", "a='", "가", "<", "/", " "]  # fmt: skip
MISREAD = ["한글".encode().decode("latin-1"), "어요".encode().decode("cp1252", "ignore"), "ÇÑ±Û", "로마".encode().decode("cp949"),
           "한글이".encode().decode("latin-1").encode().decode("latin-1"), "Ã¢â‚¬â„¢", "â˜…", "Â© 2024", "臾몄꽌 ", "Ã¢ÂÂ",
           "â€œ", "é", "Ã", "ê", "·", "“", " ", "a", "가", "漢", "쒓", "±", "\n"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=24).map("".join) | st.text(max_size=20)
CONFIGS = st.builds(
    CleanConfig,
    squeeze_to=st.integers(1, 6),
    squeeze_laughs_from=st.integers(3, 6),
    join_typed_jamo=st.booleans(),
    keep_old_hangul=st.booleans(),
    repair_mojibake=st.booleans(),
    cut_boilerplate=st.booleans(),
)


def column_of(texts):
    return pa.array(texts, pa.large_string())


def whole_column(texts, lang, config, markup="none"):
    counts = Counts()
    ids = pa.array([str(i) for i in range(len(texts))])
    column = normalize_column(column_of(texts), ids, lang, markup, config, counts)
    column.validate(full=True)
    return column.to_pylist(), counts


def one_by_one(texts, lang, config, markup="none"):
    changed: dict[str, int] = {}
    out = []
    for text in texts:
        for operation in operations_for(lang, markup, config):
            before, text = text, operation.apply(text)
            if text != before:
                changed[operation.name] = changed.get(operation.name, 0) + 1
        out.append(text)
    return out, changed


def check_column(texts, lang, config, markup="none"):
    got, counts = whole_column(texts, lang, config, markup)
    expected, changed = one_by_one(texts, lang, config, markup)
    assert got == expected
    assert dict(counts.changed) == changed
    assert {name: len(found) for name, found in counts.examples.items()} == {
        name: min(3, rows) for name, rows in changed.items()
    }


def check_normal(texts, lang, config):
    """But for wrong code pages, which may need the bytes of invisible characters, and for jamo squeezed to one or two.

    Three consonants in a row are no syllables typed apart; fewer may become some. Beside such syllables U+318D is a letter at first.
    """
    joins = config.join_typed_jamo and config.squeeze_to >= 3
    config = dataclasses.replace(config, repair_mojibake=False, join_typed_jamo=joins)
    texts = [text for text in texts if not (joins and jamo.DOT_LETTER in text)]
    once, _ = whole_column(texts, lang, config)
    assert whole_column(once, lang, config)[0] == once
    for text, normal in zip(texts, once):
        assert unicodedata.is_normalized("NFC", normal)
        room = 3 * len(jamo._JAMO_OR_CHANCE.findall(text)) + (lang == "code")
        assert len(normal.encode()) <= len(unicodedata.normalize("NFC", text).encode()) + room


@pytest.mark.parametrize("lang", ["ko", "code"])
@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("longest", [1, 3, 5])
def test_hard_rows_equal_the_plain_functions(lang, keep_old, longest):
    check_column(HARD, lang, CleanConfig(squeeze_to=longest, keep_old_hangul=keep_old))


@pytest.mark.parametrize("lang", ["ko", "code"])
@pytest.mark.parametrize("longest", [1, 2, 3])
@pytest.mark.parametrize("shift", range(0, 36, 5))
def test_changes_between_plain_text_equal_the_plain_functions(lang, longest, shift):
    plain = (
        "가나다라 마바사아. 자차카타파하!\n\nabcdef ghi 이이 jkl 12345 "
        if shift % 2
        else "가나다라... 마바사아~~ 자차카타?!\n\nabcdef `ghi` 이이 jkl 12345 "
    )
    texts = ["a" * shift + plain * 2 + piece * 2 + plain * 2 for piece in PIECES]
    check_column(texts, lang, CleanConfig(squeeze_to=longest, squeeze_laughs_from=3))


@pytest.mark.parametrize("lang", ["ko", "code"])
@settings(max_examples=200, deadline=None)
@given(texts=st.lists(TEXTS, max_size=8), config=CONFIGS)
def test_columns_equal_the_plain_functions(lang, texts, config):
    check_column(texts, lang, config)


@pytest.mark.parametrize("lang", ["ko", "en", "mixed", "other", "code"])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, max_size=8), config=CONFIGS)
def test_normal_text_stays_unchanged(lang, texts, config):
    check_normal(texts, lang, config)


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["ko", "en", "mixed", "other", "code"])
@settings(max_examples=2000, deadline=None)
@given(texts=st.lists(TEXTS, min_size=10, max_size=14), config=CONFIGS)
def test_a_hundred_thousand_rows(lang, texts, config):
    check_column(texts, lang, config)
    check_normal(texts, lang, config)


@settings(max_examples=120, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(MARKUP), max_size=9).map("".join), min_size=1, max_size=8))
def test_no_markup_is_missed(texts):
    check_column(texts, "en", CleanConfig(), "html")
    rows = set(_suspects(column_of(texts), "html", CleanConfig())[0])
    assert {i for i, text in enumerate(texts) if html_to_text(text) != text} <= rows


@settings(max_examples=120, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(MISREAD), max_size=9).map("".join), min_size=1, max_size=8))
def test_no_wrong_code_page_is_missed(texts):
    rows = set(_suspects(column_of(texts), "none", CleanConfig())[1])
    changed = {i for i, text in enumerate(texts) if mojibake.repair_mojibake(text) != text}
    assert changed <= rows
    check_column(texts, "ko", CleanConfig())


@settings(max_examples=120, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(ENDS), max_size=14).map("".join), min_size=1, max_size=6))
def test_no_boilerplate_is_missed(texts):
    rows = set(rows_with_boilerplate(column_of(texts)))
    assert {i for i, text in enumerate(texts) if boilerplate.cut_boilerplate(text) != text} <= rows


def test_a_slice_of_a_column_is_read_from_its_own_start():
    column = column_of(["ㅋㅋㅋㅋㅋ", "가!!!!!", "나  다", "a"])[1:3]
    counts = Counts()
    out = normalize_column(column, pa.array(["x", "y"]), "ko", "none", CleanConfig(), counts)
    assert out.to_pylist() == ["가!!!", "나 다"]
    assert counts.examples["squeeze"] == [{"id": "x", "before": "가!!!!!", "after": "가!!!"}]


def test_examples_show_the_change_and_hide_personal_data():
    text = "연락은 010-1234-5678 로 주세요 " + "가" * 40 + "ㅋㅋㅋㅋㅋㅋ 끝"
    _, counts = whole_column([text] * 5, "ko", CleanConfig())
    assert len(counts.examples["squeeze"]) == 3
    example = counts.examples["squeeze"][0]
    assert (
        "1234" not in example["before"]
        and "ㅋㅋㅋㅋㅋㅋ" in example["before"]
        and "ㅋㅋㅋ 끝" in example["after"]
    )


def test_the_table_has_every_single_character_that_the_plain_functions_change():
    table = prose_table()
    for code in range(SIZE):
        if 0xD800 <= code < 0xE000:
            continue
        one = chr(code)
        assert bool(table[code] & CONTROL) == (characters.remove_invisible(one) != one), hex(code)
        assert bool(table[code] & WIDTH) == (characters.to_usual_width(one) != one), hex(code)
        if not unicodedata.is_normalized("NFC", one) or unicodedata.combining(one):
            assert table[code] & (COMPOSES | SINGLE | WIDTH), hex(code)


def test_every_pair_that_composes_is_left_to_python_or_hangul():
    """All primary composites of Python's Unicode data, also those outside of the table."""
    table = prose_table()
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second = int(parts[1], 16)
            assert second < SIZE and table[second] & COMPOSES, hex(code)
        elif len(parts) == 1 and code >= SIZE:
            assert 0x2F800 <= code <= 0x2FA1F, hex(code)
    beyond = [code for code in range(SIZE, 0x110000) if unicodedata.combining(chr(code))]
    assert beyond == []


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_hangul_of_any_form_needs_no_python(form):
    text = "".join(map(chr, range(0xAC00, 0xD7A4, 7)))
    column = column_of([unicodedata.normalize(form, text)])
    data, ends, changes = normalize_rows(
        *utf8_buffer(column), prose_table(), usual_table(), True, 3, 5, True, False
    )
    assert bytes(data[: ends[1]]).decode() == text
    assert [OPERATIONS[bit] for bit in range(len(OPERATIONS)) if changes[0] >> bit & 1] == (
        ["nfc"] if form == "NFD" else []
    )
    assert not changes[0] & UNDONE


@pytest.mark.parametrize(
    "text",
    ["\n~~~\nᄒ\n~~~\n`", "제목\n~~~~\nᄒᄒ ｈｉ\n", "정말~~~ ᅲᅲ `ㅋ` ｈｉ", "> ~~~\n> ｈｉ\n> ~~~\n\n`a`"],
)
def test_tildes_of_fences_of_titles_and_of_prose(text):
    check_column([text], "ko", CleanConfig())
