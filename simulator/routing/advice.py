"""What edgeHub takes in a route and a person will not have meant."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.routing.expression import Expression, Type
from simulator.routing.values import is_date

# As edgeHub calls them in conditions, in small letters.
SYSTEM_NAMES = frozenset(
    {
        *("messageid", "cid", "userid", "to", "ack", "outputname", "contenttype", "contentencoding", "messageschema"),
        *("operation", "creationtime", "absolute-expiry-time", "iothub-interface-id", "dt-subject"),
        *("connectiondeviceid", "connectionmoduleid", "edgemessageid", "edgehuborigininterface", "modelid"),
        *("messagetype", "rpsenderdeviceid", "rpsendermoduleid", "enqueuedtime"),
    }
)
_OPERATORS = "!+*%|&"
_KEY_WORDS = frozenset({"true", "false", "null", "undefined"})
# A missing field is above every number.
_ABOVE = {(">", True), (">=", True), ("<", False), ("<=", False)}


def of_name(name: str) -> Iterator[str]:
    """About the name of an application property."""
    if name.lower() in _KEY_WORDS:
        yield f"{name} is a property here; the key word is {name.lower()}"
    elif any(each in name for each in _OPERATORS) or "-" in name.strip("-"):
        yield f"{name} is one name; if that is not meant, put blanks around operators"
    elif name.startswith("'"):
        yield f"{name} is a name; a string ends as it begins, and a name does not begin behind it"


def of_number(token: str) -> Iterator[str]:
    """About what the lexer takes for a number and nobody can read as one."""
    yield f"{token} is read as a number, and is none: a property of that name cannot be read"


def of_dollar(token: str) -> Iterator[str]:
    """About `$name`, other than a path into the body."""
    name = token[1:].lower()
    if name == "correlationid":
        yield "$correlationId is no system property here; it is called $cid"
    elif name == "body":
        yield "$body alone is never defined; name a field: $body.field"
    elif name not in SYSTEM_NAMES:
        yield f"{token} is no system property; only an application property of that very name, with the $, defines it"


def of_comparison(left: Expression, operator: str, right: Expression) -> Iterator[str]:
    """About `left operator right`."""
    for body, other, first in ((left, right, True), (right, left, False)):
        if body.type is not Type.BODY or other.type is Type.BODY:
            continue
        if (operator, first) in _ABOVE and body.found is not None:
            yield (
                f"a message without {body.text} is taken too, as a missing field is above every number and string; "
                f"add AND {body.text} <> null"
            )
        if other.type is Type.STRING and is_date(other.text[1:-1]):
            yield f"{body.text} with such a text is read as a date, and no comparison with a date is ever true"


def of_call(name: str, arguments: tuple[Expression, ...]) -> Iterator[str]:
    """About `name(arguments)`."""
    if name.lower() == "is_null" and arguments[0].type is Type.BODY:
        text = arguments[0].text
        yield f"is_null is true of any value that {text} has, and false where there is none; write {text} = null"
    elif name.lower() == "is_null" and arguments[0].type is Type.STRING:
        yield f"is_null is never true of a property; write NOT is_defined({arguments[0].text})"


def of_condition(condition: Expression) -> Iterator[str]:
    """About the whole."""
    if condition.type not in {Type.BOOL, Type.BODY}:
        yield f"the condition is no yes or no but a {condition.type.value}: it never takes a message"


def of_source(source: str) -> Iterator[str]:
    """About what stands after FROM."""
    segments = source.strip().strip("/").split("/")
    last = segments[-1]
    if "*" in segments[:-1]:
        yield f"a star inside {source} is no wildcard: it takes nothing"
    elif len(last) > 1 and last.endswith("*"):
        yield f"{source} takes {last.rstrip('*')} and nothing that merely begins so"
    lower = [segment.lower().rstrip("*") for segment in segments if segment != "*"]
    if not lower:
        yield f"{source} takes reports of twins too; /messages/* takes messages alone"
    elif lower == ["twinchangenotifications"]:
        return
    elif (lower[0] != "messages" or (len(lower) > 1 and lower[1] != "modules")) and "*" not in segments[:-1]:
        yield (
            f"{source} takes nothing: there are /messages/*, /messages/modules/NAME/outputs/NAME "
            "and /twinChangeNotifications"
        )
