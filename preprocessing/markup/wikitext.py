"""Converts MediaWiki markup to Markdown.

Owns the order of the conversion, and elements such as <math> and <ref>; ``wiki_brackets`` converts templates and links,
``wiki_lines`` tables, lists and headings. Follows the description of wikitext on mediawiki.org. Every pass is linear in the
length of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection

from preprocessing.markup.html_elements import replace_elements, unescape
from preprocessing.markup.html_text import remove_tags
from preprocessing.markup.markdown import fence_around
from preprocessing.markup.missing_values import HOLE, SENTENCES_WITH_HOLES, remove_holes
from preprocessing.markup.references import resolve_blanks
from preprocessing.markup.small_text import convert_small_text
from preprocessing.markup.wiki_brackets import convert_brackets
from preprocessing.markup.wiki_html import blocks_to_wikitext, remove_comments, tabs_to_wikitext
from preprocessing.markup.wiki_lines import ROW, lines_to_markdown
from preprocessing.markup.wiki_links import EXTERNAL
from preprocessing.markup.wiki_media import END, START, gallery_captions, place_captions
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wiki_sections import remove_sections

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
    r"<(?:ref|references|nowiki|templatestyles|section|gallery|pre|indicator|includeonly|pages)(?=[\s/])[^<>]{0,2000}?/>",
    re.IGNORECASE,
)
_BETWEEN_NOTES = re.compile(
    r"(?<=[>}])(?:\{\{[,·]\}\}|<sup>[,·]</sup>)(?=<ref|\{\{(?:sfn|refn|efn|harv|r\|))", re.IGNORECASE
)
_BARS_AND_BRACES = re.compile(r"(?<!\{)(\{)\{\{!\}\}|\{\{!\}\}(\}{1,9})")
_PARAMETER = re.compile(r"\{\{\{[^{}|\n]{0,200}\|?([^{}\n]{0,2000})\}\}\}")
_MAGIC = re.compile(
    r"__(?:[가-힣]{2,30}|(?:NO|FORCE)?TOC|NOEDITSECTION|(?:NO)?NEWSECTIONLINK|NOGALLERY|HIDDENCAT|EXPECTUNUSED[A-Z]{1,20}|"
    r"NO(?:TITLE|CONTENT)CONVERT|NO[CT]C|(?:NO)?INDEX|STATICREDIRECT|DISAMBIG|NOGLOBAL|START|END)__"
    r"|^#(?:REDIRECT|넘겨주기)[^\n]{0,1000}$",
    re.MULTILINE | re.IGNORECASE,
)
_OF_LINES = re.compile(r"\\begin\{(?:align|gather|equation|multline|eqnarray)\*?\}")  # never inside of a line
_SCRIPT_OF_FORMULA = re.compile(r"\$([^$\n]{1,200})\$<su([pb])>([^<>{}$\n]{1,40})</su\2>")
_ITALIC_INDEX = re.compile(r"<su([pb])>''([A-Za-z0-9])''</su\1>")
_WRITTEN_REFERENCE = re.compile(r"&amp;(?=#?\w{1,30};)")  # in code
# A text for all variants of Chinese, or one for each: -{zh-hans:计算机;zh-hant:電腦}-
_VARIANTS = re.compile(r"-\{(?:([A-Za-z;-]{0,40})\|)?([^{}]{0,2000})\}-")
_VARIANT = re.compile(
    r"(?:^|;)\s{0,20}(?:[^;:=]{1,200}=>\s{0,20})?(zh(?:-[a-z]{2,4})?)\s{0,20}:\s{0,20}([^;]*)"
)
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_TAGGED = re.compile("</?[A-Za-z]")
_MARKS = re.compile(f"[{START}{END}{ROW}{HOLE}\x7f]")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_LINE_MARK = re.compile(r"[*+-](?=\s|$)|#{1,6}(?=\s|$)|>")  # of Markdown
_SPAN_OF_CODE = re.compile("(`[^`\n]{1,400}`)")
_EMPTY_BRACKETS = re.compile(r"\((?<![A-Za-z0-9_]\()(?:[ \t,;:·]|또는|or|and){0,20}\)")
# What templates without text leave between brackets
_LEFT_COMMAS = re.compile(
    r"(?P<first>\()[ \t]{0,20}(?:[,;][ \t]{0,20}){1,20}|(?P<between>,)(?:[ \t]{0,20},){1,20}|;(?:[ \t]{0,20};){1,20}(?=\s)"
)


def mediawiki_to_markdown(
    text: str,
    left_out_sections: Collection[str] = (),
    page: WikiPage | None = None,
    left_out: Counter[str] | None = None,
) -> str:
    """Converts headings, lists, tables, code, formulas, the texts of links and the captions of pictures.

    Removes references, categories, templates without text, and sections with a title in ``left_out_sections``.
    ``page`` has the title and the day, which some templates show. Adds to ``left_out`` the sentences that were removed for
    a value that only the wiki has.
    """
    page = page or WikiPage.of(text)
    protected: list[str] = []

    def protect(markdown: str) -> str:
        protected.append(markdown)
        return f"\x7f{len(protected) - 1}\x7f"

    text = remove_comments(_MARKS.sub("", text))
    if any(mark in text for mark in ("{{,}}", "{{·}}", "<sup>,")):
        text = _BETWEEN_NOTES.sub("", text)
    text = tabs_to_wikitext(_ONLY_TAGS.sub("", _ALONE.sub("", text)))
    text = replace_elements(
        text,
        _ELEMENT,
        lambda opening, content: _convert_element(opening, content, protect),
    )
    text = _INLINE_CODE.sub(
        lambda code: f"`{_WRITTEN_REFERENCE.sub(lambda reference: protect('&'), code[1])}`", text
    )
    text = _VARIANTS.sub(_convert_variants, text) if "-{" in text else text
    text = _BARS_AND_BRACES.sub(_name_of_bar, text) if "{{!}}" in text else text
    text = convert_brackets(_PARAMETER.sub(r"\1", text), page)
    text = _ITALIC_INDEX.sub(r"<su\1>\2</su\1>", text) if "<su" in text else text
    text = convert_small_text(_SCRIPT_OF_FORMULA.sub(_add_script, text) if "$<su" in text else text)
    text = _clean_brackets(EXTERNAL.sub(lambda match: match[1], _MAGIC.sub("", text)))
    text = lines_to_markdown(place_captions(resolve_blanks(blocks_to_wikitext(text))))
    text = remove_tags(text) if _TAGGED.search(text) else unescape(text)
    text, holes = remove_holes(text)
    if holes and left_out is not None:
        left_out[SENTENCES_WITH_HOLES] += holes
    text = remove_sections(text, left_out_sections)
    text = _strip_line_ends(text)
    text = _MARK.sub(lambda mark: _restore(mark, protected), text)
    return _MARK.sub("", text).strip()


def _name_of_bar(match: re.Match[str]) -> str:
    """The template for the beginning or the end of a table, of which one brace stands outside of ``{{!}}``."""
    if match[1]:
        return "{{(!}}"
    return "{{!)}}" + match[2][1:] if len(match[2]) % 2 else match[0]


def _clean_brackets(text: str) -> str:
    """Removes what templates without text leave between brackets, outside of code."""
    pieces = _SPAN_OF_CODE.split(text)
    for at in range(0, len(pieces), 2):
        piece = _LEFT_COMMAS.sub(lambda match: match["first"] or match["between"] or ";", pieces[at])
        pieces[at] = _EMPTY_BRACKETS.sub("", piece)
    return "".join(pieces)


def _restore(mark: re.Match[str], protected: list[str]) -> str:
    """What a mark stands for; inside of a table a bar is escaped, and a formula is one line."""
    text = protected[int(mark[1])] if int(mark[1]) < len(protected) else ""
    if not ("|" in text or "\n" in text):
        return text
    in_table = mark.string.startswith("|", mark.string.rfind("\n", 0, mark.start()) + 1)
    text = " ".join(text.split()) if in_table and text[0] == "$" else text
    return text.replace("|", "\\|") if in_table and "\n" not in text else text


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
        mark = "$$" if "block" in attributes or _OF_LINES.match(formula) else "$"
        return protect(f"{mark}{formula}{mark}") if formula else ""
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
