"""Configuration of text normalization and personal data."""

from __future__ import annotations

from pydantic import Field

from megatron_ko.config.fields import Flag, Int32, section
from preprocessing.config.languages import KINDS, Kind


@section
class CleanConfig:
    squeeze_to: Int32 = 3
    """Maximum length of a run of one emotion (laughing or crying jamo, !, ?, ~, hearts) in prose, in characters; of stars
    only above ten, because up to ten are a rating."""
    squeeze_laughs_from: Int32 = Field(default=5, ge=3)
    """Minimum repetitions of a laughing syllable (하하하하하, 크크크크크) that are shortened to squeeze_to."""
    join_typed_jamo: Flag = True
    """Joins jamo typed separately (ㅎㅏㄴㄱㅡㄹ) into syllables where a run of jamo can be nothing else."""
    keep_old_hangul: Flag = False
    """Keeps complete syllables of Middle Korean; other conjoining jamo become letters (ㅋㅋ, ㅠㅠ), U+119E a middle dot."""
    cut_embedded_data: Flag = True
    """Cuts pictures, fonts, certificates and other data in base64 or hexadecimal digits; literals of up to 200 characters
    stay, except as targets of Markdown. Source code loses only long data URLs and outputs of notebooks."""
    repair_mojibake: Flag = True
    """Repairs Korean text that was decoded with the wrong code page, where a whole span can be restored."""
    cut_boilerplate: Flag = True
    """Removes by-lines, copyright notices and datelines at the beginning and end of prose documents."""
    mask: list[Kind] = Field(default_factory=lambda: list(KINDS))
    """Kinds of personal data that are replaced by placeholders such as <|rrn|>: resident registration numbers (rrn),
    passports, driver's licenses, telephone numbers, payment cards, bank accounts, e-mail addresses, IP addresses,
    passwords and keys (secret)."""
