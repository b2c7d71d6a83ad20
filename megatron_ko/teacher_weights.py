"""Teachers in Hugging Face folders: converted once into the run folder, before ranks start, like initial weights."""

from __future__ import annotations

import dataclasses

from megatron_ko.formats.hugging_face import HfModel
from megatron_ko.formats.teacher_source import conversion_folder
from megatron_ko.initial_weights import convert_once
from megatron_ko.planning.megatron_version import check_loadable
from megatron_ko.preflight import Preflight


def convert(checked: Preflight, rank: int = 0) -> Preflight:
    """The run with each of its teachers as a checkpoint. Rank 0, which holds the lock of the run folder, converts them.

    Raises CheckpointError, also if the run continues with a teacher whose content has changed, or SystemExit with the code of a
    conversion that has printed its error.
    """
    teachers = dict(checked.teachers)
    for path, teacher in checked.teachers.items():
        if isinstance(teacher, HfModel):
            target = conversion_folder(checked.run_folder, path)
            if rank == 0:
                target.parent.mkdir(parents=True, exist_ok=True)
            teachers[path] = converted = convert_once(teacher, target, rank)
            check_loadable(converted)
    checked = dataclasses.replace(checked, teachers=teachers)
    checked.check_caches()
    if checked.start is not None:
        checked.check_teacher(checked.start)
    return checked
