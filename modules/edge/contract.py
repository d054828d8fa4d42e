"""Contracts: what a module's messages hold, as JSON Schemas that the messages name.

A contract is only added to: whoever reads messages of an earlier version reads those of a later one. What cannot be
said by adding gets another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JsonSchema = Mapping[str, Any]

SCHEMA = "$.schema"
"""The system property by which a message names its contract; conditions of routes call it `$messageSchema`."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Contract:
    """What messages of one kind hold.

    Attributes:
        name: The kind's.
        text: What such a message says.
        body: By name, what its body holds; empty where that can be anything.
        required: What of that is in each body.
        properties: By name, its application properties, besides those that the source of the reading had.
        others: What else a body holds under names of its own.
    """

    name: str
    text: str
    body: Mapping[str, JsonSchema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    properties: Mapping[str, JsonSchema] = field(default_factory=dict)
    others: JsonSchema | None = None

    @property
    def id(self) -> str:
        """What a message calls it."""
        return f"urn:turbofan-edge:{self.name}:1"

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a message's body; that of its application properties stands in it under `$defs`."""
        body: dict[str, Any] = {}
        if self.body:
            body = {"type": "object", "properties": dict(self.body), "required": list(self.required)}
        if self.others is not None:
            body["additionalProperties"] = self.others
        told = {"type": "object", "properties": dict(self.properties), "additionalProperties": {"type": "string"}}
        return {
            "$schema": _DIALECT,
            "$id": self.id,
            "title": self.name,
            "description": self.text,
            **body,
            "$defs": {"properties": told},
        }
