"""Finds the licenses of source files, as SPDX expressions.

Owns reading a file's leading comment and a repository's license file. A tag ``SPDX-License-Identifier`` overrides words,
the file overrides its record, and the record overrides the repository. Nothing here is legal advice: a license that is
not recognized is ``unknown``, a missing one ``none``.
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
    """Finds the license in the leading comment of a file; None for none and for text about licenses."""
    tag = _SPDX.search(header)
    if tag and tag[1].strip(" -"):
        return normalize_expression(tag[1])
    text = _to_plain(header)
    own = _OWN.search(text) is not None
    return _find_phrase(text, weak=own) or (_find_gnu(text) if own else None)


@functools.lru_cache(maxsize=4096)
def find_in_license_text(text: str) -> str | None:
    """Finds the license of a whole LICENSE or COPYING file."""
    plain = _to_plain(text)
    return _find_gnu_title(plain) or _find_phrase(plain, weak=True) or _find_gnu(plain)


def _to_plain(text: str) -> str:
    """Converts to lower case, removes comment signs and joins words by one blank."""
    return " ".join(_SIGNS.sub(" ", text).lower().split())


def _find_phrase(text: str, weak: bool) -> str | None:
    for phrase in PHRASES:
        if phrase.key in text and (weak or not phrase.weak):
            match = phrase.pattern.search(text)
            if match and not (phrase.weak and _is_talk(text, match.end())):
                return phrase.identifier
    return None


def _is_talk(text: str, end: int) -> bool:
    """True when the sentence up to ``end`` is about licenses of other files."""
    sentence = text[max(0, end - _SENTENCE_BEFORE) : end].rsplit(". ", 1)[-1]
    return _TALK.search(sentence) is not None


def _find_gnu(text: str) -> str | None:
    """Finds the notice that the GNU licenses recommend, or shorter forms of it."""
    grant = GNU_GRANT.search(text)
    if grant is None or _is_talk(text, grant.end()):
        return None
    named = next(((name, match) for name, pattern in GNU_NAMES if (match := re.search(pattern, text))), None)
    if named is None:
        return None
    name, match = named
    around = text[match.start() : match.end() + 200]
    version = GNU_VERSION.search(around)
    number = GNU_NEWEST[name] if version is None else version[1] if "." in version[1] else f"{version[1]}.0"
    return f"{name}-{number}-" + ("or-later" if "later version" in around else "only")


def _find_gnu_title(text: str) -> str | None:
    """Reads the name and version at the start of a full text, which mentions other licenses further down."""
    title = re.match(r"\W*gnu (affero |lesser |library )?general public license version (3|2\.1|2)\b", text)
    if title is None:
        return None
    name = {"affero ": "AGPL", "lesser ": "LGPL", "library ": "LGPL", None: "GPL"}[title[1]]
    return f"{name}-{title[2] if '.' in title[2] else title[2] + '.0'}-only"


# --- the repository --------------------------------------------------------------------------------------


def find_declared(meta: Mapping[str, Any]) -> str | None:
    """Finds the license in the record (``license``, ``licence``) or in the license file of its repository."""
    license = meta.get("license") or meta.get("licence")
    if isinstance(license, str) and license.strip():
        return normalize_expression(license)
    if isinstance(license, list) and license:
        return normalize_expression(" AND ".join(f"({one})" for one in license))
    root, name = meta.get("root"), meta.get("license_file")
    return find_in_repository(root, name) if isinstance(root, str) and isinstance(name, str) else None


@functools.lru_cache(maxsize=4096)
def find_in_repository(root: str, name: str) -> str | None:
    """Finds the license in the file ``name`` below ``root``.

    Raises DataError when the file cannot be read or a link leads out of the root.
    """
    folder = os.path.realpath(root)
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.commonpath([folder, path]) != folder:
        raise DataError(
            f"{name}: the license file is outside of {root}; remove the link or set meta.license instead",
            rule="license-file-outside-root",
        )
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_LICENSE_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: the license file of this source tree cannot be read ({error.strerror}); "
            "put it back, or run mko data clean again, which then does not refer to it",
            rule="unreadable-license-file",
        ) from error
    return find_in_license_text(raw.decode("utf-8", "replace"))
