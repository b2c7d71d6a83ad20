"""DeepSeek LLM's law for peak learning rate and batch size (arXiv 2401.02954, section 3), as a suggestion.

The law was fitted on runs of 1e17 to 2e19 FLOPs and checked at 1e20; its optimum is wide. FLOPs are those of the paper: 6 per
weight outside the vocabulary and 12 x layers x query width x sequence length per token, not halved by causality.
"""

from __future__ import annotations

from dataclasses import dataclass

from megatron_ko.config.model import ModelConfig, head_size
from megatron_ko.planning.stage_table import NAME, PAGE
from megatron_ko.planning.weights import parameter_count
from megatron_ko.tables import hang
from megatron_ko.wording import format_count


@dataclass(frozen=True)
class Suggestion:
    """What the law gives for a run of ``flops``."""

    flops: float
    learning_rate: float
    batch_tokens: float


def suggest(model: ModelConfig, sequence_length: int, tokens: int) -> Suggestion:
    """Learning rate and tokens per step for training ``model`` on ``tokens`` tokens.

    ``parameter_count`` grows by the rows of one token: the difference of two vocabularies leaves the other weights.
    """
    per_row = parameter_count(model, 2) - parameter_count(model, 1)
    weights = parameter_count(model, 1) - per_row
    attention = 12 * model.layers * model.heads * head_size(model) * sequence_length
    return at_flops((6.0 * weights + attention) * tokens)


def at_flops(flops: float) -> Suggestion:
    """The law itself."""
    return Suggestion(flops, 0.3118 * flops**-0.1250, 0.2920 * flops**0.3271)


def suggestion_text(found: Suggestion, sequence_length: int) -> str:
    """The suggestion in lines for people, with its source."""
    batch = max(1, round(found.batch_tokens / sequence_length))
    text = (
        f"suggestion   learning rate {found.learning_rate:.2e}, {found.batch_tokens:,.0f} tokens per step "
        f"({format_count(batch, 'sequence')})\n"
        f"             DeepSeek LLM's law (arXiv 2401.02954) at {found.flops:.3g} FLOPs; fitted below 2e19, the optimum is wide"
    )
    lines = [part for line in text.splitlines() for part in hang(line, NAME, PAGE)]
    return "\n".join(lines) + "\n"
