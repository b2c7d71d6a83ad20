"""Field types shared by all configuration sections.

A section is a frozen pydantic dataclass. Unknown keys are rejected, bounds are part of the type, values are never
converted (the text "8" is not the number 8), and the sentence under a field is its documentation.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, Strict
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from typing_extensions import dataclass_transform  # in typing from Python 3.11 on

from megatron_ko.config.schema import FILE_FIELDS

RULES = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def section(cls: type) -> Any:
    """Turns a class into a configuration section; inherited fields keep their sentences."""
    result: Any = dataclass(frozen=True, kw_only=True, config=RULES)(cls)
    for name, info in result.__pydantic_fields__.items():
        inherited = (getattr(base, "__pydantic_fields__", {}).get(name) for base in result.__mro__[1:])
        if info.description is None:  # pydantic reads only the docstrings of the class itself
            info.description = next((field.description for field in inherited if field is not None), None)
    return result


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


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_check_path)]
