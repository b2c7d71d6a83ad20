"""Expanding a vocabulary: a Store with rows for the tokens of a larger tokenizer.

Owns the choice of matrices (all with a row per token), the checks that both tokenizers fit the checkpoint, and the
new Store. ``initializations`` computes the rows, ``judging`` scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from checkpoint_tools.embeddings.initializations import (
    METHODS,
    Combination,
    Rows,
    combinations_of,
    tied_methods,
)
from checkpoint_tools.embeddings.pieces import (
    FolderVocabulary,
    check_extends,
    decompose,
    format_pieces,
    read_vocabulary,
)
from checkpoint_tools.formats.store import Store, without_token_ids
from checkpoint_tools.formats.tokenizer_files import info_of
from megatron_ko.errors import CheckpointError, ConfigError, Problem
from megatron_ko.planning.weights import input_weight


@dataclass(frozen=True)
class Expansion:
    """Two tokenizers that fit the checkpoint, the decomposition of the new tokens, and the source of their rows."""

    old: FolderVocabulary
    new: FolderVocabulary
    pieces: list[list[int]]
    rows: Rows

    @property
    def old_size(self) -> int:
        """Old tokens, whose rows stay. Padding rows of a Hugging Face embedding are not tokens."""
        return self.old.size

    def summary(self) -> str:
        """Indented lines about the new tokens, with the longest decomposition as an example."""
        cut = [row for row in self.pieces if row]
        lines = [f"{len(self.pieces):,} new tokens"]
        if cut:
            lines[0] += f", cut into {sum(map(len, cut)) / len(cut):.2f} old pieces on average"
            longest = max(range(len(self.pieces)), key=lambda i: len(self.pieces[i]))
            new = format_pieces(self.new, [self.old_size + longest])
            lines.append(f"longest: {new} = {format_pieces(self.old, self.pieces[longest])}")
        if uncut := len(self.pieces) - len(cut):
            lines.append(
                f"{uncut:,} cannot be cut (special tokens, unknown characters): mean of all old rows"
            )
        return "\n".join(f"  {line}" for line in lines)


def plan_expansion(source: Store, tokenizer: Path, seed: int, random_std: float | None = None) -> Expansion:
    """Raises CheckpointError or DataError unless the new tokenizer extends the tokenizer of the checkpoint."""
    old = vocabulary_of(source)
    new = read_vocabulary(tokenizer)
    check_extends(old, new)
    if new.size == old.size:
        raise CheckpointError(
            f"{tokenizer}: has as many tokens as the old tokenizer; there is nothing to expand",
            rule="nothing-to-expand",
        )
    used = torch.tensor([i for i, piece in enumerate(old.names) if piece is not None], dtype=torch.int64)
    pieces = decompose(old, new)
    rows = Rows(len(pieces), used, combinations_of(pieces, old.sizes), seed, random_std)
    return Expansion(old, new, pieces, rows)


def with_similar(plan: Expansion, similar: Combination) -> Expansion:
    """A copy of ``plan`` with the weights that ``focus`` learned."""
    return replace(plan, rows=replace(plan.rows, combinations={**plan.rows.combinations, "similar": similar}))


def vocabulary_of(source: Store) -> FolderVocabulary:
    """The tokenizer that the checkpoint was trained with. Raises CheckpointError when it is missing or was replaced."""
    if source.tokenizer is None:
        raise CheckpointError(
            f"{source.origin}: has no tokenizer, so the tokens of its rows are unknown; copy its tokenizer.json into it",
            rule="missing-tokenizer",
        )
    recorded = source.tokenizer_fingerprint
    info = info_of(source.tokenizer, recorded)
    assert info is not None
    if recorded is not None and info.fingerprint != recorded:
        raise CheckpointError(
            f"{source.tokenizer}: has the fingerprint {info.fingerprint}, but the checkpoint was trained with "
            f"{recorded}; put that tokenizer back",
            rule="tokenizer-mismatch",
        )
    if info.vocab_size > source.vocab_size:
        raise CheckpointError(
            f"{source.origin}: its tokenizer has {info.vocab_size:,} tokens, but its embedding has only "
            f"{source.vocab_size:,} rows; put back the tokenizer of this model",
            rule="tokenizer-larger-than-embedding",
        )
    return read_vocabulary(source.tokenizer)


def filter_possible(source: Store, plan: Expansion, names: Sequence[str]) -> list[str]:
    """The possible initializations of ``names``: tied embeddings need a single rule, ``focus`` needs its text."""
    tied = tied_methods()
    return [
        name
        for name in names
        if (name in tied or not source.model.tied_embeddings)
        and ("similar" in plan.rows.combinations or METHODS[name].input != "similar")
    ]


def check_possible(source: Store, plan: Expansion, name: str) -> None:
    """Raises ConfigError when the initialization ``name`` is not possible for this checkpoint."""
    if source.model.tied_embeddings and name not in tied_methods():
        message = (
            f"{name!r} gives input and output rows different values, but in {source.origin} they are one matrix "
            f"(tied embeddings); choose {', '.join(tied_methods())}"
        )
        raise ConfigError([Problem("", "--init", message, "init-of-tied-embeddings")])
    if not filter_possible(source, plan, [name]):
        raise ConfigError([focus_problem()])


def focus_problem() -> Problem:
    """The problem of ``--init focus`` without ``--focus-text``."""
    message = (
        "'focus' learns from text how tokens are used; give --focus-text FILE (text like that of training)"
    )
    return Problem("", "--init", message, "focus-without-text")


def expand_vocab(source: Store, plan: Expansion, name: str) -> Store:
    """The Store with rows for the new tokens; old rows and all other weights stay bit for bit.

    A tied matrix is expanded once. Padding rows after the old tokens are dropped.
    """
    check_possible(source, plan, name)

    def append_rows(weight: str, tensor: Tensor) -> Tensor:
        rule = METHODS[name].input if weight == input_weight().name else METHODS[name].output
        old = tensor[: plan.old_size]
        columns = old if old.ndim == 2 else old[:, None]  # a bias has a number per token
        return torch.cat([old, plan.rows.make(weight, columns, rule).view(-1, *old.shape[1:])])

    return with_vocabulary(source, plan.new, append_rows)


def with_vocabulary(source: Store, new: FolderVocabulary, rows: Callable[[str, Tensor], Tensor]) -> Store:
    """The Store for another tokenizer; ``rows(weight, tensor)`` replaces every weight with a row per token."""
    names = source.names_with_row_per_token()

    def read(weight: str) -> Tensor:
        tensor = source.tensor(weight)
        return rows(weight, tensor) if weight in names else tensor

    return replace(
        source,
        model=replace(source.model, vocab_size=new.size),
        vocab_size=new.size,
        read=read,
        tokenizer=new.folder,
        tokenizer_fingerprint=new.info.fingerprint,
        generation=without_token_ids(source.generation),
    )
