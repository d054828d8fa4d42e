"""Routes: what they take, where they lead, what is refused, and what their author is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ConditionError, RouteError
from simulator.message import Message, twin_change
from simulator.routing import sources
from simulator.routing.routes import Sink, compile_route, parse_route
from simulator.specs import DEFAULT_PRIORITY, RouteSpec
from tests.simulator.conftest import shared
from tests.simulator.routing.samples import message, router

LEAF = {"module": None, "output": None}


@pytest.mark.parametrize(
    ("source", "changes", "matches"),
    [
        ("/*", {}, True),
        ("/messages/*", {}, True),
        ("/messages", {}, True),
        ("/message", {}, False),
        ("/messages/modules/m/outputs/o", {}, True),
        ("/MESSAGES/Modules/M/*", {}, True),
        ("/messages/modules/m", {}, True),
        ("/messages/modules", {}, True),
        ("/messages/modules/m/outputs/other", {}, False),
        ("/messages/modules/n/*", {}, False),
        # By whole segments: a star does not stand for the rest of a name.
        ("/messages/modules/m*", {}, True),
        ("/messages/modules/m*", {"module": "mm"}, False),
        ("/messages/modules/m", {"module": "mm"}, False),
        ("/messages/modules/*/outputs/o", {}, False),
        ("/messages/modules/m/outputs/*", {"output": None}, False),
        ("/messages/modules/*", LEAF, False),
        ("/messages/*", LEAF, True),
        ("/messages/events", LEAF, False),
        ("/messages/events/*", LEAF, False),
        ("/deviceLifecycle", {}, False),
    ],
)
def test_a_source_takes_whole_segments_and_ignores_case(source, changes, matches):
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
    "text",
    [
        "SELECT * FROM /messages/* INTO $upstream",
        "select * from /messages/* where 1 = 1 into $UPSTREAM",
        "   FROM /* INTO $upstream   ",
        "FROM /messages /* all */ INTO $upstream",
        "FROM /* INTO brokeredendpoint('/any/thing/at/all')",
        'FROM /* INTO BROKEREDENDPOINT("modules/thing/inputs/all/")',
        "FROM /* INTO $upstream and more",
    ],
)
def test_forms_that_are_taken(text):
    assert len(router(text).deliveries(message())) == 1


def test_of_an_endpoint_only_the_names_of_module_and_input_count():
    assert router("FROM /* INTO BrokeredEndpoint('/any/thing/at/all')").routes[0].sink == Sink("thing", "all")


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "ends too early"),
        ("FROM", 5, "ends too early"),
        ("INTO $upstream", 1, "INTO cannot stand here"),
        ("SELECT FROM /* INTO $upstream", 8, "FROM cannot stand here"),
        ("FROM messages INTO $upstream", 6, "messages cannot stand here"),
        ("FROM / INTO $upstream", 8, "INTO cannot stand here"),
        ("FROM /* INTO upstream", 22, "ends too early"),
        ("FROM /* INTO $elsewhere", 14, "there is no sink $elsewhere; there are $upstream and BrokeredEndpoint"),
        ("FROM /* INTO Endpoint('/modules/x/inputs/i')", 14, "there is no sink Endpoint"),
        ("FROM /* WHERE INTO $upstream", 15, "INTO cannot stand here"),
        ("FROM /* WHERE a == 'b' INTO $upstream", 18, "= cannot stand here"),
        ("FROM /* WHERE 3 -2 = 1 INTO $upstream", 17, "-2 cannot stand here"),
        ("FROM /* WHERE (a INTO $upstream", 18, "INTO cannot stand here"),
        ("FROM /* WHERE a = 'b') INTO $upstream", 22, ") cannot stand here"),
        ('FROM /* WHERE a = "x INTO $upstream', 19, "unterminated string"),
        ('FROM /* WHERE a = "\\x" INTO $upstream', 19, "unterminated string"),
        ("FROM /* WHERE @a = 'x' INTO $upstream", 15, "invalid symbol '@'"),
        ("FROM /* WHERE $body . a = 1 INTO $upstream", 21, ". cannot stand here"),
        ("FROM /* WHERE from = 'x' INTO $upstream", 15, "from cannot stand here"),
        # The star of a source begins a comment where anything ends one.
        ("FROM /* WHERE a = '*/' INTO $upstream", 22, '"/* WHERE a = \'*/" is a comment, and left out'),
        ('FROM /* INTO BrokeredEndpoint("/modules/x")', 31, "is not /modules/NAME/inputs/NAME"),
        ('FROM /* INTO BrokeredEndpoint("/modules//inputs/i")', 31, "is not /modules/NAME/inputs/NAME"),
        ("FROM /* INTO BrokeredEndpoint('/modules/x/inputs/i'", 52, "ends too early"),
    ],
)
def test_what_is_no_route_is_refused_with_its_name_and_the_column(text, column, why):
    with pytest.raises(RouteError) as caught:
        compile_route(RouteSpec("mine", text, 0, 60))
    assert not isinstance(caught.value, ConditionError)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(f"route mine, column {column}: ")
    assert why in first
    assert shown == f"  {text}"
    assert pointer.index("^") == 2 + column - 1


def test_a_route_too_long_for_a_twins_value_is_refused():
    with pytest.raises(RouteError, match="has 4123 characters; a twin's value holds 4096"):
        router(f"FROM /* WHERE {'a' * 4096} INTO $upstream"[: 4096 + 27])


TRAPS = [
    ("WHERE $body.t > 5", 15, "a message without $body.t is taken too, as a missing field is above every number"),
    ("WHERE 5 <= $body.t", 15, "add AND $body.t <> null"),
    ("WHERE is_null($body.t)", 15, "is_null is true of any value that $body.t has, and false where there is none"),
    ("WHERE is_null(level)", 15, "is_null is never true of a property; write NOT is_defined(level)"),
    ("WHERE status!='ok'", 15, "status! is one name; if that is not meant, put blanks around operators"),
    ("WHERE a-b = 'x'", 15, "a-b is one name"),
    ("WHERE level = True", 23, "True is a property here; the key word is true"),
    ("WHERE e5 = 5", 15, "e5 is read as a number, and is none"),
    ("WHERE $correlationId = 'x'", 15, "$correlationId is no system property here; it is called $cid"),
    ("WHERE $colour = 'x'", 15, "$colour is no system property"),
    ("WHERE $body = 'x'", 15, "$body alone is never defined; name a field: $body.field"),
    ("WHERE level", 15, "the condition is no yes or no but a string: it never takes a message"),
    ("WHERE $body.t = '2026-01-02T03:04:05Z'", 15, "is read as a date, and no comparison with a date is ever true"),
]


@pytest.mark.parametrize(("rest", "column", "told"), TRAPS)
def test_what_is_taken_and_will_not_have_been_meant_is_told_with_the_column(rest, column, told):
    of_source, note = router(f"FROM /* {rest} INTO $upstream").routes[0].advice
    assert "column 6: /* takes reports of twins too" in of_source
    assert note.startswith(f"route r0, column {column}: ")
    assert told in note


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("FROM /messages/events/* INTO $upstream", 6, "/messages/events/* takes nothing: there are /messages/*"),
        ("FROM /foo INTO $upstream", 6, "/foo takes nothing"),
        ("FROM /messages/modules/*/outputs/o INTO $upstream", 6, "is no wildcard: it takes nothing"),
        ("FROM /messages/modules/temp* INTO $upstream", 6, "takes temp and nothing that merely begins so"),
        ("FROM /messages WHERE 1 /* = 2 */ = 1 INTO $upstream", 24, '"/* = 2 */" is a comment, and left out'),
        ("FROM /messages INTO $upstream WHERE a = 'b'", 30, "\"WHERE a = 'b'\" behind the sink is left out"),
        ("FROM /* INTO $upstream", 6, "/* takes reports of twins too; /messages/* takes messages alone"),
        ("FROM /deviceLifecycleEvents INTO $upstream", 6, "takes nothing"),
    ],
)
def test_sources_that_take_nothing_and_text_that_is_left_out_are_told(text, column, told):
    (note,) = router(text).routes[0].advice
    assert note.startswith(f"route r0, column {column}: ")
    assert told in note


@pytest.mark.parametrize(
    "condition",
    ["$body.t > 5 AND $body.t <> null", "level = 'x'", "$contentType = 'x'", "as_number(level) > 3", "my-name = 'x'"],
)
def test_a_trap_that_is_seen_to_is_told_at_most_once(condition):
    notes = router(f"FROM /messages/* WHERE {condition} INTO $upstream").routes[0].advice
    assert len(notes) == (1 if condition[0] in "$m" and "contentType" not in condition else 0)


def test_the_real_hubs_makers_own_sources_routes_and_endpoints_come_out_alike():
    cases = json.loads(shared("edgehub", "routes.json").read_text())
    senders = {
        "leaf device's telemetry": Message("d", None, None, b"").source,
        "module ModId1, output Op1": Message("d", "ModId1", "Op1", b"").source,
        "twin change": twin_change("d", "d", "m", b"{}", 0.0).source,
    }
    for case in cases["sources"]:
        assert sources.takes(sources.pattern(case["source"]), senders[case["message"]]) is case["matches"], case
    endpoints = [
        {"route": f'FROM /* INTO {case["function"]}("{case["path"]}")', "valid": case["valid"]}
        for case in cases["endpoints"]
    ]
    for case in [*cases["routes"], *endpoints]:
        # Their form only: some compare a property with a number, which is refused later.
        try:
            parse_route(RouteSpec("r", case["route"], 0, 60))
            valid = True
        except RouteError:
            valid = False
        assert valid is case["valid"], case


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
