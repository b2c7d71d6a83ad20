"""Field types shared by all configuration sections.

A section is a frozen pydantic dataclass. Unknown keys are rejected, bounds are part of the type, values are never
converted (the text "8" is not the number 8), and the sentence under a field is its documentation.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import sys
from collections import ChainMap
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    ValidationInfo,
    field_validator,
)
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from typing_extensions import dataclass_transform  # in typing from Python 3.11 on

from megatron_ko.config.schema import FILE_FIELDS

# defer_build: a validator is built when it is first used, so that --help builds none and a run builds one
RULES = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def section(cls: type) -> Any:
    """Turns a class into a configuration section; a field without a sentence has that of the field it overrides."""
    sentences = ChainMap(
        *(_sentences(base.__module__).get(base.__qualname__, {}) for base in cls.__mro__[:-1])
    )
    for name in sentences.keys() & cls.__annotations__.keys():
        cls.__annotations__[name] = Annotated[cls.__annotations__[name], Field(description=sentences[name])]
    doc = cls.__doc__
    cls.__doc__ = doc or cls.__name__  # without one, dataclasses writes the signature
    built = dataclass(frozen=True, kw_only=True, config=RULES)(cls)
    built.__doc__ = doc
    return built


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def configuration(cls: type) -> Any:
    """Turns a class into the whole configuration of a command; validation adds its valid sections to the dict ``context``."""
    cls._keep_section = field_validator("*")(_keep_section)  # type: ignore
    return section(cls)


def _keep_section(value: Any, info: ValidationInfo) -> Any:
    if info.context is not None:
        info.context[info.field_name] = value
    return value


@functools.cache
def _sentences(module: str) -> dict[str, dict[str, str]]:
    """The sentence under each field of each class of a module, by the qualified name of the class.

    Reads the module once; pydantic's ``use_attribute_docstrings`` searches it again for each class, which takes a third of
    the time of ``--help``.
    """
    found: dict[str, dict[str, str]] = {}
    _collect_sentences(ast.parse(inspect.getsource(sys.modules[module])), "", found)
    return found


def _collect_sentences(node: ast.AST, prefix: str, found: dict[str, dict[str, str]]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            found[prefix + child.name] = {
                field.target.id: inspect.cleandoc(text.value.value)
                for field, text in zip(child.body, child.body[1:])
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
            }  # fmt: skip
            _collect_sentences(child, f"{prefix}{child.name}.", found)
        elif isinstance(child, ast.FunctionDef):
            _collect_sentences(child, f"{prefix}{child.name}.<locals>.", found)
        elif isinstance(child, ast.stmt):
            _collect_sentences(child, prefix, found)


def add_file_field(cls: type, name: str, annotation: Any, description: str) -> None:
    """Adds an optional field of configuration files that is replaced by others before ``cls`` is built."""
    field = FieldInfo(annotation=annotation, default=None, description=description)
    setattr(cls, FILE_FIELDS, {**getattr(cls, FILE_FIELDS, {}), name: field})


INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
FLOAT32_MAX = 3.4028234663852886e38


@dataclasses.dataclass(frozen=True)
class AtMost:
    """Upper bound of a type, which a field may lower: of several ``le``, pydantic enforces only the last, the type's."""

    limit: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        schema: Any = handler(source)
        return {**schema, "le": min(schema.get("le", self.limit), self.limit)}


Flag = Annotated[bool, Strict()]
PositiveInt = Annotated[int, Strict(), Field(gt=0), AtMost(INT64_MAX)]
NonNegativeInt = Annotated[int, Strict(), Field(ge=0), AtMost(INT64_MAX)]
# megatron-core and torch count steps, sequences and rows in 32 bits
Int32 = Annotated[int, Strict(), Field(gt=0), AtMost(INT32_MAX)]
# of one layer; a thousand times the widest models
Width = Annotated[int, Strict(), Field(gt=0), AtMost(2**24)]
Mebibytes = Annotated[int, Strict(), Field(gt=0), AtMost(2**24)]
# numpy's RandomState, which orders the samples, takes 32 bits
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
# torch computes with 32 bits, where a larger number is infinite
PositiveFloat = Annotated[float, Strict(), Field(gt=0), AtMost(FLOAT32_MAX)]
NonNegativeFloat = Annotated[float, Strict(), Field(ge=0), AtMost(FLOAT32_MAX)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
OpenFraction = Annotated[float, Strict(), Field(ge=0, lt=1)]
Timeout = Annotated[float, Strict(), Field(ge=1, le=30 * 86_400)]


def _check_path(path: str) -> str:
    if path == "none":
        raise ValueError("this field needs a path; for a file of that name write ./none")
    if "\0" in path:
        raise ValueError("contains a NUL character; remove it")
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("names an unknown user or one without a home folder; write the full path") from None
    return path


_PATH_CHECK = AfterValidator(_check_path)
FilePath = Annotated[str, Field(min_length=1), _PATH_CHECK]


def is_path(info: Any) -> bool:
    """Whether a field, or each entry of its list, is a FilePath."""

    def names_a_path(annotation: Any) -> bool:
        return annotation == FilePath or any(map(names_a_path, get_args(annotation)))

    return _PATH_CHECK in info.metadata or names_a_path(info.annotation)
