"""Parser functions and magic words of wikis: conditions, sums, dates and letters, as far as their arguments decide them.

Owns their evaluation. A function that needs the database of the wiki has no text.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from datetime import date

from preprocessing.markup.wiki_dates import write_dates
from preprocessing.markup.wiki_page import WikiPage

_LETTERS: dict[str, Callable[[str], str]] = {
    "lc": str.lower, "uc": str.upper, "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}  # fmt: skip
_DATES = frozenset(("#dateformat", "#formatdate"))
FORMATTED_NUMBERS = frozenset(("formatnum", "수표기", "nts", "num"))
_NUMBER = re.compile(r"([-+−]?)([1-9][0-9]{3,30})((?:\.[0-9]{1,30})?)")
_EXPRESSION = re.compile(r"[0-9a-z.+*/^()<>=!\- ]{1,200}")
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Mod: math.fmod,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_ROUNDINGS: dict[str, Callable[[float], float]] = {
    "abs": abs, "floor": math.floor, "ceil": math.ceil, "trunc": math.trunc,
}  # fmt: skip
_WORDS = ((r"\bmod\b", "%"), (r"\bdiv\b", "/"), (r"<>", "!="), (r"(?<![<>!=])=(?!=)", "=="), (r"\^", "**"), (r"(?<![0-9.])0+(?=[0-9])", ""))  # fmt: skip
_HIGHEST_POWER, _LARGEST_BASE, _MOST_DIGITS = 20, 1e6, 20
_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_TIME_CODE = re.compile(r"[A-Za-z]")


def function_text(parts: Sequence[str], page: WikiPage) -> str | None:
    """The text of ``{{name:value|argument}}``; None for a template, empty for a function that needs the wiki."""
    name, colon, value = parts[0].partition(":")
    if not colon:
        return "" if name.lstrip()[:1] == "#" else None
    name, value = name.strip().lower(), value.strip()
    branches = [part.strip() for part in parts[1:]]
    if name in FORMATTED_NUMBERS:
        return format_number(value, branches)
    if name in _DATES:
        return write_dates(value, page.korean)
    if name in _LETTERS:
        return _LETTERS[name](value)
    if name == "plural":
        return _branch(branches, not page.korean and value != "1")
    if name == "#if":
        return _branch(branches, not value)
    if name == "#ifeq":
        return _branch(branches[1:], not _are_equal(value, branches[0] if branches else ""))
    if name == "#ifexpr":
        number = evaluate(value)
        return "" if number is None else _branch(branches, not number)
    if name == "#switch":
        return _switch(value, branches)
    if name == "#expr":
        number = evaluate(value)
        return "" if number is None else f"{number:.12g}"
    if name == "#time":
        return _format_time(value, branches[0] if branches else "", page.written_on)
    return "" if name[:1] == "#" else None


def format_number(text: str, options: Sequence[str] = ()) -> str:
    """A number with commas between its thousands; without them as raw data (``R``). Other text stays."""
    if "R" in options:
        return text.replace(",", "")
    number = None if "NOSEP" in options else _NUMBER.fullmatch(text)
    return f"{number[1]}{int(number[2]):,}{number[3]}" if number else text


def evaluate(text: str) -> float | None:
    """The value of a sum such as ``3 * (2 + 1) round 1``; None for what is none."""
    text = text.strip().lower().replace("−", "-")
    number, rounds, digits = text.rpartition(" round ")
    if not _EXPRESSION.fullmatch(text):
        return None
    for word, sign in _WORDS:
        number = re.sub(word, sign, number)
        digits = re.sub(word, sign, digits)
    try:
        value = _value(ast.parse(digits.strip(), mode="eval").body)
        if rounds and abs(value) > _MOST_DIGITS:
            return None
        if rounds:
            value = round(_value(ast.parse(number.strip(), mode="eval").body), int(value))
        return value if math.isfinite(value) else None
    except (SyntaxError, ValueError, ArithmeticError, TypeError, RecursionError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left, ast.Pow(), right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left, sign, right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_value(left), _value(right))
        case ast.Compare(left, [sign], [right]) if type(sign) in _OPERATORS:
            return int(_OPERATORS[type(sign)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _ROUNDINGS:
            return _ROUNDINGS[name](_value(argument))
    raise ValueError("not a sum")


def _power(base: float, power: float) -> float:
    if abs(base) > _LARGEST_BASE or abs(power) > _HIGHEST_POWER:
        raise ValueError("too large")
    return float(base**power)


def _branch(branches: Sequence[str], second: bool) -> str:
    """The first or the second branch; plural forms and conditions may have only one."""
    return branches[min(second, len(branches) - 1)] if len(branches) > second or not second else ""


def _are_equal(value: str, other: str) -> bool:
    try:
        return float(value) == float(other)
    except ValueError:
        return value == other


def _switch(value: str, branches: Sequence[str]) -> str:
    """The result of the case that equals ``value``; cases without a result share that of the next."""
    default, matches = "", False
    for number, branch in enumerate(branches):
        case, equals, result = branch.partition("=")
        case = case.strip()
        if not equals and number == len(branches) - 1:
            return case
        matches |= _are_equal(value, case)
        if equals and matches:
            return result.strip()
        if equals and case == "#default":
            default = result.strip()
    return default


def _format_time(form: str, day: str, today: date | None) -> str:
    """A day in the form of the function, whose letters are those of PHP; only years, months and days are known."""
    written = _DAY.fullmatch(day)
    try:
        that_day = date(*map(int, written.groups())) if written else None if day not in ("", "now") else today
    except ValueError:
        return ""
    if that_day is None:
        return ""
    values = {"Y": f"{that_day.year}", "n": f"{that_day.month}", "m": f"{that_day:%m}", "j": f"{that_day.day}", "d": f"{that_day:%d}"}  # fmt: skip
    codes = set(_TIME_CODE.findall(form))
    return _TIME_CODE.sub(lambda code: values[code[0]], form) if codes <= values.keys() else ""
