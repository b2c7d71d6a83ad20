"""The order of the stretches of text within one sequence of several sets (``data.packing.set_changes``).

Cross-lingual packing after XLDA of Trillion-7B (arXiv:2504.15431): its rate decides how often neighbors differ in language. The
shares of the sets are those of the mixture, whatever the order.
"""

from __future__ import annotations

from collections.abc import Sequence

from megatron_ko.planning.permutation import fraction_of, key_of


def order_stretches(sources: Sequence[int], changes: float, *key: object) -> list[int]:
    """Places of ``sources`` (the set of each stretch) in their order, a function of ``key``.

    After each stretch, the next is of another set with chance ``changes``, while both other and equal ones are left.
    Stretches of one set keep their order.
    """
    left = list(range(len(sources)))
    order: list[int] = []
    while left:
        candidates = left
        if order:
            current = sources[order[-1]]
            others = [place for place in left if sources[place] != current]
            equal = [place for place in left if sources[place] == current]
            wants_other = fraction_of(*key, len(order), "change") < changes
            candidates = (others if wants_other else equal) or others or equal
        chosen = candidates[key_of(*key, len(order), "choice") % len(candidates)]
        first = next(place for place in left if sources[place] == sources[chosen])
        order.append(first)
        left.remove(first)
    return order
