"""What trains in a stage: layers by number, rows of the embeddings by token id, norms and biases.

Owns the section ``trains`` and the spelling of a choice: a word, a number, a range, or a list. ``planning/selection.py`` owns
the weights that a choice stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Union

from pydantic import BeforeValidator

from megatron_ko.config.fields import Flag, section

LAYER_WORDS = ("all", "none", "odd", "even")
ROW_WORDS = ("all", "none", "old", "new")
_RANGE = re.compile(r"(\d{1,15})-(\d{1,15})")


def numbers_of(choice: Any) -> list[range] | None:
    """The numbers of a choice that is not a word, as ranges in order; None if it is none of these forms."""
    ranges = []
    for item in choice if isinstance(choice, list) else [choice]:
        span = _RANGE.fullmatch(item) if isinstance(item, str) else None
        if span and int(span[1]) <= int(span[2]):
            ranges.append(range(int(span[1]), int(span[2]) + 1))
        elif isinstance(item, int) and not isinstance(item, bool) and item >= 0:
            ranges.append(range(item, item + 1))
        else:
            return None
    return sorted(ranges, key=lambda item: item.start)


def _check(words: tuple[str, ...]) -> Callable[[Any], Any]:
    def check(choice: Any) -> Any:
        is_word = isinstance(choice, str) and choice in words
        if not is_word and not numbers_of(choice):
            raise ValueError(
                f"must be {', '.join(words)}, a number, a range such as 0-15 (both ends included), or a list of numbers and ranges"
            )
        return choice

    return check


_Choice = Union[str, int, list[Union[int, str]]]
Layers = Annotated[_Choice, BeforeValidator(_check(LAYER_WORDS))]
Rows = Annotated[_Choice, BeforeValidator(_check(ROW_WORDS))]


@section
class TrainsConfig:
    embedding: Rows = "none"
    """Rows of the input embedding by token id: all, none, old (ids below training.old_vocab_size), new (the others), or ids
    such as [5, 100-199]. Rows that do not train keep every bit, also in the optimizer."""
    output: Rows = "none"
    """Rows of the output layer, as for embedding. Tied embeddings are chosen by embedding alone."""
    layers: Layers = "none"
    """Layers that train whole: all, none, odd, even, or numbers such as [0, 4-7], counted from 0."""
    attention: Layers = "none"
    """Layers whose attention trains, with its norm and biases, in addition to layers."""
    mlp: Layers = "none"
    """Layers whose feed-forward part trains, with its norm, in addition to layers."""
    norms: Flag = False
    """Whether all norms train, the final norm included, in addition to the layers."""
    biases: Flag = False
    """Whether all biases train, in addition to the layers."""
