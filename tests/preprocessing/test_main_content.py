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
PARTS = ("seen", "unseen", "links", "links_unseen")


def extract(extractor: str, page: str) -> str:
    try:
        return convert_page(page.encode(), "utf-8", extractor)[0]
    except RecordError:  # it finds no main content
        return ""


@pytest.mark.parametrize("part", PARTS)
def test_blocks_of_main_content_are_kept_and_others_are_not(part):
    pages = page_cases.read_pages(part)
    score = page_cases.score(pages, partial(extract, "blocks"))
    assert len(pages) >= (9 if part.startswith("links") else 30)
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
