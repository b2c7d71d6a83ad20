"""Shares of the training tokens: by given weights, size, temperature, UniMax, targets of groups; stages and epochs.

Owns the arithmetic, in tokens of the real tokenizer. Writes nothing; rules over the sections it reads are in
``preprocessing.config.mixture_rules``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from megatron_ko.errors import DataError
from preprocessing.config.mixture import BalanceConfig, StageConfig
from preprocessing.config.mixture_rules import Domains, groups_of, method_of

Shares = dict[str, float]


def normalize(weights: Mapping[str, float]) -> Shares:
    """The weights divided by their sum."""
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def by_size(tokens: Mapping[str, int], temperature: float = 1.0) -> Shares:
    """In proportion to tokens^(1/temperature), as multilingual models sample languages (XLM-R, arXiv:1911.02116)."""
    largest = max(tokens.values())
    return normalize({name: (count / largest) ** (1 / temperature) for name, count in tokens.items()})


def unimax(tokens: Mapping[str, int], budget: float, max_epochs: float) -> Shares:
    """UniMax (arXiv:2304.09151): the same number of tokens from each domain, but no more than ``max_epochs`` of it.

    The smallest domain takes its part first; what it cannot give is spread over the others. A budget beyond
    ``max_epochs`` of everything gives shares in proportion to the tokens there are.
    """
    taken, left = {}, float(budget)
    for rank, name in enumerate(sorted(tokens, key=lambda name: (tokens[name], name))):
        taken[name] = min(left / (len(tokens) - rank), tokens[name] * max_epochs)
        left -= taken[name]
    return normalize({name: taken[name] for name in tokens})


def by_target(
    tokens: Mapping[str, int],
    groups: Mapping[str, str],
    targets: Mapping[str, float],
    temperature: float = 1.0,
) -> Shares:
    """Each group gets its target, spread over its domains by size; domains of other groups are left out.

    Targets by language are how GECKO states its corpus (Korean 35, English 28, code 37 %, arXiv:2405.15640).
    """
    shares: Shares = {}
    for group, target in normalize(targets).items():
        members = {name: tokens[name] for name in tokens if groups[name] == group}
        if not members:
            known = ", ".join(sorted({groups[name] for name in tokens}))
            raise DataError(f"target {group!r}: no domain with tokens belongs to it; groups: {known}")
        shares.update({name: target * share for name, share in by_size(members, temperature).items()})
    return {name: shares[name] for name in tokens if name in shares}


def epochs_of(shares: Mapping[str, float], tokens: Mapping[str, int], budget: float) -> dict[str, float]:
    """How often each domain is seen within ``budget`` tokens."""
    return {name: share * budget / tokens[name] for name, share in shares.items()}


# --- the mixture of a configuration ----------------------------------------------------------------------


def mixture_of(domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig) -> Shares:
    """Share of training tokens per domain, summing to 1; every domain has one. Raises DataError otherwise."""
    method = method_of(domains, balance)
    if method == "targets":
        shares = by_target(tokens, groups_of(domains), balance.targets, balance.temperature)
    elif method == "unimax":
        shares = unimax(tokens, float(balance.token_budget or 0), balance.max_epochs)
    elif method == "size":
        shares = by_size(tokens, balance.temperature)
    else:
        field = "share" if method == "shares" else "tokens"
        shares = normalize({name: float(getattr(domain, field) or 0) for name, domain in domains.items()})
    for name in domains:
        if not shares.get(name):
            raise DataError(
                f"domains.{name}: balance.method {method} gives it no share; "
                "name its group in balance.targets, or remove the domain"
            )
    return {name: shares[name] for name in domains}


# --- stages ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A stage of the training run; ``epochs_so_far`` counts the stages before it too."""

    name: str
    tokens: int
    shares: Shares
    epochs: dict[str, float]
    epochs_so_far: dict[str, float]


def stages_of(domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig) -> list[Stage]:
    """The stages in order. Kanana trains in two, the second of better data (arXiv:2502.18934)."""
    stages: list[Stage] = []
    seen = dict.fromkeys(domains, 0.0)
    for stage in balance.stages:
        shares = stage_shares(stage, domains, tokens, balance)
        epochs = epochs_of(shares, tokens, stage.tokens)
        seen = {name: seen[name] + epochs.get(name, 0.0) for name in domains}
        stages.append(Stage(stage.name, stage.tokens, shares, epochs, {name: seen[name] for name in shares}))
    return stages


def stage_shares(
    stage: StageConfig, domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig
) -> Shares:
    """Share per domain of a stage; domains without one are left out."""
    temperature = balance.temperature if stage.temperature is None else stage.temperature
    method = stage.method
    if method == "auto":
        method = "shares" if stage.shares else "targets" if stage.targets else "auto"
    if method == "shares":
        return normalize({name: stage.shares[name] for name in domains if stage.shares.get(name)})
    if method == "targets":
        return by_target(tokens, groups_of(domains), stage.targets or balance.targets, temperature)
    if method == "unimax":
        return unimax(tokens, stage.tokens, balance.max_epochs)
    if method == "size" or (method == "auto" and stage.temperature is not None):
        return by_size(tokens, temperature)
    return mixture_of(domains, tokens, balance)
