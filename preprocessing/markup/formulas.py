"""Finds formulas in HTML, as MathML or as KaTeX, MathJax and MediaWiki have drawn them, and writes them as LaTeX.

A page may have a formula three times: drawn, as MathML for screen readers, and as the LaTeX of its author, which is taken where it
is there; ``mathml`` writes the others. Within a line it becomes ``$x^2$``, otherwise ``$$x^2$$``.
"""

from __future__ import annotations

import functools
import html
import re
from urllib.parse import unquote, unquote_plus

from preprocessing.markup.mathml import mathml_to_latex

_ATTRIBUTES = r"(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+"
_DRAWN = (
    "katex(?:-display)?|MathJax(?:_(?:Display|SVG|SVG_Display|CHTML|Preview))?|mjx-chtml|mwe-math-element"
)
_FORMULA = re.compile(
    rf"<(?:(?P<drawn>span|div)(?=\s[^<>]{{0,500}}?\bclass=[\"'](?:[^\"'<>]*\s)?(?:{_DRAWN})[\s\"'])|(?P<container>mjx-container|math)(?=[\s>])"
    rf"|(?P<script>script)(?=\s[^<>]{{0,500}}?\btype=[\"']?math/(?:tex|mml))|(?P<image>img)(?=\s)){_ATTRIBUTES}>"
)
_HINTS = (
    "<math",
    "<mjx-",
    "math/tex",
    "math/mml",
    "katex",
    "MathJax",
    "mwe-math",
    "latex",
    "render/math",
    '"tex',
    ' tex"',
)
_AUTHORS = (  # where the LaTeX of the author stands; what copied it from a page may have written ``<`` as it is
    re.compile(
        r"<annotation\b[^<>]{0,200}\bencoding=[\"'](?:application/x-(?:la)?tex|TeX|LaTeX)[\"'][^<>]{0,200}>((?:[^<]|<(?!/?annotation[>\s]))+)</annotation>"
    ),
    re.compile(r"\bmjx-copytext\b[^<>]{0,200}>\$*((?:[^<$]|<(?!/?span[>\s]))+)\$*</span>"),
    re.compile(r"<math\b[^<>]{0,500}\balttext=\"([^\"]+)\""),
    re.compile(r"<img\b[^<>]{0,500}\bclass=\"mwe-math[^<>]{0,2000}\balt=\"([^\"]+)\""),
)
_MATHML_ATTRIBUTE = re.compile(r"\bdata-mathml=\"([^\"]+)\"")
_MATHML = re.compile(r"<math[\s>].*?</math>", re.DOTALL)
_ELEMENT_OF_MATHML = re.compile(
    r"<(?:\w+:)?m(?:i|n|o|row|text|sup|sub|frac|sqrt|style|table|over|under)[\s>]"
)
_ANY_TAG = re.compile(rf"</?[A-Za-z]{_ATTRIBUTES}>")
_DISPLAY = re.compile(
    r"katex-display|MathJax(?:_SVG)?_Display|mwe-math-element-block|\bdisplay=[\"'](?:true|block)|\bmode=display"
)
_SCRIPT_BEHIND = re.compile(
    r"\s{0,99}<(?:script\b[^<>]{0,200}math/|(?:span|div)\b[^<>]{0,200}\bclass=[\"']MathJax)"
)
_STYLE = re.compile(r"\{\\(?:displaystyle|textstyle)\b\s*(.*)\}", re.DOTALL)
_NO_LATEX = re.compile(r"%?\s*<!\[CDATA\[|%?\s*\]\]>|(?<!\\)%[^\n]*(?=\n)")
_IMAGE_CLASS = re.compile(
    r"\bclass=[\"'](?:[^\"']*\s)?(?:latex|tex|mwe-math-fallback-image-(?:inline|display))[\s\"']"
)
_ALT, _SRC = re.compile(r"\balt=\"([^\"]+)\""), re.compile(r"\bsrc=[\"']([^\"']+)[\"']")
_RENDERED = re.compile(
    r"latex\.codecogs\.com/[a-z.]+\?(?P<rest>.+)|/render/math\?math=(?P<math>[^&]+)|/latex\.php\?(?:[^&]*&)*?latex=(?P<php>[^&]+)"
)


def restore_formulas(text: str) -> str:
    """Replaces the formulas of HTML by their LaTeX, as HTML; one that tells nothing about itself stays."""
    if not any(hint in text for hint in _HINTS):
        return text
    pieces, at, unclosed = [], 0, set()
    match = _FORMULA.search(text)
    while match:
        name = match["drawn"] or match["container"] or match["script"]
        end = match.end()
        if name:
            closing = None if name in unclosed else _closing_tag(text, end, name)
            if closing is None:
                unclosed.add(name)
                match = _FORMULA.search(text, end)
                continue
            content, end = text[end : closing.start()], closing.end()
            restored = _restore(match, content, bool(_SCRIPT_BEHIND.match(text, end)))
        else:
            restored = _restore_image(match[0])
        if restored is not None:
            pieces += [text[at : match.start()], restored]
            at = end
        match = _FORMULA.search(text, end)
    return "".join([*pieces, text[at:]])


def _closing_tag(text: str, start: int, name: str) -> re.Match[str] | None:
    depth = 1
    for tag in _tags_of(name).finditer(text, start):
        depth += -1 if tag[1] else 1
        if not depth or name == "script":
            return tag
    return None


@functools.cache
def _tags_of(name: str) -> re.Pattern[str]:
    return re.compile("</(script)>" if name == "script" else rf"<(/?){name}(?=[\s/>]){_ATTRIBUTES}>")


def _restore(opening: re.Match[str], content: str, is_script_behind: bool) -> str | None:
    """The formula of an element; None where it has none that can be read."""
    if opening["drawn"] and "MathJax" in opening[0] and (is_script_behind or not content):
        return ""
    latex = _latex_of_script(opening[0], content) if opening["script"] else _find_latex(opening[0], content)
    if latex is None:
        return _ANY_TAG.sub("", content) if opening["container"] == "mjx-container" else None
    return _mark(latex, bool(_DISPLAY.search(opening[0])))


def _mark(latex: str, is_display: bool) -> str:
    latex = " ".join(_NO_LATEX.sub("", latex).split())
    style = _STYLE.fullmatch(latex)
    latex = html.escape((style[1] if style else latex).strip(), quote=False)
    if not latex:
        return ""
    return f"<div>$${latex}$$</div>" if is_display else f"${latex}$"


def _latex_of_script(opening: str, content: str) -> str:
    return mathml_to_latex(content) if "math/mml" in opening else content


def _find_latex(opening: str, content: str) -> str | None:
    whole = opening + content
    for author in _AUTHORS:
        found = author.search(whole)
        if found:
            return html.unescape(found[1])
    attribute = _MATHML_ATTRIBUTE.search(opening) or _MATHML_ATTRIBUTE.search(content)
    if attribute:
        return mathml_to_latex(html.unescape(attribute[1]))
    mathml = _MATHML.search(whole + "</math>")
    if mathml and _ELEMENT_OF_MATHML.search(mathml[0]):
        return mathml_to_latex(mathml[0].replace("><</", ">&lt;</")) or None
    return (mathml_to_latex(content) or None) if "data-mml-node=" in content else None


def _restore_image(tag: str) -> str | None:
    """The formula that an image shows, by its text or by the address of the service that draws it."""
    source, alt = _SRC.search(tag), _ALT.search(tag)
    drawn = _RENDERED.search(html.unescape(source[1])) if source else None
    if drawn:
        read = unquote if drawn["rest"] else unquote_plus  # CodeCogs takes a plus as what it is
        latex = read(drawn[drawn.lastgroup or 0]).replace("&space;", " ")
        return _mark(re.sub(r"\\(?:large|Large|dpi\{\d+\}|bg_\w+|inline|fn_\w+)\b\s*", "", latex), False)
    return _mark(html.unescape(alt[1]), False) if alt and _IMAGE_CLASS.search(tag) else None
