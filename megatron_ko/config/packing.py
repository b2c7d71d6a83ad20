"""How documents share a training sequence: attention, labels, stretches of several sets, fill-in-the-middle.

Owns the sections ``data.packing`` and ``data.fill_in_the_middle``. ``planning/packing_rules.py`` has the rules over them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from megatron_ko.config.fields import Fraction, PositiveInt, section


@section
class PackingConfig:
    attention: Literal["across_documents", "within_documents"] = "across_documents"
    """What a token sees of its sequence: across_documents (all tokens before it), or within_documents (only those of its own
    document, also in validation). A document begins after each end-of-document token, at the beginning of the sequence, and where
    stretches of text meet."""
    label_at_eod: Literal["learned", "masked"] = "learned"
    """Whether an end-of-document token learns the first token of the next document: learned, or masked, which leaves this label
    out of the loss, also in validation."""
    stretches: PositiveInt = Field(default=1, le=4096)
    """Stretches of text that a sequence consists of, such as 8, each drawn by the mixture: above 1, sets (languages) meet in one
    sequence. Divides training.sequence_length. Needs order: windows."""
    set_changes: Fraction | None = None
    """Chance that the next stretch of a sequence is of another set, such as 0.5, as long as the sequence has stretches of both
    left; by default stretches stay in the order of drawing, in which sets alternate as far as their shares allow."""


@section
class FillInTheMiddleConfig:
    rates: Annotated[dict[str, Fraction], Field(min_length=1)]
    """Fraction of the documents of each set that are rearranged, such as {code: 0.5}; sets that are not named stay as they are."""
    spm_rate: Fraction = 0.5
    """Fraction of the rearranged documents in the order suffix, prefix, middle; the others have prefix, suffix, middle."""
    prefix_token: str = "<|fim_prefix|>"
    """Special token of the tokenizer that begins a rearranged document."""
    suffix_token: str = "<|fim_suffix|>"
    """Special token of the tokenizer before the suffix."""
    middle_token: str = "<|fim_middle|>"
    """Special token of the tokenizer before the part that is filled in."""
