"""Converts MediaWiki markup to Markdown.

Owns the order of the conversion, brackets (templates, links) and elements such as <math> and <ref>; ``wiki_lines``
converts tables, lists and headings. Follows the description of wikitext on mediawiki.org. Every pass is linear in the
length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from preprocessing.markup.html_elements import replace_elements, unescape
from preprocessing.markup.html_text import remove_tags
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.references import resolve_blanks
from preprocessing.markup.small_text import convert_small_text
from preprocessing.markup.wiki_arguments import key_of
from preprocessing.markup.wiki_html import blocks_to_wikitext, remove_comments
from preprocessing.markup.wiki_lines import ROW, lines_to_markdown, remove_sections
from preprocessing.markup.wiki_links import EXTERNAL, link_text
from preprocessing.markup.wiki_media import END, START, gallery_captions, place_captions
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wiki_templates import template_text
from preprocessing.markup.wiki_unknown import Place, unknown_text

MAX_DEPTH = 100  # of nested brackets; deeper brackets stay unchanged
_ELEMENT = re.compile(
    r"<(nowiki|pre|syntaxhighlight|source|math|chem|ce|ref|gallery|timeline|imagemap|score|mapframe|graph|templatedata|"
    r"indicator|references|hiero|templatestyles|includeonly|youtube|inputbox|categorytree)(?=[\s>/])([^<>]{0,2000}?)(?<!/)>",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"<(ref)(?=[\s>/])([^<>]{0,2000}?)(?<!/)>", re.IGNORECASE)
_ONLY_TAGS = re.compile(r"</?(?:poem|noinclude|onlyinclude)(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_INLINE = re.compile(r"\binline\b|\benclose\s{0,5}=\s{0,5}[\"']?none")
_INLINE_CODE = re.compile(r"<code(?:\s[^<>]{0,200})?>([^<`\n]{1,300})</code>", re.IGNORECASE)
_NOWIKI = re.compile(r"<(nowiki)(?=[\s>/])([^<>]{0,2000}?)(?<!/)>", re.IGNORECASE)
_ALONE = re.compile(
    r"<(?:ref|references|nowiki|templatestyles|section|gallery|pre|indicator|includeonly)(?=[\s/])[^<>]{0,2000}?/>",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"\{\{\{[^{}|\n]{0,200}\|?([^{}\n]{0,2000})\}\}\}")
_TOKEN = re.compile(r"(\{\{|\}\}|\[\[|\]\]|\|)")
_MAGIC = re.compile(
    r"__(?:[가-힣]{2,30}|(?:NO|FORCE)?TOC|NOEDITSECTION|(?:NO)?NEWSECTIONLINK|NOGALLERY|HIDDENCAT|EXPECTUNUSED[A-Z]{1,20}|"
    r"NO(?:TITLE|CONTENT)CONVERT|NO[CT]C|(?:NO)?INDEX|STATICREDIRECT|DISAMBIG|NOGLOBAL|START|END)__"
    r"|^#(?:REDIRECT|넘겨주기)[^\n]{0,1000}$",
    re.MULTILINE | re.IGNORECASE,
)
_SCRIPT_OF_FORMULA = re.compile(r"\$([^$\n]{1,200})\$<su([pb])>([^<>{}$\n]{1,40})</su\2>")
_WRITTEN_REFERENCE = re.compile(r"&amp;(?=#?\w{1,30};)")  # in code
# A text for all variants of Chinese, or one for each: -{zh-hans:计算机;zh-hant:電腦}-
_VARIANTS = re.compile(r"-\{(?:([A-Za-z;-]{0,40})\|)?([^{}]{0,2000})\}-")
_VARIANT = re.compile(
    r"(?:^|;)\s{0,20}(?:[^;:=]{1,200}=>\s{0,20})?(zh(?:-[a-z]{2,4})?)\s{0,20}:\s{0,20}([^;]*)"
)
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_TAGGED = re.compile("</?[A-Za-z]")
_MARKS = re.compile(f"[{START}{END}{ROW}\x7f]")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_LINE_MARK = re.compile(r"[*+-](?=\s|$)|#{1,6}(?=\s|$)|>")  # of Markdown
_SHOWN_BEFORE = 20  # pieces, and characters of each, before a template that decide about blanks
_OPENED = re.compile(r"(?:^|\n|\()$|(?:^|[\s(|])'{2,5}$")
_BETWEEN_ROWS = re.compile(r"[ \t]{0,20}\n\s{0,20}(?:\|-[^\n]{0,200}\n\s{0,20})?")
_CLOSING = re.compile(r"[ )\],.;:\n]|$")
_EMPTY_BRACKETS = re.compile(r"\((?:[ \t,;:·]|또는){0,20}\)")
# What templates without text leave between brackets
_LEFT_COMMAS = re.compile(
    r"(?P<first>\()[ \t]{0,20}(?:[,;][ \t]{0,20}){1,20}|(?P<between>,)(?:[ \t]{0,20},){1,20}|;(?:[ \t]{0,20};){1,20}(?=\s)"
)


@dataclass
class _Frame:
    """An open bracket, ``{{`` or ``[[``, and its parts between bars."""

    bracket: str
    parts: list[list[str]] = field(default_factory=lambda: [[]])
    begins: bool = False  # a template without text stands where a line, emphasis or brackets begin
    last: tuple[str, int, int] = ("", 0, 0)  # name of the last template, and where it ends: part and piece

    def add(self, text: str) -> None:
        if self.begins:
            text, self.begins = text.lstrip(" "), False
        self.parts[-1].append(text)

    def texts(self) -> list[str]:
        return ["".join(part) for part in self.parts]

    def literal(self) -> str:
        """The source text of a frame that is never closed."""
        return self.bracket + "|".join(self.texts())


def mediawiki_to_markdown(
    text: str, left_out_sections: Collection[str] = (), page: WikiPage | None = None
) -> str:
    """Converts headings, lists, tables, code, formulas, the texts of links and the captions of pictures.

    Removes references, categories, templates without text, and sections with a title in ``left_out_sections``.
    ``page`` has the title and the day, which some templates show.
    """
    page = page or WikiPage.of(text)
    protected: list[str] = []

    def protect(markdown: str) -> str:
        protected.append(markdown)
        return f"\x7f{len(protected) - 1}\x7f"

    text = remove_comments(_MARKS.sub("", text))
    text = _ONLY_TAGS.sub("", _ALONE.sub("", text))
    text = replace_elements(
        text, _ELEMENT, lambda opening, content: _convert_element(opening, content, protect)
    )
    text = _INLINE_CODE.sub(
        lambda code: f"`{_WRITTEN_REFERENCE.sub(lambda reference: protect('&'), code[1])}`", text
    )
    text = _VARIANTS.sub(_convert_variants, text) if "-{" in text else text
    text = _convert_brackets(_PARAMETER.sub(r"\1", text), page)
    text = convert_small_text(_SCRIPT_OF_FORMULA.sub(_add_script, text) if "$<su" in text else text)
    text = _LEFT_COMMAS.sub(lambda match: match["first"] or match["between"] or ";", text)
    text = _EMPTY_BRACKETS.sub("", EXTERNAL.sub(lambda match: match[1], _MAGIC.sub("", text)))
    text = lines_to_markdown(place_captions(resolve_blanks(blocks_to_wikitext(text))))
    text = remove_tags(text) if _TAGGED.search(text) else unescape(text)
    text = remove_sections(text, left_out_sections)
    text = _strip_line_ends(text)
    text = _MARK.sub(lambda match: protected[int(match[1])] if int(match[1]) < len(protected) else "", text)
    return _MARK.sub("", text).strip()


def _convert_variants(match: re.Match[str]) -> str:
    """The traditional form, else the first; nothing for rules that only change other words; other braces stay."""
    flags, content = match[1] or "", match[2]
    variants = dict(_VARIANT.findall(content))
    if not (variants or _HAN.search(content)):
        return match[0]
    if flags and not flags.strip("HT-"):
        return ""
    return (variants.get("zh-hant") or next(iter(variants.values()), content)).strip()


def _add_script(match: re.Match[str]) -> str:
    return f"${match[1]}{'^' if match[2] == 'p' else '_'}{{{match[3]}}}$"


def _strip_line_ends(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n")))


def _convert_element(opening: re.Match[str], content: str, protect: Callable[[str], str]) -> str:
    """Converts an element whose content is not wikitext."""
    name, attributes = opening[1].lower(), opening[2]
    if name == "nowiki":
        begins_line = opening.string[opening.start() - 1 : opening.start()] in ("", "\n")
        mark = begins_line and _LINE_MARK.match(unescape(content))
        return protect(("\\" if mark else "") + unescape(content))
    if name == "math":
        formula = content.strip()
        return protect(f"$${formula}$$" if "block" in attributes else f"${formula}$") if formula else ""
    if name in ("chem", "ce"):
        return protect(rf"$\ce{{{content.strip()}}}$")
    if name in ("pre", "syntaxhighlight", "source"):
        return _convert_code(name, attributes, content, protect)
    if name == "gallery":
        return gallery_captions(attributes, replace_elements(content, _REFERENCE, lambda opening, note: ""))
    return ""


def _convert_code(name: str, attributes: str, content: str, protect: Callable[[str], str]) -> str:
    if name == "pre":
        content = unescape(replace_elements(content, _NOWIKI, lambda opening, inside: inside))
    if "\n" not in content.strip("\n") and _INLINE.search(attributes):
        return protect(f"`{content.strip()}`")
    lang = re.search(r"\blang\s{0,5}=\s{0,5}[\"']?([\w+#-]+)", attributes)
    code = content.strip("\n")
    fence = fence_around(code)
    return (
        "\n\n" + protect(f"{fence}{lang[1].lower() if lang else ''}\n{code}\n{fence}") + "\n\n"
        if code.strip()
        else ""
    )


# --- brackets --------------------------------------------------------------------------------------------


def _convert_brackets(text: str, page: WikiPage) -> str:
    """Converts templates and links from the inside out. A bracket that is never closed stays unchanged."""
    outer = _Frame("")
    stack = [outer]
    open_brackets = {"{{": 0, "[[": 0}
    tokens = _TOKEN.split(text)
    for number, token in enumerate(tokens):
        if token in open_brackets and len(stack) <= MAX_DEPTH:
            stack.append(_Frame(token))
            open_brackets[token] += 1
        elif token == "|" and stack[-1] is not outer:
            stack[-1].parts.append([])
        elif token in _OPENING and open_brackets[_OPENING[token]]:
            while stack[-1].bracket != _OPENING[token]:
                _close_unconverted(stack, open_brackets)
            frame = stack.pop()
            open_brackets[frame.bracket] -= 1
            if frame.bracket == "{{":
                _add_template(stack[-1], frame.texts(), tokens[number + 1 : number + 9], page)
            else:
                stack[-1].add(link_text(frame.texts()))
        else:
            stack[-1].add(token)
    while len(stack) > 1:
        _close_unconverted(stack, open_brackets)
    return "".join(outer.parts[0])


def _add_template(around: _Frame, parts: list[str], behind: list[str], page: WikiPage) -> None:
    """Adds the text of a template; where it has none, its argument or no blank too many."""
    pieces, after = around.parts[-1], behind[0]
    before = "".join(piece[-_SHOWN_BEFORE:] for piece in pieces[-_SHOWN_BEFORE:])
    text = template_text(parts, page)
    if text is None:
        is_repeated = _is_beside_same(around, key_of(parts[0]), behind)
        place = Place(before, "".join(behind), after, around.bracket == "{{", is_repeated)
        text = unknown_text(parts, place, page.korean)
    if text.startswith(("\n* ", "\n" + ROW)) and before[-1:] in ("", "\n"):
        text = text[1:]
    if text.startswith(("* ", ROW)) and after[:1] == "\n":
        text = text[:-1]
    if (
        not text
        and before[-1:] == " "
        and _CLOSING.match("".join(behind))
        and before.rpartition("\n")[2].strip()
    ):
        while not pieces[-1].rstrip(" "):
            pieces.pop()
        pieces[-1] = pieces[-1].rstrip(" ")
    around.add(text)
    around.begins = not text and _OPENED.search(before) is not None
    around.last = key_of(parts[0]), len(around.parts), len(pieces)


def _is_beside_same(around: _Frame, key: str, behind: list[str]) -> bool:
    """Whether the template before or behind has the same name, with nothing but the mark of a row between."""
    name, part, piece = around.last
    if (
        name == key
        and part == len(around.parts)
        and _BETWEEN_ROWS.fullmatch("".join(around.parts[-1][piece:]))
    ):
        return True
    opening = behind.index("{{") if "{{" in behind[:-1] else 0
    return bool(
        opening and _BETWEEN_ROWS.fullmatch("".join(behind[:opening])) and key_of(behind[opening + 1]) == key
    )


_OPENING = {"}}": "{{", "]]": "[["}


def _close_unconverted(stack: list[_Frame], open_brackets: dict[str, int]) -> None:
    frame = stack.pop()
    open_brackets[frame.bracket] -= 1
    stack[-1].add(frame.literal())
