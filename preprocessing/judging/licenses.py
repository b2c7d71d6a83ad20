"""Licenses of source files, as SPDX expressions.

Owns the reading of a file's leading comment and of a repository's license file. A tag
``SPDX-License-Identifier`` wins over words, the file over what is declared for it, that over the repository.
Nothing here is legal advice: what is not recognized is ``unknown``, and what is not said is ``none``.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from megatron_ko.errors import DataError
from preprocessing.judging.license_expressions import normalize_expression
from preprocessing.judging.license_table import GNU_GRANT, GNU_NAMES, GNU_NEWEST, GNU_VERSION, PHRASES

HEADER_HINT = r"(?i)licen[sc]e|copyright|public domain|permission (?:is hereby|to use)|redistribution and use|\b[AL]?GPL"
MAX_LICENSE_BYTES = 1 << 16
_SPDX = re.compile(r"(?m)^[^\w\n]*SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() -]+)")
_SIGNS = re.compile(
    r"(?m)^[ \t]*(?:/{2,}|/?\*+/?|#+|--+|;+|%+|\"{3}|'{3}|<!--|dnl\b|rem\b)?[ \t]*|[ \t]*(?:\*/|-->)$"
)
_OWN = re.compile(
    r"copyright|\(c\)|©|all rights reserved|author|licen[sc]e:"
    r"|this (?:file|program|software|source|module|code|library|work|script|project|package)\b"
)
_TALK = re.compile(
    r"\b(?:check|detect|pars|whether|identif|recogni|find|finds|example|such as|list|compare|test|if)"
)
_SENTENCE_BEFORE = 160


@functools.lru_cache(maxsize=4096)
def find_in_header(header: str) -> str | None:
    """The license that the leading comment of a file names, if any; a text about licenses names none."""
    tag = _SPDX.search(header)
    if tag and tag[1].strip(" -"):
        return normalize_expression(tag[1])
    text = _plain(header)
    own = _OWN.search(text) is not None
    return _by_phrase(text, weak=own) or (_gnu(text) if own else None)


@functools.lru_cache(maxsize=4096)
def find_in_license_text(text: str) -> str | None:
    """The license of a whole LICENSE or COPYING file."""
    plain = _plain(text)
    return _gnu_title(plain) or _by_phrase(plain, weak=True) or _gnu(plain)


def _plain(text: str) -> str:
    """Small letters without the signs of comments, blanks and line ends as one blank."""
    return " ".join(_SIGNS.sub(" ", text).lower().split())


def _by_phrase(text: str, weak: bool) -> str | None:
    for phrase in PHRASES:
        if phrase.key in text and (weak or not phrase.weak):
            found = phrase.pattern.search(text)
            if found and not (phrase.weak and _is_talk(text, found.end())):
                return phrase.identifier
    return None


def _is_talk(text: str, end: int) -> bool:
    """Whether the sentence up to ``end`` speaks about licenses of other files."""
    sentence = text[max(0, end - _SENTENCE_BEFORE) : end].rsplit(". ", 1)[-1]
    return _TALK.search(sentence) is not None


def _gnu(text: str) -> str | None:
    """The notice that the GNU licenses recommend, and shorter forms of it."""
    grant = GNU_GRANT.search(text)
    if grant is None or _is_talk(text, grant.end()):
        return None
    named = next(((name, found) for name, pattern in GNU_NAMES if (found := re.search(pattern, text))), None)
    if named is None:
        return None
    name, found = named
    around = text[found.start() : found.end() + 200]
    version = GNU_VERSION.search(around)
    number = GNU_NEWEST[name] if version is None else version[1] if "." in version[1] else f"{version[1]}.0"
    return f"{name}-{number}-" + ("or-later" if "later version" in around else "only")


def _gnu_title(text: str) -> str | None:
    """The full texts begin with their name and version, and go on to speak of other licenses."""
    title = re.match(r"\W*gnu (affero |lesser |library )?general public license version (3|2\.1|2)\b", text)
    if title is None:
        return None
    name = {"affero ": "AGPL", "lesser ": "LGPL", "library ": "LGPL", None: "GPL"}[title[1]]
    return f"{name}-{title[2] if '.' in title[2] else title[2] + '.0'}-only"


# --- the repository --------------------------------------------------------------------------------------


def find_declared(meta: Mapping[str, Any]) -> str | None:
    """The license that the record (``license``, ``licence``) or its repository's license file names."""
    said = meta.get("license") or meta.get("licence")
    if isinstance(said, str) and said.strip():
        return normalize_expression(said)
    if isinstance(said, list) and said:
        return normalize_expression(" AND ".join(f"({one})" for one in said))
    root, name = meta.get("root"), meta.get("license_file")
    return find_in_repository(root, name) if isinstance(root, str) and isinstance(name, str) else None


@functools.lru_cache(maxsize=4096)
def find_in_repository(root: str, name: str) -> str | None:
    """The license in the file ``name`` below ``root``; links that lead out of the root are refused."""
    folder = os.path.realpath(root)
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.commonpath([folder, path]) != folder:
        raise DataError(
            f"{name}: the license file lies outside of {root}; remove the link or set meta.license instead"
        )
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_LICENSE_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: the license file of this source tree cannot be read ({error.strerror}); "
            "put it back, or run 'clean' again so that it is no longer named"
        ) from error
    return find_in_license_text(raw.decode("utf-8", "replace"))
