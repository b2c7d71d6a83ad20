"""Wrong code pages: Korean is repaired, and unusual text stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.text.mojibake import repair_mojibake

KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=2, max_size=20)


@settings(max_examples=200, deadline=None)
@given(text=KOREAN)
def test_repairs_utf8_read_as_latin1(text):
    assert repair_mojibake("앞 " + text.encode().decode("latin-1") + " 뒤") == "앞 " + text + " 뒤"


@pytest.mark.parametrize(
    "text", ["강아지와 함께 바닷가를 걸었다.", "한글", "모래가 발가락 사이로, 그리고 10시에 잠들었다."]
)
def test_repairs_cp949_read_as_latin1(text):
    assert repair_mojibake(text.encode("cp949").decode("latin-1")) == text


def test_repairs_utf8_read_as_cp1252_and_as_cp949():
    assert repair_mojibake("í•œêµ­ì–´") == "한국어"
    assert repair_mojibake("로마".encode().decode("cp949")) == "로마"
    assert repair_mojibake("donâ€™t â€œquoteâ€\u009d") == "don’t “quote”"


@pytest.mark.parametrize(
    "text",
    [
        "한국어 텍스트는 그대로 둔다. 漢字도 마찬가지다.",
        "Les élèves créées à Noël, «où» êtes-vous? ÀÂÉÈÊËÎÏÔÙÛÜ",
        "¿Qué? ¡Sí! £££ ½¾¼ Größe, naïve façade",
        "똠방각하와 펲시콜라",
        "ì•ˆë…• ì€",
        "São Paulo — “naïve” · £5",
    ],
)
def test_other_text_stays(text):
    assert repair_mojibake(text) == text


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(max_codepoint=0x17F) | st.sampled_from("€™œ“”한漢쒓"), max_size=30))
def test_repairing_twice_is_repairing_once(text):
    once = repair_mojibake(text)
    assert repair_mojibake(once) == once and len(once) <= len(text)
