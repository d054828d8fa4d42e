import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.edge.journal import Journal
from modules.edge.metrics import Metrics
from modules.edge.outbox import Outbox
from modules.rulclassifier.meters import Meters
from modules.rulclassifier.processor import ATTEMPTS, Processor
from scoring.classifier import Classifier
from scoring.model import Model
from tests.onnx_models import body, record, tiny_model

TOPIC = "devices/edge-1/modules/rulclassifier/inputs/telemetry/%24.cdid=Client_001&%24.mid="


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny_model())


class Unsent(Outbox):
    """Leaves everything in the journal, where the tests look at it."""

    def __init__(self) -> None:
        """Needs no event loop."""

    def offer(self, added) -> None:
        pass

    def take_acknowledged(self) -> list:
        return []


class Module:
    """A processor on a journal, without a hub: what is put in comes out of the outbox."""

    def __init__(self, path, model: Model, engines: int = 10) -> None:
        self.journal = Journal(path / "journal.sqlite3", limit=10_000_000)
        self.classifier = Classifier(model, engines)
        self.metrics = Metrics("rulclassifier")
        self.processor = Processor(self.journal, self.classifier, Meters(self.metrics), Unsent())

    def take(self, *bodies: bytes, prefix: str = "m") -> None:
        for number, each in enumerate(bodies):
            assert self.journal.accept(f"{TOPIC}{prefix}{number}&site=west", each)

    def process(self) -> list:
        """Process all that waits, and what the outbox holds then."""
        while self.journal.wait(0):
            self.processor._process_next()
        return [each.message for each in self.journal.outgoing(0, 10_000)]

    def answer(self, *bodies: bytes, prefix: str = "m") -> list:
        self.take(*bodies, prefix=prefix)
        return self.process()


@pytest.fixture
def module(tmp_path, model):
    module = Module(tmp_path, model)
    yield module
    module.journal.close()


def test_a_message_is_answered_with_its_prediction_its_correlation_id_and_its_properties(module) -> None:
    (found,) = module.answer(body(7))
    assert (found.output, found.correlation_id, found.content_type) == ("predictions", "m0", "application/json")
    assert found.properties == {"site": "west", "rulClass": "Full"}
    assert json.loads(found.body)["CycleTime"] == 7


def test_an_engine_near_its_end_raises_an_alert_as_well(module) -> None:
    prediction, alert = module.answer(body(7, 12.0))
    assert (prediction.output, alert.output) == ("predictions", "alerts")
    assert prediction.body == alert.body
    assert prediction.message_id != alert.message_id


def test_a_list_is_answered_record_by_record(module) -> None:
    found = module.answer(json.dumps([record(1), record(2)]).encode())
    assert [json.loads(each.body)["CycleTime"] for each in found] == [1, 2]


def test_what_cannot_be_scored_comes_back_whole_with_its_reason(module) -> None:
    (found,) = module.answer(b"\xff not telemetry")
    assert (found.output, found.body, found.correlation_id) == ("deadletter", b"\xff not telemetry", "m0")
    assert found.properties["reason"] == "not_utf8"
    assert found.content_type == "application/octet-stream"


def test_a_list_with_bad_records_is_scored_and_dead_lettered(module) -> None:
    found = module.answer(json.dumps([record(1), record(0), record(-1), record(2)]).encode())
    assert [each.output for each in found] == ["predictions", "predictions", "deadletter"]
    assert found[-1].properties["detail"].endswith("(and 1 more records)")


def test_a_dead_letter_too_large_for_the_hub_comes_back_in_parts(module) -> None:
    original = b"x" * 262_144
    found = module.answer(original)
    assert b"".join(each.body for each in found) == original
    assert [each.properties["part"] for each in found] == ["1/2", "2/2"]
    assert len({each.message_id for each in found}) == 2


def test_bad_messages_do_not_change_the_predictions_of_the_others(module, tmp_path, model) -> None:
    good = [body(cycle, 20 + cycle) for cycle in range(1, 60)]
    mixed = [part for each in good for part in (each, each[:40])]
    found = module.answer(*mixed)
    (tmp_path / "alone").mkdir()
    alone = Module(tmp_path / "alone", model)
    expected = [each.body for each in alone.answer(*good) if each.output == "predictions"]
    alone.journal.close()
    assert [each.body for each in found if each.output == "predictions"] == expected
    assert sum(each.output == "deadletter" for each in found) == len(good)


def test_a_repeated_message_is_answered_with_the_same_id(module) -> None:
    first, again = module.answer(body(7), body(7))
    assert first.message_id == again.message_id


def test_a_history_survives_a_restart(module, tmp_path, model) -> None:
    module.answer(*(body(cycle) for cycle in range(1, 5)))
    module.journal.close()
    again = Module(tmp_path, model)
    found = again.answer(body(5), prefix="later")
    again.journal.close()
    assert json.loads(found[-1].body)["WindowFilled"] == 1.0


def test_a_forgotten_engine_stays_forgotten_after_a_restart(tmp_path, model) -> None:
    module = Module(tmp_path, model, engines=2)
    module.answer(*(json.dumps(record(1)).encode() for _ in range(1)))
    topic = TOPIC.replace("Client_001", "gateway") + "x&%24.cmid=source"
    for engine in ("a", "b", "c"):
        assert module.journal.accept(topic, body(1, ConnectionDeviceId=engine))
    module.process()
    assert list(module.classifier.history) == ["b", "c"]
    module.journal.close()
    again = Module(tmp_path, model, engines=2)
    assert list(again.classifier.history) == ["b", "c"]
    again.journal.close()


def test_a_new_engine_under_an_old_id_is_not_mixed_with_the_old_one_after_a_restart(module, tmp_path, model) -> None:
    module.answer(*(body(cycle) for cycle in (298, 299, 300, 1, 2)))
    module.journal.close()
    again = Module(tmp_path, model)
    found = again.answer(body(3), prefix="later")
    again.journal.close()
    assert json.loads(found[-1].body)["WindowFilled"] == pytest.approx(3 / 5)


def poison(module: Module, cycle: int) -> list[int]:
    """Let scoring raise on one cycle, as a kernel of onnxruntime might; the attempts are counted in the list."""
    attempts = []
    score = module.classifier.score

    def raising(records):
        if any(each.cycle == cycle for each in records):
            attempts.append(len(records))
            raise RuntimeError("kernel failed")
        return score(records)

    module.classifier.score = raising
    return attempts


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory, model: Model):
    module = Module(tmp_path_factory.mktemp("fuzzed"), model)
    yield module
    module.journal.close()


spoilt = st.builds(
    lambda whole, place, put: whole[:place] + put + whole[place + len(put) :],
    st.integers(min_value=1, max_value=300).map(body),
    st.integers(min_value=0, max_value=400),
    st.binary(max_size=8),
)


@given(st.binary() | spoilt | st.integers(min_value=-5, max_value=300).map(body))
def test_a_message_of_any_bytes_is_answered_and_the_next_one_too(fuzzed, anything) -> None:
    settled = fuzzed.processor.settled
    found = fuzzed.answer(anything, body(1))
    fuzzed.journal.sent(fuzzed.journal.outgoing(0, 10_000))
    assert fuzzed.processor.settled == settled + 2
    assert {each.correlation_id for each in found} == {"m0", "m1"}
    assert (fuzzed.journal.inbox_entries, fuzzed.journal.outbox_entries) == (0, 0)


def test_poison_is_dead_lettered_after_its_third_attempt_and_blocks_nobody(module) -> None:
    attempts = poison(module, cycle=2)
    found = module.answer(body(1), body(2), body(3))
    assert [each.output for each in found] == ["predictions", "deadletter", "predictions"]
    assert found[1].properties["reason"] == "scoring_failed"
    assert attempts.count(1) == ATTEMPTS


def test_poison_that_ends_the_process_is_dead_lettered_after_its_third_attempt(module, tmp_path, model) -> None:
    module.take(body(1), body(2), body(3))
    module.journal.close()
    for _ in range(ATTEMPTS):
        module = Module(tmp_path, model)
        score = module.classifier.score

        def dying(records, score=score):
            if any(each.cycle == 2 for each in records):
                raise KeyboardInterrupt
            return score(records)

        module.classifier.score = dying
        with pytest.raises(KeyboardInterrupt):
            module.process()
        module.journal.close()
    module = Module(tmp_path, model)
    assert [each.output for each in module.process()] == ["predictions", "deadletter", "predictions"]
    module.journal.close()


def test_metrics_count_what_was_done_and_show_each_bound(module) -> None:
    module.answer(body(1), b"x", body(2, 12.0))
    text = module.metrics.exposition().decode()
    assert 'rulclassifier_messages_total{edge_device="",iothub="",module_name="rulclassifier"} 3.0' in text
    assert 'reason="not_json"} 1.0' in text
    assert 'rul_class="F25"} 1.0' in text
    assert "_created" not in text


async def test_metrics_and_health_are_served(module) -> None:
    import aiohttp

    healthy = False
    async with (
        module.metrics.served("127.0.0.1:0", lambda: healthy) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        async with session.get("/metrics") as response:
            assert (response.status, "rulclassifier_messages_total" in await response.text()) == (200, True)
        async with session.get("/health") as response:
            assert response.status == 503
        healthy = True
        async with session.get("/health") as response:
            assert response.status == 200


async def test_the_thread_processes_what_arrives_and_ends_when_told(module) -> None:
    module.processor.start()
    module.take(body(1), body(2))
    while module.journal.outbox_entries < 2:
        await asyncio.sleep(0.001)
    module.processor.stop()
    with pytest.raises(RuntimeError, match="has ended"):
        await module.processor.watch()
