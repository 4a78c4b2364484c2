"""What all models of a job have in common."""

from pydantic import BaseModel, ConfigDict


class Checked(BaseModel):
    """Immutable, no unknown field, no converted value, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
