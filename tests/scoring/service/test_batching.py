import asyncio
import threading

from scoring.predictions.classifier import Classifier
from scoring.service.limits import Limits
from tests.onnx_models import record
from tests.waiting import until


def of(engine: str, cycle: int = 1, rul: float = 100.0) -> dict:
    return record(cycle, rul, ConnectionDeviceId=engine)


class Gate:
    """Holds the model's calls until it is opened, and counts them."""

    def __init__(self, monkeypatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.sizes: list[int] = []
        predict = Classifier.predict

        def held(classifier, batch):
            self.sizes.append(len(batch.engines))
            self.entered.set()
            assert self.open.wait(30)
            return predict(classifier, batch)

        monkeypatch.setattr(Classifier, "predict", held)

    async def until_entered(self) -> None:
        await asyncio.to_thread(self.entered.wait, 30)


async def test_requests_that_wait_together_are_scored_together_and_each_gets_its_own_answer(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    client = await start()
    first = asyncio.create_task(client.score(of("first")))
    await gate.until_entered()
    others = [asyncio.create_task(client.score([of(f"e{n}", rul=30.0 + n)])) for n in range(20)]
    await client.until("waiting_rows", lambda value: value >= 20)
    gate.open.set()
    answers = [(await each).json[0] for each in others]
    assert [(each["ConnectionDeviceId"], each["PredictedRul"]) for each in answers] == [
        (f"e{n}", 30.0 + n) for n in range(20)
    ]
    assert (await first).status == 200
    assert gate.sizes == [1, 20]


async def test_a_batch_has_at_most_its_size_unless_one_request_is_larger(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    client = await start(limits=Limits(batch=4))
    tasks = [asyncio.create_task(client.score(of("first")))]
    await gate.until_entered()
    for n, size in enumerate((2, 1, 2, 9, 1)):
        tasks.append(asyncio.create_task(client.score([of(f"e{n}", cycle) for cycle in range(1, size + 1)])))
        await client.until("running_requests", lambda value, n=n: value >= n + 2)
    gate.open.set()
    assert [(await each).status for each in tasks] == [200] * 6
    assert gate.sizes == [1, 3, 2, 9, 1]


async def test_a_full_batch_need_not_wait_for_the_call_that_runs(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    client = await start(limits=Limits(batch=2))
    first = asyncio.create_task(client.score(of("first")))
    await gate.until_entered()
    second = asyncio.create_task(client.score([of("a"), of("b", rul=50.0)]))
    await until(lambda: gate.sizes == [1, 2])
    gate.open.set()
    assert (await first).status == 200
    assert [each["PredictedRul"] for each in (await second).json] == [100.0, 50.0]


async def test_with_time_to_linger_a_batch_gathers_although_the_model_is_idle(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    client = await start(limits=Limits(batch=3, linger_seconds=30.0))
    await asyncio.gather(*(client.score(of(f"e{n}")) for n in range(3)))
    assert gate.sizes == [3]


async def test_a_full_queue_refuses_at_once_and_takes_requests_again_when_it_has_emptied(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    client = await start(limits=Limits(waiting=3))
    running = asyncio.create_task(client.score(of("running")))
    await gate.until_entered()
    waiting = asyncio.create_task(client.score([of("a"), of("b"), of("c")]))
    await client.until("waiting_rows", lambda value: value >= 3)
    refused = await client.score(of("d"))
    assert (refused.status, refused.error["reason"], refused.headers["Retry-After"]) == (503, "overloaded", "1")
    gate.open.set()
    assert [(await each).status for each in (running, waiting)] == [200, 200]
    assert (await client.score(of("d"))).status == 200


async def test_a_request_that_waits_too_long_is_told_to_come_again_and_not_scored_after_that(
    start, monkeypatch
) -> None:
    gate = Gate(monkeypatch)
    client = await start(limits=Limits(seconds=0.3))
    running = asyncio.create_task(client.score(of("running")))
    await gate.until_entered()
    late = await client.score(of("late"))
    assert (late.status, late.error["reason"]) == (503, "overloaded")
    gate.open.set()
    await running
    assert (await client.score(of("after"))).status == 200
    assert gate.sizes == [1, 1]


async def test_what_makes_the_model_fail_does_not_spoil_the_requests_beside_it(start, monkeypatch) -> None:
    predict = Classifier.predict
    failures = []

    def failing(classifier, batch):
        if "poison" in batch.engines:
            failures.append(len(batch.engines))
            raise RuntimeError("no kernel for this")
        return predict(classifier, batch)

    gate = Gate(monkeypatch)
    held = Classifier.predict
    monkeypatch.setattr(
        Classifier, "predict", lambda classifier, batch: held(classifier, batch) and failing(classifier, batch)
    )
    client = await start()
    first = asyncio.create_task(client.score(of("first")))
    await gate.until_entered()
    tasks = [asyncio.create_task(client.score(of(engine))) for engine in ("a", "poison", "b")]
    await client.until("waiting_rows", lambda value: value >= 3)
    gate.open.set()
    answers = [await each for each in (first, *tasks)]
    assert [each.status for each in answers] == [200, 200, 500, 200]
    assert "kernel" not in answers[2].text
    assert failures == [3, 1]


async def test_two_requests_for_one_engine_in_one_batch_are_judged_in_their_order(start, monkeypatch) -> None:
    gate = Gate(monkeypatch)
    client = await start()
    first = asyncio.create_task(client.score(of("first")))
    await gate.until_entered()
    tasks = []
    for n, cycle in enumerate((50, 3, 51)):
        tasks.append(asyncio.create_task(client.score(of("a", cycle))))
        await client.until("waiting_rows", lambda value, n=n: value >= n + 1)
    gate.open.set()
    await first
    assert [(await each).status for each in tasks] == [200, 409, 200]
    assert (await tasks[2]).json["WindowFilled"] == 0.4
