"""Configuration of models that score documents, and of evaluation sets that must not be in the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, Strict

from megatron_ko.config.fields import (
    FilePath,
    Fraction,
    Int32,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    section,
)
from preprocessing.config.languages import Language

Name = Annotated[str, Field(pattern="^[A-Za-z0-9_]+$")]
OpenShare = Annotated[float, Strict(), Field(gt=0, lt=1)]
Share = Annotated[float, Strict(), Field(gt=0, le=1)]


@section
class TextSet:
    paths: list[FilePath] = Field(default_factory=list)
    """Files or patterns of documents (.jsonl, .jsonl.gz, .jsonl.zst, .parquet); each must match at least one file."""
    field: str = "text"
    """Field with the text in these files."""
    sources: list[str] = Field(default_factory=list)
    """Sources of the corpus, as written by clean (or lines, if enabled), in the languages of the model."""

    @property
    def is_configured(self) -> bool:
        return bool(self.paths or self.sources)


@section
class QualityTraining:
    good: TextSet = Field(default_factory=TextSet)
    """Documents of the quality to keep; without them train-quality does not train the model."""
    bad: TextSet = Field(default_factory=TextSet)
    """Documents of the quality to drop; ordinary text of the corpus is a reasonable choice."""
    max_documents: PositiveInt = 200_000
    """Maximum documents of each class, selected by hash of their text."""
    max_characters: PositiveInt = 10_000
    """Maximum characters read of a training document, so that a few long documents do not dominate."""
    held_out: OpenShare = 0.1
    """Share of the documents used only for measuring, selected by hash of their text."""
    dim: PositiveInt = Field(default=64, le=1024)
    """Dimensions of the model's vectors."""
    epochs: Int32 = 10
    """Passes over the training documents."""
    learning_rate: PositiveFloat = 0.5
    """Initial learning rate; decays linearly to zero."""
    word_ngrams: PositiveInt = Field(default=2, le=5)
    """Maximum words in a sequence that is a feature."""
    character_ngrams: NonNegativeInt = Field(default=0, le=6)
    """Maximum characters of a part of a word that is a feature (minimum 2); 0: whole words only."""
    buckets: PositiveInt = Field(default=500_000, le=100_000_000)
    """Vectors that word sequences and parts of words share by hash; the model file takes 4 * dim * (words + buckets) bytes."""
    min_count: Int32 = 2
    """Minimum occurrences for a word to enter the model's vocabulary."""
    rounds: PositiveInt = Field(default=1, le=20)
    """Rounds of training: after each but the last, documents of the corpus scored with confidence join the training set."""
    candidates: list[str] = Field(default_factory=list)
    """Sources of the documents that join in later rounds; empty: all sources."""
    max_candidates: PositiveInt = 200_000
    """Maximum documents of the corpus scored per round, selected by hash of the id."""
    added_share: Share = 0.1
    """Maximum share of the candidates, the best by score, that may join per round."""
    min_added_score: OpenShare = 0.9
    """Minimum score of a candidate that joins as good; below 1 minus this value it joins as bad."""
    max_added: PositiveInt = 10_000
    """Maximum documents that join each class per round; both classes get the same number."""
    max_auc_loss: Fraction = 0.01
    """Maximum loss of held-out AUC against the best round; beyond it, the round is rejected and training ends."""
    seed: NonNegativeInt = Field(default=1234, lt=2**31)
    """Seed of the training."""


@section
class QualityModel:
    model: FilePath
    """File of a fastText classifier (.bin): your own or written by train-quality."""
    langs: list[Language] = Field(min_length=1)
    """Languages that the model scores; documents in other languages get no score and pass."""
    label: str = Field(default="good", pattern=r"^\S+$")
    """Label whose probability is the score."""
    min_score: Fraction | None = None
    """Minimum score of kept documents."""
    keep_quantile: Share | None = None
    """Share of documents to keep in each language, the best by score, instead of min_score."""
    train: QualityTraining = Field(default_factory=QualityTraining)
    """How train-quality trains the model."""


@section
class PerplexityTraining:
    reference: TextSet = Field(default_factory=TextSet)
    """Text of good quality; without it train-quality does not train the model."""
    max_mib: PositiveInt = Field(default=256, le=1024)
    """Maximum reference text in MiB, read from its beginning; training takes about 12 times as much memory."""
    max_ngrams: PositiveInt = 10_000_000
    """Maximum sequences of two and three words in the model, the most frequent ones; each takes about 40 bytes of memory."""
    held_out: OpenShare = 0.05
    """Share of the reference used only for measuring, selected by hash of the text."""


@section
class PerplexityModel:
    model: FilePath
    """File written by train-quality (.npz), or a KenLM model (.arpa, .klm, .binary) over words split as train-quality does."""
    langs: list[Language] = Field(min_length=1)
    """Languages that the model scores; documents in other languages get no score and pass."""
    max_perplexity: PositiveFloat | None = None
    """Maximum perplexity per word of kept documents."""
    min_perplexity: PositiveFloat | None = None
    """Minimum perplexity per word of kept documents; highly repetitive text is below it."""
    keep_quantiles: list[Fraction] | None = Field(default=None, min_length=2, max_length=2)
    """Lowest and highest quantile of kept documents in each language, such as [0.02, 0.9]."""
    train: PerplexityTraining = Field(default_factory=PerplexityTraining)
    """How train-quality trains the model."""


@section
class ScoreConfig:
    quality: dict[Name, QualityModel] = Field(default_factory=dict)
    """Classifiers by name; quality_NAME is the column and the reason."""
    perplexity: dict[Name, PerplexityModel] = Field(default_factory=dict)
    """Language models by name; perplexity_NAME is the column and the reason."""

    @property
    def enabled(self) -> bool:
        return bool(self.quality or self.perplexity)


@section
class EvaluationSet:
    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns, plain or compressed (.gz, .zst); each must match at least one file."""
    format: Literal["jsonl", "parquet", "txt"]
    """jsonl: one JSON object per line; parquet: one item per row; txt: one item per line."""
    fields: list[str] = Field(default_factory=list)
    """Fields to search for, each on its own; texts inside lists are searched separately. Leave empty for txt."""
    id_field: str | None = None
    """Field with the id of an item; defaults to FILE:NUMBER."""
    ngram: PositiveInt | None = Field(default=None, ge=3, le=63)
    """Consecutive words that count as taken from the set; defaults to ngram or ngram_ko of decontaminate, by the language of
    the text."""


@section
class DecontaminateConfig:
    sets: dict[Name, EvaluationSet] = Field(default_factory=dict)
    """Evaluation sets by name."""
    ngram: PositiveInt = Field(default=13, ge=3, le=63)
    """Consecutive words for text that is not mainly Korean (13: GPT-3, arXiv:2005.14165, appendix C)."""
    ngram_ko: PositiveInt = Field(default=10, ge=3, le=63)
    """Consecutive words for text that is mainly Korean, where the same content takes 0.78 times as many words as in English."""
    min_words: PositiveInt = Field(default=5, ge=3, le=63)
    """Minimum words of a text that is searched for; a text shorter than an n-gram is searched for as a whole."""
    max_documents: PositiveInt = 1000
    """Maximum documents of the corpus that contain an n-gram; beyond it, the n-gram is boilerplate and ignored. The report
    lists ignored n-grams."""
    min_ngrams: PositiveInt = 1
    """Minimum shared n-grams that make a document contaminated."""
    min_share: Fraction = 0.0
    """Minimum share of a document's words inside shared n-grams that makes it contaminated, in addition to min_ngrams."""

    @property
    def enabled(self) -> bool:
        return bool(self.sets)


Problems = Iterator[tuple[str, str]]


def score_thresholds(score: ScoreConfig) -> Problems:
    """A quality model has one threshold, and quantiles keep some documents."""
    for name, model in score.quality.items():
        if model.min_score is not None and model.keep_quantile is not None:
            yield f"score.quality.{name}", "has both min_score and keep_quantile; remove one of them"
    for name, model in score.perplexity.items():
        low, high = model.keep_quantiles or (0.0, 1.0)
        if low >= high:
            yield (
                f"score.perplexity.{name}.keep_quantiles",
                f"[{low}, {high}] keeps no document; write the lower quantile first",
            )


def score_training(score: ScoreConfig) -> Problems:
    """A quality model is trained on two classes."""
    for name, model in score.quality.items():
        if model.train.good.is_configured != model.train.bad.is_configured:
            lacking = "bad" if model.train.good.is_configured else "good"
            yield (
                f"score.quality.{name}.train.{lacking}",
                "has neither paths nor sources, but the other class has; add one of them",
            )


def evaluation_set_fields(decontaminate: DecontaminateConfig) -> Problems:
    """Fields are named where records have fields."""
    for name, item in decontaminate.sets.items():
        path = f"decontaminate.sets.{name}.fields"
        if item.format == "txt" and (item.fields or item.id_field):
            yield path, "text has no fields; remove fields and id_field, or correct format: txt"
        if item.format != "txt" and not item.fields:
            yield path, f"must list the fields to search for in {item.format}, such as [question, answer]"


def minimum_words(decontaminate: DecontaminateConfig) -> Problems:
    """Texts searched for as a whole are not longer than an n-gram."""
    lengths = [decontaminate.ngram, decontaminate.ngram_ko]
    lengths += [item.ngram for item in decontaminate.sets.values() if item.ngram is not None]
    if decontaminate.min_words > min(lengths):
        yield (
            "decontaminate.min_words",
            f"{decontaminate.min_words} exceeds the shortest n-gram ({min(lengths)} words); lower it",
        )
