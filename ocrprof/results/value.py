"""What every part of a report is made of."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of every part of a report: unknown keys are errors, values do not change."""

    # A loss can be NaN, which JSON has no number for: "NaN" reads back as the same float.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")
