"""Configuration of domains, their shares, and the stages of a training run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from megatron_ko.config.fields import (
    FLOAT32_MAX,
    INT64_MAX,
    NonNegativeFloat,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
    section,
)
from preprocessing.config.languages import Language

AtLeastOne = Annotated[float, Strict(), Field(ge=1, le=FLOAT32_MAX)]
Copies = Annotated[float, Strict(), Field(ge=1, le=1000)]
ClusterSize = Annotated[int, Field(gt=0, le=INT64_MAX)]  # not strict: keys of a configuration file are text
Method = Literal["auto", "shares", "tokens", "targets", "unimax", "size"]


@section
class DomainConfig:
    sources: list[str] = Field(default_factory=list)
    """Sources that belong to the domain; empty: all sources."""
    langs: list[Language] = Field(default_factory=list)
    """Languages that belong to the domain; empty: all languages."""
    share: PositiveFloat | None = None
    """Share of the training tokens; shares are scaled to sum to 1. Set it for all domains or for none."""
    tokens: PositiveInt | None = None
    """Tokens of the training run that come from the domain, instead of a share. Set it for all domains or for none."""
    group: str | None = None
    """Group of the domain in balance.targets, such as web or news; defaults to its language if it has only one."""
    max_bytes: PositiveInt | None = None
    """Maximum bytes of text kept, validation included; the hash of the id selects the documents."""


@section
class StageConfig:
    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]
    """Name of the stage and of its file stages/NAME.yaml."""
    tokens: PositiveInt
    """Tokens of the stage."""
    method: Method = "auto"
    """How shares are computed, as balance.method; auto without shares and targets: the mixture of balance."""
    shares: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Share by domain, scaled to sum to 1; the stage omits domains that are missing here or have share 0."""
    targets: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Share by group, scaled to sum to 1; the stage omits groups that are missing here."""
    temperature: AtLeastOne | None = None
    """Overrides balance.temperature for the stage."""


@section
class BalanceConfig:
    valid_fraction: OpenFraction = 0.02
    """Share of a domain's bytes used for validation; the hash of the id selects the documents, at least one."""
    shard_bytes: PositiveInt = 512 << 20
    """Bytes of text per file of the corpus, and thus per task of encode."""
    rehydrate: dict[ClusterSize, Copies] = Field(default_factory=dict)
    """Copies of a training document in the corpus, by the minimum size of its cluster of duplicates, such as
    {2: 1.5, 10: 3}: text that many pages repeat is often better than text that none repeats (FineWeb2,
    arXiv:2506.20920)."""
    method: Method = "auto"
    """How shares are computed. shares and tokens: from these fields of the domains; targets: by group; unimax: equal parts
    of token_budget, at most max_epochs of a domain; size: by temperature; auto: the first of shares, tokens and targets
    that is configured, else unimax if token_budget is set, else size."""
    targets: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Share by group of domains, such as {ko: 35, en: 28, code: 37}, scaled to sum to 1; within a group by size."""
    temperature: AtLeastOne = 1.0
    """Shares by size are proportional to tokens^(1/temperature): 1 keeps proportions, higher values favor small domains."""
    token_budget: PositiveInt | None = None
    """Planned tokens of the training run: epochs per domain are reported; without shares, tokens and targets, UniMax
    computes the shares."""
    max_epochs: PositiveFloat = 4.0
    """Maximum epochs of a domain before a warning, and the cap of UniMax (arXiv:2304.09151)."""
    stages: list[StageConfig] = Field(default_factory=list)
    """Stages of the training run, a list in order: each is written to stages/NAME.yaml, which the trainer reads after its
    own file. Shares, targets, method and temperature of a stage replace the mixture of balance."""
