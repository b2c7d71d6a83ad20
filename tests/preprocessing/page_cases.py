"""Labeled web pages: every block of text is main content, not main content, or either.

A file of ``pages/seen``, ``unseen``, ``links`` or ``links_unseen`` (directories, tables of contents, indexes) contains a site and its pages: the frame with ``%TITLE%`` and ``%BODY%``, then
after each line ``=====`` a title and a body (``-----`` separates ``%INFO%`` from it). Blocks are ⟦main content⟧, ⟪not⟫ and
⟨either⟩ (by-lines, captions). The extractor was developed on ``seen``; docs/data-quality.md has
the first run on ``unseen``.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "pages"
_BLOCK = re.compile("⟦([^⟦⟧]*)⟧|⟪([^⟪⟫]*)⟫|⟨([^⟨⟩]*)⟩")
_TAG = re.compile(r"<[^>]*>")
_NOTHING_LABELED = re.compile(
    r"<title>.*?</title>|<(script|style)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Page:
    name: str
    html: str
    main: tuple[str, ...]
    other: tuple[str, ...]
    either: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    kept_main: int
    all_main: int
    kept_other: int

    @property
    def precision(self) -> float:
        return self.kept_main / max(self.kept_main + self.kept_other, 1)

    @property
    def recall(self) -> float:
        return self.kept_main / max(self.all_main, 1)


def read_pages(part: str) -> list[Page]:
    """Pages of ``seen`` or ``unseen``. Raises ValueError for text without a label and repeated blocks."""
    pages = []
    for path in sorted((FOLDER / part).glob("*.html")):
        frame, *parts = re.split(r"^=====\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for number, text in enumerate(parts):
            title, body = text.split("\n", 1)
            info, _, body = body.rpartition("-----\n")
            page = frame.replace("%INFO%", info).replace("%BODY%", body).replace("%TITLE%", title)
            pages.append(label(f"{part}/{path.stem}-{number}", page))
    return pages


def label(name: str, text: str) -> Page:
    """A page from its text with marks. Raises ValueError for text without a label and repeated blocks."""
    labeled = _NOTHING_LABELED.sub("", text)
    rest = words(_BLOCK.sub(" ", labeled))
    if rest:
        raise ValueError(f"{name}: text without a label: {rest}")
    blocks = _BLOCK.findall(labeled)
    contents = [words(next(filter(None, block))) for block in blocks]
    if "" in contents or len(set(contents)) < len(contents):
        raise ValueError(
            f"{name}: empty or repeated blocks: {[c for c, n in Counter(contents).items() if n > 1]}"
        )
    main = tuple(content for content, block in zip(contents, blocks, strict=True) if block[0])
    other = tuple(content for content, block in zip(contents, blocks, strict=True) if block[1])
    either = tuple(content for content, block in zip(contents, blocks, strict=True) if block[2])
    return Page(name, re.sub("[⟦⟧⟪⟫⟨⟩]", "", text), main, other, either)


def words(text: str) -> str:
    """Words of HTML or Markdown, separated by single blanks."""
    return " ".join(_WORD.findall(html.unescape(_TAG.sub(_separator, text))))


def _separator(match: re.Match[str]) -> str:
    return " " if re.match(r"</?(?:br|p|div|li|t[dhr]|d[dt]|h[1-6]|ul|ol)\b", match[0], re.IGNORECASE) else ""


def kept_blocks(page: Page, text: str) -> tuple[list[str], list[str]]:
    """``(main, other)``: blocks of the page that the extracted ``text`` contains, besides those inside of longer kept ones."""
    rest, kept = f" {words(re.sub('[`*]', '', text))} ", set()
    for block in sorted(page.main + page.other + page.either, key=len, reverse=True):
        if f" {block} " in rest:
            kept.add(block)
            rest = rest.replace(f" {block} ", " \n ", 1)
    return [block for block in page.main if block in kept], [block for block in page.other if block in kept]


def score(pages: Iterable[Page], extract: Callable[[str], str]) -> Score:
    """Counts blocks over all pages that ``extract`` keeps."""
    counts = Counter()
    for page in pages:
        main, other = kept_blocks(page, extract(page.html))
        counts.update(kept_main=len(main), all_main=len(page.main), kept_other=len(other))
    return Score(counts["kept_main"], counts["all_main"], counts["kept_other"])
