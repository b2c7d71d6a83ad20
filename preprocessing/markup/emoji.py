"""Writes the emoji that blogs and wikis show as images."""

from __future__ import annotations

import re

_SIGN = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_EMOJI = rf"(?:[{_SIGN}][\ufe0f\u200d\u20e3\U000e0020-\U000e007f]{{0,20}}|[0-9#*]\ufe0f?\u20e3){{1,8}}"
_IMAGE = re.compile(rf"<img\b[^<>]{{0,2000}}\balt=[\"']?({_EMOJI})[\"']?(?=[\s/>])[^<>]{{0,2000}}>")
_NAMED = re.compile(
    r"<img\b(?=[^<>]{0,2000}\bclass=[\"'][^\"']{0,200}\bemoji)[^<>]{0,2000}\balt=[\"'](:[a-z0-9_+-]{1,40}:)[\"'][^<>]{0,2000}>"
)


def restore_emoji(text: str) -> str:
    """Replaces images whose text is an emoji, or its name such as ``:smile:``, by that text."""
    return _NAMED.sub(r"\1", _IMAGE.sub(r"\1", text)) if "<img" in text else text
