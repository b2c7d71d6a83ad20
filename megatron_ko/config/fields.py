"""Field types shared by every configuration section.

A section is a frozen pydantic dataclass: unknown keys are refused, bounds live in the type, values are
never converted (the text "8" is not the number 8), and the sentence under a field is its manual.
"""

from __future__ import annotations

from typing import Annotated, Any, dataclass_transform

from pydantic import ConfigDict, Field, Strict
from pydantic.dataclasses import dataclass

RULES = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def section(cls: type) -> Any:
    """Marks a class as a configuration section."""
    return dataclass(frozen=True, kw_only=True, config=RULES)(cls)


Flag = Annotated[bool, Strict()]
PositiveInt = Annotated[int, Strict(), Field(gt=0)]
NonNegativeInt = Annotated[int, Strict(), Field(ge=0)]
PositiveFloat = Annotated[float, Strict(), Field(gt=0)]
NonNegativeFloat = Annotated[float, Strict(), Field(ge=0)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
OpenFraction = Annotated[float, Strict(), Field(ge=0, lt=1)]
FilePath = Annotated[str, Field(min_length=1)]
