"""License identifiers of SPDX, and their names on the Hugging Face hub. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from megatron_ko.config.suggestions import nearest_name
from megatron_ko.errors import ConfigError, Problem

# Identifiers that the hub accepts under "license", as far as models use them; all others are "other" with a name.
_OF_HUB = frozenset(
    """
    apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc0-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
    cc-by-nc-sa-4.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0
    eupl-1.1 eupl-1.2 agpl-3.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl
    osl-3.0 postgresql ofl-1.1 ncsa unlicense wtfpl zlib pddl llama2 llama3 llama3.1 llama3.2 llama3.3
    llama4 gemma
    """.split()  # noqa: SIM905 (seventy names)
)
_OTHER_NAMES = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}
_OWN = re.compile(r"LicenseRef-([A-Za-z0-9.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class License:
    """``identifier`` in the spelling of SPDX; ``hub`` is the hub's name for it, None if it has none."""

    identifier: str
    hub: str | None

    @property
    def front_matter(self) -> dict[str, str]:
        """Keys of a model card."""
        if self.hub is not None:
            return {"license": self.hub}
        return {"license": "other", "license_name": self.identifier.removeprefix("LicenseRef-").lower()}


def read_license(text: str) -> License:
    """The license that ``text`` names. Raises ConfigError unless it is one SPDX identifier or ``LicenseRef-NAME``."""
    if own := _OWN.fullmatch(text):
        name = own[1].lower()
        return License(f"LicenseRef-{own[1]}", name if name in _OF_HUB else None)
    known = _identifiers()
    identifier = known.get(text.strip().lower())
    if identifier is None:
        near = nearest_name(text.lower(), known)
        hint = f"did you mean {known[near]}? " if near else ""
        message = (
            f"{text!r} is not an SPDX license identifier; {hint}write one identifier, such as Apache-2.0, or LicenseRef-NAME for a "
            "license that SPDX does not list, such as LicenseRef-llama3.1"
        )
        raise ConfigError([Problem("", "--license", message, "unknown-license")])
    name = identifier.lower().removesuffix("-only").removesuffix("-or-later")
    name = _OTHER_NAMES.get(name, name)
    return License(identifier, name if name in _OF_HUB else None)


def _identifiers() -> dict[str, str]:
    """SPDX identifiers by their lower-case spelling, from the index of license-expression."""
    from license_expression import get_license_index

    keys = [
        entry["spdx_license_key"]
        for entry in get_license_index()
        if entry.get("spdx_license_key") and not entry["is_exception"]
    ]
    return {key.lower(): key for key in keys if not key.startswith("LicenseRef-")}
