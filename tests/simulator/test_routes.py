"""The route language: what matches, what it leads to, and what is refused where."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import RouteError
from simulator.manifest import DEFAULT_PRIORITY, RouteSpec
from simulator.message import Message
from simulator.routes import Router, Sink, compile_route

JSON = {"contentType": "application/json", "contentEncoding": "utf-8"}
BODY = {"a": {"b": [1, {"c": 2.5}]}, "text": "x", "yes": True, "none": None, "object": {}}


def message(**changes):
    """A message of module m's output o."""
    fields = {
        "device": "d",
        "module": "m",
        "output": "o",
        "body": json.dumps(BODY).encode(),
        "system": JSON | {"messageId": "id"},
        "properties": {"level": "7", "Name": "Anna", "$messageId": "own"},
    }
    return Message(**(fields | changes))


def router(*routes):
    """A router of (text, priority) pairs, or of texts."""
    pairs = [route if isinstance(route, tuple) else (route, DEFAULT_PRIORITY) for route in routes]
    return Router([RouteSpec(f"r{number}", text, priority, 60) for number, (text, priority) in enumerate(pairs)])


def holds(condition, **changes):
    """Whether a message meets a condition."""
    return bool(router(f"FROM /* WHERE {condition} INTO $upstream").deliveries(message(**changes)))


@pytest.mark.parametrize(
    "condition",
    [
        # operators
        "1 = 1",
        "1 != 2",
        "1 <> 2",
        "1 < 2",
        "1 <= 1",
        "2 > 1",
        "2 >= 2",
        "1.5e1 = 15",
        "-1 < 0",
        '"a" < "b"',
        "'single' = \"single\"",
        r'"a\"b" = ' + "'a\"b'",
        "true",
        "NOT false",
        "not NOT true",
        "true AND true OR false",
        "false OR true AND true",
        "(false OR true) AND NOT (true AND false)",
        "true = true",
        "null = null",
        "1 != null",
        # application properties are strings, and their names ignore case
        'level = "7"',
        'LEVEL = "7"',
        'name = "Anna"',
        "as_number(level) > 6.5",
        # system properties; an application property of that name wins
        '$connectionModuleId = "m"',
        '$CONNECTIONDEVICEID = "d"',
        '$contentType = "application/json"',
        '$contentEncoding = "utf-8"',
        '$outputName = "o"',
        '$messageId = "own"',
        # the body
        "$body.a.b[0] = 1",
        "$body.a.b[1].c = 2.5",
        '$body.text = "x"',
        "$body.yes",
        "$body.yes = true",
        "$body.none = null",
        "$body.missing = null",
        "$body.a.missing.deeper = null",
        "$body.a.b[9] = null",
        "$body . a . b [ 0 ] = 1",
        "$body.from.where.not = null",
        "is_null($body.missing)",
        "NOT is_defined($body.object)",
        "NOT is_defined($body.a)",
        # functions
        "abs(-2) = 2",
        "exp(0) = 1",
        "power(2, 3) = 8",
        "square(3) = 9",
        "ceiling(1.2) = 2",
        "floor(1.8) = 1",
        "sign(-3) = -1",
        "sqrt(9) = 3",
        'as_number("2.5") = 2.5',
        "is_bool(true) AND NOT is_bool(1)",
        "is_defined(level) AND NOT is_defined(nothing)",
        "is_null(null) AND NOT is_null(level)",
        "is_number(1) AND NOT is_number(level)",
        "is_string(level) AND NOT is_string(1)",
        'concat(name, "-", level) = "Anna-7"',
        "length(name) = 4",
        'lower(name) = "anna"',
        'upper(name) = "ANNA"',
        'substring(name, 1) = "nna"',
        'substring(name, 1, 2) = "nn"',
        'index_of(name, "nn") = 1',
        'index_of(name, "z") = -1',
        'starts_with(name, "An")',
        'ends_with(name, "na")',
        'contains(name, "nn")',
        'STARTS_WITH(name, "An")',
    ],
)
def test_a_condition_that_holds(condition):
    assert holds(condition)
    assert not holds(f"NOT ({condition})")


@pytest.mark.parametrize(
    "condition",
    [
        "undefined",
        "nothing",
        'nothing = "x"',
        'nothing != "x"',
        "undefined = undefined",
        "level > 6",
        "level = 7",
        '"a" < 1',
        "true < false",
        "null < 1",
        'as_number("seven") = 7',
        'as_number("nan") != 0',
        "as_number(7) = 7",
        "abs(name) = 1",
        "sqrt(-1) = 0",
        "power(10, 1000) > 1",
        'substring(name, 9) = ""',
        "length(1) = 1",
        'concat(name, 1) = "Anna1"',
        "$body.object = null",
        "$body.a = $body.a",
        "1 AND true",
        'name OR "x"',
    ],
)
def test_undefined_is_neither_true_nor_false_and_a_route_does_not_take_it(condition):
    assert not holds(condition)
    assert not holds(f"NOT ({condition})")


def test_undefined_does_not_hide_what_decides_and_and_or():
    assert holds("undefined OR true")
    assert holds("true OR undefined")
    assert holds("NOT (undefined AND false)")
    assert not holds("undefined AND true")
    assert not holds("undefined OR false")


@pytest.mark.parametrize(
    ("system", "body", "seen"),
    [
        (JSON, b'{"a": 1}', True),
        ({"contentType": "Application/JSON", "contentEncoding": "UTF-8"}, b'{"a": 1}', True),
        ({"contentType": "application/json", "contentEncoding": "utf-16"}, '{"a": 1}'.encode("utf-16"), True),
        ({"contentType": "application/json", "contentEncoding": "utf-32"}, '{"a": 1}'.encode("utf-32"), True),
        ({"contentType": "application/json"}, b'{"a": 1}', False),
        ({"contentEncoding": "utf-8"}, b'{"a": 1}', False),
        ({"contentType": "text/plain", "contentEncoding": "utf-8"}, b'{"a": 1}', False),
        ({"contentType": "application/json", "contentEncoding": "latin-1"}, b'{"a": 1}', False),
        (JSON, b'{"a": 1', False),
        (JSON, b"\xff\xfe", False),
        (JSON, b"[" * 100_000, False),
    ],
)
def test_the_body_is_looked_into_only_if_it_says_that_it_is_json(system, body, seen):
    assert holds("$body.a = 1", system=system, body=body) is seen
    assert holds("is_defined($body.a)", system=system, body=body) is seen


@pytest.mark.parametrize(
    ("source", "changes", "matches"),
    [
        ("/*", {}, True),
        ("/messages/*", {}, True),
        ("/messages/modules/m/outputs/o", {}, True),
        ("/MESSAGES/Modules/M/*", {}, True),
        ("/messages/modules/m", {}, True),
        ("/messages/modules/", {}, True),
        ("/messages/modules/m/outputs/other", {}, False),
        ("/messages/modules/n/*", {}, False),
        # A source is a prefix: that of module m takes module mm's messages as well, as on the real hub.
        ("/messages/modules/m*", {"module": "mm"}, True),
        ("/messages/modules/m", {"module": "mm"}, True),
        ("/messages/modules/*", {"module": None, "output": None}, False),
        ("/messages/*", {"module": None, "output": None}, True),
        ("/messages/modules/m/outputs/*", {"output": None}, False),
        ("/messages/modules/m/*/o", {}, False),
    ],
)
def test_a_source_is_a_prefix_that_ignores_case(source, changes, matches):
    assert bool(router(f"FROM {source} INTO $upstream").deliveries(message(**changes))) is matches


def test_several_routes_to_one_place_deliver_once_by_the_lowest_priority_number():
    to_x = 'FROM /* INTO BrokeredEndpoint("/modules/x/inputs/i")'
    routes = router((to_x, 5), (to_x, 2), (to_x, 7), "FROM /* INTO $upstream")
    found = {delivery.sink: delivery.priority for delivery in routes.deliveries(message())}
    assert found == {Sink("x", "i"): 2, Sink(None, None): DEFAULT_PRIORITY}
    assert len(routes.deliveries(message())) == 2


def test_two_inputs_of_one_module_are_two_places():
    routes = router(*(f'FROM /* INTO BrokeredEndpoint("/modules/x/inputs/{name}")' for name in "ab"))
    assert [delivery.sink for delivery in routes.deliveries(message())] == [Sink("x", "a"), Sink("x", "b")]


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "ends too early"),
        ("FROM", 5, "ends too early"),
        ("INTO $upstream", 1, "INTO cannot stand here"),
        ("FROM messages INTO $upstream", 6, "messages cannot stand here"),
        ("FROM /* INTO upstream", 14, "upstream cannot stand here"),
        ("FROM /* WHERE INTO $upstream", 15, "INTO cannot stand here"),
        ("FROM /* WHERE 1 + 1 INTO $upstream", 17, "'+' cannot stand here"),
        ("FROM /* WHERE a ?? b INTO $upstream", 17, "'?' cannot stand here"),
        ("FROM /* WHERE a || b INTO $upstream", 17, "'|' cannot stand here"),
        ("FROM /* WHERE (a INTO $upstream", 18, "INTO cannot stand here"),
        ("FROM /* WHERE a = 'x INTO $upstream", 19, '"\'" cannot stand here'),
        ("FROM /* WHERE nope(1) INTO $upstream", 15, "there is no function nope"),
        ("FROM /* WHERE abs(1, 2) INTO $upstream", 15, "abs does not take 2 arguments"),
        ("FROM /* WHERE concat('a') INTO $upstream", 15, "concat does not take 1 arguments"),
        ("FROM /* WHERE $twin.a = 1 INTO $upstream", 20, "'.' cannot stand here"),
        ("FROM /* WHERE $twin = 1 INTO $upstream", 15, "edgeHub has no $twin"),
        ("FROM /twinChangeNotifications INTO $upstream", 6, "the simulator has no source /twinChange"),
        ('FROM /* INTO BrokeredEndpoint("/modules/x")', 31, "is not /modules/NAME/inputs/NAME"),
        ('FROM /* INTO BrokeredEndpoint("/modules//inputs/i")', 31, "is not /modules/NAME/inputs/NAME"),
        ("FROM /* INTO $upstream AND MORE", 24, "AND cannot stand here"),
    ],
)
def test_what_is_no_route_is_refused_with_its_name_and_the_column(text, column, why):
    with pytest.raises(RouteError) as caught:
        compile_route(RouteSpec("mine", text, 0, 60))
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(f"route mine, column {column}: ")
    assert why in first
    assert shown == f"  {text}"
    assert pointer.index("^") == 2 + column - 1


def test_a_condition_nested_too_deep_or_too_long_is_refused():
    with pytest.raises(RouteError, match="nested more than 100 deep"):
        router(f"FROM /* WHERE {'NOT ' * 200} true INTO $upstream")
    with pytest.raises(RouteError, match="has 4123 characters; a twin's value holds 4096"):
        router(f"FROM /* WHERE {'a' * 4096} INTO $upstream"[: 4096 + 27])


WORDS = st.sampled_from(
    [
        *("FROM", "WHERE", "INTO", "AND", "OR", "NOT", "(", ")", ",", ".", "[", "]", "-", "=", "!=", "<>", "<="),
        *("/messages/*", "$upstream", "$body", "$messageId", "level", "1", "2.5", "'x'", '"', "null", "undefined"),
        *("abs", "concat", "length", "is_defined", 'BrokeredEndpoint("/modules/x/inputs/i")', "{", "\\", "\0", "é"),
    ]
)


@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=200))
def test_no_text_does_worse_than_a_route_error(text):
    for route in (text, f"FROM /* WHERE {text} INTO $upstream"):
        try:
            compiled = compile_route(RouteSpec("r", route, 0, 60))
        except RouteError:
            continue
        assert compiled.holds(message()) in {True, False}


VALUES = st.sampled_from(["1", "-2.5", "'text'", "level", "$body.a.b[0]", "$body.none", "null", "undefined", "true"])
CONDITIONS = st.recursive(
    VALUES,
    lambda inner: (
        st.tuples(inner, st.sampled_from([" = ", " != ", " < ", " AND ", " OR "]), inner).map(
            lambda parts: f"({''.join(parts)})"
        )
        | inner.map(lambda part: f"(NOT {part})")
        | st.tuples(st.sampled_from(["abs", "length", "is_defined", "upper", "sqrt"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        )
    ),
    max_leaves=12,
)


@given(CONDITIONS)
def test_a_condition_never_holds_together_with_its_negation(condition):
    assert not (holds(condition) and holds(f"NOT ({condition})"))
