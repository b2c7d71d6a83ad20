"""Finds the blocks, terms, titles and anchors of AsciiDoc among its lines; writes fences and quotations by their settings."""

from __future__ import annotations

import re
import unicodedata

from preprocessing.markup.markdown import fence_around

HEADING = re.compile(r"(?P<level>={1,6}|#{1,6})[ \t]+(?P<title>\S.*?)(?:[ \t]+(?P=level))?")
_DELIMITER = re.compile(r"(?:/{4,}|-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|--|```\w*|[|!,:]={3,})[ \t]*")
# with which delimiters begin: most lines are asked for this only
_SIGNS_OF_BLOCKS = frozenset("/-.=*_+`|!,:")
_UNDERLINE = re.compile(r"(=|-|~|\^|\+)\1{3,}[ \t]*")
_ANCHOR = re.compile(r"\[\[(?P<double>[^\[\],]+)[^\[\]]*\]\]|\[#(?P<single>[^\[\],.%]+)")
_HANGUL = re.compile("[가-힣]")
_LEVELS_OF_UNDERLINE = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_TERM = re.compile(r"[ \t]*(?P<term>\S(?:.{0,200}?\S)?)(?P<mark>:{2,4}|;;)(?:[ \t]+(?P<text>\S.*))?")
_LANGUAGE = re.compile(
    r"\[(?:source|listing)?(?:%[\w-]+)?[ \t]*,[ \t]*(?:language=\"?)?(?P<lang>[A-Za-z][\w+#.-]*+)(?!\s*=)"
)
SETTINGS_OF_CODE = ("[source", "[listing", "[literal", "[,")


def ends_of_blocks(lines: list[str]) -> dict[int, int]:
    """Numbers of the lines that open a delimited block, with those of the lines that close it."""
    positions: dict[str, list[int]] = {}
    for n in range(len(lines) - 1, -1, -1):
        if lines[n][:1] in _SIGNS_OF_BLOCKS and _DELIMITER.fullmatch(lines[n]):
            positions.setdefault(_closing(lines[n].rstrip()), []).append(n)
    ends, at = {}, 0
    openings = sorted(n for numbers in positions.values() for n in numbers)
    for n in openings:
        if n < at or not _DELIMITER.fullmatch(lines[n]):
            continue
        same = positions[_closing(lines[n].rstrip())]
        while same and same[-1] <= n:
            same.pop()
        if same:
            ends[n] = same[-1]
            at = same[-1] + 1
    return ends


def _closing(delimiter: str) -> str:
    return "```" if delimiter.startswith("```") else delimiter


def underlined(lines: list[str], at: int) -> int:
    """The level of a title with a line of signs below it; 0 for other lines."""
    title = lines[at].rstrip()
    if at + 1 >= len(lines) or not title or title[0] in " \t.[|" or (at and lines[at - 1].strip()):
        return 0
    underline = lines[at + 1].rstrip()
    if not _UNDERLINE.fullmatch(underline):
        return 0
    width = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in title)
    is_as_long = min(abs(len(underline) - len(title)), abs(len(underline) - width)) <= 2
    is_delimiter = underline[0] in "=-+" and underline in (line.rstrip() for line in lines[at + 2 :])
    return _LEVELS_OF_UNDERLINE[underline[0]] if is_as_long and not is_delimiter else 0


def is_prose(lines: list[str]) -> bool:
    visible = "".join("".join(lines).split())
    return 2 * len(_HANGUL.findall(visible)) > len(visible)


def titles_by_anchor(lines: list[str]) -> dict[str, str]:
    """Headings by the anchors before them and by the ids that Asciidoctor gives them."""
    titles, anchor = {}, ""
    for line in lines:
        found = _ANCHOR.match(line)
        if found:
            anchor = found["double"] or found["single"]
        elif heading := HEADING.fullmatch(line.rstrip()):
            title = re.sub(r"\[\[[^\[\]]*\]\]", "", heading["title"]).strip()
            titles[re.sub(r"[ .-]+", "_", "_" + re.sub(r"[^\w .-]", "", title.lower()))] = title
            if anchor:
                titles[anchor] = title
            anchor = ""
        elif line.strip() and not line.startswith("//"):
            anchor = ""
    return titles


def read_term(line: str) -> re.Match[str] | None:
    """``term::`` and its description; None for other lines."""
    term = _TERM.fullmatch(line) if "::" in line or ";;" in line else None
    return None if term is None or "//" in term["term"] or term["term"].count("`") % 2 else term


def fenced(body: list[str], settings: str) -> list[str]:
    """Code between fences, with the language of its settings."""
    language = _LANGUAGE.search(settings)
    fence = fence_around("\n".join(body))
    return [f"{fence}{language['lang'] if language else ''}", *body, fence]


def quotation(lines: list[str], settings: str) -> str:
    """Lines of a quotation, with the names of its settings: ``[quote, author, source]``."""
    names = [name.strip().strip('"') for name in settings.strip("[]").split(",")[1:] if "=" not in name]
    source = [f"— {', '.join(filter(None, names))}"] if any(names) else []
    return "\n".join(f"> {line}".rstrip() for line in [*lines, *source])
