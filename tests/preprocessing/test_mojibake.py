"""Wrong code pages: Korean is repaired, and unusual text stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.text.mojibake import repair_mojibake

LATIN = "".join(map(chr, range(0xC0, 0x180)))
WORDS = st.lists(
    st.text(st.sampled_from("aeinorstbz") | st.sampled_from(LATIN), min_size=1, max_size=9), max_size=6
)
KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=2, max_size=20)


@settings(max_examples=200, deadline=None)
@given(text=KOREAN)
def test_repairs_utf8_read_as_latin1(text):
    assert repair_mojibake("앞 " + text.encode().decode("latin-1") + " 뒤") == "앞 " + text + " 뒤"


@pytest.mark.parametrize(
    "text",
    [
        "강아지와 함께 바닷가를 걸었다.",
        "한글",
        "모래가 발가락 사이로, 그리고 10시에 잠들었다.",
        "“안녕”이라고 그가 말했다…",
    ],
)
def test_repairs_cp949_read_as_latin1(text):
    assert repair_mojibake(text.encode("cp949").decode("latin-1")) == text


def test_repairs_utf8_read_as_cp1252_and_as_cp949():
    assert repair_mojibake("í•œêµ­ì–´") == "한국어"
    assert repair_mojibake("로마".encode().decode("cp949")) == "로마"
    assert repair_mojibake("donâ€™t â€œquoteâ€\u009d") == "don’t “quote”"
    assert repair_mojibake("“It’s” â€œquotedâ€ 입니다") == "“It’s” “quoted” 입니다"
    assert repair_mojibake("기호 â€ 하나") == "기호 â€ 하나"


@pytest.mark.parametrize(
    "text",
    [
        "São Paulo and München",
        "café",
        "그는 São Paulo에서 café를 마셨다.",
        "25°C ~ 30°C, 3×4, £5, naïve résumé",
        "ıstanbul şehir, École, Österreich, mía, coração",
        "Søren\nHåkan",
        "Việt Nam là một quốc gia ở Đông Nam Á. Người dân nói tiếng Việt, thủ đô là Hà Nội.",
        "베트남어로 Phở, Bánh mì, Nguyễn, Hồ Chí Minh, Trương",
    ],
)
def test_repairs_western_letters_of_utf8(text):
    for encoding in ("latin-1", "cp1252"):
        assert repair_mojibake("".join(misread(c, encoding) for c in text)) == text


def misread(character, encoding):
    """A character of a Western script read with the wrong encoding, as browsers do; others stay."""
    return character if ord(character) > 0x2000 else web_misread(character, encoding)


def test_repairs_western_letters_that_were_misread_twice():
    assert repair_mojibake("SÃƒÂ£o Paulo") == "São Paulo"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text",
    ["안녕하세요. 오늘은 날씨가 매우 좋습니다.", "It’s a “test” – fine…", "“인용”은 5°C, café", "한국어"],
)
def test_repairs_text_that_was_misread_twice(text, encoding):
    assert repair_mojibake(web_misread(web_misread(text, encoding), encoding)) == text
    assert repair_mojibake("앞 줄\n" + web_misread(web_misread(text, encoding), encoding)) == "앞 줄\n" + text


def web_misread(text, encoding):
    """UTF-8 read as browsers read it: bytes that CP1252 lacks are controls."""
    return "".join(bytes([b]).decode(encoding, "ignore") or chr(b) for b in text.encode())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text", ["★ 추천 상품 ☆ 지금 확인하세요", "그림 😀 정말로 웃기다", "漢字와 カナ를 배운다", "• 하나 → 둘"]
)
def test_every_sign_of_a_korean_line_is_repaired(text, encoding):
    assert repair_mojibake(web_misread(text, encoding)) == text


def test_a_line_read_as_cp949_is_repaired_where_nothing_is_lost():
    lost = "방법입니다".encode().decode("cp949", "replace")
    words = " ".join(word.encode().decode("cp949") for word in ("문서", "처리", "문서"))
    assert repair_mojibake(f"{words} {lost}").startswith("문서 처리 문서 ")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Â© 2024 한빛", "© 2024 한빛"),
        ("Â» 더 보기\nÂ· 첫째 항목", "» 더 보기\n· 첫째 항목"),
        (
            "ItÃ¢ÂÂs fine, cafÃÂ©",
            "ItÃ¢ÂÂs fine, cafÃÂ©",
        ),  # controls were removed: nothing to repair, and no 창쩟
        ("Â© 2024는 © 2024로 읽는다", "Â© 2024는 © 2024로 읽는다"),
        ("| C2 | Â |\n| A9 | © |", "| C2 | Â |\n| A9 | © |"),
    ],
)
def test_signs_and_remains_of_misread_signs(before, after):
    assert repair_mojibake(before) == after


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text",
    [
        "러시아어로 Привет, мир!",
        "Ελληνικά και αγγλικά",
        "日本語の本, 中国",
        "그리고 สวัสดี 라고 했다",
        "שלום, مرحبا",
        "좋아요 😀 👍",
        "Țară și oraș, nǐ hǎo, Hawaiʻi",
        "3 × 4 = 12",
        "½ 컵, ¼ 컵",
        "£ 5, ¥ 300",
        "서울·부산",
        "서울\u00a0부산",
        "끝.\u00a0 다음",
    ],
)
def test_repairs_other_scripts_and_signs(text, encoding):
    misread = "".join(web_misread(c, encoding) if c < "가" or c > "힣" else c for c in text)
    assert repair_mojibake(misread) == text


def test_lines_end_as_in_the_cleaned_text_and_scripts_count_apart():
    assert repair_mojibake("é\u2028cafÃ©\vè\rÃ©t") == "é\u2028café\vè\rét"
    assert repair_mojibake("漢字 ＡＢ Ð¿Ñ€Ð¸ æ—¥æœ¬") == "漢字 ＡＢ при æ—¥æœ¬"


@settings(max_examples=300, deadline=None)
@given(words=WORDS)
def test_western_text_never_becomes_korean(words):
    text = " ".join(words)
    assert repair_mojibake(text) == text
    misread = text.encode().decode("latin-1")
    repaired = repair_mojibake(misread)
    assert repaired in (text, misread) or text == repair_mojibake(repaired)


@pytest.mark.parametrize(
    "text", ["PC방에 가서 K-팝을 들었다", "이 책은 좋다", "째째하다", "A형 간염과 B형 간염은 다르다"]
)
def test_korean_words_beside_latin_letters_are_repaired(text):
    assert repair_mojibake(text.encode("cp949").decode("latin-1")) == text


@pytest.mark.parametrize(
    "text",
    [
        "한국어 텍스트는 그대로 둔다. 漢字도 마찬가지다.",
        "Les élèves créées à Noël, «où» êtes-vous? ÀÂÉÈÊËÎÏÔÙÛÜ",
        "¿Qué? ¡Sí! £££ ½¾¼ Größe, naïve façade",
        "똠방각하와 펲시콜라",
        "ì•ˆë…• ì€",
        "São Paulo — “naïve” · £5",
        "¿Ángel? ¿Época? ¿Éxito?",
        "»Über Öl« und »Öl«",
        "«VOILÀ» «DÉJÀ» «À»",
        "OCKSÅ” MANHÃ» JÄ“",
        "10 Å–20 Å",
        "10 Å±2 Å, 5Å±1",
        "café가 cafÃ©로 깨져 보인다.",
        "é는 Ã©로 보인다.",
        "«Está»… «allá», »á» – «Mamá»”, já»",
        "Æ°",
        "Ð는 아이슬란드 글자다. Ñ와 Ø, Þ도 있다.",
        "привет은 Ð¿Ñ€Ð¸Ð²ÐµÑ‚로 깨진다.",
        "日本語 → æ—¥æœ¬èª",
        "😀는 ðŸ˜€로 보인다.",
        "CAFFÈ™ ÇA «Ê»",
        "« Â\u00a0» est une lettre",
    ],
)
def test_other_text_stays(text):
    assert repair_mojibake(text) == text


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(max_codepoint=0x17F) | st.sampled_from("€™œ“”한漢쒓"), max_size=30))
def test_repairing_twice_is_repairing_once(text):
    once = repair_mojibake(text)
    assert repair_mojibake(once) == once and len(once) <= len(text)
