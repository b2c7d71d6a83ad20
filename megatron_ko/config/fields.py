"""Field types shared by every configuration section.

A section is a frozen pydantic dataclass: unknown keys are refused, bounds live in the type, values are
never converted (the text "8" is not the number 8), and the sentence under a field is its manual.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, Strict
from pydantic.dataclasses import dataclass
from typing_extensions import dataclass_transform  # in typing from Python 3.11 on

RULES = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def section(cls: type) -> Any:
    """Marks a class as a configuration section; fields of a section it extends keep their sentences."""
    made: Any = dataclass(frozen=True, kw_only=True, config=RULES)(cls)
    for name, info in made.__pydantic_fields__.items():
        above = (getattr(kind, "__pydantic_fields__", {}).get(name) for kind in made.__mro__[1:])
        if info.description is None:  # pydantic reads the docstrings of the class itself only
            info.description = next((field.description for field in above if field is not None), None)
    return made


Flag = Annotated[bool, Strict()]
INT64_MAX = 2**63 - 1
PositiveInt = Annotated[int, Strict(), Field(gt=0, le=INT64_MAX)]
NonNegativeInt = Annotated[int, Strict(), Field(ge=0, le=INT64_MAX)]
Seed = Annotated[
    int, Strict(), Field(ge=0, lt=2**32)
]  # numpy's RandomState, which orders the samples, takes 32 bits
PositiveFloat = Annotated[float, Strict(), Field(gt=0)]
NonNegativeFloat = Annotated[float, Strict(), Field(ge=0)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
OpenFraction = Annotated[float, Strict(), Field(ge=0, lt=1)]


def _possible_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("contains a NUL character; remove it")
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("there is no such user with a home folder; write the path out") from None
    return path


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_possible_path)]
