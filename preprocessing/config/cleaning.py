"""Normalisation and personal data."""

from __future__ import annotations

from pydantic import Field

from megatron_ko.config.fields import Flag, PositiveInt, section
from preprocessing.config.languages import KINDS, Kind


@section
class CleanConfig:
    squeeze_to: PositiveInt = 3
    """Longest run of the same emotion (laughing or crying jamo, !, ?, ~, hearts, stars) in prose."""
    squeeze_laughs_from: PositiveInt = Field(default=5, ge=3)
    """Repetitions of a laughing syllable (하하하하하, 크크크크크) from which on they are cut to squeeze_to."""
    join_typed_jamo: Flag = True
    """Puts syllables typed apart (ㅎㅏㄴㄱㅡㄹ) together where a run of jamo can be nothing else."""
    keep_old_hangul: Flag = False
    """Keeps conjoining jamo that form complete syllables of Middle Korean; stray ones are always removed."""
    repair_mojibake: Flag = True
    """Repairs Korean text that was decoded with the wrong code page, where the whole of a span can be read back."""
    cut_boilerplate: Flag = True
    """Removes by-lines, copyright notices and datelines at the head and tail of documents in prose."""
    mask: list[Kind] = Field(default_factory=lambda: list(KINDS))
    """Personal data replaced by placeholders such as <|rrn|>: registration numbers (rrn), passports, driver's licenses,
    telephone numbers, cards, bank accounts, e-mail addresses, IP addresses, passwords and keys (secret)."""
