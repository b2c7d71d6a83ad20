"""Pairs of token files by folder: the pairs in it and the tokenizer that wrote them.

Owns the search for pairs; ``token_files`` opens one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from megatron_ko.errors import DataError
from megatron_ko.files import read_json
from preprocessing.tokens.manifest_files import MANIFEST


def expand_folders(names: Iterable[str]) -> list[str]:
    """``names`` with each folder replaced by the pairs in it. Raises DataError if a folder has none."""
    pairs: list[str] = []
    for name in names:
        if not _is_folder(name):
            pairs.append(name)
            continue
        inside = pairs_in(Path(name))
        if not inside:
            raise DataError(f"{name}: contains no pair of token files (.bin and .idx)", rule="no-pairs")
        pairs += map(str, inside)
    return pairs


def refuse_folders(names: Iterable[str], command: str) -> None:
    """Raises DataError if one of ``names`` is a folder, with the pairs in it."""
    for name in filter(_is_folder, names):
        inside = " ".join(map(str, pairs_in(Path(name)))) or "none is in it"
        raise DataError(
            f"{name}: is a folder; {command} needs the prefix of each pair: {inside}", rule="is-a-folder"
        )


def pairs_in(folder: Path) -> list[Path]:
    """Prefixes of the pairs in ``folder``, or in its ``tokens/`` if it is the output folder of a pipeline."""
    places = (folder, folder / "tokens")
    indices = next((found for place in places if (found := sorted(place.glob("*.idx")))), [])
    return [index.with_suffix("") for index in indices]


def tokenizer_of(prefix: Path) -> str | None:
    """Tokenizer folder and vocabulary of a pair, as the manifest beside or above it has them; None without one."""
    for folder in (prefix.parent, prefix.parent.parent):
        if not (folder / MANIFEST).is_file():
            continue
        try:
            tokenizer = read_json(folder / MANIFEST)["tokenizer"]
            return f"{folder / tokenizer['folder']} ({tokenizer['vocab_size']:,} tokens)"
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"{folder / MANIFEST}: does not describe a tokenizer ({error}); run 'mko data encode' again"
            )
            raise DataError(message, rule="missing-key") from None
    return None


def _is_folder(name: str) -> bool:
    return Path(name).is_dir() and not Path(f"{name}.idx").exists()
