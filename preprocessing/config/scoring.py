"""Models that judge documents, and evaluation sets that must not be in the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, Strict

from megatron_ko.config.fields import FilePath, Fraction, NonNegativeInt, PositiveFloat, PositiveInt, section
from preprocessing.config.languages import Language

Name = Annotated[str, Field(pattern="^[A-Za-z0-9_]+$")]
OpenShare = Annotated[float, Strict(), Field(gt=0, lt=1)]
Share = Annotated[float, Strict(), Field(gt=0, le=1)]


@section
class TextSet:
    paths: list[FilePath] = Field(default_factory=list)
    """Files of documents (.jsonl, .jsonl.gz, .jsonl.zst, .parquet); files or patterns, each must match a file."""
    field: str = "text"
    """Field of the text in these files."""
    sources: list[str] = Field(default_factory=list)
    """Sources of the corpus, as clean (and lines, where it is on) left them, in the languages of the model."""

    @property
    def given(self) -> bool:
        return bool(self.paths or self.sources)


@section
class QualityTraining:
    good: TextSet = Field(default_factory=TextSet)
    """Documents to look for; without them train-quality leaves the model as it is."""
    bad: TextSet = Field(default_factory=TextSet)
    """Documents to tell them from; ordinary text of the corpus is a fair choice."""
    max_documents: PositiveInt = 200_000
    """Documents of each class at most, chosen by hash of their text."""
    max_characters: PositiveInt = 10_000
    """Characters read of a training document, so that a few long ones do not decide."""
    held_out: OpenShare = 0.1
    """Share of the given documents that only measures, chosen by hash of their text."""
    dim: PositiveInt = Field(default=64, le=1024)
    """Size of the vectors of the model."""
    epochs: PositiveInt = 10
    """Passes over the training documents."""
    learning_rate: PositiveFloat = 0.5
    """Step size at the start; falls linearly to zero."""
    word_ngrams: PositiveInt = Field(default=2, le=5)
    """Longest sequence of words that is a feature."""
    character_ngrams: NonNegativeInt = Field(default=0, le=6)
    """Longest part of a word that is a feature (from two characters on), or 0 for whole words only."""
    buckets: PositiveInt = Field(default=500_000, le=100_000_000)
    """Vectors that the sequences share by hash; the model file takes 4 * dim * (words + buckets) bytes."""
    min_count: PositiveInt = 2
    """Occurrences from which a word is known."""
    rounds: PositiveInt = Field(default=1, le=20)
    """Trainings: after each but the last, documents of the corpus that it is sure of join the training set."""
    candidates: list[str] = Field(default_factory=list)
    """Sources that documents of later rounds come from; all when empty."""
    max_candidates: PositiveInt = 200_000
    """Documents of the corpus scored in a round at most, chosen by hash of the id."""
    added_share: Share = 0.1
    """Share of the candidates, the best by score, that may join in one round."""
    min_added_score: OpenShare = 0.9
    """Score from which a candidate may join as good; as bad below one minus it."""
    max_added: PositiveInt = 10_000
    """Documents that join each class in one round at most; both classes get the same number."""
    max_auc_loss: Fraction = 0.01
    """Fall of the held-out AUC below the best round at which a round is rejected and training ends."""
    seed: NonNegativeInt = Field(default=1234, lt=2**31)
    """Seed of the training."""


@section
class QualityModel:
    model: FilePath
    """File of a fastText classifier (.bin), given or made by train-quality."""
    langs: list[Language] = Field(min_length=1)
    """Languages it judges; documents in others have no score and pass."""
    label: str = Field(default="good", pattern=r"^\S+$")
    """Label whose probability is the score."""
    min_score: Fraction | None = None
    """Lowest score that stays."""
    keep_quantile: Share | None = None
    """Share of the documents of each language that stays, the best by score, instead of min_score."""
    train: QualityTraining = Field(default_factory=QualityTraining)
    """How train-quality makes the model."""


@section
class PerplexityTraining:
    reference: TextSet = Field(default_factory=TextSet)
    """Text as it should be; without it train-quality leaves the model as it is."""
    max_mib: PositiveInt = Field(default=256, le=1024)
    """Text read of the reference in MiB at most, from its start; training takes about 12 times that in memory."""
    max_ngrams: PositiveInt = 10_000_000
    """Sequences of two and three words kept, the frequent ones; each takes about 40 bytes in memory when used."""
    held_out: OpenShare = 0.05
    """Share of the reference that only measures, chosen by hash of the text."""


@section
class PerplexityModel:
    model: FilePath
    """File made by train-quality (.npz), or a KenLM model (.arpa, .klm, .binary) over words as train-quality splits them."""
    langs: list[Language] = Field(min_length=1)
    """Languages it judges; documents in others have no score and pass."""
    max_perplexity: PositiveFloat | None = None
    """Highest perplexity per word that stays."""
    min_perplexity: PositiveFloat | None = None
    """Lowest perplexity per word that stays; text repeated over and over is below."""
    keep_quantiles: list[Fraction] | None = Field(default=None, min_length=2, max_length=2)
    """Lowest and highest quantile that stay within each language, such as [0.02, 0.9]."""
    train: PerplexityTraining = Field(default_factory=PerplexityTraining)
    """How train-quality makes the model."""


@section
class ScoreConfig:
    quality: dict[Name, QualityModel] = Field(default_factory=dict)
    """Classifiers by name; NAME is the column and the reason quality_NAME."""
    perplexity: dict[Name, PerplexityModel] = Field(default_factory=dict)
    """Language models by name; NAME is the column and the reason perplexity_NAME."""

    @property
    def enabled(self) -> bool:
        return bool(self.quality or self.perplexity)


@section
class EvaluationSet:
    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns, plain or compressed (.gz, .zst); each must match a file."""
    format: Literal["jsonl", "parquet", "txt"]
    """JSON objects by line, Parquet, or text with one item a line."""
    fields: list[str] = Field(default_factory=list)
    """Fields looked for, each for itself; texts inside lists count as texts of their own. None for txt."""
    id_field: str | None = None
    """Field of the identity of an item; FILE:NUMBER when not given."""
    ngram: PositiveInt | None = Field(default=None, ge=3, le=63)
    """Words in a row that count as taken from the set; by the language of the text when not given."""


@section
class DecontaminateConfig:
    sets: dict[Name, EvaluationSet] = Field(default_factory=dict)
    """Evaluation sets by name."""
    ngram: PositiveInt = Field(default=13, ge=3, le=63)
    """Words in a row for text that is not mainly Korean (13: GPT-3, arXiv:2005.14165, appendix C)."""
    ngram_ko: PositiveInt = Field(default=10, ge=3, le=63)
    """Words in a row for text that is mainly Korean, where the same content takes 0.78 times the words of English."""
    min_words: PositiveInt = Field(default=5, ge=3, le=63)
    """Words of the shortest text that is looked for; a text shorter than an n-gram is looked for as a whole."""
    max_documents: PositiveInt = 1000
    """Documents of the corpus above which an n-gram is boilerplate and ignored; the report names those."""
    min_ngrams: PositiveInt = 1
    """Shared n-grams from which a document is contaminated."""
    min_share: Fraction = 0.0
    """Share of the words of a document inside shared n-grams from which it is contaminated, besides min_ngrams."""

    @property
    def enabled(self) -> bool:
        return bool(self.sets)


def score_problems(score: ScoreConfig) -> Iterator[tuple[str, str]]:
    """Rule over ``score``: one way to set a threshold, and something to train from."""
    for name, model in score.quality.items():
        if model.min_score is not None and model.keep_quantile is not None:
            yield f"score.quality.{name}", "has min_score and keep_quantile; give one of them"
        if model.train.good.given != model.train.bad.given:
            lacking = "bad" if model.train.good.given else "good"
            yield (
                f"score.quality.{name}.train.{lacking}",
                "names neither paths nor sources while the other class does; give one",
            )
    for name, model in score.perplexity.items():
        low, high = model.keep_quantiles or (0.0, 1.0)
        if low >= high:
            yield (
                f"score.perplexity.{name}.keep_quantiles",
                f"[{low}, {high}] keeps nothing; give the lower one first",
            )


def decontaminate_problems(decontaminate: DecontaminateConfig) -> Iterator[tuple[str, str]]:
    """Rule over ``decontaminate``: fields where records have them, and whole texts not longer than n-grams."""
    for name, item in decontaminate.sets.items():
        path = f"decontaminate.sets.{name}.fields"
        if item.format == "txt" and (item.fields or item.id_field):
            yield path, "format txt has no fields; remove fields and id_field"
        if item.format != "txt" and not item.fields:
            yield path, f"format {item.format} needs the fields to look for, such as [question, answer]"
    lengths = [decontaminate.ngram, decontaminate.ngram_ko]
    lengths += [item.ngram for item in decontaminate.sets.values() if item.ngram is not None]
    if decontaminate.min_words > min(lengths):
        yield (
            "decontaminate.min_words",
            f"{decontaminate.min_words} is more than the shortest n-gram ({min(lengths)}); lower it",
        )
