"""Main content of labeled pages: blocks kept and lost.

python -m tests.preprocessing.test_main_content    # precision and recall of every extractor that is installed
"""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib.util import find_spec

import pytest

from preprocessing.readers.bad_records import RecordError
from preprocessing.readers.web_pages import convert_page
from tests.preprocessing import page_cases

pytest.importorskip("resiliparse")
PARTS = ("seen", "unseen", "links", "links_unseen", "kinds")
FEWEST = {"seen": 48, "unseen": 32, "links": 12, "links_unseen": 9, "kinds": 13}


def extract(extractor: str, page: str) -> str:
    try:
        return convert_page(page.encode(), "utf-8", extractor)[0]
    except RecordError:  # it finds no main content
        return ""


@pytest.mark.parametrize("part", PARTS)
def test_blocks_of_main_content_are_kept_and_others_are_not(part):
    pages = page_cases.read_pages(part)
    score = page_cases.score(pages, partial(extract, "blocks"))
    assert len(pages) >= FEWEST[part]
    assert score.precision >= 0.95 and score.recall >= 0.95, score


def test_lists_and_short_cells_are_kept():
    page = (
        "<html><head><title>맞춤법</title></head><body><nav><a href='/'>첫 화면</a> <a href='/b'>목록</a></nav><article>"
        "<h1>맞춤법</h1><p>띄어쓰기는 낱말마다 띄어 쓰는 것을 원칙으로 하며, 조사는 앞말에 붙여 쓴다.</p>"
        "<ul><li>가</li><li>나<ul><li>다</li></ul></li></ul><table><tr><td>값</td><td>가</td></tr></table>"
        "<dl><dt>조사</dt><dd>붙여 쓴다</dd></dl></article></body></html>"
    )
    text = extract("blocks", page)
    assert "첫 화면" not in text
    for line in ("# 맞춤법", "- 가", "  - 다", "값  가", "조사: 붙여 쓴다"):
        assert line in text.split("\n")


def article(body: str) -> str:
    """What remains of an article with this body between two paragraphs."""
    page = (
        "<html><head><title>안내</title></head><body><nav><a href='/'>첫 화면</a></nav><article><h1>안내</h1>"
        f"<p>이 글은 본문이 무엇인지 가리는 규칙을 살피려고 쓴 것으로, 앞뒤에 문단이 있다.</p>{body}"
        "<p>마지막 문단은 앞에 있는 것이 무엇이든 본문으로 남아 있어야 한다.</p></article></body></html>"
    )
    return extract("blocks", page)


@pytest.mark.parametrize(
    "body, lines",
    [
        ("<ul><li><p><a href='/a'>첫째 글</a></p></li><li><p><a href='/b'>둘째 글</a></p></li></ul>",
         ["- 첫째 글", "- 둘째 글"]),
        ("<ul><li>묶음<ul><li><a href='/a'>안쪽 글</a></li></ul></li><li>둘째</li></ul>", ["- 묶음", "  - 안쪽 글"]),
        ("<table><tr><th>곳</th><td><ul><li><a href='/a'>누리집</a></li></ul></td></tr></table>", ["- 누리집"]),
        ("<div class='toctree-wrapper'><ul><li class='toctree-l1'><a href='/a'>깔기</a></li></ul></div>", ["- 깔기"]),
        ("<dl><dt id='lib.echo_via_pager'>echo_via_pager()</dt><dd>쪽마다 나눠 보여 준다.</dd></dl>",
         ["echo_via_pager(): 쪽마다 나눠 보여 준다."]),
        ("<div class='section' id='search'><h2>찾기<a class='headerlink' href='#search'>#</a></h2><p>낱말을 찾는다.</p></div>",
         ["## 찾기", "낱말을 찾는다."]),
        ("<h3 id='related'>얽힌 것</h3><p>둘째 문단이다.</p>", ["### 얽힌 것", "둘째 문단이다."]),
        ("<h2>라이선스</h2><p>Copyright © 2026 누리글 모임</p>", ["Copyright © 2026 누리글 모임"]),
        ("<p>쿠키는 밀폐 용기에 저장합니다.</p>", ["쿠키는 밀폐 용기에 저장합니다."]),
        ("<ul><li>사업자등록번호를 입력합니다.</li></ul>", ["- 사업자등록번호를 입력합니다."]),
        ("<p>경쟁사가 사진을 무단 도용했다고 밝혔다.</p>", ["경쟁사가 사진을 무단 도용했다고 밝혔다."]),
        ("<p>(a) 가, (b) 나, (c) 다</p>", ["(a) 가, (b) 나, (c) 다"]),
        ("<p>The pump is powered by a solar panel.</p>", ["The pump is powered by a solar panel."]),
    ],
)  # fmt: skip
def test_what_looks_like_surroundings_is_content_inside_of_an_article(body, lines):
    kept = article(body).split("\n")
    assert [line for line in lines if line not in kept] == []


@pytest.mark.parametrize(
    "body",
    [
        "<p>이 사이트는 쿠키를 사용합니다. 계속하면 동의한 것으로 봅니다.</p>",
        "<p>사업자등록번호 123-45-67890</p>",
        "<p>저작권자 누리신문, 무단 전재 및 재배포 금지</p>",
        "<p>Copyright 누리신문.</p>",
        "<p>Powered by WordPress</p>",
        "<p>(c) 2026 누리신문</p>",
    ],
)
def test_notices_are_cut(body):
    assert len(article(body).split("\n\n")) == 3


def test_answers_beside_a_question_are_content():
    page = (
        "<html><body><div class='question'><h1>겹친 값을 없애려면?</h1><p>차례를 지키면서 겹친 값을 없애고 싶은데 어떻게 하나요?"
        "</p></div><div class='answers'><div class='answer'><p>사전의 열쇠는 겹치지 않고 차례도 지키므로 그것을 쓰면 됩니다.</p></div>"
        "</div></body></html>"
    )
    assert "사전의 열쇠는" in extract("blocks", page)


def test_a_label_is_required_for_every_text():
    with pytest.raises(ValueError, match="나"):
        page_cases.label("x", "<p>⟦가⟧ 나</p>")
    with pytest.raises(ValueError, match="가"):
        page_cases.label("x", "<p>⟦가⟧</p><p>⟪가⟫</p>")


def measure() -> dict[str, dict[str, float]]:
    """``{"part extractor": {"pages", "precision", "recall"}}``."""
    result = {}
    for part in PARTS:
        pages = page_cases.read_pages(part)
        for extractor in ("blocks", "resiliparse", "trafilatura"):
            if extractor == "blocks" or find_spec(extractor):
                score = page_cases.score(pages, partial(extract, extractor))
                result[f"{part} {extractor}"] = {
                    "pages": len(pages),
                    "precision": round(score.precision, 3),
                    "recall": round(score.recall, 3),
                }
    return result


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
    print()
