"""Cuts what surrounds the main content of a page: navigation, side bars, comments, hidden text.

Tags, roles and hidden text are sure; names need other evidence (:mod:`preprocessing.readers.page_names`). Of a header the headings
and sentences stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

from preprocessing.readers.page_controls import (
    has_orders,
    is_choice_of_order,
    is_filter,
    is_trail_with_menus,
)
from preprocessing.readers.page_headings import keep_introduction
from preprocessing.readers.page_hidden import is_help_on_keys, is_policy_popup
from preprocessing.readers.page_names import (
    find_remarks,
    find_run,
    has_sure_name,
    is_called_header,
    is_comment,
    is_cut_by_name,
    is_end,
    is_named,
)
from preprocessing.readers.page_tags import is_choice_of_language, is_cut_by_tag
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree, sum_texts, weight_of
from preprocessing.readers.page_words import CONTENT, DISCUSSION, QUESTIONS, names_own

_DISCUSSION = re.compile(r"schema\.org/(?:QAPage|DiscussionForumPosting|Question|Answer)\b")
LINKS_OF_INDEX = 0.5  # share of linked characters in the text of a page of links
LINKS_WITHOUT_PROSE = 0.3  # the same where no text is long enough for prose
REST_OF_INDEX = (
    0.3  # text that remains in the content, relative to a list cut from it, up to which the list is content
)
LEAST = 0.15  # share of the page's text that remains without its surroundings
LEAST_OF_LINKS = 0.05  # the same for a page of links, whose menus are long
SHORT_PAGE = 4000  # weight of a page for which this share is computed at most


def cut_surroundings(tree: PageTree, around_heading: set[Element]) -> None:
    """Marks what surrounds the main content; elements around the heading of the page stay.

    Where names would leave too little, only tags and roles count, and the menus and addresses in what has a sure name.
    """
    page = tree.elements[0]
    heading_start = max((element.start for element in around_heading), default=0)  # 0 without one
    tagged, named, rest = _cut_by_tags(tree, around_heading, heading_start)
    sum_texts(tree.elements)
    all_characters = page.text
    named -= find_remarks(tree, named)
    run = find_run(tree, named)
    cut, lists, comments = [], {}, 0
    introduced: set[Element] = set()  # headers whose introduction is kept, with all in them
    for element in tree.elements[1:]:
        if element.parent in introduced:
            introduced.add(element)
        if element.is_cut or (element.parent is not None and element.parent.is_cut):
            element.is_cut = True
        elif element in named:
            element.is_cut = is_cut_by_name(tree, element, run, bool(around_heading))
            if element.is_cut and element.start < run[0] and is_called_header(element):
                element.is_cut = not (
                    element in introduced or keep_introduction(tree, element, heading_start)
                )
                introduced.update(() if element.is_cut else (element,))
            if element.is_cut:
                cut.append(element)
            if element.is_cut and is_comment(tree, element):
                comments += weight_of(element)
            elif element.is_cut and element.links > 1 and 2 * element.linked > element.text:
                lists[element] = element.text
    sum_texts(tree.elements)
    _keep_lists_of_content(tree, lists, tagged)
    if is_page_of_links(page) and page.text - page.own[0] >= LEAST_OF_LINKS * all_characters:
        return
    if weight_of(page) < LEAST * max(rest - comments, min(rest, SHORT_PAGE)):
        _keep(tree, cut, tagged)
        _cut_ends(tree, cut)


def _cut_ends(tree: PageTree, kept: Iterable[Element]) -> None:
    """Marks the menus and addresses in elements with sure names that are kept."""
    for element in kept:
        if has_sure_name(element):
            for part in element.descendants():
                above = part.parent
                part.is_cut |= (above is not None and above.is_cut) or is_end(tree, part)
    sum_texts(tree.elements)


def is_page_of_links(page: Element) -> bool:
    """True where links have most of the text that remains: a directory, a table of contents, an index."""
    text = page.text - page.own[0]  # without the title
    share = LINKS_OF_INDEX if page.prose else LINKS_WITHOUT_PROSE
    return page.links > 2 and page.linked >= max(share * text, page.prose)


def _keep_lists_of_content(tree: PageTree, lists: dict[Element, int], tagged: set[Element]) -> None:
    """Keeps lists of links with the name of surroundings that are nearly all of the content, such as a table of contents or
    the parts of an index."""
    page = tree.elements[0]
    of_content: dict[Element, list[Element]] = {}
    for element in lists:
        is_contents = any("toc" in words for words in element.names)  # perhaps of a book, on its first page
        content = next((above for above in element.ancestors() if _is_content(above)), None)
        if content is not None or is_contents:
            of_content.setdefault(content or page, []).append(element)
    kept = []
    for content, parts in of_content.items():
        longest = max(parts, key=lists.__getitem__)
        like = [part for part in parts if part.get("class") == longest.get("class")]
        text = sum(lists[part] for part in like)
        if text >= page.prose and not content.is_cut and content.text <= REST_OF_INDEX * text:
            kept += like  # else the content is elsewhere
    if kept:
        _keep(tree, kept, tagged)


def _keep(tree: PageTree, elements: Iterable[Element], tagged: set[Element]) -> None:
    for element in elements:
        for inner in element.descendants():
            inner.is_cut = inner in tagged
    sum_texts(tree.elements)


def _is_content(element: Element) -> bool:
    if element.name in ("main", "article") or element.get("role") == "main":
        return True
    return element.name in ("div", "section", "td") and any(
        words[-1] in CONTENT for words in element.names if names_own(words)
    )


def _is_header(element: Element) -> bool:
    return element.name == "header" or element.get("role") == "banner"


def _is_discussion(tree: PageTree) -> bool:
    """True for a thread or a board of questions, whose comments are its content."""
    return (
        _DISCUSSION.search(tree.html) is not None
        or any(not DISCUSSION.isdisjoint(words) for element in tree.elements[:4] for words in element.names)
        or any(QUESTIONS.fullmatch(tree.text_of(part)) for part in tree.elements if part.name in HEADINGS[:4])
    )


def _cut_by_tags(
    tree: PageTree, around_heading: set[Element], heading_start: int
) -> tuple[set[Element], set[Element], int]:
    """Marks elements by tags, roles and attributes, and policies in popups.

    Returns them with all that is in them, those that have a name to judge, and the weight of the page without policies.
    """
    weight = weight_of(tree.elements[0])
    has_languages = " hreflang=" in tree.html
    is_sorted, is_filtered = has_orders(tree), "ilter" in tree.html
    has_discussion = _is_discussion(tree)
    around_main: set[Element] = set()
    for main in (element for element in tree.elements if element.name == "main"):
        around_main.add(main)
        around_main.update(takewhile(lambda above: above not in around_main, main.ancestors()))
    tagged: set[Element] = set()
    named: set[Element] = set()
    inside: set[Element] = set()  # of an article or main element
    introduced: set[Element] = set()  # headers whose introduction is kept, with all in them
    for element in tree.elements[1:]:
        parent = element.parent
        if element.is_cut or (parent is not None and parent.is_cut):
            element.is_cut = True
            tagged.add(element)
            continue
        if parent in inside or element.name in ("article", "main") or element.get("role") == "main":
            inside.add(element)
        if parent in introduced:
            introduced.add(element)
        if element in around_heading or element in around_main or element.name in ("html", "body"):
            continue
        is_popup = bool(element.names) and is_policy_popup(tree, element)
        weight -= weight_of(element) if is_popup else 0
        is_other = (
            (has_languages and is_choice_of_language(tree, element))
            or (is_sorted and is_choice_of_order(tree, element))
            or (is_filtered and bool(element.names) and is_filter(tree, element))
            or is_trail_with_menus(tree, element)
            or is_help_on_keys(tree, element)
        )
        if is_popup or is_other or is_cut_by_tag(tree, element, parent in inside):
            is_header = not is_popup and _is_header(element)
            if is_header and (element in introduced or keep_introduction(tree, element, heading_start)):
                introduced.add(element)
            else:
                element.is_cut = True
                tagged.add(element)
        elif element.text and is_named(tree, element) and not (has_discussion and is_comment(tree, element)):
            named.add(element)
    return tagged, named, weight
