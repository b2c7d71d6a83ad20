"""Duplicates of documents and of lines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from megatron_ko.config.fields import Flag, Fraction, PositiveFloat, PositiveInt, section


@section
class DeduplicateConfig:
    threshold: PositiveFloat = Field(default=0.7, le=1.0)
    """Jaccard similarity of five-word sequences from which a document is a near duplicate."""
    num_hashes: PositiveInt = 128
    """Hash functions of a MinHash signature; each takes 4 bytes per document on disk, and a band 8."""
    bands: PositiveInt = 32
    """Bands of the signature; documents that agree in one band are compared. Divides num_hashes; more bands find more of
    the pairs near the threshold and compare more."""
    max_compared: PositiveInt = 16
    """Documents of one band value, the first by id, that the others with this value are compared with, at most."""
    max_cluster: PositiveInt = 10_000
    """Documents around one survivor above which an alarm is raised; they are dropped all the same."""
    alarm_share: Fraction = 0.5
    """Share of the documents of a source that may be duplicates before an alarm is raised."""
    alarm_documents: PositiveInt = 100
    """Smallest source that can raise an alarm, in documents."""
    on_alarm: Literal["warn", "stop"] = "warn"
    """What an alarm does: a warning in the log and the report, or an error before any later step."""
    memory_mib: PositiveInt = 1024
    """Memory of one worker in MiB for sorting, signatures and texts; the work is cut into parts that fit."""

    @property
    def of_signatures(self) -> list[int]:
        """The settings that a signature depends on."""
        return [self.num_hashes, self.bands]


@section
class LinesConfig:
    enabled: Flag = False
    """Removes lines that stand in many documents, where they stand as boilerplate."""
    scope: Literal["source", "all"] = "source"
    """Whether documents are counted within their source or over all sources."""
    min_documents: PositiveInt = Field(default=20, ge=2)
    """Documents a line pattern stands in from which it is frequent."""
    min_run: PositiveInt = Field(default=3, ge=2)
    """Different frequent lines in a row from which they are boilerplate in the middle of a document."""
    min_edge_run: PositiveInt = 2
    """Different frequent lines in a row from which they are boilerplate at the beginning or end of a document."""
    memory_mib: PositiveInt = 1024
    """Memory of one worker in MiB for merging counts; the work is cut into parts that fit."""
