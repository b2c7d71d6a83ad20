"""Splits Hangul words into the morphemes of mecab-ko while a tokenizer is trained.

Owns the analyzer (extra ``[morphemes]``: python-mecab-ko and its dictionary, available as wheels). Each word is analyzed
alone and cached: twice as fast as whole sentences, and a word is always split the same way. Only training uses the
splits; encoding needs no analyzer.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable

from megatron_ko.errors import ConfigError

MORPHEME_END = "\ufdd2"
"""A noncharacter between two morphemes of a word."""
WORD = re.compile("[가-힣]{2,}")
CACHED_WORDS = 1 << 20


def segmenter(analyzer: str) -> Callable[[str], str]:
    """A function that puts MORPHEME_END between the morphemes of the Hangul words of a text.

    ``none`` changes nothing. Raises ConfigError when the analyzer is not installed.
    """
    if analyzer == "none":
        return lambda text: text
    if importlib.util.find_spec("mecab") is None or importlib.util.find_spec("mecab_ko_dic") is None:
        raise ConfigError(
            f"tokenizer.morphemes: {analyzer} needs python-mecab-ko; pip install 'megatron_ko[morphemes]', or use none",
            rule="missing-package",
        )
    import mecab

    analyze = mecab.MeCab().morphs

    @functools.lru_cache(CACHED_WORDS)
    def split(word: str) -> str:
        return MORPHEME_END.join(analyze(word))

    return lambda text: WORD.sub(lambda match: split(match[0]), text)
