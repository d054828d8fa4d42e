import asyncio
from types import SimpleNamespace

import pytest

from modules.edge.hub import connection as edge
from modules.edge.hub.connection import HubConnection
from modules.edge.hub.message import OutputMessage
from modules.edge.hub.sender import ConnectionLostError

MESSAGE = OutputMessage("predictions", b"{}", "id")


class Sdk:
    """Answers sends and reports when told to."""

    def __init__(self) -> None:
        self.sends: list[asyncio.Future[None]] = []
        self.reports: list[asyncio.Future[None]] = []

    async def send(self, _client, _message, _output) -> None:
        self.sends.append(asyncio.get_running_loop().create_future())
        await self.sends[-1]

    async def report(self, _client, _properties) -> None:
        self.reports.append(asyncio.get_running_loop().create_future())
        await self.reports[-1]


@pytest.fixture
def sdk(monkeypatch) -> Sdk:
    made = Sdk()
    monkeypatch.setattr(edge.sdk, "send", made.send)
    monkeypatch.setattr(edge.sdk, "report", made.report)
    return made


@pytest.fixture
async def connection(sdk) -> HubConnection:
    """One that has carried three messages."""
    made = HubConnection(SimpleNamespace(connected=True))
    for number in range(3):
        sending = await started(made.send(MESSAGE, alone=False))
        sdk.sends[number].set_result(None)
        await sending
    return made


async def started(call) -> asyncio.Task:
    task = asyncio.create_task(call)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def lost_with(sending: asyncio.Task, send: asyncio.Future, error: Exception) -> int:
    send.set_exception(error)
    with pytest.raises(ConnectionLostError) as lost:
        await sending
    return lost.value.carried


async def test_a_loss_while_one_message_is_alone_speaks_against_it_by_all_that_were_carried_before(
    sdk, connection
) -> None:
    sending = await started(connection.send(MESSAGE, alone=True))
    assert await lost_with(sending, sdk.sends[-1], ConnectionResetError("closed")) == 3
    assert (connection.is_lost, connection.was_answer) == (True, True)


async def test_a_loss_while_several_are_under_way_answers_none_of_them(sdk, connection) -> None:
    sendings = [await started(connection.send(MESSAGE, alone=False)) for _ in range(2)]
    await lost_with(sendings[0], sdk.sends[-2], ConnectionResetError("closed"))
    assert not connection.was_answer
    await lost_with(sendings[1], sdk.sends[-1], ConnectionResetError("closed"))


async def test_a_loss_while_a_report_is_under_way_too_speaks_against_no_message(sdk, connection) -> None:
    await started(connection.report({"x": 1}))
    sending = await started(connection.send(MESSAGE, alone=True))
    assert await lost_with(sending, sdk.sends[-1], ConnectionResetError("closed")) == 0


async def test_a_loss_while_only_a_report_is_under_way_is_its_answer(sdk, connection) -> None:
    await started(connection.report({"x": 1}))
    connection.lose("closed")
    assert connection.was_answer


async def test_a_message_that_cannot_leave_is_not_what_ended_the_connection(sdk, connection) -> None:
    sending = await started(connection.send(MESSAGE, alone=True))
    assert await lost_with(sending, sdk.sends[-1], RuntimeError("not connected")) == 0
    with pytest.raises(ConnectionLostError) as lost:
        await connection.send(MESSAGE, alone=True)
    assert lost.value.carried == 0


async def test_a_message_that_is_never_answered_costs_the_connection(sdk, connection, monkeypatch) -> None:
    monkeypatch.setattr(edge, "CALL_SECONDS", 0.01)
    with pytest.raises(ConnectionLostError) as lost:
        await connection.send(MESSAGE, alone=True)
    assert lost.value.carried == 3


async def test_a_report_that_is_never_answered_or_fails_does_not(sdk, connection, monkeypatch) -> None:
    monkeypatch.setattr(edge, "CALL_SECONDS", 0.01)
    with pytest.raises(TimeoutError, match="has not answered a report"):
        await connection.report({"x": 1})
    reporting = await started(connection.report({"x": 1}))
    sdk.reports[-1].set_exception(RuntimeError("status 400"))
    with pytest.raises(RuntimeError):
        await reporting
    assert not connection.is_lost
    # Late, and nobody is surprised.
    sdk.reports[0].set_exception(RuntimeError("status 400"))
    await asyncio.sleep(0)


async def test_what_can_never_be_sent_does_not_cost_the_connection(sdk, connection) -> None:
    sending = await started(connection.send(MESSAGE, alone=False))
    sdk.sends[-1].set_exception(ValueError("too large"))
    with pytest.raises(ValueError, match="too large"):
        await sending
    assert not connection.is_lost
