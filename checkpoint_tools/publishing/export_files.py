"""The files of an export, recorded with checksums when it is verified, and checked before it is uploaded. No torch.

Owns the card's place, the reading of ``verification.json``, and what may be published beside an export.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

from checkpoint_tools.publishing import card, training_config
from megatron_ko.errors import CheckpointError
from megatron_ko.files import read_json, write_text
from megatron_ko.formats.checksums import hash_file, read_facts
from megatron_ko.formats.run_folder import require_folder

VERIFICATION = "verification.json"
CONFIG = "config.json"
NEW_CARD = "README.generated.md"
"""Card of an export whose folder has another one."""
_BESIDE = ("LICENSE*", "NOTICE*", "*.png", "*.jpg", "*.jpeg", "*.svg", "*.gif", "*.webp")
"""Files that a user adds to an export and that are published with it."""
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.pth")


# --- writing ---------------------------------------------------------------------------------------------


def write_card(folder: Path, text: str, config: dict[str, Any] | None) -> list[str]:
    """Writes the card and the training configuration; returns the names of the files that now belong to the export.

    A card that is still there was edited, or is somebody else's: it stays, and the new one is written beside it.
    """
    path = folder / card.FILE
    if is_edited := path.is_file():
        path = folder / NEW_CARD
        print(
            f"warning: {folder / card.FILE} was not written by an export and stays; the new card is {NEW_CARD}"
        )
    else:
        (folder / NEW_CARD).unlink(missing_ok=True)
    write_text(path, text)
    if config is not None:
        write_text(folder / training_config.FILE, training_config.to_publishable_yaml(config))
    names = [] if is_edited else [card.FILE]
    return names if config is None else [*names, training_config.FILE]


def clear_card(folder: Path) -> None:
    """Removes the training configuration and the card of an earlier export, but a card only if nobody edited it.

    Call it before ``verification.json`` is removed.
    """
    recorded, path = _recorded(folder), folder / card.FILE
    facts = read_facts(recorded.get(card.FILE))
    if path.is_file() and facts is not None and hash_file(path) == facts.checksum:
        path.unlink()
    if training_config.FILE in recorded:
        (folder / training_config.FILE).unlink(missing_ok=True)


# --- checking before an upload ---------------------------------------------------------------------------


def files_to_publish(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files to upload, and of those that stay behind. Reads every file of the export.

    Raises CheckpointError unless the folder is a complete export that passed its verification and has not changed since;
    only the card may have been edited.
    """
    require_folder(folder, "FOLDER")
    if not (folder / CONFIG).is_file():
        raise CheckpointError(
            f"{folder}: has no {CONFIG}, so it is not a complete export; write it with 'mko checkpoint to-hf'",
            rule="incomplete-export",
        )
    _check_verification(folder)
    recorded = _recorded(folder)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if foreign := sorted(name for name in names - recorded.keys() if _matches(name, _WEIGHTS)):
        raise CheckpointError(
            f"{folder}: {foreign[0]} does not belong to the export; move it away", rule="foreign-weights"
        )
    if changed := [name for name in recorded if name != card.FILE and not _is_unchanged(folder, name)]:
        raise CheckpointError(
            f"{folder}: {', '.join(sorted(changed)[:4])} differs from what was verified, or is missing; export the model again",
            rule="export-changed",
        )
    if card.FILE not in names:
        raise CheckpointError(
            f"{folder}: has no {card.FILE}, the model card; write one, or export with 'mko checkpoint to-hf'",
            rule="missing-card",
        )
    published = {*recorded, card.FILE, *(name for name in names if _matches(name, _BESIDE))}
    return sorted(published), sorted(names - published - {VERIFICATION})


def _check_verification(folder: Path) -> None:
    path = folder / VERIFICATION
    report = read_json(path, error=CheckpointError) if path.is_file() else {}
    weights = report.get("weights") if isinstance(report, dict) else None
    if not isinstance(weights, dict) or not _recorded(folder):
        raise CheckpointError(
            f"{folder}: {VERIFICATION} is missing or of an earlier version, so nothing shows that the export is whole; export the "
            "model again with 'mko checkpoint to-hf'",
            rule="unverified-export",
        )
    logits = report.get("logits")
    differs = weights.get("largest_difference") != 0 or any(
        weights.get(kind) for kind in ("missing", "extra", "settings")
    )
    if differs or (logits and not logits["difference"] <= logits["tolerance"]):
        raise CheckpointError(
            f"{folder}: its verification failed, see {VERIFICATION}; export the model again",
            rule="verification-failed",
        )


def _recorded(folder: Path) -> dict[str, Any]:
    """Entries of the files that ``verification.json`` lists; {} where it does not."""
    path = folder / VERIFICATION
    if not path.is_file():
        return {}
    report = read_json(path, error=CheckpointError)
    files = report.get("files") if isinstance(report, dict) else None
    return files if isinstance(files, dict) and all(Path(name).name == name for name in files) else {}


def _is_unchanged(folder: Path, name: str) -> bool:
    facts, path = read_facts(_recorded(folder)[name]), folder / name
    return facts is not None and path.is_file() and hash_file(path) == facts.checksum


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
