"""Types of single values, shared by the parts."""

import itertools
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
PositiveOrZero = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Storage = Literal["none", "memory", "disk"]
Batches = CountOrZero | Share  # a whole number counts batches, a fraction is a share of the epoch


def rising(bounds: list[Any]) -> list[Any]:
    """`bounds`, none of which may lie below the one before it."""
    if any(low > high for low, high in itertools.pairwise(bounds)):
        raise PydanticCustomError("rising", "values that do not fall")
    return bounds


FloatRange = Annotated[list[Positive], Field(min_length=2, max_length=2), AfterValidator(rising)]
CountRange = Annotated[list[Count], Field(min_length=2, max_length=2), AfterValidator(rising)]
