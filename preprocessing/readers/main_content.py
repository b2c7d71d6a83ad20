"""Finds the main content of a page: its headings, paragraphs, lists, tables and code, without what surrounds it.

Blocks are judged, not lines: elements with the tags, roles and names of surroundings are cut, then the smallest element
that has most of the remaining text is the content, then groups of links, notices, and blocks under headings such as "관련 기사"
are cut. What remains is kept whole, whatever its length, so short cells and list items survive. In a page of links
(a directory, a table of contents, an index) linked text is content. Prose and link density
are ideas of Kohlschütter et al., Boilerplate Detection using Shallow Text Features, WSDM 2010. Every pass is linear in the
number of elements.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from preprocessing.readers.page_ends import cut_last_notices, cut_menus, cut_policies
from preprocessing.readers.page_excerpts import LONGEST_INTRODUCTION, is_link_group
from preprocessing.readers.page_groups import (
    BLOCKS,
    CONTENT_SHARE,
    LEAST_OF_INDEX,
    LONGEST_OF_MENU,
    cut_groups,
    is_data_table,
)
from preprocessing.readers.page_headings import MOST_DESCENDANTS, find_heading, heading_above
from preprocessing.readers.page_surroundings import cut_surroundings, is_page_of_links
from preprocessing.readers.page_tags import LEAST_PROSE
from preprocessing.readers.page_tree import (
    HEADINGS,
    INLINE,
    Element,
    PageTree,
    build_tree,
    sum_texts,
    weight_of,
)
from preprocessing.readers.page_words import ANSWERS, CONTENT, POLITE, is_notice, names_own

_CONTAINERS = frozenset((
    "", "html", "body", "div", "section", "main", "article", "form", "center", "table", "tbody", "tr", "td", "fieldset",
))  # fmt: skip

NAMED_SHARE = 0.5  # CONTENT_SHARE of a child with a name of content
CONTENT_BONUS = 3  # factor of the weight of an element with a name of content
LINKS_IN_TEXT = 0.2  # share of linked characters in a block of sentences
LONGEST_BUTTON = 15  # characters of a link to a form or to more


def find_main_content(page: str, title: str) -> str:
    """HTML of the main content of a page that resiliparse has serialized; the empty text where it has none."""
    tree = build_tree(page)
    sum_texts(tree.elements)
    heading, in_menu = find_heading(tree, title)
    around_heading = {heading, *heading.ancestors()} if heading else set()
    cut_surroundings(tree, around_heading)
    root = tree.elements[0]
    of_links = is_page_of_links(root)
    content = (
        _content_around(heading, root)
        if of_links and heading
        else _choose_content(tree, around_heading, of_links)
    )
    cut_groups(tree, content, around_heading, of_links)
    if not of_links:
        cut_menus(tree, content, around_heading)
    cut_policies(tree, content)
    return heading_above(tree, content, heading, in_menu) + cut_last_notices(_join_uncut(tree, content))


# --- content ---------------------------------------------------------------------------------------------


def _content_around(heading: Element, page: Element) -> Element:
    """The smallest element around the heading that has a good share of a page of links."""
    for element in heading.ancestors():
        if element.text - heading.text >= LEAST_OF_INDEX * page.text:
            return element
    return page


def _choose_content(tree: PageTree, around_heading: set[Element], of_links: bool) -> Element:
    """The smallest container that has most of the text of each container around it, and no content beside it."""
    weigh = _text_of if of_links else weight_of
    content, is_named = tree.elements[0], False
    while True:
        children = [child for child in content.children if not child.is_cut and child.text]
        heaviest = max(children, key=lambda child: _rank(child, weigh), default=None)
        if heaviest is None or heaviest.name not in _CONTAINERS or is_data_table(heaviest):
            return content
        others = [child for child in children if child is not heaviest]
        if any(_is_like(child, heaviest) or _is_answer(child) for child in others):
            return content
        if content.own[2] and content.name not in ("", "html", "body"):
            return content  # sentences are directly in it
        if content.name == "article" and (content.own[0] or any(not other.links for other in others)):
            return content  # its title is
        beside = [other for other in others if _belongs(other, heaviest, around_heading)]
        if not of_links and any(map(_is_part, beside)):
            return content
        if of_links and sum(child.prose or _excerpts_of(child) for child in others) >= LEAST_PROSE:
            return content
        if not of_links and (is_named or _is_leaf(heaviest)) and any(map(_has_content, others)):
            return content
        if any(_has_sentences(tree, other) or _introduces_page(tree, other, heaviest) for other in others):
            return content
        share = NAMED_SHARE if _is_content(heaviest) else CONTENT_SHARE
        is_sure = _is_sure(heaviest) and not (of_links and any(map(_is_sure, others)))
        if not is_sure and weigh(heaviest) < share * weigh(content):
            return content
        if heaviest not in around_heading and _is_beside_heading(others, around_heading):
            return content
        content, is_named = heaviest, is_named or _is_content(heaviest)


def _has_sentences(tree: PageTree, element: Element) -> bool:
    """True for a block of sentences with few links, which belongs to the content however short it is."""
    if LINKS_IN_TEXT * element.text < element.linked or 2 * element.prose < element.text or not element.prose:
        return False
    text = tree.text_of(element)
    if text and is_notice(text):
        return False
    return tree.has_sentence(element)


def _introduces_page(tree: PageTree, element: Element, content: Element) -> bool:
    """True for a heading with a sentence above the content, however short, and a button at most."""
    if element.start > content.start or element.text > LONGEST_INTRODUCTION:
        return False
    if element.links > 1 or element.linked > LONGEST_BUTTON:
        return False
    parts = islice(element.descendants(), MOST_DESCENDANTS)
    has_heading = any(part.name in HEADINGS[:3] for part in parts)
    return has_heading and POLITE.search(tree.html, element.inside, element.close) is not None


def _is_part(element: Element) -> bool:
    """True for a heading and few links."""
    parts = islice(element.descendants(), MOST_DESCENDANTS) if 2 * element.linked < element.text else ()
    return any(part.name in HEADINGS and part.text > part.linked and not part.is_cut for part in parts)


def _belongs(part: Element, heaviest: Element, around_heading: set[Element]) -> bool:
    """True for parts of main and article, and for a section before another one, unless it is the heading of the page."""
    if part.parent is not None and part.parent.name in ("article", "main"):
        return True
    is_before = part.start < heaviest.start and part not in around_heading
    return is_before and part.name == heaviest.name == "section"


def _excerpts_of(element: Element) -> int:
    """Characters of links that are longer than those of a menu."""
    return element.linked if element.linked > LONGEST_OF_MENU * element.links else 0


def _text_of(element: Element) -> int:
    return element.text


def _rank(element: Element, weigh: Callable[[Element], int]) -> int:
    return weigh(element) * (CONTENT_BONUS if _is_content(element) else 1)


def _is_content(element: Element) -> bool:
    """True for elements with the tag, role or a name of main content."""
    return _is_sure(element) or any(
        words[-1] in CONTENT or words[0] in CONTENT for words in element.names if names_own(words)
    )


def _is_sure(element: Element) -> bool:
    if element.name in ("main", "article"):
        return True
    return element.get("itemprop") == "articleBody" or element.get("role") == "main"


def _is_beside_heading(others: list[Element], around_heading: set[Element]) -> bool:
    """True where the heading of the page is in a block that also contains other text than links."""
    return any(
        other in around_heading and other.name not in HEADINGS and _has_content(other) for other in others
    )


def _is_like(one: Element, other: Element) -> bool:
    """True for two of a series, such as the posts of a thread."""
    return (
        one.name == other.name
        and "class=" in other.attributes
        and one.get("class") == other.get("class")
        and one.text > one.linked
    )


def _is_answer(element: Element) -> bool:
    """True for the answers beside a question."""
    return element.prose > 0 and any(words[-1] in ANSWERS for words in element.names)


def _is_leaf(element: Element) -> bool:
    return element.own[0] > sum(child.text for child in element.children)


def _has_content(element: Element) -> bool:
    """True for blocks of text, lists and tables that are more than links."""
    if element.prose > 0:
        return not is_link_group(element)
    return any(
        part.name in BLOCKS and part.text and not part.is_cut and not is_link_group(part)
        for part in islice(element.descendants(), MOST_DESCENDANTS)
    )


def _join_uncut(tree: PageTree, content: Element) -> str:
    pieces, at = [], content.inside
    pending = content.children[::-1]
    while pending:
        element = pending.pop()
        if element.is_cut:
            pieces += [
                tree.html[at : element.start],
                "" if element.name in INLINE or element.name == "a" else "\n",
            ]
            at = element.end
        else:
            pending += element.children[::-1]
    return "".join([*pieces, tree.html[at : content.close]])
