"""Tables of licenses: phrases that identify their texts, and ranks of what they allow.

Identifiers are those of SPDX (https://spdx.org/licenses). A phrase is a few words of the notice or text of one license
that hardly occur elsewhere; ``licenses`` searches them in lower-case text without comment signs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Indices in ``license_expressions.KINDS`` of licenses whose category in license-expression does not fit.
RANKS = {
    # Files under these may be used in works under any license; only changes to the licensed work have conditions.
    "Artistic-2.0": 0, "OFL-1.1": 0, "Ruby": 0, "Vim": 0,
    # Our own names.
    "LicenseRef-BSD": 0, "LicenseRef-PublicDomain": 0,
    # Everything that provides the service must be published.
    "SSPL-1.0": 1,
}  # fmt: skip


class Phrase(NamedTuple):
    """Text with ``key`` and a match of ``pattern`` has the license ``identifier``; ``weak``: only if the text is about itself."""

    identifier: str
    key: str
    pattern: re.Pattern[str]
    weak: bool = False


def _strong(identifier: str, key: str, pattern: str | None = None) -> Phrase:
    return Phrase(identifier, key, re.compile(pattern or re.escape(key)))


def _weak(identifier: str, key: str, name: str) -> Phrase:
    """A license given only by its name: ``released under the NAME license``, ``license: NAME``."""
    return Phrase(
        identifier, key, re.compile(rf"(?:{_UNDER}(?:{name}) licen[sc]es?|licen[sc]e: (?:{name}))\b"), True
    )


_UNDER = (
    r"(?:licen[sc]ed|released|distributed|available|provided|covered|governed|published) (?:\w+ ){0,3}?(?:under|by) "
    r"(?:the )?(?:terms of )?(?:an? |the )?"
)
_BSD = "redistribution and use in source and binary forms"
_ISC = "for any purpose with or without fee is hereby granted"

# The first match decides, so licenses that quote the words of others come first.
PHRASES = (
    _strong(
        "LicenseRef-Proprietary",
        "proprietary",
        r"(?:confidential and proprietary|proprietary and confidential)",
    ),
    _strong("LicenseRef-Proprietary", "unauthorized copying"),
    _strong("CC0-1.0", "cc0 1.0 universal"),
    _strong("CC0-1.0", "creativecommons.org/publicdomain/zero/1.0"),
    _strong("Unlicense", "free and unencumbered software released into the public domain"),
    _strong("BSL-1.0", "boost software license", r"boost software license(?:,| -)? version 1\.0"),
    _strong("BSL-1.0", "boost.org/license_1_0"),
    _strong("Apache-2.0", "apache license", r"apache license,? version 2"),
    _strong("Apache-2.0", "apache.org/licenses/license-2.0"),
    _strong("MPL-2.0", "mozilla public license", r"mozilla public license,? (?:v\.? ?|version )2\.0"),
    _strong("MPL-1.1", "mozilla public license", r"mozilla public license,? (?:v\.? ?|version )1\.1"),
    _strong("EPL-2.0", "eclipse public license", r"eclipse public license,? (?:- )?(?:v\.? ?|version )2\.0"),
    _strong("EPL-1.0", "eclipse public license", r"eclipse public license,? (?:- )?(?:v\.? ?|version )1\.0"),
    _strong("CDDL-1.0", "common development and distribution license"),
    _strong("Zlib", "altered source versions must be plainly marked"),
    _strong("PSF-2.0", "licensed to the psf under a contributor agreement"),
    _strong("PSF-2.0", "licensed to psf under a contributor agreement"),
    _strong("PSF-2.0", "psf license agreement"),
    _strong("ISC", _ISC, _ISC + ", provided"),
    _strong("0BSD", _ISC, _ISC + r"\."),
    _strong("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
    _strong("BSD-4-Clause", _BSD, _BSD + ".{0,900}all advertising materials mentioning"),
    _strong("BSD-3-Clause", _BSD, _BSD + ".{0,1500}(?:neither the name|may not be used to endorse)"),
    _strong("BSD-2-Clause", _BSD),
    _strong("WTFPL", "do what the fuck you want to public license"),
    _weak("PSF-2.0", "python software foundation", "python software foundation"),
    _weak("MIT", "mit", "(?:mit|expat)(?: x11|/x11|-style| style)?"),
    _weak("BSD-2-Clause", "bsd", "simplified bsd|bsd[ -]2[ -]clause|2[ -]clause bsd"),
    _weak("BSD-3-Clause", "bsd", "(?:new|modified|revised) bsd|bsd[ -]3[ -]clause|3[ -]clause bsd"),
    _weak("LicenseRef-BSD", "bsd", "bsd(?:-style| style)?"),
    _weak("ISC", "isc", "isc"),
    _weak("Apache-2.0", "apache", "apache(?: software)?"),
    Phrase("MIT", "opensource.org/licenses/mit", re.compile(r"opensource\.org/licenses/mit\b"), True),
    Phrase(
        "LicenseRef-PublicDomain",
        "public domain",
        re.compile(
            r"(?:placed|released|put) (?:\w+ ){0,2}(?:in|into|to) the public domain"
            r"|this (?:file|code|software|program|work) is (?:in the )?public domain"
        ),
        True,
    ),
    Phrase("MIT", "mit license", re.compile(r"^\W*(?:the )?mit license(?: \(mit\))?\W+copyright"), True),
)

# GNU licenses: the name identifies the license, the words around it the version and whether later versions are allowed.
GNU_NAMES = (
    ("AGPL", r"gnu affero general public license|\bagpl"),
    ("LGPL", r"gnu (?:lesser|library) general public license|\blgpl"),
    ("GPL", r"gnu general public license|gnu public license|\bgpl"),
)
GNU_GRANT = re.compile(
    r"(?:under (?:the )?(?:terms (?:of|and conditions of) )?(?:the )?|licen[sc]e: (?:the )?|a copy of the )(?:gnu|[al]?gpl)"
    r"|gnu (?:affero |lesser |library )?general public license\W+version [0-9]"
)
GNU_VERSION = re.compile(r"(?:version|v\.?|gpl-?) ?(3|2\.1|2|1)(?:\.0)?\b")
GNU_NEWEST = {"AGPL": "3.0", "LGPL": "2.1", "GPL": "2.0"}  # without a version: the oldest still in use
