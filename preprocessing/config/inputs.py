"""Configuration of inputs whose records have fields, and the union of all inputs."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Union

from pydantic import AfterValidator, Field

from megatron_ko.config.fields import FilePath, PositiveInt, section
from preprocessing.config.file_inputs import (
    MIB,
    CutInput,
    Encoding,
    FilesInput,
    HtmlInput,
    Markup,
    SourceTreeInput,
    StdlibInput,
    TextInput,
    WarcInput,
    WikiDumpInput,
)

TEMPLATE_PLACE = re.compile(r"\{([\w.\[\]]+)\}")  # placeholder of a field in a template
_PATH = re.compile(r"(?:[^.\[\]]+|\[\])(?:\[\])*(?:\.[^.\[\]]+(?:\[\])*)*")
LanguageOfRecords = Literal["ko", "en", "code", "mixed", "other", "detect", "record"]


def _check_path(path: str) -> str:
    if path and not _PATH.fullmatch(path):
        raise ValueError(
            "must be names of fields and [] for lists, such as document[] or data[].paragraphs[]"
        )
    return path


def _check_delimiter(delimiter: str) -> str:
    if delimiter != "auto" and (len(delimiter) != 1 or delimiter in "\r\n\"'"):
        raise ValueError('must be auto or one character, such as ";" or "\\t" (in double quotes)')
    return delimiter


@section
class RecordsInput(CutInput):
    """An input of records with fields."""

    lang: LanguageOfRecords = "record"  # type: ignore[assignment]
    """Language of every document; it selects the rules. record: reads field lang_field of each record; detect: detects the
    language of each document."""
    text_field: str = "text"
    """Field with the text; a.b is the field b inside the field a, and a[].b the fields b of all elements of the list a, joined."""
    list_separators: list[str] = Field(default_factory=lambda: ["\n", " "], min_length=1)
    """What the elements of lists (a[]) are joined with: those of the outermost list, then of the lists inside of it; the last
    holds for all deeper ones."""
    templates: list[str] = Field(default_factory=list)
    """Templates that build the text from several fields, such as "{en}\\n\\n{ko}", instead of text_field; the hash of the id
    selects one of several."""
    id_field: str = "id"
    """Field with the id; a record without it gets file and line as its id."""
    lang_field: str = "lang"
    """Field with the language (with lang: record)."""
    meta_fields: list[str] = Field(default_factory=list)
    """Fields to keep in meta, such as url; path and license improve the rules for source code."""
    markup: Markup = "auto"
    """Markup that is converted to Markdown. auto: mediawiki for a source named wiki, namumark for one named
    namuwiki, else HTML outside of code, in documents that contain tags; none: tags are text."""


@section
class JsonlInput(RecordsInput, FilesInput):
    type: Literal["jsonl"]
    """One JSON object per line, plain or compressed (.gz, .zst, .bz2, .xz). Plain files are split at lines, .zst files of
    several frames at frames; a .gz, .bz2 or .xz file is one task."""


@section
class JsonInput(RecordsInput, FilesInput):
    type: Literal["json"]
    """Files that are one JSON value each, such as those of 모두의 말뭉치 and AI-Hub, plain or compressed. A file is read as a
    whole; small files are grouped."""
    records: Annotated[str, AfterValidator(_check_path)] = ""
    """Where the records are: document[] is each element of the list document, data[].paragraphs[] each of the lists
    paragraphs of all elements of data. Empty: each element of a file that is a list, else the file."""
    encoding: Encoding = "utf-8"
    """Encoding of the files, such as cp949. auto: UTF-8, or CP949 for a file that is Korean text in that encoding."""
    max_file_bytes: PositiveInt = Field(default=512 * MIB, ge=1024)
    """Maximum bytes of a file, unpacked; a longer one goes to quarantine.jsonl. Reading takes four to five times as much memory."""


@section
class CsvInput(RecordsInput, FilesInput):
    type: Literal["csv"]
    """Separated values (CSV, TSV) with a header, plain or compressed; one document per row. A file is one task."""
    delimiter: Annotated[str, AfterValidator(_check_delimiter)] = "auto"
    """Character between the values. auto: the tab where the first line contains one, else the comma."""
    quote: Literal["auto", "none", '"', "'"] = "auto"
    """Character around values that contain the delimiter or a line feed; doubled, it is a part of the value. auto: the double
    quote, but none where tabs are between the values."""
    columns: list[str] = Field(default_factory=list)
    """Names of the columns of files without a header."""
    encoding: Encoding = "utf-8"
    """Encoding of the files, such as cp949 for those of data.go.kr. auto: UTF-8, or CP949 for lines that are Korean text in that
    encoding."""


@section
class ParquetInput(RecordsInput, FilesInput):
    type: Literal["parquet"]
    """One document per row; files are split at row groups. Only the configured columns are read."""


@section
class HuggingfaceInput(RecordsInput):
    type: Literal["huggingface"]
    """A Hugging Face data set: a local folder (save_to_disk, or .arrow and .parquet files) or a name on the hub."""
    path: FilePath
    """Local folder, or name of a data set on the hub, which is streamed and requires the extra [datasets]."""
    configuration: str | None = None
    """Configuration (subset) of a data set on the hub."""
    split: str = "train"
    """Split to read."""
    revision: str | None = None
    """Commit of a data set on the hub; required for the hub, so that a rerun reads the same documents."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of local files in a task; a streamed data set is one task."""


Input = Annotated[
    Union[
        JsonlInput,
        JsonInput,
        CsvInput,
        ParquetInput,
        HuggingfaceInput,
        TextInput,
        SourceTreeInput,
        WarcInput,
        HtmlInput,
        WikiDumpInput,
        StdlibInput,
    ],
    Field(discriminator="type"),
]
