"""Tells the replies of a thread, which are content, from the comments under an article, which are not.

Replies have a name of REPLIES and no heading such as "댓글" above them. They are content where they answer (their text begins
with "답변"), where they have most of the sentences of the page, or where the heading of the page asks a question. On a board of
questions ("Q&A") comments of any name are answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from preprocessing.readers.page_tree import HEADINGS, Element, PageTree, sum_texts
from preprocessing.readers.page_words import REPLIES

_ANSWER = re.compile(
    r"\W*(?:(?:운영자|관리자|담당자|판매자|상담사|작성자)\s*)?답변(?!\s*(?:하기|쓰기|달기|등록|대기|예정|작성))"
)
_QUESTION = re.compile(
    r"[?？]\W*\Z|질문|문의|Q\s*&\s*A|묻고\s*답|궁금|알려\s*주세요|도와\s*주세요", re.IGNORECASE
)
_BOARD = re.compile(
    r"Q\s*(?:&|and)\s*A|QnA|(?:1\s*:\s*1\s*|상품\s*)?(?:문의|질문)(?:\s*(?:게시판|답변|과\s*답변|하기))?|묻고\s*답하기",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"댓글|덧글|한줄\s*의견|\bcomments?\b", re.IGNORECASE)
_TO_WRITE = ("button", "label", "form")
_TAG = re.compile(r"<[^>]*>|\s+")

NEAR = 600  # characters of HTML before replies in which their heading is searched
FIRST = 2000  # the same of the replies, in which their first text is searched
FIRST_TEXT = 60  # characters
LONGEST_HEADING = 100
LEAST_PROSE = 40  # characters of prose of the replies of a thread


def keep_replies(tree: PageTree, comments: Iterable[Element], around_heading: set[Element]) -> bool:
    """Unmarks the blocks named as comments that are content, without the fields to write one; true where there are any."""
    headings = [
        element for element in tree.elements if element in around_heading or element.name in HEADINGS[:4]
    ]
    replies = _find_replies(tree, comments, headings)
    for reply in replies:
        reply.is_part = True
        for inner in reply.descendants():
            inner.is_cut = inner.name in _TO_WRITE
    if replies:
        sum_texts(tree.elements)
    return bool(replies)


def _find_replies(tree: PageTree, comments: Iterable[Element], headings: Iterable[Element]) -> list[Element]:
    """Those of the blocks named as comments that are content; ``comments`` are cut and contain no other."""
    headings = [heading for heading in headings if heading.text <= LONGEST_HEADING]
    of_questions = any(_BOARD.fullmatch(tree.text_of(heading)) for heading in headings)
    replies = [element for element in comments if of_questions or _is_reply(element)]
    answers = [
        element for element in replies if _ANSWER.match(_text(tree, element.inside, element.inside + FIRST))
    ]
    others = [element for element in replies if element not in answers]
    prose = sum(inner.own[2] for element in others for inner in element.descendants())
    if prose < LEAST_PROSE or (not of_questions and _is_below_comments(tree, others[0])):
        return answers
    if of_questions or prose > tree.elements[0].prose:
        return replies
    titles = [heading for heading in headings if heading.name not in ("h3", "h4")]
    if any(_QUESTION.search(tree.text_of(heading)) for heading in titles):
        return replies
    return answers


def _is_reply(element: Element) -> bool:
    return any(not REPLIES.isdisjoint(words) for words in element.names)


def _is_below_comments(tree: PageTree, element: Element) -> bool:
    """True where the text before replies or at their beginning calls them comments."""
    before = _text(tree, max(0, element.start - NEAR), element.start)[-FIRST_TEXT:]
    return (
        _COMMENTS.search(before + _text(tree, element.inside, element.inside + FIRST)[:FIRST_TEXT])
        is not None
    )


def _text(tree: PageTree, start: int, end: int) -> str:
    return " ".join(_TAG.sub(" ", tree.html[start:end]).split())
