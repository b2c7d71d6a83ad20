"""Configuration of duplicate documents and frequent lines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from megatron_ko.config.fields import Flag, Fraction, Mebibytes, PositiveFloat, PositiveInt, section


@section
class DeduplicateConfig:
    threshold: PositiveFloat = Field(default=0.7, le=1.0)
    """Minimum Jaccard similarity of the five-word sequences of two documents that makes one a near duplicate."""
    num_hashes: PositiveInt = Field(default=128, le=65_536)
    """Hash functions of a MinHash signature; each takes 4 bytes per document on disk, each band 8 bytes."""
    bands: PositiveInt = 32
    """Bands of the signature; documents that agree in a band are compared. Must divide num_hashes; more bands find more
    of the pairs near the threshold and take more comparisons."""
    max_compared: PositiveInt = 16
    """Maximum documents with the same band value, the first by id, with which the others are compared."""
    max_cluster: PositiveInt = 10_000
    """Maximum documents in a cluster of duplicates before an alarm; the duplicates are dropped in any case."""
    alarm_share: Fraction = 0.5
    """Maximum share of a source's documents that may be duplicates before an alarm."""
    alarm_documents: PositiveInt = 100
    """Minimum documents of a source that can raise an alarm."""
    on_alarm: Literal["warn", "stop"] = "warn"
    """Effect of an alarm: warn in the log and the report, or stop with an error before later steps."""
    memory_mib: Mebibytes = 1024
    """Memory of one worker in MiB for sorting, signatures and texts; larger work is split into parts that fit."""

    @property
    def of_signatures(self) -> list[int]:
        """Settings that a signature depends on."""
        return [self.num_hashes, self.bands]


@section
class LinesConfig:
    enabled: Flag = False
    """Removes lines that occur in many documents, where they form boilerplate."""
    scope: Literal["source", "all"] = "source"
    """Scope of the counts: documents of the same source, or of all sources."""
    min_documents: PositiveInt = Field(default=20, ge=2)
    """Minimum documents that contain a line pattern for it to be frequent."""
    min_run: PositiveInt = Field(default=3, ge=2)
    """Minimum consecutive distinct frequent lines that are boilerplate in the middle of a document."""
    min_edge_run: PositiveInt = 2
    """Minimum consecutive distinct frequent lines that are boilerplate at the beginning or end of a document."""
    memory_mib: Mebibytes = 1024
    """Memory of one worker in MiB for merging counts; larger work is split into parts that fit."""
