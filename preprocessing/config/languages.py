"""Languages and kinds of personal data, shared by several sections."""

from __future__ import annotations

from typing import Literal

LANGUAGES = ("ko", "en", "code", "mixed", "other")
KOREAN = ("ko", "mixed")
"""Languages of documents that count as Korean text."""
Language = Literal["ko", "en", "code", "mixed", "other"]
Kind = Literal["rrn", "passport", "driver", "phone", "card", "account", "email", "ip", "secret"]
KINDS: tuple[Kind, ...] = ("rrn", "passport", "driver", "phone", "card", "account", "email", "ip", "secret")
