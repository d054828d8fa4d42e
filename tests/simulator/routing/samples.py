"""A message, and what conditions and routes say of it."""

import json

from simulator.message import Message
from simulator.routing.routes import Router
from simulator.specs import DEFAULT_PRIORITY, RouteSpec

JSON = {"contentType": "application/json", "contentEncoding": "utf-8"}
BODY = {
    "a": {"b": [1, {"c": 2.5}]},
    "text": "x",
    "yes": True,
    "no": False,
    "none": None,
    "object": {},
    "when": "2026-01-02T03:04:05Z",
    "list": [1, 2],
    "Welcome!": {"he said": 1},
    "umlaut": "Ü",
}


def message(**changes) -> Message:
    """A message of module m's output o."""
    fields = {
        "device": "d",
        "module": "m",
        "output": "o",
        "body": json.dumps(BODY).encode(),
        "system": JSON | {"messageId": "id", "cid": "c1"},
        "properties": {
            "level": "7",
            "Name": "Anna",
            "$messageId": "own",
            "status!": "ok",
            "True": "x",
            "smile": "a😀b",
        },
    }
    return Message(**(fields | changes))


def router(*routes) -> Router:
    """A router of (text, priority) pairs, or of texts."""
    pairs = [route if isinstance(route, tuple) else (route, DEFAULT_PRIORITY) for route in routes]
    return Router([RouteSpec(f"r{number}", text, priority, 60) for number, (text, priority) in enumerate(pairs)])


def holds(condition: str, **changes) -> bool:
    """Whether a message meets a condition."""
    return bool(router(f"FROM /messages WHERE {condition} INTO $upstream").deliveries(message(**changes)))
