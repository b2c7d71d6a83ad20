"""Finds the main content of a page: its headings, paragraphs, lists, tables and code, without what surrounds it.

The content is all of the page without what is surely around it; no element is chosen, so none beside it is lost. Elements with
the tags, roles and names of surroundings are cut first, then groups of links, notices, menus, and blocks under headings such as
"관련 기사". What remains is kept whole, whatever its length, so short cells and list items survive. In a page of links
(a directory, a table of contents, an index) linked text is content. Prose and link density
are ideas of Kohlschütter et al., Boilerplate Detection using Shallow Text Features, WSDM 2010. Every pass is linear in the
number of elements.
"""

from __future__ import annotations

import html

from preprocessing.readers.page_ends import cut_last_notices, cut_menus, cut_pressed_links, cut_ways_to_more
from preprocessing.readers.page_groups import cut_groups
from preprocessing.readers.page_headings import find_heading, find_lost_title
from preprocessing.readers.page_surroundings import cut_surroundings, is_page_of_links
from preprocessing.readers.page_tree import INLINE, PageTree, build_tree, sum_texts


def find_main_content(page: str, title: str) -> str:
    """HTML of the main content of a page that resiliparse has serialized; the empty text where it has none."""
    tree = build_tree(page)
    sum_texts(tree.elements)
    heading = find_heading(tree, title)
    around_heading = {heading, *heading.ancestors()} if heading else set()
    cut_surroundings(tree, around_heading)
    of_links = is_page_of_links(tree.elements[0])
    cut_groups(tree, around_heading, of_links)
    if not of_links:
        cut_menus(tree, around_heading)
    content = cut_last_notices(cut_pressed_links(cut_ways_to_more(_join_uncut(tree))))
    lost = find_lost_title(tree, title) if heading is None and title else ""
    return f"<h1>{html.escape(lost)}</h1>{content}" if lost and tree.elements[0].text else content


def _join_uncut(tree: PageTree) -> str:
    pieces, at = [], 0
    pending = tree.elements[0].children[::-1]
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
    content = "".join([*pieces, tree.html[at:]])
    for tag in ("</label>", "</button>"):  # a box or a frame sets its text apart
        content = content.replace(tag, f" {tag}")
    return content
