"""Rules over domains, their shares and the stages of a training run; what ``auto`` and groups stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from megatron_ko.errors import DataError
from preprocessing.config.mixture import BalanceConfig, DomainConfig, StageConfig

Domains = Mapping[str, DomainConfig]
Problems = Iterator[tuple[str, str]]


def method_of(domains: Domains, balance: BalanceConfig) -> str:
    """What ``auto`` stands for."""
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
    """The name that targets count the domain under; raises DataError where it is left open."""
    if domain.group is not None:
        return domain.group
    if len(domain.langs) != 1:
        raise DataError(f"domains.{name}: belongs to no one language; give it a group, or remove the targets")
    return domain.langs[0]


def groups_of(domains: Domains) -> dict[str, str]:
    return {name: group_of(name, domain) for name, domain in domains.items()}


def problems(domains: Domains, balance: BalanceConfig) -> Problems:
    """``(path, what is wrong and what to do)`` for values that do not fit each other."""
    for field in ("share", "tokens"):
        given = [name for name, domain in domains.items() if getattr(domain, field) is not None]
        if given and len(given) < len(domains):
            missing = next(name for name in domains if name not in given)
            yield f"domains.{missing}", f"has no {field} while others have; give all domains one, or none"
        elif not given and balance.method == {"share": "shares"}.get(field, field):
            yield "balance.method", f"{balance.method}: no domain has {field}; give it to all of them"
    if balance.method == "unimax" and balance.token_budget is None:
        yield "balance.token_budget", "is not given, and UniMax divides it; give the tokens of the run"
    if method_of(domains, balance) == "targets":
        yield from _target_problems("balance.targets", domains, balance.targets, all_domains=True)
    names = [stage.name for stage in balance.stages]
    for number, stage in enumerate(balance.stages):
        path = f"balance.stages.{number}"
        if names.index(stage.name) != number:
            yield f"{path}.name", f"{stage.name!r} stands twice; give each stage its own name"
        yield from _stage_problems(path, stage, domains, balance)


def _stage_problems(path: str, stage: StageConfig, domains: Domains, balance: BalanceConfig) -> Problems:
    for name in stage.shares:
        if name not in domains:
            yield f"{path}.shares.{name}", f"no such domain; known: {', '.join(domains)}"
    if stage.shares and stage.targets:
        yield f"{path}.targets", "stands beside shares; give one of them"
    if (stage.shares or stage.method == "shares") and not any(stage.shares.values()):
        yield f"{path}.shares", "gives no domain a share; give one at least"
    if stage.method == "tokens":
        yield f"{path}.method", "tokens is of balance only; give the stage shares"
    if stage.targets or stage.method == "targets":
        yield from _target_problems(
            f"{path}.targets", domains, stage.targets or balance.targets, all_domains=False
        )


def _target_problems(
    path: str, domains: Domains, targets: Mapping[str, float], *, all_domains: bool
) -> Problems:
    if not targets:
        yield path, "is empty; give a share by group"
        return
    try:
        groups = groups_of(domains)
    except DataError as error:
        yield path, str(error)
        return
    known = ", ".join(sorted(set(groups.values())))
    for group in targets:
        if group not in groups.values():
            yield f"{path}.{group}", f"no domain belongs to it; groups: {known}"
    for name, group in groups.items():
        if all_domains and group not in targets:
            yield path, f"has no share for {group!r}, the group of domain {name!r}; add one"
