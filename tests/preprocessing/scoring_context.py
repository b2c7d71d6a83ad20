"""A context for the scoring steps: documents from the test, tasks that run immediately and in order."""

from types import SimpleNamespace

import pyarrow as pa

from megatron_ko.config.loading import Loaded
from preprocessing.config.scoring import DecontaminateConfig, ScoreConfig
from preprocessing.documents import DOCUMENT, new_shard
from preprocessing.running.context import Context
from preprocessing.running.markers import Marker
from preprocessing.running.tasks import StepTask, run_task


class SmallContext:
    """``units``: name to ``[(id, text, lang), ...]``; the name is that of the input and the source."""

    text_step = "clean"
    as_data = staticmethod(Context.as_data)

    def __init__(self, folder, units, score=None, decontaminate=None):
        self.folder = folder
        self.config = SimpleNamespace(
            score=score or ScoreConfig(),
            decontaminate=decontaminate or DecontaminateConfig(),
            inputs={name: SimpleNamespace(source=None) for name in units},
        )
        self.loaded = Loaded(self.config, {})
        self.units = [SimpleNamespace(name=name, input_name=name, size=0) for name in units]
        for name, rows in units.items():
            self._write(name, rows)

    def _write(self, name, rows, rows_per_batch=7):
        """Writes several row groups, so that row numbers span batches."""
        path = self.path("clean", name)
        with new_shard(path, DOCUMENT) as shard:
            for start in range(0, len(rows), rows_per_batch):
                part = rows[start : start + rows_per_batch]
                records = [{"id": i, "text": t, "lang": g, "source": name, "meta": "{}"} for i, t, g in part]
                shard.write(pa.RecordBatch.from_pylist(records, schema=DOCUMENT))
        Marker(self.folder, f"clean/{name}").write("key", [path], {})

    def path(self, step, name, suffix=".parquet"):
        return self.folder / "steps" / step / f"{name}{suffix}"

    def documents_path(self, unit):
        return self.path("clean", unit.name)

    def upstream(self, step, name):
        return Context.upstream(self, step, name)

    def finish(self, step, tasks, version):
        return [run_task(self, StepTask(step, 0, task, "key")) for task in tasks]
