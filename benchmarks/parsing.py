"""What the worst messages of 256 KB cost that anybody can send: parsed, or refused.

    python -m benchmarks.parsing [--search 300]

Each body is as large as IoT Hub lets it be. After those that are known, hypothesis looks for worse ones: pieces of JSON
repeated and nested in any way, led by how long they take.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry
from scoring.telemetry.record import Sender
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.json_body import MAX_BODY_BYTES
from scoring.wire.records import RecordParser

ROUNDS = 5
RECORD = {field.name: 1.0 for field in FIELDS}

parser = RecordParser(list(RECORD))


def repeated(piece: bytes, before: bytes = b"[", after: bytes = b"]", between: bytes = b",") -> bytes:
    """As many of a piece as fit into a body."""
    room = MAX_BODY_BYTES - len(before) - len(after) + len(between)
    return before + between.join([piece] * (room // (len(piece) + len(between)))) + after


def numbered(make: Callable[[int], bytes]) -> bytes:
    """An object with as many different members as fit into a body."""
    members, size = [], 2
    while size + len(make(len(members))) + 12 < MAX_BODY_BYTES:
        members.append(make(len(members)))
        size += len(members[-1]) + 1
    return b"{" + b",".join(members) + b"}"


def known() -> dict[str, bytes]:
    """The worst that are known, by what they are."""
    return {
        "one name, over and over": repeated(b'"a":1', b"{", b"}"),
        "names, and the first one again": numbered(lambda n: b'"%06x":1' % n)[:-1] + b',"000000":1}',
        "as many names as fit": numbered(lambda n: b'"%x":1' % n),
        "names whose hashes are near": numbered(lambda n: b'"%d":1' % (n << 13)),
        "empty objects": repeated(b"{}"),
        "objects with one name": repeated(b'{"a":0}'),
        "empty lists": repeated(b"[]"),
        "lists in lists": b"[" * MAX_BODY_BYTES,
        "objects in objects": repeated(b'{"a":', b"", b"", b""),
        "as many objects as are taken": b"[" + b",".join([b'{"a":[1,1,1,1,1,1]}'] * 4_999) + b"]",
        "as many values as are taken": b"[" + b",".join([b"1e30"] * 50_000) + b"]",
        "a number of so many digits": repeated(b"1", b"[", b"]", b""),
        "numbers that are hard to round": repeated(b"2.2250738585072011e-308"),
        "numbers": repeated(b"1"),
        "escapes": repeated(b"\\u0041", b'["', b'"]', b""),
        "blanks": b" " * MAX_BODY_BYTES,
        "wrong at the very end": repeated(b"1", b"[", b",x]"),
        "records": json.dumps([RECORD] * 570).encode(),
        "a thousand records of nothing": json.dumps([{"CycleTime": 1, "x": "y" * 200}] * 1_000).encode(),
    }


def milliseconds(body: bytes) -> tuple[float, str]:
    """The shortest time of several, and what came of it."""
    best, came = float("inf"), ""
    for _ in range(ROUNDS):
        started = time.perf_counter()
        try:
            answers = parser.parse(body, Sender("Client_001"))
            invalid = next((each for each in answers if isinstance(each, InvalidTelemetry)), None)
            came = invalid.reason if invalid else f"{len(answers)} records"
        except InvalidTelemetry as refused:
            came = refused.reason
        best = min(best, (time.perf_counter() - started) * 1000)
    return best, came


pieces = st.recursive(
    st.sampled_from([b"1", b'""', b"null", b"1e400", b"[]", b"{}", b'{"a":1,"b":2}', b'"\\ud800"', b"-0.1"]),
    lambda inner: st.builds(
        lambda parts, wrap: wrap[0] + b",".join(parts) + wrap[1],
        st.lists(inner, min_size=1, max_size=6),
        st.sampled_from([(b"[", b"]"), (b'{"a":[', b"]}"), (b'{"CycleTime":', b"}")]),
    ),
    max_leaves=12,
)


def search(examples: int) -> tuple[float, bytes]:
    """The worst body that hypothesis finds in so many."""
    worst = (0.0, b"")

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    @given(pieces, st.sampled_from([(b"[", b"]"), (b'{"x":[', b"]}")]))
    def look(piece: bytes, around: tuple[bytes, bytes]) -> None:
        nonlocal worst
        took, _ = milliseconds(repeated(piece, *around))
        target(took)
        worst = max(worst, (took, piece))

    look()
    return worst


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--search", type=int, default=300, help="how many bodies hypothesis tries")
    options = arguments.parse_args()
    print("| body | ms | answer |\n|---|---|---|")
    for name, body in known().items():
        took, came = milliseconds(body)
        print(f"| {name} | {took:.1f} | {came} |")
    took, piece = search(options.search)
    print(f"| the worst of {options.search} that hypothesis tried: `{piece.decode()[:60]}` repeated | {took:.1f} | |")


if __name__ == "__main__":
    main()
