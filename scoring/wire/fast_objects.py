"""JSON objects of one form, decoded straight into what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar, cast

import msgspec

_UNUSUAL = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_KEY_END = b":"


class Form(msgspec.Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An object whose keys must all be there, but for the optional ones."""

    OPTIONAL: ClassVar[int] = 1
    ConnectionDeviceId: str | msgspec.UnsetType = msgspec.UNSET

    def count_optional(self) -> int:
        """How many of the optional keys are there."""
        return self.ConnectionDeviceId is not msgspec.UNSET


class RowsForm(Form, kw_only=True, gc=False):
    """A window or a trajectory as it mostly comes: rows as lists."""

    OPTIONAL: ClassVar[int] = 2
    rows: list[list[float | None]]
    each: bool | msgspec.UnsetType = msgspec.UNSET

    def count_optional(self) -> int:
        """How many of the optional keys are there."""
        return (self.ConnectionDeviceId is not msgspec.UNSET) + (self.each is not msgspec.UNSET)


def record_form(fields: Sequence[str]) -> type[Form]:
    """Records of these fields, each a number or null; as a tuple, the engine's name comes first."""
    keys = {f"field{number}": name for number, name in enumerate(fields)}
    made = msgspec.defstruct(
        "RecordForm", [(key, float | None) for key in keys], bases=(Form,), rename=keys, kw_only=True, gc=False
    )
    return cast("type[Form]", made)


Found = TypeVar("Found", bound=Form)


class Objects(Generic[Found]):
    """Decodes objects of one form that name no key twice."""

    def __init__(self, form: type[Found]) -> None:
        self._one: msgspec.json.Decoder[Found] = msgspec.json.Decoder(form)
        self._some: msgspec.json.Decoder[Found | list[Found]] = msgspec.json.Decoder(form | list[form])  # type: ignore[valid-type]
        self._keys = len(form.__struct_fields__) - form.OPTIONAL

    def in_line(self, line: bytes) -> Found | None:
        """The only object of a line; None where a closer look is due."""
        try:
            found = self._one.decode(line)
        except _UNUSUAL:
            return None
        return found if line.count(_KEY_END) == self._count(found) else None

    def in_body(self, body: bytes) -> tuple[list[Found], bool] | None:
        """Objects, and whether they came as a list; None where a closer look is due."""
        try:
            found = self._some.decode(body)
        except _UNUSUAL:
            return None
        objects = found if isinstance(found, list) else [found]
        keys = sum(map(self._count, objects))
        return (objects, isinstance(found, list)) if body.count(_KEY_END) == keys else None

    def _count(self, found: Found) -> int:
        """How many keys an object has: with more colons, one may stand twice, and nobody knows which is meant."""
        return self._keys + found.count_optional()
