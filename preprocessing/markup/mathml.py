"""Writes presentation MathML as LaTeX, so that exponents, fractions and roots of a formula stay what they are.

Elements and their arguments are those of MathML 3 (W3C, 2014), chapter 3. Letters and signs stay Unicode; an element that is
not known gives the formulas inside of it. Drawings of MathJax (SVG) name the same elements and are read, too.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"<(?P<close>/?)(?:\w+:)?(?P<name>[A-Za-z]\w*)(?P<attributes>(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>|(?P<text>[^<]++)|<"
)
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CODE = re.compile("[0-9A-Fa-f]{1,5}")
_HEIGHT = re.compile(r"translate\([^,()]*,\s*(-?[0-9.]+)\)")
MAX_DEPTH = 150
_SKIPPED = frozenset(
    ("annotation", "annotation-xml", "mphantom", "mspace", "none", "mprescripts", "maligngroup")
)
_FIRST_ONLY = frozenset(("semantics", "maction"))
_INVISIBLE = dict.fromkeys(range(0x2061, 0x2065), "") | {0x200B: "", 0x2212: "-", 0x2032: "'", 0x00A0: " "}
_ESCAPED = re.compile(r"[#$%&_{}]")
_COMMAND_END = re.compile(r"\\[A-Za-z]+\Z")
_NAMES_OF_FUNCTIONS = (
    "arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max min Pr sec "
    "sin sinh sup tan tanh"
)
_FUNCTIONS = frozenset(_NAMES_OF_FUNCTIONS.split())
_VARIANTS = {
    "double-struck": "mathbb", "script": "mathcal", "fraktur": "mathfrak", "bold": "mathbf", "bold-italic": "mathbf",
    "bold-script": "mathcal", "bold-fraktur": "mathfrak", "sans-serif": "mathsf", "monospace": "mathtt",
}  # fmt: skip
_SPACED = frozenset("=<>≤≥≠≈≡∼≃≅∝→←↔⇒⇔↦∈∉⊂⊆⊃⊇∪∩∧∨+-±×÷⋅∘:|∣≔≪≫")
_ACCENTS = {
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "→": "vec", "⃗": "vec", "˙": "dot", ".": "dot", "¨": "ddot",
    "¯": "overline", "‾": "overline", "―": "overline", "_": "overline", "⏞": "overbrace", "ˇ": "check",
}  # fmt: skip
_ACCENTS_BELOW = {"_": "underline", "¯": "underline", "‾": "underline", "―": "underline", "⏟": "underbrace"}
_LIMITS = re.compile(
    r"[∑∏∐⋃⋂⋁⋀⨁⨂∫∬∭∮]|\\(?:lim|limsup|liminf|max|min|sup|inf|gcd|det|Pr|underbrace\{.*\}|overbrace\{.*\})"
)
_ONE_TOKEN = re.compile(
    r"[^\W_]|[0-9][0-9.]*|\([^()]*\)|\\[A-Za-z]+|[∑∏∐⋃⋂⋁⋀⨁⨂∫∬∭∮)\]}|]|\\[A-Za-z]+\{[^{}]*\}", re.DOTALL
)


@dataclass
class _Node:
    name: str
    attributes: str = ""
    tag: str = ""
    children: list[_Node | str] = field(default_factory=list)

    def elements(self) -> list[_Node]:
        return [child for child in self.children if isinstance(child, _Node)]

    def attribute(self, name: str, default: str = "") -> str:
        for found in _ATTRIBUTE.finditer(self.attributes):
            if found[1] == name:
                return html.unescape(found[2] if found[2] is not None else found[3])
        return default


def mathml_to_latex(mathml: str) -> str:
    """The LaTeX of an element ``<math>`` or of what is in it, in one line; the empty text for one that is too deep or empty."""
    root = _parse(mathml)
    return " ".join(_write(root).split()) if root else ""


def _parse(mathml: str) -> _Node | None:
    open_nodes = [_Node("mrow")]
    for token in _TOKEN.finditer(mathml):
        name = token["name"]
        if name is None:
            open_nodes[-1].children.append(token["text"] or "")
        elif token["close"]:
            names = [node.tag for node in open_nodes[1:]]
            if name in names:
                del open_nodes[1 + len(names) - 1 - names[::-1].index(name) :]
        else:
            node = _read_drawing(_Node(name, token["attributes"].rstrip("/"), name))
            open_nodes[-1].children.append(node)
            if not token["attributes"].endswith("/"):
                open_nodes.append(node)
        if len(open_nodes) > MAX_DEPTH:
            return None
    return open_nodes[0]


def _read_drawing(node: _Node) -> _Node:
    """A group of MathJax's SVG as the element of MathML that it draws, a path of it as its character."""
    if node.name == "g":
        drawn = node.attribute("data-mml-node")
        node.name = drawn if drawn.startswith("m") else "mrow"
    elif node.name in ("path", "use") and _CODE.fullmatch(node.attribute("data-c")):
        node.children.append(unicodedata.normalize("NFKC", html.unescape(f"&#x{node.attribute('data-c')};")))
    return node


def _write(node: _Node) -> str:
    if node.name in _SKIPPED:
        return ""
    if node.name in _WRITERS:
        return _WRITERS[node.name](node)
    children = node.elements()
    return _join(children[:1] if node.name in _FIRST_ONLY else children)


def _join(nodes: list[_Node]) -> str:
    """The formulas one after another; signs between two of them have blanks around them, and names end before letters."""
    out = ""
    for n, node in enumerate(nodes):
        part = _write(node)
        if not part:
            continue
        if node.name == "mo" and part in _SPACED and out and n < len(nodes) - 1:
            part = f" {part} "
        if _COMMAND_END.search(out) and (part[0].isalnum() or part[0] == "("):
            out += " "
        out += part
    return out


def _text_of(node: _Node) -> str:
    text = "".join(child if isinstance(child, str) else _text_of(child) for child in node.children)
    return html.unescape(text).translate(_INVISIBLE)


def _escape(text: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", text)


def _write_name(node: _Node) -> str:
    name = _text_of(node).strip()
    if name in _FUNCTIONS:
        return f"\\{name}"
    variant = _VARIANTS.get(node.attribute("mathvariant"))
    if variant:
        return f"\\{variant}{{{_escape(name)}}}"
    if len(name) < 2:
        return _escape(name)
    return f"\\mathrm{{{_escape(name)}}}" if name.isascii() else f"\\text{{{_escape(name)}}}"


def _write_operator(node: _Node) -> str:
    sign = _text_of(node).strip()
    return f"\\{sign}" if sign in _FUNCTIONS else _escape(sign)


def _write_text(node: _Node) -> str:
    text = " ".join(_text_of(node).split(" "))
    return f"\\text{{{_escape(text)}}}" if text.strip() else " "


def _arguments(node: _Node, count: int) -> list[str]:
    """The formulas of the first arguments; missing ones are empty. In a drawing the upper one of two scripts is the higher one."""
    children = node.elements()[:count]
    heights = [_HEIGHT.search(child.attribute("transform")) for child in children[1:]]
    if len(heights) == 2 and heights[0] and heights[1] and float(heights[0][1]) > float(heights[1][1]):
        children[1:] = children[:0:-1]
    written = [_write(child).strip() for child in children]
    return written + [""] * (count - len(written))


def _script(mark: str, formula: str) -> str:
    if not formula:
        return ""
    if mark == "^" and set(formula) == {"'"}:
        return formula
    return f"{mark}{formula}" if len(formula) == 1 and formula.isalnum() else f"{mark}{{{formula}}}"


def _base(formula: str) -> str:
    return formula if _ONE_TOKEN.fullmatch(formula) else f"{{{formula}}}"


def _write_scripts(node: _Node) -> str:
    base, *scripts = _arguments(node, 3 if node.name == "msubsup" else 2)
    marks = "^" if node.name == "msup" else "_^"
    return _base(base) + "".join(map(_script, marks, scripts))


def _write_limits(node: _Node) -> str:
    base, *scripts = _arguments(node, 3 if node.name == "munderover" else 2)
    if _LIMITS.fullmatch(base):
        return base + "".join(map(_script, "^" if node.name == "mover" else "_^", scripts))
    below = "" if node.name == "mover" else scripts[0].replace("\\_", "_")
    above = "" if node.name == "munder" else scripts[-1].replace("\\_", "_")
    if below:
        accent = _ACCENTS_BELOW.get(below)
        base = f"\\{accent}{{{base}}}" if accent else f"\\underset{{{below}}}{{{base}}}"
    if above:
        accent = _ACCENTS.get(above)
        base = f"\\{accent}{{{base}}}" if accent else f"\\overset{{{above}}}{{{base}}}"
    return base


def _write_fraction(node: _Node) -> str:
    above, below = _arguments(node, 2)
    if re.fullmatch("0[a-z%]*", node.attribute("linethickness")):
        return f"{{{above} \\atop {below}}}"
    return f"\\frac{{{above}}}{{{below}}}"


def _write_root(node: _Node) -> str:
    if node.name == "msqrt":
        drawn = [child for child in node.elements() if _text_of(child) != "√"]
        return f"\\sqrt{{{_join(drawn)}}}"
    base, index = _arguments(node, 2)
    return f"\\sqrt[{index}]{{{base}}}"


def _write_fenced(node: _Node) -> str:
    separators = node.attribute("separators", ",").replace(" ", "")
    parts = [_write(child) for child in node.elements()]
    out = parts[0] if parts else ""
    for n, part in enumerate(parts[1:]):
        out += (separators[min(n, len(separators) - 1)] + " " if separators else "") + part
    return _escape(node.attribute("open", "(")) + out + _escape(node.attribute("close", ")"))


def _write_multiscripts(node: _Node) -> str:
    children = node.elements()
    names = [child.name for child in children]
    last = names.index("mprescripts") if "mprescripts" in names else len(names)
    before, after = ([_write(child) for child in part] for part in (children[last + 1 :], children[1:last]))
    prefix = "".join("{}" + _script("_", a) + _script("^", b) for a, b in zip(before[::2], before[1::2]))
    base = _write(children[0]) if children else ""
    return (
        prefix
        + _base(base)
        + "".join(_script("_", a) + _script("^", b) for a, b in zip(after[::2], after[1::2]))
    )


def _write_table(node: _Node) -> str:
    rows = []
    for row in node.elements():
        cells = row.elements()[1 if row.name == "mlabeledtr" else 0 :]
        rows.append(" & ".join(_write(cell).strip() for cell in cells))
    name = "aligned" if "right left" in node.attribute("columnalign") else "matrix"
    return f"\\begin{{{name}}} " + r" \\ ".join(rows) + f" \\end{{{name}}}"


_WRITERS = {
    "mi": _write_name, "mn": lambda node: _escape(_text_of(node).strip()), "mo": _write_operator, "mtext": _write_text, "ms": _write_text,
    "mfrac": _write_fraction, "msqrt": _write_root, "mroot": _write_root, "msub": _write_scripts, "msup": _write_scripts,
    "msubsup": _write_scripts, "munder": _write_limits, "mover": _write_limits, "munderover": _write_limits,
    "mmultiscripts": _write_multiscripts, "mfenced": _write_fenced, "mtable": _write_table,
}  # fmt: skip
