"""Field types shared by all configuration sections.

A section is a frozen pydantic dataclass. Unknown keys are rejected, bounds are part of the type, values are never
converted (the text "8" is not the number 8), and the sentence under a field is its documentation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, Strict
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


Flag = Annotated[bool, Strict()]
INT64_MAX = 2**63 - 1
PositiveInt = Annotated[int, Strict(), Field(gt=0, le=INT64_MAX)]
NonNegativeInt = Annotated[int, Strict(), Field(ge=0, le=INT64_MAX)]
# numpy's RandomState, which orders the samples, takes 32 bits
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
PositiveFloat = Annotated[float, Strict(), Field(gt=0)]
NonNegativeFloat = Annotated[float, Strict(), Field(ge=0)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
OpenFraction = Annotated[float, Strict(), Field(ge=0, lt=1)]


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
