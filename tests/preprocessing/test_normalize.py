"""Normalization: what changes, what must not, and that doing it twice is doing it once."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.config.cleaning import CleanConfig
from preprocessing.steps.text_operations import operations_for
from preprocessing.text import blanks, characters, fences, jamo, squeeze

ALPHABET = st.sampled_from(
    "가각힣각ㄱㅋㅠㅏabcXYZ 019\n\t\r.,!?~…ㅡ♡★〜Ａ！　\u200b\u200d\ufeff\u00ad\u202e\u0301é한글👨👩漢\x00\x1b[m<>&;`-#*|/:"
)
JAMO = st.characters(min_codepoint=0x1100, max_codepoint=0x11FF) | st.sampled_from(
    "ᄏ휴ᅵ큐하\ua960\ud7b0\ud7cb"
)
CHANCE = re.compile("(?<=[ᄀ-ᄒ])[가-힣](?=[ᅡ-ᅵ])")  # syllables that may become two letters
TEXTS = st.text(st.one_of(ALPHABET, st.characters(exclude_categories=["Cs"])), max_size=80)


@pytest.mark.parametrize("lang", ["ko", "en", "mixed", "code"])
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_every_operation_is_idempotent_and_never_lengthens(lang, text):
    for operation in operations_for(lang, "none", CleanConfig()):
        once = operation.apply(text)
        assert operation.apply(once) == once, operation.name
        room = len(unicodedata.normalize("NFC", text)) - len(text) if operation.name == "nfc" else 0
        room += operation.name == "whitespace" and lang == "code"
        room += len(CHANCE.findall(text)) if operation.name == "stray_jamo" else 0
        assert len(once) <= len(text) + max(room, 0), operation.name
        text = once
    assert unicodedata.is_normalized("NFC", text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=40))
def test_decomposed_hangul_is_composed_and_syllables_never_change(text):
    assert characters.compose(unicodedata.normalize("NFD", text)) == text
    assert squeeze.squeeze(text, 1) == text
    assert jamo.spell_stray_jamo(text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ㅋㅋㅋㅋㅋㅋ ㅠㅠㅠㅠ", "ㅋㅋㅋ ㅠㅠㅠ"),
        ("좋아요!!!!!! 정말????", "좋아요!!! 정말???"),
        ("네ㅋㅋㅋㅋ 알겠습니다", "네ㅋㅋㅋ 알겠습니다"),
        ("그래ㅇㅇ", "그래ㅇㅇ"),
        ("하하 하하하하 하하하하하하 크크크크크크", "하하 하하하하 하하하 크크크"),
        ("가가가가가가 두두두두두두 하하호호하하호호", "가가가가가가 두두두두두두 하하호호하하호호"),
        ("ㅋㅎㅋㅎㅋㅎㅋㅎ ㅠㅜㅠㅜㅠㅜ ㅋㅋㅎ ㅇㅋㅇㅋㅇㅋ", "ㅋㅎㅋ ㅠㅜㅠ ㅋㅋㅎ ㅇㅋㅇㅋㅇㅋ"),
        ("♥♥ ♡♡♡♡ ♥♥♥♥♥♥ ^^^^ ^^ ♪♪♪♪", "♥♥ ♡♡♡ ♥♥♥ ^^^ ^^ ♪♪♪"),
        ("★★★★☆ ★★★★★ ★☆☆☆☆ ☆☆☆☆☆ ♥♥♥♥♡", "★★★★☆ ★★★★★ ★☆☆☆☆ ☆☆☆☆☆ ♥♥♥♥♡"),
        ("★★★★★★★★☆☆ ★★★★★★★★★★★ ★★★★★★☆☆☆☆☆", "★★★★★★★★☆☆ ★★★ ★★★☆☆☆"),
        ("★★★★ 세일 ★★★★ ♥♥♥♥♥♥♡♡♡♡♡♡", "★★★★ 세일 ★★★★ ♥♥♥♡♡♡"),
        ("?!?!?!?! 정말???!!! !!!????? ?! !? ??!!??!!??!!", "?!? 정말???!!! !!!??? ?! !? ??!!??"),
        ("!!!!\n```\nx = '!!!!....'\n```\n....", "!!!\n```\nx = '!!!!....'\n```\n..."),
        ("www....... httpx://!!!!! http:// !!!!", "www....... httpx://!!! http:// !!!"),
        ("1,000,000원 2000000 www wwwww", "1,000,000원 2000000 www wwwww"),
        ("http://a.kr/!!!!!?q=ㅋ", "http://a.kr/!!!!!?q=ㅋ"),
        ("https://a.kr/~~~~/x ~~~~~~", "https://a.kr/~~~~/x ~~~"),
        (
            "https://a.kr/ㅋㅋㅋㅋㅋ?q=ㅠㅠㅠㅠㅠ&x=!!!!! ㅋㅋㅋㅋㅋ",
            "https://a.kr/ㅋㅋㅋㅋㅋ?q=ㅠㅠㅠㅠㅠ&x=!!!!! ㅋㅋㅋ",
        ),
        ("글쎄.......... 음…… ㅡㅡㅡㅡㅡ", "글쎄... 음… ㅡㅡㅡ"),
        ("--- *** === ###", "--- *** === ###"),
    ],
)
def test_runs_of_emotion_are_squeezed_and_nothing_else(before, after):
    assert squeeze.squeeze(before, 3) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("웃겨ᄏᄏ 슬퍼ᅲᅲ", "웃겨ㅋㅋ 슬퍼ㅠㅠ"),
        ("ᄀᄀᄂ 회의는 ᅡ 세 시", "ㄱㄱㄴ 회의는 ㅏ 세 시"),
        ("5ᆞ18 서울ᆞ부산, 글쎄ᆢ", "5·18 서울·부산, 글쎄‥"),
        ("ᆨᆫ ᆪᆪ ᇹ ᅘ ퟦ", "ㄱㄴ ㄳㄳ ㆆ ㆅ ㅃ"),
        ("나랏말ᄊᆞ미", "나랏말ㅆㆍ미"),
        ("4ㆍ19 정치ㆍ경제 A사ㆍB사 韓ㆍ美 (주)ㆍ《책》", "4·19 정치·경제 A사·B사 韓·美 (주)·《책》"),
        ("ㆍ 첫째\n \tㆍ\t둘째\nㆍ셋째\nㆍ2026년\nㆍ도로", "· 첫째\n \t·\t둘째\n·셋째\n·2026년\n·도로"),
        ("ㆍ는 모음이다\nㆍ의\nㆍ, ㅡ", "ㆍ는 모음이다\nㆍ의\nㆍ, ㅡ"),
        (
            "아래아(ㆍ)는 'ㆍ' ㆍ는 ㅆㆍ미 가ㆍㆍ나 가 ㆍ 나 가ㆍ",
            "아래아(ㆍ)는 'ㆍ' ㆍ는 ㅆㆍ미 가ㆍㆍ나 가 ㆍ 나 가ㆍ",
        ),
        ("가\u115f나\u1160다", "가나다"),
        ("ᄓ ᆣ", "ᄓ ᆣ"),
        ("ᄏ큐ᅲ ᄒ하ᅡ ᄏ큐ᅡ ᄒ큐ᅲ ᄏ큔ᅲ 큐ᅲ ᄏ큐", "ㅋㅋㅠㅠ ㅎㅎㅏㅏ ㅋ큐ㅏ ㅎ큐ㅠ ㅋ큔ㅠ 큐ㅠ ㅋ큐"),
    ],
)
def test_stray_jamo_become_the_letters_that_were_typed(before, after):
    assert jamo.spell_stray_jamo(before) == after


def test_old_hangul_stays_on_request():
    old = "나랏말ᄊᆞ미 ᄒᆞᆫ글 가ᇫ ᅌᅦ"
    assert jamo.spell_stray_jamo_keep_old(old) == old
    assert jamo.spell_stray_jamo_keep_old("ᄏᄏ 나랏말ᄊᆞ미ᅲ 5ᆞ18 ᅡᆨ") == "ㅋㅋ 나랏말ᄊᆞ미ㅠ 5·18 ㅏㄱ"


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from("ㄱㄲㅋㅎㅆㅏㅐㅠㅜㅡㅣ ") | st.sampled_from("말하다.!"), max_size=30))
def test_letters_that_nfkc_converts_to_jamo_come_back(text):
    """But for letters that NFKC composes to a syllable, unless the same letters stand beside it."""
    broken = unicodedata.normalize("NFKC", text)
    spelled = jamo.spell_stray_jamo(broken)
    assert unicodedata.normalize("NFKC", spelled) == broken
    assert not re.search("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]", spelled)
    apart = re.sub("[ㅏ-ㅣ]", "", text)
    assert jamo.spell_stray_jamo(unicodedata.normalize("NFKC", apart)) == apart


@pytest.mark.parametrize("keep_old", [False, True])
@settings(max_examples=200, deadline=None)
@given(text=st.text(JAMO, max_size=12))
def test_only_jamo_without_letters_stay(keep_old, text):
    config = CleanConfig(keep_old_hangul=keep_old)
    for operation in operations_for("ko", "none", config):
        once = operation.apply(text)
        assert operation.apply(once) == once, operation.name
        text = once
    for letter in re.findall("[\u1100-\u1112\u115f-\u1175\u119e\u11a2\u11a8-\u11c2]", text):
        assert keep_old and letter in "".join(match[0] for match in jamo._OLD_SYLLABLE.finditer(text))


def test_invisible_characters_are_removed_and_emoji_stay_joined():
    assert (
        characters.remove_invisible("사\u200b람\u00ad은\u202e \x07\ufeff잔\u200d다\r\n끝")
        == "사람은 잔다\n끝"
    )
    assert characters.remove_invisible("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧"
    assert characters.remove_invisible("\x1b[31m빨강\x1b[0m") == "빨강"
    assert characters.remove_invisible("가\x1c나\x1f다") == "가 나 다"


def test_tag_characters_stay_in_flags_only():
    england = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert (
        characters.remove_invisible(f"{england} 태그\U000e0041\U000e0042 {england}")
        == f"{england} 태그 {england}"
    )


def test_vertical_tabs_and_page_breaks_separate_words_and_add_no_empty_lines():
    assert characters.remove_invisible("제목\v부제목") == "제목\n부제목"
    assert characters.remove_invisible("첫 쪽\f둘째 쪽") == "첫 쪽\n둘째 쪽"
    assert (
        characters.remove_invisible("\f쪽의 끝\n\f문장은 이어지고\f\f\n끝난다.\f")
        == "쪽의 끝\n문장은 이어지고\n끝난다."
    )


def test_full_width_only_in_prose():
    assert characters.to_usual_width("Ｐｙｔｈｏｎ ３．１２！　끝") == "Python 3.12! 끝"
    assert characters.to_usual_width("| 앞｜뒤 | １ |") == "| 앞｜뒤 | 1 |"  # an ASCII bar would begin a cell
    assert all(operation.name != "full_width" for operation in operations_for("code", "none", CleanConfig()))


def test_blanks_collapse_but_indentation_and_fences_stay():
    assert blanks.collapse_blanks("  가  나\t다 \n\n\n\n- 라\n    마   바\n") == "가 나 다\n\n- 라\n    마 바"
    fenced = "앞  말\n```py\nx  =  1\n\n\n\ny = 2\n```\n뒤  말"
    assert blanks.collapse_blanks(fenced) == "앞 말\n```py\nx  =  1\n\n\n\ny = 2\n```\n뒤 말"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("`a  b!!!!`는  코드", "`a  b!!!!`는 코드"),
        ("``a `  b!!!!``  ``c", "``a `  b!!!!`` ``c"),
        ("\\`a  b!!!!`  c", "\\`a b!!!` c"),
        ("`줄  끝!!!!\n`", "`줄 끝!!!\n`"),
        (
            "코드:\n\n    x  =  1   # 값\n    yy =  2   # 다른 값",
            "코드:\n\n    x  =  1   # 값\n    yy =  2   # 다른 값",
        ),
        ("코드:\n\tx  =  1\n  \ty  =  2", "코드:\n\tx  =  1\n  \ty  =  2"),
        ("- 목록\n    이어지는  글은   글이다\n   x  =  1", "- 목록\n    이어지는 글은 글이다\n   x = 1"),
        ("이름\t값\t\t비고\nx  =  1   # 울타리 밖", "이름 값 비고\nx = 1 # 울타리 밖"),
        ("오류:\n\n    print(x!!!!\n           ^^^^^^\n", "오류:\n\n    print(x!!!!\n           ^^^^^^"),
        ("앞\n    진짜!!!!!\n    ㅋㅋㅋㅋㅋ\n\twow!!!!!", "앞\n    진짜!!!\n    ㅋㅋㅋ\n\twow!!!!!"),
        ("    wow!!!!!\n글", "wow!!!\n글"),
        ("```\n코드\n```\n    wow!!!!!", "```\n코드\n```\n    wow!!!!!"),
        ("앞\n    " + "x" * 500 + "!!!!!", "앞\n    " + "x" * 500 + "!!!"),
    ],
)
def test_code_in_prose_keeps_its_blanks_and_signs(before, after):
    assert blanks.collapse_blanks(squeeze.squeeze(before, 3)) == after


@pytest.mark.parametrize(
    "text",
    [
        "이름      나이  직업\n홍길동    34    교사\n김하늘    28    기자",  # columns of a terminal, Hangul two wide
        "합계     1,200\n나머지     340\n전체    10,000",  # numbers that end in the same place
        "성  명   홍길동\n주  소   서울시 마포구",
        "+------+------+\n| 이름 | 값   |\n+======+======+\n| 가   | 1    |\n+------+------+",
        "=====  =====\nA      B\n=====  =====\n참     거짓",
        "이름\t나이\n홍길동\t34",
        "Name       Age\nHaneul      28",
    ],
)
def test_aligned_columns_keep_their_blanks(text):
    assert blanks.collapse_blanks(text) == text


def test_lines_of_template_literals_keep_their_blanks():
    literal = "<D>{`\n  A --> B\n  |     |\n\n  v  가   나`}</D>"
    assert blanks.collapse_blanks(f"{literal}\n\n글   글") == f"{literal}\n\n글 글"
    assert blanks.collapse_blanks("{`\n가   나") == "{`\n가 나"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "끝났다.  다음 말\n왔었다.  다시 말",
            "끝났다. 다음 말\n왔었다. 다시 말",
        ),  # two blanks between sentences
        ("-   하나\n-   둘\n10. 셋", "- 하나\n- 둘\n10. 셋"),  # marks of lists
        (
            "| 이름   | 값  |\n|--------|-----|\n| 가     | 1   |",
            "| 이름 | 값 |\n|--------|-----|\n| 가 | 1 |",
        ),
        (
            "띄어쓰기가  이상한 줄\n다음 줄은 말이   여기가 이상하다",
            "띄어쓰기가 이상한 줄\n다음 줄은 말이 여기가 이상하다",
        ),
        ("이름    나이\n\n홍길동  34", "이름 나이\n\n홍길동 34"),  # an empty line between them
    ],
)
def test_blanks_outside_of_columns_collapse(before, after):
    assert blanks.collapse_blanks(before) == after


def test_code_keeps_its_whitespace():
    code = "\n\ndef f():\r\n\tx  =  1   # ｘ！\x0c\r\n\r\n\r\n\r\n    return x\n\n"
    for operation in operations_for("code", "html", CleanConfig()):
        code = operation.apply(code)
    assert code == "def f():\n\tx  =  1   # ｘ！\x0c\n\n\n\n    return x\n"


def test_blanks_of_any_width_and_half_width_jamo_become_usual_ones():
    assert characters.to_usual_width("가\u00a0나\u3000다\u2003라\u3164마") == "가 나 다 라 마"
    assert characters.to_usual_width("ﾡﾢﾾￂￜ ｶﾀｶﾅ ①㈀") == "ㄱㄲㅎㅏㅣ ｶﾀｶﾅ ①㈀"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ㅎㅏㄴㄱㅡㄹ ㅈㅏㅍㅏㄴㅇㅣ", "한글 자판이"),
        ("ㄱㅗㅈㅏㅇㄴㅏㅆㄷㅏ.", "고장났다."),
        ("ㅇㅏㄴㄴㅕㅇ하세요", "안녕하세요"),
        ("ㄴㅏㅣ", "ㄴㅏㅣ"),
        ("ㅎㅏㄴ", "ㅎㅏㄴ"),
        (
            "ㅋㅋㅋㅋ ㅠㅠㅠㅠ ㅇㅇ ㅋㅋㅠㅠ ㅇㅡㅇ ㅋㅠㅋㅠ ㅎㅏㅎㅏㅎㅏ ㅎㅜㅎㅡ",
            "ㅋㅋㅋㅋ ㅠㅠㅠㅠ ㅇㅇ ㅋㅋㅠㅠ ㅇㅡㅇ ㅋㅠㅋㅠ ㅎㅏㅎㅏㅎㅏ ㅎㅜㅎㅡ",
        ),
        ("가ㅎㅏㄴㄱㅡㄹ", "가ㅎㅏㄴㄱㅡㄹ"),
        ("ㄷㅏㄹㄱㄱㅏ ㅎㅏㄴㄱㅡㄹㅋㅋ", "ㄷㅏㄹㄱㄱㅏ ㅎㅏㄴㄱㅡㄹㅋㅋ"),
    ],
)
def test_typed_jamo_are_joined_only_where_unambiguous(before, after):
    assert jamo.join_typed_jamo(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("┌──────┬────┐\n├──────┼────┤ ─────── ㅡㅡㅡㅡㅡ", "┌──────┬────┐\n├──────┼────┤ ─── ㅡㅡㅡ"),
        (
            "1 & ~~~~6 \\end{a},~~~~~ ~~~~\\forall a~~~~b 네~~~~ ~~~~네",
            "1 & ~~~~6 \\end{a},~~~~~ ~~~~\\forall a~~~b 네~~~ ~~~네",
        ),
        ("1950BAN....11..135V 그래서....2등 wait....", "1950BAN....11..135V 그래서...2등 wait..."),
        ("a & b \\\\ ~~~~~ 1 & -2 좋아 ~~~~~ 1 점", "a & b \\\\ ~~~~~ 1 & -2 좋아 ~~~ 1 점"),
        ('".... . .-.. .-.. ---"는 hello, (....-)는 4', '".... . .-.. .-.. ---"는 hello, (....-)는 4'),
        (
            '["........", ".#....#....", "!!!!!"] ["ㅋㅋㅋㅋㅋ"]',
            '["........", ".#....#....", "!!!!!"] ["ㅋㅋㅋㅋㅋ"]',
        ),
        ('그는 "......" 했다, "그래....", ["가....", "......', '그는 "..." 했다, "그래...", ["가...", "...'),
        ("- .... 그래 ...... ...... 음.... .", "- ... 그래 ... ... 음... ."),
    ],
)
def test_runs_of_drawings_identifiers_formulas_and_morse_code_stay(before, after):
    assert squeeze.squeeze(before, 3) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("앞  말\n~~~\n1.  가\n\n\n\n~~~\n뒤  말", "앞 말\n~~~\n1.  가\n\n\n\n~~~\n뒤 말"),
        ("~~~ {.r a=1}\na  b\n~~~~\nc  d", "~~~ {.r a=1}\na  b\n~~~~\nc d"),
        ("~~~아 좋다\na  b\n~~~", "~~~아 좋다\na b\n~~~"),  # no name of a language
        ("~~~~\na  b\n```\nc  d\n```\n~~~\ne  f\n~~~", "~~~~\na b\n```\nc  d\n```\n~~~\ne f\n~~~"),  # the first never closes
        ("\n    x = 1\n    y = 2\n\n가  나", "    x = 1\n    y = 2\n\n가 나"),
        ("\tx = 1\n\n가  나", "\tx = 1\n\n가 나"),
        ("    x = 1\n가  나", "x = 1\n가 나"),
        ("    가나다라마\n    x", "가나다라마\n    x"),
    ],
)  # fmt: skip
def test_fences_of_tildes_and_code_at_the_beginning_keep_their_blanks(before, after):
    assert blanks.collapse_blanks(before) == after


def test_fences_may_be_indented_and_must_close():
    text = "  ```\na  b\n  ```\nc  d\n```\ne  f"
    assert blanks.collapse_blanks(text) == "```\na  b\n  ```\nc d\n```\ne f"
    assert fences.find_fences("```py\nx\n```") == [(0, 11)]
    assert fences.find_fences("````md\n```\nx\n```\n`````\n") == [(0, 22)]
    assert fences.find_fences("````\n```\n") == []
    assert fences.find_fences("```a`b\nx\n``` y") == []
