"""What all tables of `params.toml` have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table; its values do not change after they were read."""

    # A misspelt key would otherwise silently keep the default.
    model_config = ConfigDict(frozen=True, extra="forbid")
