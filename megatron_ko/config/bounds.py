"""The numbers that a field takes, as an error message names them: ``a number from 1 to 2592000``.

Owns reading of bounds from pydantic's annotations, and the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from megatron_ko.config.schema import alternatives_of

KEY = "[key]"
"""What pydantic appends to the location of a mistake in a key of a mapping."""


def describe_numbers(info: Any, in_key: bool = False) -> str | None:
    """``an integer from 1 to 4096``, ``a number above 0 and at most 1``; None if the field takes no numbers.

    ``info`` is pydantic's FieldInfo. Of a list the entries count, of a mapping the values, or the keys with ``in_key``.
    """
    for kind, bounds in _numbers(info.annotation, tuple(info.metadata), in_key):
        noun = "an integer" if kind is int else "a number"
        lows = [(b.ge, False) for b in bounds if hasattr(b, "ge")]
        lows += [(b.gt + 1, False) if kind is int else (b.gt, True) for b in bounds if hasattr(b, "gt")]
        highs = [(b.le, False) for b in bounds if hasattr(b, "le")]
        highs += [(b.limit, False) for b in bounds if hasattr(b, "limit")]
        highs += [(b.lt - 1, False) if kind is int else (b.lt, True) for b in bounds if hasattr(b, "lt")]
        low = max(lows, default=None)
        high = min(highs, key=lambda bound: (bound[0], not bound[1]), default=None)
        if low and high and not (low[1] or high[1]):
            return f"{noun} from {_short(low[0])} to {_short(high[0])}"
        parts = [f"{'above' if low[1] else 'at least'} {_short(low[0])}"] if low else []
        parts += [f"{'below' if high[1] else 'at most'} {_short(high[0])}"] if high else []
        return " ".join([noun, " and ".join(parts)]).strip()
    return None


def _numbers(annotation: Any, above: tuple[Any, ...], in_key: bool) -> Iterator[tuple[type, list[Any]]]:
    """Each type of number that ``annotation`` allows, with its bounds."""
    above = (*above, *getattr(annotation, "__metadata__", ()))
    bounds = [part for item in above for part in getattr(item, "metadata", [item])]
    arguments = get_args(annotation)
    if annotation in (int, float):
        yield annotation, bounds
    elif get_origin(annotation) is dict:
        yield from _numbers(arguments[0 if in_key else 1], (), in_key)
    elif get_origin(annotation) is list:
        yield from _numbers(arguments[0], (), in_key)
    elif getattr(annotation, "__metadata__", None):
        yield from _numbers(arguments[0], above, in_key)
    elif len(alternatives_of(annotation)) > 1:
        for part in arguments:
            yield from _numbers(part, above, in_key)


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
