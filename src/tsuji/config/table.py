"""What every table of the file is made of."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

Seconds = Annotated[float, Meta(gt=0, description="Seconds.")]
Rate = Annotated[float, Meta(gt=0, description="Per second.")]
Dollars = Annotated[float, Meta(ge=0, description="US dollars, per million tokens where not said otherwise.")]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Texts = Annotated[tuple[str, ...], Meta(min_length=1)]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Every table refuses keys that it does not know."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # some values are keys

    def given(self) -> dict[str, Any]:
        """What the table says, without what it leaves to others."""
        return {name: value for name, value in asdict(self).items() if value is not None}
