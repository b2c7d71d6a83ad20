"""Domains, their shares, and the stages of a training run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from megatron_ko.config.fields import NonNegativeFloat, OpenFraction, PositiveFloat, PositiveInt, section
from preprocessing.config.languages import Language

AtLeastOne = Annotated[float, Strict(), Field(ge=1)]
ClusterSize = Annotated[int, Field(gt=0)]  # not strict: keys of a configuration file are text
Method = Literal["auto", "shares", "tokens", "targets", "unimax", "size"]


@section
class DomainConfig:
    sources: list[str] = Field(default_factory=list)
    """Sources that belong to the domain; every source when empty."""
    langs: list[Language] = Field(default_factory=list)
    """Languages that belong to the domain; every language when empty."""
    share: PositiveFloat | None = None
    """Share of training tokens; shares are scaled to sum 1. Given for all domains or for none."""
    tokens: PositiveInt | None = None
    """Tokens of the training run that come from the domain, instead of a share. Given for all domains or for none."""
    group: str | None = None
    """Name under which balance.targets counts the domain, such as web or news; its only language when not given."""
    max_bytes: PositiveInt | None = None
    """Bytes of training text kept at most, chosen by hash of the document."""


@section
class StageConfig:
    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]
    """Name of the stage and of its file stages/NAME.yaml."""
    tokens: PositiveInt
    """Tokens of the stage."""
    method: Method = "auto"
    """How shares are found, as balance.method; auto without shares and targets: the mixture of balance."""
    shares: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Share by domain, scaled to sum 1; a domain that is not named, or has 0, is left out of the stage."""
    targets: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Share by group, scaled to sum 1; a group that is not named is left out of the stage."""
    temperature: AtLeastOne | None = None
    """As balance.temperature, which it replaces for the stage."""


@section
class BalanceConfig:
    valid_fraction: OpenFraction = 0.02
    """Share of a domain's bytes that validates, documents chosen by hash of the id; at least one document."""
    shard_bytes: PositiveInt = 512 << 20
    """Bytes of text in a file of the corpus, and so in a task of encode."""
    rehydrate: dict[ClusterSize, AtLeastOne] = Field(default_factory=dict)
    """How often a training document stands in the corpus, by the least size of its cluster of duplicates, such as
    {2: 1.5, 10: 3}: what many pages repeat is often better than what none does (FineWeb2, arXiv:2506.20920)."""
    method: Method = "auto"
    """shares and tokens: as the domains say; targets: by group; unimax: equal parts of token_budget, at most max_epochs
    of a domain; size: by temperature; auto: the first of these for which values are given."""
    targets: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Share by group of domains, such as {ko: 35, en: 28, code: 37}, scaled to sum 1; within a group by size."""
    temperature: AtLeastOne = 1.0
    """Shares by size are proportional to tokens^(1/temperature): 1 is in proportion, more favours small domains."""
    token_budget: PositiveInt | None = None
    """Tokens of the training run to plan for: epochs per domain are reported, shares follow UniMax if none are given."""
    max_epochs: PositiveFloat = 4.0
    """Epochs of a domain above which is warned, and the cap of UniMax (arXiv:2304.09151)."""
    stages: list[StageConfig] = Field(default_factory=list)
    """Stages of the training run in order, each written as stages/NAME.yaml, which the trainer reads after its own file:
    {name, tokens} and, instead of the mixture of balance, shares by domain, targets by group, method or temperature."""
