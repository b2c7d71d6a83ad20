"""Rules over domains, their shares and the stages of a training run; resolution of ``auto`` and of groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from megatron_ko.errors import DataError, Problem
from preprocessing.config.mixture import BalanceConfig, DomainConfig, StageConfig

Domains = Mapping[str, DomainConfig]
Problems = Iterator[tuple[str, str]]


def method_of(domains: Domains, balance: BalanceConfig) -> str:
    """The method of the mixture, with ``auto`` resolved."""
    if balance.method != "auto":
        return balance.method
    if all(domain.share is not None for domain in domains.values()):
        return "shares"
    if all(domain.tokens is not None for domain in domains.values()):
        return "tokens"
    if balance.targets:
        return "targets"
    return "size" if balance.token_budget is None else "unimax"


def group_of(name: str, domain: DomainConfig) -> str:
    """Group of the domain in ``balance.targets``. Raises DataError if it has neither a group nor a single language."""
    if domain.group is not None:
        return domain.group
    if len(domain.langs) != 1:
        message = "has no group and not exactly one language; set its group or remove the targets"
        raise DataError([Problem("", f"domains.{name}", message, "domain-without-group")])
    return domain.langs[0]


def groups_of(domains: Domains) -> dict[str, str]:
    return {name: group_of(name, domain) for name, domain in domains.items()}


def complete_shares(domains: Domains, balance: BalanceConfig) -> Problems:
    """All domains have a share or none has; the same holds for tokens."""
    for field in ("share", "tokens"):
        names = [name for name, domain in domains.items() if getattr(domain, field) is not None]
        if names and len(names) < len(domains):
            missing = next(name for name in domains if name not in names)
            yield f"domains.{missing}", f"has no {field}, but others have; set it for all domains or for none"
        elif not names and balance.method == {"share": "shares"}.get(field, field):
            yield "balance.method", f"{balance.method}: no domain has {field}; set it for all domains"


def token_budget(domains: Domains, balance: BalanceConfig) -> Problems:
    """UniMax has a budget to divide."""
    if balance.method == "unimax" and balance.token_budget is None:
        yield "balance.token_budget", "is missing, but method unimax divides it; set the tokens of the run"


def target_groups(domains: Domains, balance: BalanceConfig) -> Problems:
    """Targets and the groups of the domains match, in ``balance`` and in its stages."""
    if method_of(domains, balance) == "targets":
        yield from _target_problems("balance.targets", domains, balance.targets, all_domains=True)
    for path, stage in _stages(balance):
        if stage.targets or stage.method == "targets":
            targets = stage.targets or balance.targets
            yield from _target_problems(f"{path}.targets", domains, targets, all_domains=False)


def stage_names(domains: Domains, balance: BalanceConfig) -> Problems:
    """Each stage has its own name."""
    names = [stage.name for stage in balance.stages]
    for number, (path, stage) in enumerate(_stages(balance)):
        if names.index(stage.name) != number:
            yield f"{path}.name", f"duplicate stage {stage.name!r}; choose another name"


def stage_shares(domains: Domains, balance: BalanceConfig) -> Problems:
    """A stage has one valid source of shares."""
    for path, stage in _stages(balance):
        for name in stage.shares:
            if name not in domains:
                yield f"{path}.shares.{name}", f"unknown domain; known: {', '.join(domains)}"
        if stage.shares and stage.targets:
            yield f"{path}.targets", "is set together with shares; remove one of them"
        if (stage.shares or stage.method == "shares") and not any(stage.shares.values()):
            yield f"{path}.shares", "contains no positive share; set at least one"
        if stage.method == "tokens":
            yield f"{path}.method", "tokens is valid in balance only; set shares for the stage"


CHECKS = (complete_shares, token_budget, target_groups, stage_names, stage_shares)
"""Each takes domains and balance and yields ``(path, message)``; its name is the name of the rule."""


def _stages(balance: BalanceConfig) -> Iterator[tuple[str, StageConfig]]:
    """``(path, stage)`` of each stage."""
    for number, stage in enumerate(balance.stages):
        yield f"balance.stages.{number}", stage


def _target_problems(
    path: str, domains: Domains, targets: Mapping[str, float], *, all_domains: bool
) -> Problems:
    if not targets:
        yield path, "is empty; set a share for each group"
        return
    try:
        groups = groups_of(domains)
    except DataError as error:
        yield path, str(error)
        return
    known = ", ".join(sorted(set(groups.values())))
    for group in targets:
        if group not in groups.values():
            yield f"{path}.{group}", f"no domain belongs to this group; groups: {known}"
    for name, group in groups.items():
        if all_domains and group not in targets:
            yield path, f"has no share for group {group!r} of domain {name!r}; add one"
