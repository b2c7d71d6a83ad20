"""Finds the main content of a page: its headings, paragraphs, lists, tables and code, without what surrounds it.

Blocks are judged, not lines: elements with the tags, roles and names of surroundings are cut, then the smallest element
that has most of the remaining text is the content, then groups of links, notices, and blocks under headings such as "관련 기사"
are cut. What remains is kept whole, whatever its length, so short cells and list items survive. In a page of links
(a directory, a table of contents, an index) linked text is content. Prose and link density
are ideas of Kohlschütter et al., Boilerplate Detection using Shallow Text Features, WSDM 2010. Every pass is linear in the
number of elements.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from itertools import islice

from preprocessing.readers.page_surroundings import (
    HEADINGS,
    LEAST_PROSE,
    MOST,
    cut_surroundings,
    is_page_of_links,
)
from preprocessing.readers.page_tree import INLINE, RUN, Element, PageTree, build_tree, sum_texts, weight_of
from preprocessing.readers.page_words import (
    ANSWERS,
    BEFORE_AND_AFTER,
    COMMENTS_HEADING,
    CONTENT,
    LICENSE_HEADING,
    LINKS_HEADING,
    NAMES_NO_POST,
    POLICIES,
    TITLES,
    is_notice,
    names_own,
)

_CONTAINERS = frozenset((
    "", "html", "body", "div", "section", "main", "article", "form", "center", "table", "tbody", "tr", "td", "fieldset",
))  # fmt: skip
_PARTS = frozenset((*HEADINGS, "td", "th", "dt", "dd", "li", "tbody", "thead", "caption"))
_BLOCKS = frozenset(("table", "dl", "ul", "ol", "p", "pre", "blockquote"))
_ANNOUNCING = frozenset((*HEADINGS, *_BLOCKS))
_TITLE_PARTS = re.compile(r"\s*(?:[|·»›>—–:]+|\s-\s|::)\s*")
_HOME = re.compile(r"<a\b[^>]*href=\"(?:\.?/|https?://[^/\"]+/?|index\.\w+)\"")
_BARS = " \n\t\u00a0|·ㆍ/"
_LINE = re.compile(r"(?:(?<=<br>)|(?<=<hr>)|(?<=<br/>)|(?<=<br />))([^<>]+)(?=<br|<hr|</|\Z)")
_SPACE = re.compile(r"\s+")

CONTENT_SHARE = 0.6  # share of an element's weight in one child that is then the content
NAMED_SHARE = 0.5  # the same for a child with a name of content
CONTENT_BONUS = 3  # factor of the weight of an element with a name of content
LEFT = 0.2  # prose around a block, relative to it, that makes it a part of the content
LEFT_BY_SURE = 0.6  # the same for an element that says to be the content
LINK_SHARE = 0.7  # share of linked characters that makes a group of links
LEAST_OF_INDEX = 0.3  # share of a page of links in the content around its heading
LONGEST_END = 800  # characters of HTML at the end in which copyright lines are searched
LONGEST_NOTICE = 240
LONGEST_HEADING = 60
LONGEST_BOX_HEADING = 20
NEAR_LINK = 300  # characters of HTML before a heading in which the link around it begins
LARGEST_HEADER = 400
MOST_DESCENDANTS = 200
MOST_LEVELS = 8  # elements around the content in which its heading is searched
NEAR = 20  # elements before the content in which its heading is searched


def find_main_content(page: str, title: str) -> str:
    """HTML of the main content of a page that resiliparse has serialized; the empty text where it has none."""
    tree = build_tree(page)
    sum_texts(tree.elements)
    heading = _find_heading(tree, title)
    around_heading = {heading, *heading.ancestors()} if heading else set()
    cut_surroundings(tree, around_heading)
    root = tree.elements[0]
    of_links = is_page_of_links(root)
    content = (
        _content_around(heading, root)
        if of_links and heading
        else _choose_content(root, around_heading, of_links)
    )
    _cut_groups(tree, content, around_heading, of_links)
    _cut_policies(tree, content)
    return _heading_above(tree, content, heading) + _cut_last_notices(_join_uncut(tree, content))


# --- heading ---------------------------------------------------------------------------------------------


def _find_heading(tree: PageTree, title: str) -> Element | None:
    """The element that repeats the title of the page or the longest part of it; headings are preferred."""
    parts = {_SPACE.sub("", part) for part in [title, *_TITLE_PARTS.split(title)]}
    sizes = {
        size for part in parts if len(part) > 1 for size in range(len(part), len(part) + title.count(" ") + 9)
    }
    best, best_rank = None, (0, False, False)
    for element in tree.elements[1:]:
        if element.text not in sizes:
            continue
        text = _SPACE.sub("", tree.text_of(element))
        if text in parts and not _leads_home(tree, element) and not _is_in_footer(tree, element):
            rank = (len(text), element.name in HEADINGS, element.name == "h1")
            if rank > best_rank:
                best, best_rank = element, rank
    return best


def _is_in_footer(tree: PageTree, element: Element) -> bool:
    """True in a footer, unless it contains the page; menus there repeat the title."""
    prose = MOST * tree.elements[0].prose
    return any(above.name == "footer" and above.prose <= prose for above in element.ancestors())


def _leads_home(tree: PageTree, element: Element) -> bool:
    """True for the name of the site, which contains a link to its first page or is inside of one."""
    around = tree.html.rfind("<a ", max(0, element.start - NEAR_LINK), element.start)
    if around >= 0 and "</a>" not in tree.html[around : element.start] and _HOME.match(tree.html, around):
        return True
    return bool(_HOME.search(tree.html, element.start, element.close))


def _heading_above(tree: PageTree, content: Element, heading: Element | None) -> str:
    """HTML of the heading of the content where it is outside of it; the empty text without one."""
    heading = heading or _nearest_heading(content)
    if heading is None or heading.start >= content.start:
        return ""
    if heading.name in HEADINGS:
        return tree.html[heading.start : heading.end]
    return f"<h1>{tree.html[heading.inside : heading.close]}</h1>\n"


def _nearest_heading(content: Element) -> Element | None:
    """A heading, or an element named as one, before the content in the elements around it."""
    child = content
    for parent in islice(content.ancestors(), MOST_LEVELS):
        if parent.name in ("", "html"):
            break
        at = parent.children.index(child)
        for element in reversed(parent.children[max(0, at - NEAR) : at]):
            found = _heading_in(element)
            if found is not None:
                return found
        child = parent
    return None


def _heading_in(element: Element) -> Element | None:
    """The first heading in a small element, else the first element named as one."""
    if element.is_cut or not 0 < element.text <= LARGEST_HEADER:
        return None
    named = None
    for found in islice(element.descendants(), MOST_DESCENDANTS):
        if found.is_cut or not found.text:
            continue
        if found.name in HEADINGS[:4]:
            return found
        is_named = any(not TITLES.isdisjoint(words) for words in found.names)
        if named is None and is_named and found.links <= 1 and found.text <= 2 * LONGEST_HEADING:
            named = found
    return named


# --- content ---------------------------------------------------------------------------------------------


def _content_around(heading: Element, page: Element) -> Element:
    """The smallest element around the heading that has a good share of a page of links."""
    for element in heading.ancestors():
        if element.text - heading.text >= LEAST_OF_INDEX * page.text:
            return element
    return page


def _choose_content(page: Element, around_heading: set[Element], of_links: bool) -> Element:
    """The smallest container that has most of the text of each container around it, and no content beside it."""
    weigh = _text_of if of_links else weight_of
    content, is_named, left = page, False, 0
    while True:
        children = [child for child in content.children if not child.is_cut and child.text]
        heaviest = max(children, key=lambda child: _rank(child, weigh), default=None)
        if heaviest is None or heaviest.name not in _CONTAINERS or _is_data_table(heaviest):
            return content
        others = [child for child in children if child is not heaviest]
        if any(_is_like(child, heaviest) or _is_answer(child) for child in others):
            return content
        if of_links and sum(child.prose for child in others) >= LEAST_PROSE:
            return content
        if not of_links and (is_named or _is_leaf(heaviest)) and any(map(_has_content, others)):
            return content
        left += sum(other.prose for other in others if not _is_link_group(other))
        if not of_links and _leaves_content(heaviest, others, left):
            return content
        share = NAMED_SHARE if _is_content(heaviest) else CONTENT_SHARE
        if not _is_sure(heaviest) and weigh(heaviest) < share * weigh(content):
            return content
        if heaviest not in around_heading and _is_beside_heading(others, around_heading):
            return content
        content, is_named = heaviest, is_named or _is_content(heaviest)


def _leaves_content(heaviest: Element, others: list[Element], left: int) -> bool:
    """True where a good share of the prose is around the heaviest block, or prose below the only first heading."""
    share = LEFT_BY_SURE if _is_sure(heaviest) else LEFT
    if left >= max(LEAST_PROSE, share * heaviest.prose):
        return True
    return not _has_title(heaviest) and any(other.prose and _has_title(other) for other in others)


def _has_title(element: Element) -> bool:
    """True for a block with an ``<h1>`` that is no link, which is the name of the page and not of its site."""
    parts = islice(element.descendants(), MOST_DESCENDANTS)
    return any(part.name == "h1" and part.text > 1 and not part.links and not part.is_cut for part in parts)


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
        return not _is_link_group(element)
    return any(
        part.name in _BLOCKS and part.text and not part.is_cut and not _is_link_group(part)
        for part in islice(element.descendants(), MOST_DESCENDANTS)
    )


def _is_data_table(element: Element) -> bool:
    """True for a table of data; a table that arranges the page has no headings and most of its text in one cell."""
    if element.name != "table":
        return False
    if any(child.name == "caption" for child in element.children):
        return True
    rows = [row for body in element.children for row in ([body] if body.name == "tr" else body.children)]
    if any(cell.name == "th" and cell.text for row in rows for cell in row.children):
        return True
    heaviest = max((weight_of(cell) for row in rows for cell in row.children if not cell.is_cut), default=0)
    return heaviest < CONTENT_SHARE * weight_of(element)


# --- groups ----------------------------------------------------------------------------------------------


def _cut_groups(tree: PageTree, content: Element, around_heading: set[Element], of_links: bool) -> None:
    """Marks groups of links, notices, and what follows headings of other pages and comments; of a page of links not the groups."""
    pending = [content]
    while pending:
        parent = pending.pop()
        if not parent.is_cut and parent.name not in ("pre", "p", *HEADINGS):
            _cut_children(tree, parent, content, around_heading, of_links)
            if not parent.is_cut:
                pending += parent.children


def _cut_children(
    tree: PageTree, parent: Element, content: Element, around_heading: set[Element], of_links_page: bool
) -> None:
    children = [child for child in parent.children if not child.is_cut and child.text]
    before, until = None, ""  # the block above; the heading that ends comments or links, h7 for any
    of_links = False
    for n, child in enumerate(children):
        if child in around_heading:
            before, until = child, ""
            continue
        is_heading = child.name in HEADINGS
        if until and ((is_heading and child.name <= until) or (of_links and 2 * child.linked < child.text)):
            until = ""
        following = children[n + 1] if n + 1 < len(children) else None
        begins = _begins_other(tree, child, following)
        if (
            begins == "links"
            and of_links_page
            and following
            and following.text >= LEAST_OF_INDEX * content.text
        ):
            begins = ""
        if begins:
            is_whole = n == 0 and parent is not content and parent not in around_heading
            if is_whole and parent.prose <= MOST * content.prose:
                parent.is_cut = True
                return
            until, of_links = child.name if is_heading else "h7", begins == "links"
        in_other = bool(until) and child.prose <= MOST * content.prose
        is_small = 2 * child.text < content.text
        if begins or in_other or (is_small and _is_other(tree, before, child, of_links_page)):
            child.is_cut, before = True, None
        else:
            before = child
    _cut_empty_headings(children, parent)


def _begins_other(tree: PageTree, element: Element, following: Element | None) -> str:
    """``comments`` or ``links`` for a heading of such that they follow, else the empty text."""
    if element.text > LONGEST_HEADING or element.name in ("td", "th", "li", "dd"):
        return ""
    text = tree.text_of(element)
    if COMMENTS_HEADING.fullmatch(text):
        return "comments"
    links = following is not None and 2 * following.linked > following.text
    return "links" if links and LINKS_HEADING.fullmatch(text) else ""


def _is_other(tree: PageTree, before: Element | None, element: Element, of_links_page: bool) -> bool:
    """True for a group of links that no block of the content announces, and for a notice."""
    if element.name == RUN:
        return not (of_links_page or _is_inside_part(element) or _is_part_of_line(tree, element))
    if (not of_links_page or _is_row_of_layout(element)) and _is_link_group(element):
        is_part = element.name in _BLOCKS and before is not None and before.name in _ANNOUNCING
        if not (is_part or _is_inside_part(element)):
            return True
    if element.text > LONGEST_NOTICE or (element.name in ("ul", "ol", "dl", "table") and element.prose):
        return False  # of a list the items are judged
    if element.name not in ("td", "th") and BEFORE_AND_AFTER.fullmatch(text := tree.text_of(element)):
        return not NAMES_NO_POST.fullmatch(text)
    is_license = (
        before is not None and before.name in HEADINGS and LICENSE_HEADING.fullmatch(tree.text_of(before))
    )
    return not is_license and is_notice(tree.text_of(element))


def _is_part_of_line(tree: PageTree, element: Element) -> bool:
    """True where text precedes or follows links that bars set apart: ``출처: 가 | 나 | 다``."""
    before = tree.html[max(0, element.start - NEAR) : element.start].rstrip(_BARS)
    after = tree.html[element.end : element.end + NEAR].lstrip(_BARS)
    return before[-1:] not in ("", ">") or after[:1] not in ("", "<")


def _is_inside_part(element: Element) -> bool:
    """True for what an item, a definition or a cell of a table of data contains, which is judged as a whole; and for the
    chapters that Sphinx lists in the content."""
    if any("toctree" in words for words in element.names):
        return True
    parent = element.parent
    while parent is not None and parent.name in ("p", "div") and len(parent.children) == 1:
        if any("toctree" in words for words in parent.names):
            return True
        parent = parent.parent
    if parent is None or parent.name in ("li", "dd"):
        return parent is not None
    table = next((above for above in parent.ancestors() if above.name == "table"), None)
    return parent.name in ("td", "th") and table is not None and _is_data_table(table)


def _is_row_of_layout(element: Element) -> bool:
    """True for a row of a table without a class, which arranged old pages."""
    tables = (parent for parent in element.ancestors() if parent.name == "table")
    return element.name == "tr" and all("class=" not in table.attributes for table in tables)


def _is_link_group(element: Element) -> bool:
    if _is_box_of_links(element):
        return True
    if not element.links or element.linked < LINK_SHARE * element.text:
        return False
    if element.name == "tr":  # of a table that arranges the page
        return len(element.children) == 1 and element.links > 1
    return element.name not in _PARTS


def _is_box_of_links(element: Element) -> bool:
    """True for a box of links and a short text above them, whatever its element."""
    if element.links < 2 or element.name not in ("div", "section"):
        return False
    first = next((child for child in element.children if child.text), None)
    if first is None or first.links or first.name not in ("p", "div", "strong", "span", "b"):
        return False
    return first.text <= LONGEST_BOX_HEADING and first.text + element.linked == element.text


def _cut_policies(tree: PageTree, content: Element) -> None:
    """Marks the names of policies with which the content ends."""
    pending = [content]
    while pending:
        element = pending.pop()
        blocks = [
            child
            for child in element.children
            if child.text and not child.is_cut and child.name not in INLINE
        ]
        pending += blocks  # the last one is next
        if blocks:
            continue
        if element.text > LONGEST_HEADING or not POLICIES.fullmatch(tree.text_of(element)):
            return
        element.is_cut = True


def _cut_last_notices(content: str) -> str:
    """Removes the copyright lines with which the content ends, where they are in no element of their own."""
    start = max(0, len(content) - LONGEST_END)
    lines = list(_LINE.finditer(content, start))
    while lines and (is_notice(text := html.unescape(lines[-1][1]).strip()) or not text):
        line = lines.pop()
        content = content[: line.start(1)] + content[line.end(1) :] if text else content
    return content


def _cut_empty_headings(children: list[Element], parent: Element) -> None:
    """Marks headings below which everything was cut up to the end of the parent."""
    has_cut = False
    for child in reversed(children):
        if child.is_cut:
            has_cut = True
        elif child.name in HEADINGS and has_cut:
            child.is_cut = True
        else:
            return


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
