"""Inputs whose documents are files, pages of web archives, or pages of wikis."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from megatron_ko.config.fields import FilePath, Flag, NonNegativeInt, PositiveInt, section

Markup = Literal["auto", "none", "html", "mediawiki", "latex", "rst"]
LanguageOfInput = Literal["ko", "en", "code", "mixed", "other", "detect"]
Extractor = Literal["resiliparse", "trafilatura"]

MIB = 1 << 20
REFERENCE_SECTIONS = (
    "각주", "주석", "참고 문헌", "참고문헌", "참고 자료", "참고자료", "출처", "외부 링크", "외부링크", "바깥 고리",
    "같이 보기", "관련 항목", "둘러보기", "References", "Notes", "Footnotes", "Bibliography", "Sources", "Citations",
    "External links", "See also", "Further reading", "Works cited",
)  # fmt: skip


@section
class NamedInput:
    """What every kind of input has."""

    type: str
    """Kind of input."""
    source: str | None = None
    """Name of the source in counts and domains; the name of the input when not given."""


@section
class CutInput(NamedInput):
    """An input that is cut into tasks."""

    lang: LanguageOfInput
    """Language of every document, which decides its rules; detect: found from the text."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of a task: larger files are cut where their format allows it, small ones gathered."""
    max_record_bytes: PositiveInt = Field(default=64 * MIB, ge=1024, le=1024 * MIB)
    """Longest record in bytes; longer ones are set aside without being held in memory."""


@section
class FilesInput(CutInput):
    """An input of files found by patterns."""

    paths: list[FilePath] = Field(min_length=1)
    """Files or patterns (**, *, {a,b}) relative to the working directory; each must match a file."""


@section
class TextInput(FilesInput):
    type: Literal["text"]
    """One document per file; files named .jsonl (also compressed) are read as records with a field text."""
    encoding: str = "utf-8"
    """Encoding of files without a byte order mark, such as cp949; Python files say theirs themselves."""
    markup: Markup = "auto"
    """Markup to turn into Markdown; auto: by the suffix (.tex, .rst, .wiki, .html), else mediawiki for a source named
    wiki, else HTML in documents that hold tags; none: tags are text."""


@section
class SourceTreeInput(CutInput):
    type: Literal["source_tree"]
    """Repositories: one document per file of source code, with its path and the license file that governs it in meta."""
    roots: list[FilePath] = Field(min_length=1)
    """Folders, each one repository, or patterns (**, *, {a,b}) of such folders; each must match a folder."""
    lang: LanguageOfInput = "code"
    suffixes: list[str] = Field(default_factory=list)
    """File name endings to read; those of the common programming languages when empty."""
    leave_out: list[str] = Field(
        default_factory=lambda: ["node_modules", "site-packages", "__pycache__", "vendor"]
    )
    """Names of folders that are not entered, beside hidden ones (names that start with a dot) and links."""
    split_bytes: PositiveInt = 256 * MIB
    """Maximum bytes of the files of a task."""
    max_record_bytes: PositiveInt = Field(default=MIB, ge=1024, le=1024 * MIB)
    """Largest file in bytes; larger ones are set aside."""


@section
class WarcInput(FilesInput):
    type: Literal["warc"]
    """Web archives (.warc, .warc.gz, .warc.zst): the main content of HTML pages with status 200; needs the extra [web]."""
    lang: LanguageOfInput = "detect"
    extractor: Extractor = "resiliparse"
    """What finds the main content: resiliparse (fast) or trafilatura (15 times slower, drops more)."""


@section
class HtmlInput(FilesInput):
    type: Literal["html"]
    """One HTML page per file; needs the extra [web]."""
    lang: LanguageOfInput = "detect"
    main_content: Flag = True
    """Keeps the main content only; false: the whole page becomes Markdown."""
    extractor: Extractor = "resiliparse"
    """What finds the main content: resiliparse (fast) or trafilatura (15 times slower, drops more)."""


@section
class WikiDumpInput(FilesInput):
    type: Literal["wiki_dump"]
    """Dumps of MediaWiki (pages-articles .xml, also .bz2, .gz, .zst, .xz), as Markdown. Plain files are
    cut at pages, .bz2 files of several streams at streams; others are one task."""
    namespaces: list[NonNegativeInt] = Field(default_factory=lambda: [0])
    """Namespaces to read by number; 0 are the articles."""
    with_title: Flag = True
    """Puts the title before the text as a heading."""
    left_out_sections: list[str] = Field(default_factory=lambda: list(REFERENCE_SECTIONS))
    """Sections that are left out with all below them, by heading."""


@section
class StdlibInput(NamedInput):
    type: Literal["python_stdlib"]
    """Source code of the running Python's standard library without its tests, one document per module."""
    max_bytes: PositiveInt = 1_500_000
    """Bytes to take; the modules are chosen by the seed."""
