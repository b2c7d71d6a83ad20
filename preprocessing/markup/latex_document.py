"""Takes what a page shows out of a LaTeX document: its body, and of the preamble the title and the abstract."""

from __future__ import annotations

import itertools
import re

from preprocessing.markup.latex_macros import end_of_group

_BODY = re.compile(r"\\begin\s{0,5}\{document\}")
_IN_PREAMBLE = re.compile(
    r"\\(?:(?:sub)?title|abstract)\s{0,5}(?:\[[^\[\]\n]{0,500}\])?\s{0,5}(?=\{)|\\begin\{abstract\}(?P<end>)"
)
_LONGEST_ABSTRACT, _MOST_IN_PREAMBLE = 20_000, 10


def take_body(text: str) -> str:
    """The body below the title and the abstract of the preamble; a fragment without ``\\begin{document}`` as it is."""
    body = _BODY.search(text)
    if body is None:
        return text
    end = text.rfind("\\end{document}")
    return (
        _shown_of_preamble(text[: body.start()]) + text[body.end() : end if end > body.end() else len(text)]
    )


def _shown_of_preamble(preamble: str) -> str:
    """The title and the abstract."""
    shown, at = [], 0
    for match in itertools.islice(_IN_PREAMBLE.finditer(preamble), _MOST_IN_PREAMBLE):
        if match.start() < at:
            continue
        if match["end"] is None:
            at = end_of_group(preamble, match.end(), _LONGEST_ABSTRACT)
        else:
            at = preamble.find("\\end{abstract}", match.end())
        shown.append(preamble[match.start() : max(at, 0)])
    return "\n\n".join([*shown, ""])
