"""Resolves character references of signs that Markdown would take for structure: the text shows a sign, not a mark.

Owns the references whose sign would end a cell, open a link, a span or emphasis, begin a block, or end a line, where they
stand for it, and the characters without width that keep marks apart; writes them as escaped signs or blanks.
``html_elements.unescape`` resolves all others. Expects text without code (``markup.markdown``); every pass is linear.
"""

from __future__ import annotations

import html
import re

from preprocessing.markup.markdown import has_structure, table_lines

BAR = re.compile(r"&(?:#0{0,4}124|#[xX]0{0,4}7[cC]|vert|verbar|VerticalLine);")
_BLANK = r"&(?:#0{0,4}(?:9|160)|#[xX]0{0,4}(?:9|[aA]0)|nbsp|NonBreakingSpace|Tab|ensp|emsp|thinsp|ThinSpace);"
_LINE_END = re.compile(r"[ \t]{0,9}&(?:#0{0,4}1[03]|#[xX]0{0,4}[aAdD]|NewLine);[ \t]{0,9}")
_FIRST_BLANKS = re.compile(
    rf"^((?:[ \t]|>|[-*+][ \t]|[0-9]{{1,9}}[.)][ \t]|#{{1,6}}[ \t]){{0,40}})(?:{_BLANK}[ \t]{{0,9}})+",
    re.MULTILINE,
)
_FIRST_MARK = re.compile(
    r"^((?:[ \t]|>){0,40})(?:(?P<mark>&(?:#0{0,4}(?:35|42|43|45)|#[xX]0{0,4}(?:23|2[aAbBdD])|num|ast|midast|plus);)"
    r"|(?P<number>[0-9]{1,9})(?P<end>&(?:#0{0,4}(?:41|46)|#[xX]0{0,4}(?:29|2[eE])|rpar|period);))(?=[ \t])",
    re.MULTILINE,
)
_TICK = re.compile(r"&(?:#0{0,4}96|#[xX]0{0,4}60|grave|DiacriticalGrave);")
_EMPHASIS = re.compile(r"&(?:#0{0,4}(?:42|95)|#[xX]0{0,4}(?:2[aA]|5[fF])|ast|midast|lowbar|UnderBar);")
_ONE_LINE = re.compile(r"\A[ \t]{0,40}(?:[|>]|#{1,6}[ \t]|[-*+][ \t]|[0-9]{1,9}[.)][ \t])|\]\(")
_BRACKET = re.compile(r"&(?:#0{0,4}91|#[xX]0{0,4}5[bB]|lsqb|lbrack);")
_SIGN = re.compile(f"{_TICK.pattern}|{_EMPHASIS.pattern}|{_BRACKET.pattern}|&(?:#|num|plus|rpar|period)")
_HIDDEN = re.compile(
    r"[\u00ad\u200b-\u200d\u2060\ufeff]|&(?:#0{0,4}(?:173|820[3-5]|8288|65279)|#[xX]0{0,4}(?:[aA][dD]|200[b-dB-D]|2060|[fF][eE][fF][fF])"
    r"|ZeroWidthSpace|zwnj|zwj|shy|NoBreak);"
)
_HIDDEN_BESIDE_MARKS = re.compile(
    rf"(?P<label>(?<=\])(?:{_HIDDEN.pattern})+(?=[(\[:]))"
    rf"|(?P<picture>(?<=!)(?:{_HIDDEN.pattern})+(?=\[))"
    rf"|(?P<first>^(?:[ \t]|>){{0,40}})(?:{_HIDDEN.pattern})+(?:{_HIDDEN.pattern}|[ \t]){{0,40}}(?P<number>[0-9]{{0,9}})(?=(?:#{{1,6}}|[*+-])[ \t]|(?<=[0-9])[.)][ \t]|`{{3}}|~{{3}})"
    rf"|(?P<text>(?<=\n)(?:[ \t]|>){{0,40}})(?:{_HIDDEN.pattern})+[ \t](?:{_HIDDEN.pattern}|[ \t]){{0,40}}",
    re.MULTILINE,
)
_HIDDEN_BEFORE_BLANKS = re.compile(
    rf"([ \t]{{0,40}})(?:{_HIDDEN.pattern})+((?:{_HIDDEN.pattern}|[ \t]){{0,200}}[ \t])(?=[^ \t])"
)
_LINE_OF_CODE = re.compile(
    r"[})\]]|[^\n]*(?:[;{}(\[]|=>)[ \t]*\Z"
    r"|[A-Za-z-]{1,40}:[ \t][^\n]*;|(?:[A-Za-z_][\w.-]*:[ \t]|[A-Za-z_][^=가-힣]*=[ \t]|[\w.]+\()(?:[^가-힣\"']|\"[^\"\n]*\"|'[^'\n]*')*\Z|[A-Za-z_][\w.-]*:\Z|[^가-힣]+,[ \t]*\Z"
)
_NEAR = 1000  # characters in which the items of a list are looked for
_FRONT_MATTER = re.compile(r"\A\ufeff?(?:---[ \t]*\r?\n(?:[^\n]{0,2000}\n){1,100}?---[ \t]*(?:\r?\n|\Z))?")
_END_OF_LABEL = re.compile(
    r"[^\[\]\n]{0,400}(?:\]|&(?:#0{0,4}93|#[xX]0{0,4}5[dD]|rsqb|rbrack);)(?:\(|\[|:|&(?:#0{0,4}40|lpar);)"
)


def resolve_structure(text: str) -> str:
    """Writes references of signs of structure as escaped signs and drops blanks that begin a line.

    Line ends become blanks where they would cut a row, a heading, an item, a quotation or a link. Signs are escaped in
    Markdown only: other texts have no marks that they could be taken for.
    """
    if "&" not in text:
        return text
    if BAR.search(text):
        text = _in_cells(text)
    if _LINE_END.search(text):
        text = "\n".join(_join(line) if "&" in line else line for line in text.split("\n"))
    text = _FIRST_BLANKS.sub(r"\1", text)
    if _HIDDEN.search(text) and has_structure(text):
        text = keep_marks_apart(text)
    return escape_marks(text) if _SIGN.search(text) and has_structure(text) else text


def keep_marks_apart(text: str) -> str:
    """Writes characters without width as an escape where marks would make a link or a block without them; not in front matter.

    The blanks behind those that begin a line go with them, as they would be indentation, but not those of lines of code.
    """
    front = _FRONT_MATTER.match(text)
    first = front.end() if front else 0
    return text[:first] + _HIDDEN_BESIDE_MARKS.sub(_escape_hidden, _keep_indentation(text[first:]))


def _keep_indentation(text: str) -> str:
    """Writes only the blanks of characters without width and blanks that begin lines of code, and those between them."""
    lines = text.split("\n")
    run: list[tuple[int, re.Match[str], bool]] = []
    for n, line in enumerate([*lines, "end"]):
        hidden = _HIDDEN_BEFORE_BLANKS.match(line)
        if hidden:
            run.append((n, hidden, _LINE_OF_CODE.match(line, hidden.end()) is not None))
        elif line.strip() and run:
            code = [k for k, (_, _, is_code) in enumerate(run) if is_code] or [0]
            run = run[code[0] : code[-1] + 1]
            if 1 < len(run) <= 2 * len(code):
                for k, match, _ in run:
                    lines[k] = match[1] + _HIDDEN.sub("", match[2]) + lines[k][match.end() :]
            run = []
    return "\n".join(lines)


def escape_marks(text: str) -> str:
    """Writes references of signs as escaped signs where they would begin a block or pair to a span, emphasis or link."""
    if not _SIGN.search(text):
        return text
    text = _FIRST_MARK.sub(_escape_first, text)
    text = "\n".join(_escape_pairs(line) if "&" in line else line for line in text.split("\n"))
    return _BRACKET.sub(lambda match: "\\[" if _END_OF_LABEL.match(text, match.end()) else match[0], text)


def resolve_blanks(text: str) -> str:
    """Writes references of line ends as blanks and drops those of blanks that begin a line or its text, in any markup."""
    return _FIRST_BLANKS.sub(r"\1", _LINE_END.sub(" ", text)) if "&" in text else text


def _escape_hidden(match: re.Match[str]) -> str:
    """Replaces characters without width, which normalization removes, by an escape, which keeps the marks apart, too."""
    if match["text"] is not None:
        return match["text"]
    if match["number"] and _is_between_items(match):
        return f"{match['first']}{match['number']}"
    return f"{match['first'] or ''}{match['number'] or ''}\\"


def _is_between_items(match: re.Match[str]) -> bool:
    """Whether the item before or behind a number has the number before or behind it."""
    text, number = match.string, int(match["number"])
    before = text[max(0, match.start() - _NEAR) : match.start()]
    behind = text[match.end() : match.end() + _NEAR]
    return any(
        re.search(rf"^[ \t>]{{0,40}}{other}[.)][ \t]", near, re.MULTILINE)
        for other, near in ((number - 1, before), (number + 1, behind))
    )


def _join(line: str) -> str:
    return _LINE_END.sub(" " if _ONE_LINE.search(line) else "\n", line)


def _in_cells(text: str) -> str:
    lines = text.split("\n")
    for n in table_lines(lines):
        lines[n] = BAR.sub(r"\\|", lines[n])
    return "\n".join(lines)


def _escape_first(match: re.Match[str]) -> str:
    if match["mark"]:
        return f"{match[1]}\\{html.unescape(match['mark'])}"
    return f"{match[1]}{match['number']}\\{html.unescape(match['end'])}"


def _escape_pairs(line: str) -> str:
    """Escapes the references of a line that could pair with a mark of the same kind in it."""
    if len(_TICK.findall(line)) + line.count("`") + line.count("\x7f") > 1:
        line = _TICK.sub(r"\\`", line)
    signs = [html.unescape(reference) for reference in _EMPHASIS.findall(line)]
    paired = {sign for sign in set(signs) if signs.count(sign) + line.count(sign) > 1}
    return _EMPHASIS.sub(lambda match: _escape_emphasis(match, paired), line)


def _escape_emphasis(match: re.Match[str], paired: set[str]) -> str:
    """Blanks on both sides, or letters around a low line, make no emphasis."""
    sign, line = html.unescape(match[0]), match.string
    before, after = line[max(0, match.start() - 1) : match.start()], line[match.end() : match.end() + 1]
    is_inside = sign == "_" and before.isalnum() and after.isalnum()
    is_alone = not before.strip() and not after.strip()
    return sign if sign not in paired or is_inside or is_alone else "\\" + sign
