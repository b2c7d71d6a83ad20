"""Shares of the training tokens by weights, size, temperature, UniMax or targets of groups; stages and epochs.

Owns the arithmetic, in tokens of the real tokenizer. Writes nothing; rules over its configuration are in
``preprocessing.config.mixture_rules``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from megatron_ko.errors import DataError, Problem
from preprocessing.config.mixture import BalanceConfig, StageConfig
from preprocessing.config.mixture_rules import Domains, groups_of, method_of

Shares = dict[str, float]


def normalize(weights: Mapping[str, float]) -> Shares:
    """Divides the weights by their sum."""
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def by_size(tokens: Mapping[str, int], temperature: float = 1.0) -> Shares:
    """Shares proportional to tokens^(1/temperature), as multilingual models sample languages (XLM-R, arXiv:1911.02116)."""
    largest = max(tokens.values())
    return normalize({name: (count / largest) ** (1 / temperature) for name, count in tokens.items()})


def unimax(tokens: Mapping[str, int], budget: float, max_epochs: float) -> Shares:
    """UniMax shares (arXiv:2304.09151): equally many tokens from each domain, but at most ``max_epochs`` of it.

    The smallest domain takes its part first; tokens that it lacks are spread over the others. A budget beyond
    ``max_epochs`` of all domains yields shares proportional to their tokens.
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
    """Shares by group: each group's target is spread over its domains by size; domains of other groups are omitted.

    GECKO describes its corpus by targets of languages (Korean 35, English 28, code 37 %, arXiv:2405.15640).
    """
    shares: Shares = {}
    for group, target in normalize(targets).items():
        members = {name: tokens[name] for name in tokens if groups[name] == group}
        if not members:
            known = ", ".join(sorted({groups[name] for name in tokens}))
            raise DataError(
                f"target {group!r}: no domain with tokens belongs to this group; groups: {known}",
                rule="target-without-domain",
            )
        shares.update({name: target * share for name, share in by_size(members, temperature).items()})
    return {name: shares[name] for name in tokens if name in shares}


def epochs_of(shares: Mapping[str, float], tokens: Mapping[str, int], budget: float) -> dict[str, float]:
    """Epochs of each domain within ``budget`` tokens."""
    return {name: share * budget / tokens[name] for name, share in shares.items()}


# --- the mixture of a configuration ----------------------------------------------------------------------


def mixture_of(domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig) -> Shares:
    """Share of training tokens per domain; the shares sum to 1. Raises DataError if a domain gets none."""
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
            message = (
                f"balance.method {method} assigns no share to this domain; "
                "add its group to balance.targets, or remove the domain"
            )
            raise DataError([Problem("", f"domains.{name}", message, "domain-without-share")])
    return {name: shares[name] for name in domains}


# --- stages ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A stage of the training run; ``epochs_so_far`` includes earlier stages."""

    name: str
    tokens: int
    shares: Shares
    epochs: dict[str, float]
    epochs_so_far: dict[str, float]


def stages_of(domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig) -> list[Stage]:
    """The stages in order. Kanana trains in two stages, the second on better data (arXiv:2502.18934)."""
    stages: list[Stage] = []
    so_far = dict.fromkeys(domains, 0.0)
    for stage in balance.stages:
        shares = stage_shares(stage, domains, tokens, balance)
        epochs = epochs_of(shares, tokens, stage.tokens)
        so_far = {name: so_far[name] + epochs.get(name, 0.0) for name in domains}
        stages.append(
            Stage(stage.name, stage.tokens, shares, epochs, {name: so_far[name] for name in shares})
        )
    return stages


def stage_shares(
    stage: StageConfig, domains: Domains, tokens: Mapping[str, int], balance: BalanceConfig
) -> Shares:
    """Share per domain of a stage; domains without a share are omitted."""
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
