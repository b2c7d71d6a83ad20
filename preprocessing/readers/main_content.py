"""Finds the main content of a page: its headings, paragraphs, lists, tables and code, without what surrounds it.

Blocks are judged, not lines: elements with the names and roles of navigation, comments and the like are cut, then the
smallest element that contains most prose of the rest is the content, then groups of links and blocks under headings such
as "관련 기사" are cut. What remains is kept whole, whatever its length, so short cells and list items survive. The idea of
link density is Kohlschütter et al., Boilerplate Detection using Shallow Text Features, WSDM 2010. Every pass is linear in
the number of elements.
"""

from __future__ import annotations

import re

from preprocessing.readers.page_tree import Element, PageTree, build_tree, sum_texts
from preprocessing.readers.page_words import (
    CALLOUTS,
    COMMENTS,
    COMMENTS_HEADING,
    CONTENT,
    HIDDEN,
    LINKS_HEADING,
    NAVIGATION,
    OTHER_PAGES,
    ROLES,
    SURE,
    SURROUNDINGS,
    TITLES,
    WHOLE_NAMES,
    is_notice,
    names_own,
    split_names,
)

_CUT_TAGS = frozenset(("nav", "dialog", "head", "title", "input", "menu", "datalist", "map"))
_CONTAINERS = frozenset((
    "", "html", "body", "div", "section", "main", "article", "form", "center", "table", "tbody", "tr", "td", "fieldset",
))  # fmt: skip
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_PARTS = frozenset((*_HEADINGS, "td", "th", "dt", "dd", "li", "tbody", "thead", "caption"))
_DISCUSSION = re.compile(r"schema\.org/(?:QAPage|DiscussionForumPosting|Question|Answer)\b")
_TITLE_PARTS = re.compile(r"\s*(?:[|·»›>—–:]+|\s-\s|::)\s*")
_NO_DISPLAY = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
_FOLDED = re.compile(r"tab|accord|collaps|fold|answer|faq|spoiler|panel|toggle|more", re.IGNORECASE)
_HOME = re.compile(r"<a\b[^>]*href=\"(?:\.?/|https?://[^/\"]+/?|index\.\w+)\"")
_SPACE = re.compile(r"\s+")

MOST = 0.4  # share of the page's prose that no element with a suspicious name contains
SURE_MOST = 0.9  # the same for names that are sure
CONTENT_SHARE = 0.6  # share of an element's weight in one child that is then the content
CONTENT_BONUS = 3  # factor of the weight of an element with a name of content
LINK_SHARE = 0.7  # share of linked characters that makes a group of links


def find_main_content(page: str, title: str) -> str:
    """HTML of the main content of a page that resiliparse has serialized; the empty text where it has none."""
    tree = build_tree(page)
    sum_texts(tree.elements)
    heading = _find_heading(tree, title)
    kept = set(heading.ancestors()) | {heading} if heading else set()
    _cut_surroundings(tree, kept)
    sum_texts(tree.elements)
    content = _choose_content(tree.elements[0])
    _cut_groups(tree, content, kept)
    above = _find_heading_above(tree, content, heading)
    return above + _join_uncut(tree, content)


# --- title -----------------------------------------------------------------------------------------------


def _find_heading(tree: PageTree, title: str) -> Element | None:
    """The element that repeats the title of the page or the longest part of it; headings are preferred."""
    parts = {_squeeze(part) for part in [title, *_TITLE_PARTS.split(title)]} - {""}
    longest = max(map(len, parts), default=0)
    best, best_rank = None, (0, 0, 0)
    for element in tree.elements[1:]:
        if not 0 < element.text <= longest * 2 or element.name in ("title", "head") or element.prose > longest:
            continue
        text = _squeeze(tree.text_of(element))
        if text in parts and len(text) > 1 and not _HOME.search(tree.html, element.start, element.close):
            rank = (len(text), element.name in _HEADINGS, element.name == "h1")
            if rank > best_rank:
                best, best_rank = element, rank
    return best


def _squeeze(text: str) -> str:
    return _SPACE.sub("", text)


def _find_heading_above(tree: PageTree, content: Element, heading: Element | None) -> str:
    """HTML of the heading of the content where it is outside of it; the empty text without one."""
    found = heading
    if found is None:
        found = _nearest_heading(content)
    if found is None or found.start >= content.start or content.inside <= found.start < content.close:
        return ""
    text = tree.html[found.inside : found.close]
    return f"<h1>{text}</h1>\n" if found.name not in _HEADINGS else tree.html[found.start : found.end]


def _nearest_heading(content: Element) -> Element | None:
    """A heading, or an element named as one, before the content in an element around it."""
    child = content
    for parent in content.ancestors():
        if parent.name in ("", "html"):
            break
        before = parent.children[: parent.children.index(child)]
        for element in reversed(before[-20:]):
            found = _heading_in(element)
            if found is not None:
                return found
        child = parent
    return None


def _heading_in(element: Element) -> Element | None:
    if element.is_cut or element.text > 400 or not element.text:
        return None
    if element.name in _HEADINGS[:4]:
        return element
    for child in element.children[:20]:
        found = _heading_in(child)
        if found is not None:
            return found
    is_named = any(TITLES.intersection(words) for words in _names(element))
    return element if is_named and element.links <= 1 and element.text <= 120 else None


# --- surroundings ----------------------------------------------------------------------------------------


def _cut_surroundings(tree: PageTree, kept: set[Element]) -> None:
    """Marks elements with the tags, roles and names of what is not main content; those around the heading stay."""
    page = tree.elements[0]
    has_discussion = bool(_DISCUSSION.search(tree.html))
    inside: set[Element] = set()  # of an article or main element
    for element in tree.elements[1:]:
        parent = element.parent
        if parent is not None and parent.is_cut:
            element.is_cut = True
            continue
        if parent in inside or element.name in ("article", "main") or element.get("role") == "main":
            inside.add(element)
        element.is_cut = _is_surrounding(element, page, element in kept, has_discussion, parent in inside)


def _is_surrounding(
    element: Element, page: Element, has_heading: bool, has_discussion: bool, is_inside: bool
) -> bool:
    name, names = element.name, _names(element)
    if name in _CUT_TAGS:
        return True
    if name in ("html", "body", "main") or has_heading:
        return False
    if name in ("button", "label"):
        return element.parent is None or element.parent.name not in (*_HEADINGS, "summary", "dt")
    joined = {"".join(element.get(key) or "" for key in ("class",)).lower(), *_single_names(element)}
    if HIDDEN & joined and element.text < 200:
        return True
    if not element.attributes and name not in ("aside", "footer", "header"):
        return False
    if _is_hidden(element):
        return True
    share = element.prose / max(page.prose, 1)
    all_words = {word for words in names for word in words}
    if not has_discussion and COMMENTS & {word for words in names if names_own(words) for word in words}:
        return share < 0.9 and not any(words == ["comment"] for words in names if name == "span")
    own = {word for words in names if names_own(words) for word in words}
    is_sure = bool(SURE & own or name in ("footer", "aside")) and not (CONTENT & all_words)
    if share > (SURE_MOST if is_sure else MOST):
        return False
    if element.get("role") in ROLES:
        return True
    if name == "aside":
        return not (CALLOUTS & all_words)
    if name in ("footer", "header") and not (name == "header" and is_inside):
        return True
    if WHOLE_NAMES & joined:
        return True
    return bool((NAVIGATION | SURROUNDINGS | OTHER_PAGES) & own)


def _names(element: Element) -> list[list[str]]:
    if "class" not in element.attributes and "id" not in element.attributes:
        return []
    return split_names(f"{element.get('class') or ''} {element.get('id') or ''}")


def _single_names(element: Element) -> list[str]:
    if "class" not in element.attributes and "id" not in element.attributes:
        return []
    return f"{element.get('class') or ''} {element.get('id') or ''}".lower().split()


def _is_hidden(element: Element) -> bool:
    """True for what the page does not show; folded answers and tabs are shown on request."""
    attributes = element.attributes
    if "hidden" in attributes and (element.get("hidden") is not None or element.get("aria-hidden") == "true"):
        return not _FOLDED.search(attributes)
    return "style" in attributes and bool(_NO_DISPLAY.search(attributes)) and not _FOLDED.search(attributes)


# --- content ---------------------------------------------------------------------------------------------


def _weight(element: Element) -> int:
    return element.text - element.linked + 3 * element.prose


def _choose_content(page: Element) -> Element:
    """The smallest container that has most of the text of each container around it, and no content beside it."""
    content, is_named = page, False
    while True:
        children = [child for child in content.children if not child.is_cut and child.text]
        heaviest = max(children, key=_rank, default=None)
        if heaviest is None or heaviest.name not in _CONTAINERS or _is_data_table(heaviest):
            return content
        others = [child for child in children if child is not heaviest]
        named = _is_content(heaviest)
        if any(_is_like(child, heaviest) for child in others):
            return content
        if (is_named or _is_leaf(heaviest)) and any(map(_has_content, others)):
            return content
        if not named and _weight(heaviest) < CONTENT_SHARE * _weight(content):
            return content
        content, is_named = heaviest, is_named or named


def _rank(element: Element) -> int:
    return _weight(element) * (CONTENT_BONUS if _is_content(element) else 1)


def _is_content(element: Element) -> bool:
    """True for elements with the tag or a name of main content."""
    return element.name in ("main", "article") or element.get("itemprop") == "articleBody" or element.get("role") == "main" or any(
        words[-1] in CONTENT or words[0] in CONTENT for words in _names(element) if words and names_own(words)
    )  # fmt: skip


def _is_like(one: Element, other: Element) -> bool:
    """True for two of a series, such as the posts of a thread."""
    return (
        one.name == other.name
        and "class" in other.attributes
        and one.get("class") == other.get("class")
        and one.text > one.linked
    )


def _is_leaf(element: Element) -> bool:
    return element.own[0] > sum(child.text for child in element.children)


def _has_content(element: Element) -> bool:
    """True for blocks of text, lists and tables that are more than links."""
    if _is_link_group(element):
        return False
    return element.prose > 0 or element.name in ("table", "dl", "ul", "ol", "p", "pre", "blockquote") or any(
        map(_has_content, element.children[:50])
    )  # fmt: skip


def _is_data_table(element: Element) -> bool:
    """True for a table of data; a table that arranges the page has most of its text in one cell."""
    if element.name != "table":
        return False
    cells = [
        cell
        for body in element.children
        for row in ([body] if body.name == "tr" else body.children)
        for cell in row.children
        if not cell.is_cut
    ]
    heaviest = max(map(_weight, cells), default=0)
    return heaviest < CONTENT_SHARE * _weight(element) or any(child.name == "caption" for child in element.children)


# --- groups ----------------------------------------------------------------------------------------------


def _cut_groups(tree: PageTree, content: Element, kept: set[Element]) -> None:
    """Marks groups of links, notices, and what follows headings of other pages and comments."""
    pending = [content]
    while pending:
        parent = pending.pop()
        if not parent.is_cut and parent.name not in ("pre", "p", *_HEADINGS):
            _cut_children(tree, parent, content, kept)
            if not parent.is_cut:
                pending += parent.children


def _cut_children(tree: PageTree, parent: Element, content: Element, kept: set[Element]) -> None:
    children = [child for child in parent.children if not child.is_cut and child.text]
    most = MOST * content.prose
    before, end = None, ""
    for n, child in enumerate(children):
        if child in kept:
            before, end = child, ""
            continue
        following = children[n + 1] if n + 1 < len(children) else None
        if end and child.name in _HEADINGS and child.name <= end:
            end = ""
        begins = _begins_other(tree, child, following)
        if begins:
            if not n and parent is not content and parent not in kept and parent.prose <= most:
                parent.is_cut = True
                return
            end = child.name if child.name in _HEADINGS else "h6"
        if begins or (end and child.prose <= most) or _is_other(tree, before, child):
            child.is_cut = True
        before = child


def _begins_other(tree: PageTree, element: Element, following: Element | None) -> bool:
    """True for a heading of comments, or of links that follow it."""
    if element.text > 60 or element.name in ("td", "th", "li", "dd"):
        return False
    text = tree.text_of(element)
    if COMMENTS_HEADING.fullmatch(text):
        return True
    return following is not None and 2 * following.linked > following.text and bool(LINKS_HEADING.fullmatch(text))


def _is_other(tree: PageTree, before: Element | None, element: Element) -> bool:
    if _is_link_group(element) and not _is_introduced(before, element):
        return True
    return element.text <= 240 and is_notice(tree.text_of(element))


def _is_link_group(element: Element) -> bool:
    if element.name == "tr":
        return len(element.children) == 1 and element.links > 1 and element.linked >= LINK_SHARE * element.text
    return element.links > 0 and element.linked >= LINK_SHARE * element.text and element.name not in _PARTS


def _is_introduced(before: Element | None, group: Element) -> bool:
    """True for links that belong to the text: after a paragraph or heading that announces them, or one in a paragraph."""
    if before is None or group.name not in ("ul", "ol", "dl", "p", "table"):
        return False
    return before.name in ("p", *_HEADINGS, "ul", "ol", "blockquote", "pre", "table", "dl")


def _join_uncut(tree: PageTree, content: Element) -> str:
    pieces, at = [], content.inside
    pending = content.children[::-1]
    while pending:
        element = pending.pop()
        if element.is_cut:
            pieces.append(tree.html[at : element.start])
            at = element.end
        else:
            pending += element.children[::-1]
    return "\n".join([*pieces, tree.html[at : content.close]])
