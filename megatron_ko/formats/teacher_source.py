"""The teacher of a distilled run, without torch: what is read of its folder, and what checkpoints of the student record.

Owns the comparison of its tokenizer with that of the data, and of a checkpoint's teacher with that of a run that continues.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from megatron_ko.config.model import ModelConfig
from megatron_ko.errors import CheckpointError, Problem
from megatron_ko.files import read_json, sha256_text
from megatron_ko.formats.checkpoint_folder import Checkpoint, Origin, require_finished
from megatron_ko.formats.fingerprint import rules_of
from megatron_ko.formats.hugging_face import HfModel, is_hf_model, read_hf_model
from megatron_ko.formats.lora_record import require_weights
from megatron_ko.formats.manifest import Manifest
from megatron_ko.formats.run_folder import TEACHERS, newest_checkpoint
from megatron_ko.formats.tokenizer_folder import fingerprint_hf_folder
from megatron_ko.formats.tokenizer_json import tokens_in

Found = tuple[str, str, str]


def read_teacher(path: str, student: ModelConfig, longest: int) -> Checkpoint | HfModel:
    """Describes the teacher's folder. ``longest``: tokens of the longest sequence that it sees. Raises CheckpointError or DataError."""
    require_finished(Path(path).expanduser())
    if is_hf_model(path):
        return read_hf_model(path, dataclasses.replace(student, max_sequence_length=longest))
    teacher = newest_checkpoint(path)
    require_weights(teacher)
    return teacher


def conversion_folder(run: Path, path: str) -> Path:
    """Where the conversion of a teacher in a Hugging Face folder is."""
    return run / TEACHERS / sha256_text(str(Path(path).expanduser().resolve()))[:12]


def origin_of(teacher: Checkpoint, path: str) -> Origin:
    """What checkpoints of the student record: the configured folder, and step and content of the checkpoint in it."""
    return Origin(str(Path(path).expanduser().resolve()), teacher.step, teacher.short_hash)


def check_same_teacher(start: Checkpoint, now: Origin | None, allow_change: bool) -> None:
    """Raises CheckpointError if a run continues from ``start`` with another teacher; one that has only moved is the same."""
    before = start.teacher
    if allow_change or (before and before.hash) == (now and now.hash):
        return
    message = (
        f"{_name(before)} in the checkpoint but {_name(now)} in the run; restore the teacher, or set "
        "checkpoint.allow_teacher_change: true to continue with the new one"
    )
    raise CheckpointError([Problem(str(start.folder), "distillation.teacher", message, "teacher-changed")])


def check_same_projections(start: Checkpoint, now: Mapping[str, tuple[int, int]]) -> None:
    """Raises CheckpointError if a stage continues from ``start`` with other projections of hidden states, by name and shape."""
    if start.projections == now:
        return
    before, after = (", ".join(names) or "none" for names in (start.projections, now))
    message = (
        f"the stage trains other projections of hidden states: {before} in the checkpoint, {after} in the run (or of another width); "
        "restore distillation.hidden_states and the teacher, or start a new run from its weights (checkpoint.initial_weights)"
    )
    path = "distillation.hidden_states"
    raise CheckpointError([Problem(str(start.folder), path, message, "projections-changed")])


def _name(teacher: Origin | None) -> str:
    return f"{teacher.folder} (step {teacher.step:,}, {teacher.hash})" if teacher else "none"


# --- the vocabulary --------------------------------------------------------------------------------------


def vocabulary_problems(
    teacher: Checkpoint | HfModel, vocab_size: int, manifest: Manifest | None
) -> Iterator[Found]:
    """``(path, message, rule)`` for each difference between the teacher's vocabulary and that of the run.

    Without ``manifest`` (the data does not exist yet), the tokenizer is not compared.
    """
    if teacher.vocab_size != vocab_size:
        yield (
            "vocab_size",
            f"the teacher has {teacher.vocab_size:,} embedding rows but the run {vocab_size:,}, and a divergence needs the same "
            f"tokens in both; set model.vocab_size: {teacher.vocab_size} if the rows without a token are the difference, or choose "
            "another teacher",
            "teacher-vocabulary",
        )
    if manifest is None or teacher.tokenizer_fingerprint == manifest.tokenizer_fingerprint:
        return
    if teacher.tokenizer_fingerprint is None:
        yield (
            "tokenizer_fingerprint",
            "the teacher has no tokenizer, so that its ids cannot be compared with those of the data; add its tokenizer files",
            "teacher-tokenizer",
        )
        return
    yield (
        "tokenizer_fingerprint",
        f"the teacher's tokenizer is another one than that of {manifest.path}: {_describe_differences(teacher, manifest)}; encode "
        "the data with the teacher's tokenizer, or choose another teacher",
        "teacher-tokenizer",
    )


def _describe_differences(teacher: Checkpoint | HfModel, manifest: Manifest) -> str:
    folder = teacher.folder / "tokenizer" if isinstance(teacher, Checkpoint) else teacher.folder
    if not (folder / "tokenizer.json").is_file():
        return f"{str(teacher.tokenizer_fingerprint)[:19]} and {manifest.tokenizer_fingerprint[:19]}"
    theirs, ours = (read_json(path / "tokenizer.json") for path in (folder, manifest.tokenizer_folder))
    differences = list(_token_differences(tokens_in(theirs, folder), tokens_in(ours, manifest.path)))
    rules, own_rules = rules_of(theirs), rules_of(ours)
    differences += [f"other {name}" for name in rules if rules[name] != own_rules.get(name)]
    roles = [vars(fingerprint_hf_folder(path)) for path in (folder, manifest.tokenizer_folder)]
    differences += [
        f"{name} is {roles[0][name]} there and {roles[1][name]} here"
        for name in roles[0]
        if name.endswith("_id") and roles[0][name] != roles[1][name]
    ]
    return ", ".join(differences) or "their normal forms differ"


def _token_differences(theirs: dict[str, int], ours: dict[str, int]) -> Iterator[str]:
    """The numbers of tokens, and the first id with another token."""
    if len(theirs) != len(ours):
        yield f"{len(theirs):,} tokens there and {len(ours):,} here"
    by_id = [{number: token for token, number in tokens.items()} for tokens in (theirs, ours)]
    common = sorted(by_id[0].keys() & by_id[1].keys())
    other = [number for number in common if by_id[0][number] != by_id[1][number]]
    if other:
        first = other[0]
        yield f"{len(other):,} ids with another token (id {first} is {by_id[0][first]!r} there and {by_id[1][first]!r} here)"
