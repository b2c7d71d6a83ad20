"""Where Hangul words may be cut while pieces are learned: at the morphemes that mecab-ko finds.

Owns the analyser (extra ``[morphemes]``: python-mecab-ko and its dictionary, which come as wheels). A word is analysed
by itself and remembered: twice as fast as whole sentences, and a word is cut the same way wherever it stands. Only
training sees the cuts; text is encoded without any analyser.
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
REMEMBERED_WORDS = 1 << 20


def segmenter(kind: str) -> Callable[[str], str]:
    """A text with MORPHEME_END within its Hangul words; raises ConfigError where the analyser is not installed."""
    if kind == "none":
        return lambda text: text
    if importlib.util.find_spec("mecab") is None or importlib.util.find_spec("mecab_ko_dic") is None:
        raise ConfigError(
            f"tokenizer.morphemes: {kind} needs python-mecab-ko; pip install 'megatron_ko[morphemes]', or use none"
        )
    import mecab

    analyse = mecab.MeCab().morphs

    @functools.lru_cache(REMEMBERED_WORDS)
    def cut(word: str) -> str:
        return MORPHEME_END.join(analyse(word))

    return lambda text: WORD.sub(lambda found: cut(found[0]), text)
