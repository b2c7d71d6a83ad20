"""Finds the heading of a page: the element that repeats its title.

What repeats the title in a menu, a footer or the link to the first page is no heading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice, takewhile

from preprocessing.readers.page_hidden import NO_DISPLAY
from preprocessing.readers.page_tags import MOST, has_most
from preprocessing.readers.page_tree import HEADINGS, Element, PageTree
from preprocessing.readers.page_words import CONTROL_LABEL, LINKS_HEADING, MENUS, TITLES, names_own

_SEPARATOR = re.compile(r"\s*(?:[|·»›>—–:]+|\s-\s|::)\s*")
_TRAIL = re.compile(r"(?:HOME|홈)\s*[>›»/·|].*[>›»/·|]\s*([^>›»/·|]{2,}?)\s*", re.IGNORECASE)
_HOME = re.compile(r"<a\b[^>]*href=\"(?:\.?/|https?://[^/\"]+/?|index\.\w+)\"")

_WORD = re.compile(r"\w+")
_ANCHOR = re.compile(r"[¶#\ue000-\uf8ff]\Z")  # the link from a heading to itself

FEWEST_WORDS, MOST_WORDS = 4, 0.6  # of a heading that is like the title: words, share of them in the title
NEAR_LINK = 300  # characters of HTML before a heading in which the link around it begins
MOST_PARTS = 8  # of a title


def find_heading(tree: PageTree, title: str) -> Element | None:
    """The element that repeats the title of the page or the longest part of it, outside of menus; headings are preferred."""
    best, best_rank = None, (0, False, False)
    for element, text in _repeating(tree, title):
        is_link = element.name not in HEADINGS and 0 < element.text <= element.linked
        if is_link or (element.name != "h1" and _is_in(element, tree, _is_no_heading)):
            continue
        rank = (len(text), element.name in HEADINGS, element.name == "h1")
        if rank > best_rank:
            best, best_rank = element, rank
    return best or _find_similar(tree, title)


def _find_similar(tree: PageTree, title: str) -> Element | None:
    """An ``h1`` with most words of the title, which is often written anew for searches."""
    words = set(_WORD.findall(title.lower()))
    for element in tree.elements if len(words) >= FEWEST_WORDS else ():
        if element.name == "h1" and not leads_home(tree, element):
            own = set(_WORD.findall(tree.text_of(element).lower()))
            if len(own) >= FEWEST_WORDS and len(own & words) > MOST_WORDS * len(own):
                return element
    return None


def find_lost_title(tree: PageTree, title: str) -> str:
    """The longest part of the title that stands only in what is cut, such as a menu or the way to the page."""
    lost, kept = "", False
    for element, text in _repeating(tree, title):
        if not any(above.is_cut for above in (element, *element.ancestors())):
            kept = True
        elif len(text) > len("".join(lost.split())) and not CONTROL_LABEL.fullmatch(text):
            lost = tree.text_of(element)
    return "" if kept else lost or _find_in_trail(tree, title)


def _find_in_trail(tree: PageTree, title: str) -> str:
    """The end of a trail without elements of its own, ``홈 > 알림 > 오시는 길``, where it is a part of the title."""
    parts = _split_title(title)
    for element in tree.elements:
        trail = _TRAIL.fullmatch(tree.text_of(element)) if element.is_cut else None
        if trail and "".join(trail[1].split()) in parts:
            kept = (tree.text_of(part) for part in tree.elements if part.name in HEADINGS and not part.is_cut)
            return "" if any(trail[1] in text for text in kept) else trail[1]
    return ""


def _repeating(tree: PageTree, title: str) -> Iterator[tuple[Element, str]]:
    """Elements that repeat a part of the title, and their texts without blanks; those of footers and links to the first page aside."""
    parts = _split_title(title)
    sizes = {
        size for part in parts if len(part) > 1 for size in range(len(part), len(part) + title.count(" ") + 9)
    }
    for element in tree.elements[1:]:
        if element.text not in sizes or element.name == "button":
            continue
        text = _ANCHOR.sub("", "".join(tree.text_of(element).split()))
        if text in parts and not leads_home(tree, element) and not _is_in(element, tree, _is_footer):
            yield element, text


def _split_title(title: str) -> set[str]:
    """Each run of parts of a title, without blanks: ``가 | 나 - 다`` has 가|나 and 나-다, too."""
    ends = [(match.start(), match.end()) for match in islice(_SEPARATOR.finditer(title), MOST_PARTS)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(title)]
    return {"".join(title[start:stop].split()) for n, start in enumerate(starts) for stop in stops[n:]}


def _is_in(element: Element, tree: PageTree, is_around: Callable[[Element], bool]) -> bool:
    """True inside of a footer or menu, unless it contains the page; both repeat the title."""
    page = tree.elements[0]
    return any(
        is_around(above) and not has_most(above, page, MOST) for above in (element, *element.ancestors())
    )


def _is_footer(element: Element) -> bool:
    return element.name == "footer"


def _is_no_heading(element: Element) -> bool:
    """True for a menu and for what the page does not show, such as a list to choose another page."""
    return _is_menu(element) or (
        "style=" in element.attributes and bool(NO_DISPLAY.search(element.attributes))
    )


def _is_menu(element: Element) -> bool:
    return element.name == "nav" or any(
        not MENUS.isdisjoint(words) for words in element.names if names_own(words)
    )


def leads_home(tree: PageTree, element: Element) -> bool:
    """True for the name of the site, which contains a link to its first page or is inside of one."""
    around = tree.html.rfind("<a ", max(0, element.start - NEAR_LINK), element.start)
    if around >= 0 and "</a>" not in tree.html[around : element.start] and _HOME.match(tree.html, around):
        return True
    return bool(_HOME.search(tree.html, element.start, element.close))


def keep_introduction(tree: PageTree, header: Element, heading_start: int) -> bool:
    """Marks what a header has beside headings and sentences; false where it has none of them.

    Above the heading of the page, a header without ``h1`` has the name and the motto of the site; below it is the header of a section.
    """
    is_of_site = header.start < heading_start
    if not is_of_site and header.own[0] and not header.links:
        return True  # the name of a part of the page
    whole: set[Element] = set()
    around: set[Element] = set()
    parts = [part for part in header.descendants() if part.text and part is not header]
    menus: set[Element] = set()
    for part in parts:
        if part.parent in menus or _is_menu(part) or part.name in ("button", "label", "form"):
            menus.add(part)
        elif part.parent in whole:
            whole.add(part)
        elif _is_title(tree, part, is_of_site) or (around and _is_remark(tree, part)):
            whole.add(part)
            around.update(takewhile(lambda above: above not in around, part.ancestors()))
    for part in parts:
        part.is_cut = part not in whole and part not in around
    return bool(whole)


def _is_title(tree: PageTree, element: Element, is_of_site: bool) -> bool:
    """True for a heading that is no link and no name of a menu; only for ``h1`` above the heading of the page, else also for text named as one."""
    if element.linked:
        return False
    if element.name not in (HEADINGS[:1] if is_of_site else HEADINGS[:3]) and (
        is_of_site or not _is_named_title(element)
    ):
        return False
    if leads_home(tree, element):
        return False
    text = tree.text_of(element)
    return not (CONTROL_LABEL.fullmatch(text) or (is_of_site and LINKS_HEADING.fullmatch(text)))


def _is_named_title(element: Element) -> bool:
    if not element.own[0]:
        return False
    return element.name == "p" or element.is_called(TITLES)


def _is_remark(tree: PageTree, element: Element) -> bool:
    """True for text with few links below a heading: a sentence, or longer than a label."""
    if 2 * element.linked > element.text:
        return False
    return element.own[2] > 0 or (element.own[0] > 0 and tree.has_sentence(element))
