"""The place of a template in its text: what is before and behind it, and whether it is alone on its lines, in a cell or a noun."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_BEFORE_VALUE = re.compile(
    r"(?:^|[\s(（\[\"'“‘·*《〈「『/~–†;=+×→-]|<(?:small|big|center|div|br\s?/?)>)$"
)  # at the end of the text before
_PARTICLE = re.compile(
    r"(?:년|월|일|세|살|명|개|대|번|원|위|호|회)?"
    r"(?:은|는|이|가|을|를|의|와|과|도|만|(?:에|에서|에게|에게서|으로|로|으로서|로서|으로써|로써|부터|까지|보다|처럼|마다|조차|마저)(?:는|도|만|의)?|과의|와의|"
    r"이?라(?:고|는|도|며)?|이?란|이?나마|이었?으?(?:다|며|고|나)|였(?:다|으며|고|으나)|이자|이지만|인|이던|이나|입니다|하고|(?<=[년월일세살명개대번원위호회]))"
    r"(?![가-힣])"
)
_CELL_OR_LINE = re.compile(r"\n|\|\||!!")
_START_OF_LINE = re.compile(r"[ \t*#:;]*$")
_START_OF_ARGUMENT = re.compile(r"(?:[^=\n]{1,40}=)?[ \t]*")
_START_OF_CELL = re.compile(
    r"(?:^|\n)[|!]+[ \t]{0,5}$|(?:\|\||!!)[ \t]{0,5}$|(?:\|\||!!|\n[|!])[^|\n]{1,60}=[^|\n]{1,60}\|[ \t]{0,5}$"
)
_END_OF_CELL = re.compile(r"[ \t]{0,5}(?:\|\||!!|\n[|!])")
_BEGINS_LISTED, _ENDS_LISTED = re.compile("[,/·:~–(] ?$"), re.compile(" ?(?:[,/·~–)]|\n|$)")
_END_OF_LINE = re.compile(r"[ \t]*(?:\n|$)")
ITEMS_AND_CELLS = ("*", "#", ":", "|")
_QUOTES = dict(zip("“‘《〈「『", "”’》〉」』", strict=True))


@dataclass
class Place:
    """The text around a template: ``before`` and ``behind`` it, and ``after`` it up to a bracket or a bar."""

    before: str
    behind: str
    after: str
    is_argument: bool = False  # of another template
    is_repeated: bool = False  # beside a template of the same name

    @cached_property
    def line(self) -> str:
        """The text before the template in its line or cell."""
        return _CELL_OR_LINE.split(self.before)[-1]

    @cached_property
    def begins_word(self) -> bool:
        return _BEFORE_VALUE.search(self.before[-9:]) is not None

    @cached_property
    def ends_line(self) -> bool:
        return _END_OF_LINE.match(self.behind) is not None

    @cached_property
    def ends_cell(self) -> bool:
        return _END_OF_CELL.match(self.behind) is not None

    @cached_property
    def is_part(self) -> bool:
        """Whether the template is all that stands between two signs of a list, or in parentheses."""
        return bool(_BEGINS_LISTED.search(self.before[-3:]) and _ENDS_LISTED.match(self.behind))

    @cached_property
    def begins_part(self) -> bool:
        """Whether an item or a cell begins with the template."""
        is_item = not self.line.strip(" \t*#:|!") and self.line.lstrip()[:1] in ITEMS_AND_CELLS
        return is_item or _START_OF_CELL.search(self.before) is not None

    @cached_property
    def is_box(self) -> bool:
        """Whether the template is alone on its lines."""
        begins_text = self.is_argument and "\n" not in self.before
        line = self.before.rpartition("\n")[2]
        return not begins_text and bool(_START_OF_LINE.match(line)) and self.ends_line

    @cached_property
    def is_alone(self) -> bool:
        """Whether a cell, an argument, or a pair of brackets, quotes or marks of emphasis has nothing but the template."""
        if self.is_argument and _START_OF_ARGUMENT.fullmatch(self.before) and not self.after.strip():
            return True
        if self.before[-1:] in ("(", "（"):
            return self.behind[:1] in (")", "）")
        is_emphasized = self.before.endswith("''") and self.behind.startswith("''")
        return (
            self.is_quoted
            or is_emphasized
            or (_START_OF_CELL.search(self.before) is not None and self.ends_cell)
        )

    @cached_property
    def is_quoted(self) -> bool:
        """Whether the template is all that is between quotes, which no note is."""
        return bool(self.before) and _QUOTES.get(self.before[-1]) == self.behind[:1]

    @cached_property
    def is_noun(self) -> bool:
        return self.begins_word and _PARTICLE.match(self.after) is not None
