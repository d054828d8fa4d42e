import json
import shutil
import time
from datetime import datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.edge.host.metrics import Metrics
from modules.edge.hub.dead_letter import DEAD_LETTER, bare
from modules.edge.hub.message import OutputMessage
from modules.edge.journal import Journal, JournalError
from modules.edge.journal.outbox import Outbox
from modules.edge.settings import Address
from modules.rulclassifier.contracts import ALERT, PREDICTION
from modules.rulclassifier.meters import Meters
from modules.rulclassifier.processor import ATTEMPTS, DEFAULT_RULES, Processor, Rules
from modules.rulclassifier.tables import TABLES
from scoring.model.model import Model
from scoring.model.signature import Field
from scoring.predictions.classifier import Classifier
from scoring.telemetry.turbofan import FIELDS
from tests.onnx_models import body, record, signature, tiny_model
from tests.places import ROOT
from tests.waiting import until

TOPIC = "devices/edge-1/modules/rulclassifier/inputs/telemetry/%24.cdid=Client_001&%24.mid="
MODULE_TOPIC = "devices/edge-1/modules/rulclassifier/inputs/telemetry/%24.cdid=edge-1&%24.cmid=source&%24.mid=x"

SCHEMAS = {each.id: each.schema() for each in (PREDICTION, ALERT, DEAD_LETTER)}


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

    def __init__(
        self, path, model: Model, engines: int = 10, limit: int = 10_000_000, rules: Rules = DEFAULT_RULES
    ) -> None:
        self.journal = Journal(path / "journal.sqlite3", limit, own=TABLES)
        self.classifier = Classifier(model, engines)
        self.metrics = Metrics("rulclassifier")
        self.processor = Processor(self.journal, self.classifier, Meters(self.metrics), Unsent(), rules)

    def take(self, *bodies: bytes, prefix: str = "m") -> None:
        for number, each in enumerate(bodies):
            assert self.journal.accept(f"{TOPIC}{prefix}{number}&site=west", each)

    def process(self) -> list:
        """Process all that waits, and what the outbox holds then."""
        while self.journal.wait(0):
            self.processor.work()
        self.processor.keep_time()
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
    when = found.properties.pop("readingTime")
    assert abs(datetime.fromisoformat(when).timestamp() - time.time()) < 600
    assert found.properties == {
        "site": "west",
        "rulClass": "Full",
        "readingTimeBy": "module",
        "$.schema": "urn:turbofan-edge:prediction:1",
    }
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
    for engine in ("a", "b", "c"):
        assert module.journal.accept(MODULE_TOPIC, body(1, ConnectionDeviceId=engine))
    module.process()
    assert list(module.classifier.history) == ["Client_001", "c"]
    module.journal.close()
    again = Module(tmp_path, model, engines=2)
    assert list(again.classifier.history) == ["Client_001", "c"]
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
    predict = module.classifier.predict

    def raising(batch):
        if cycle in batch.cycles:
            attempts.append(len(batch.cycles))
            raise RuntimeError("kernel failed")
        return predict(batch)

    module.classifier.predict = raising
    return attempts


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory, model: Model):
    # What leaps ahead is given up at once: each message is answered within the call that brings it.
    module = Module(tmp_path_factory.mktemp("fuzzed"), model, rules=Rules(confirm_seconds=0.0))
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
        predict = module.classifier.predict

        def dying(batch, predict=predict):
            if 2 in batch.cycles:
                raise KeyboardInterrupt
            return predict(batch)

        module.classifier.predict = dying
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

    wrong: str | None = "not connected"
    async with (
        module.metrics.served(Address("127.0.0.1", 0), lambda: wrong) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        async with session.get("/metrics") as response:
            assert (response.status, "rulclassifier_messages_total" in await response.text()) == (200, True)
        async with session.get("/health") as response:
            assert (response.status, await response.text()) == (503, "not connected\n")
        wrong = None
        async with session.get("/health") as response:
            assert response.status == 200


async def test_the_thread_processes_what_arrives_and_ends_when_told(module) -> None:
    module.processor.start()
    module.take(body(1), body(2))
    await until(lambda: module.journal.outbox_entries >= 2)
    module.processor.stop()
    with pytest.raises(RuntimeError, match="has ended"):
        await module.processor.watch()


# Who speaks for whom


def from_module(module: Module, payload: bytes, properties: str = "", sender: str = "source") -> list:
    topic = MODULE_TOPIC.replace("cmid=source", f"cmid={sender}") + properties
    assert module.journal.accept(topic, payload)
    return module.process()


def test_a_leaf_device_that_forges_a_modules_name_speaks_for_itself_only(module) -> None:
    assert module.journal.accept(f"{TOPIC}m0&%24.cmid=source", body(1, ConnectionDeviceId="Client_002"))
    (found,) = module.process()
    assert (found.output, found.properties["reason"]) == ("deadletter", "foreign_engine")
    assert list(module.classifier.history) == []


def test_a_module_names_the_engine_in_the_body_or_in_a_property_of_the_message(module) -> None:
    in_body, in_property = (
        from_module(module, body(1, ConnectionDeviceId="Client_007")),
        from_module(module, body(2), "&ConnectionDeviceId=Client_007")[1:],
    )
    found = [json.loads(each.body) for each in (*in_body, *in_property)]
    assert [(each["ConnectionDeviceId"], each["CycleTime"]) for each in found] == [("Client_007", 1), ("Client_007", 2)]


def test_a_module_that_names_two_engines_for_one_reading_is_not_believed(module) -> None:
    (found,) = from_module(module, body(1, ConnectionDeviceId="Client_007"), "&ConnectionDeviceId=Client_008")
    assert found.properties["reason"] == "foreign_engine"


def test_a_modules_reading_that_names_no_engine_is_a_dead_letter(module) -> None:
    (found,) = from_module(module, body(1))
    assert (found.output, found.properties["reason"]) == ("deadletter", "unnamed_engine")


def test_or_one_of_the_edge_device_if_a_setting_says_so(tmp_path, model) -> None:
    module = Module(tmp_path, model, rules=Rules(unnamed_is_device=True))
    (found,) = from_module(module, body(1))
    module.journal.close()
    assert json.loads(found.body)["ConnectionDeviceId"] == "edge-1"


def test_a_leaf_devices_property_that_names_another_engine_is_refused(module) -> None:
    module.take(body(1))
    assert module.journal.accept(f"{TOPIC}m1&ConnectionDeviceId=Client_002", body(2))
    found = module.process()
    assert [each.properties.get("reason") for each in found] == [None, "foreign_engine"]


def test_a_module_that_invents_engines_drives_out_none_of_others(tmp_path, model) -> None:
    module = Module(tmp_path, model, engines=100)
    for number in range(90):
        assert module.journal.accept(MODULE_TOPIC, body(1, ConnectionDeviceId=f"real-{number}"))
    module.process()
    for message in range(3):
        names = [record(1, ConnectionDeviceId=f"invented-{message}-{number}") for number in range(400)]
        from_module(module, json.dumps(names).encode(), sender="hostile")
    kept = [each for each in module.classifier.history if each.startswith("real-")]
    module.journal.close()
    again = Module(tmp_path, model, engines=100)
    assert len(kept) == len([each for each in again.classifier.history if each.startswith("real-")]) == 90
    again.journal.close()


# The same reading, the same answer


def test_a_repeated_reading_that_is_not_the_newest_gets_its_first_answer_byte_for_byte(module, tmp_path, model) -> None:
    first = module.answer(*(body(cycle, 30 + cycle) for cycle in (1, 2, 4, 5, 6, 7)))
    # One that was late changes the windows of the others, and not what was answered to them.
    module.answer(body(3, 33.0), prefix="late")
    module.journal.close()
    again = Module(tmp_path, model)
    before = len(again.process())
    repeated = again.answer(*(body(cycle, 30 + cycle) for cycle in (4, 5, 6, 7)), prefix="again")[before:]
    again.journal.close()
    assert [(each.message_id, each.body) for each in repeated] == [(each.message_id, each.body) for each in first[2:]]


def test_a_reading_that_comes_twice_at_once_gets_one_answer(module) -> None:
    first, late, again = module.answer(body(4, 40.0), body(3, 33.0), body(4, 40.0))
    assert json.loads(late.body)["CycleTime"] == 3
    assert (first.message_id, first.body) == (again.message_id, again.body)


def test_a_model_of_another_version_answers_a_repeated_reading_itself_under_another_id(tmp_path, model) -> None:
    module = Module(tmp_path, model)
    (first,) = module.answer(body(1))
    module.journal.close()
    other = Module(tmp_path, Model(tiny_model(signature(name="other"))))
    answered = other.answer(body(1), prefix="again")[-1]
    other.journal.close()
    assert answered.message_id != first.message_id
    assert json.loads(answered.body)["Model"] == "other"


# Wrong cycles


def test_one_wrong_cycle_silences_nobody_and_is_answered_within_its_time(tmp_path, model) -> None:
    module = Module(tmp_path, model)
    found = module.answer(*(body(cycle) for cycle in (1, 2, 99_999, 3, 4)))
    assert [json.loads(each.body)["CycleTime"] for each in found] == [1, 2, 3, 4]
    module.journal.close()
    # Over a restart it is still held back, and then its time is over.
    again = Module(tmp_path, model)
    assert len(again.processor.continuity) == 1
    again.journal.close()
    late = Module(tmp_path, model, rules=Rules(confirm_seconds=0.0))
    letter = late.process()[-1]
    assert (letter.properties["reason"], letter.body) == ("unconfirmed_jump", body(99_999))
    assert letter.correlation_id == "m2"
    assert (late.journal.waiting_entries, late.journal.inbox_bytes) == (0, 0)
    late.journal.close()


def test_a_jump_that_the_next_reading_confirms_is_answered_and_said_to_be_one(module, tmp_path, model) -> None:
    module.answer(body(1), body(500))
    module.journal.close()
    again = Module(tmp_path, model)
    found = again.answer(body(501), prefix="later")[1:]
    again.journal.close()
    assert [json.loads(each.body)["CycleTime"] for each in found] == [500, 501]
    assert [each.properties.get("continuity") for each in found] == ["confirmed_jump", None]
    assert [each.correlation_id for each in found] == ["m1", "later0"]
    assert again.journal.waiting_entries == 0


def test_the_same_reading_again_confirms_no_jump_and_each_of_them_is_answered(module) -> None:
    module.answer(body(1), body(500), body(500), prefix="a")
    assert module.journal.waiting_entries == 2
    found = module.answer(body(502), prefix="b")
    assert [each.correlation_id for each in found] == ["a0", "a1", "a2", "b0"]
    assert found[1].body == found[2].body


def test_a_jump_that_the_others_reach_is_answered(module) -> None:
    found = module.answer(body(1), body(200), body(100))
    assert [json.loads(each.body)["CycleTime"] for each in found] == [1, 100, 200]


def test_a_second_jump_elsewhere_gives_the_first_one_up(module) -> None:
    found = module.answer(body(1), body(5_000), body(50_000), body(50_001))
    assert [each.output for each in found] == ["predictions", "deadletter", "predictions", "predictions"]
    assert found[1].properties["reason"] == "unconfirmed_jump"


def test_records_of_one_list_that_leap_ahead_are_answered_each_in_its_time(tmp_path, model) -> None:
    module = Module(tmp_path, model)
    from_module(module, json.dumps([record(1, ConnectionDeviceId=each) for each in "abc"]).encode())
    several = [record(900, ConnectionDeviceId=each) for each in "abc"]
    found = from_module(module, json.dumps([*several, record(901, ConnectionDeviceId="b"), "x"]).encode())[3:]
    assert [each.output for each in found] == ["predictions", "predictions", "deadletter"]
    found = from_module(module, body(905, ConnectionDeviceId="a"))[6:]
    assert [json.loads(each.body)["CycleTime"] for each in found] == [900, 905]
    assert module.journal.waiting_entries == 1
    module.journal.close()
    late = Module(tmp_path, model, rules=Rules(confirm_seconds=0.0))
    assert late.process()[-1].properties["reason"] == "unconfirmed_jump"
    assert (late.journal.waiting_entries, late.journal.inbox_bytes) == (0, 0)
    late.journal.close()


def test_what_is_held_back_gives_way_where_the_journal_fills(tmp_path, model) -> None:
    module = Module(tmp_path, model, limit=300_000)
    module.answer(body(1))
    filler = body(5_000, note="x" * 100_000)
    assert module.answer(filler, prefix="held")[-1].properties["reason"] == "unconfirmed_jump"
    assert module.journal.waiting_entries == 0
    module.journal.close()


def test_an_engine_that_was_replaced_and_whose_first_cycle_is_lost_begins_anew_after_eight_readings(module) -> None:
    module.answer(*(body(cycle) for cycle in range(140, 151)))
    found = module.answer(*(body(cycle, 90.0) for cycle in range(2, 30)), prefix="new")[11:]
    assert [each.output for each in found] == ["deadletter"] * 7 + ["predictions"] * 21
    assert found[7].properties["continuity"] == "new_life"
    assert 'rulclassifier_new_lives_total{edge_device="",iothub="",module_name="rulclassifier"} 1.0' in (
        module.metrics.exposition().decode()
    )


def test_a_count_of_readings_from_the_past_goes_on_over_a_restart(module, tmp_path, model) -> None:
    module.answer(*(body(cycle) for cycle in range(140, 151)), *(body(cycle, 90.0) for cycle in range(2, 8)))
    module.journal.close()
    again = Module(tmp_path, model)
    before = len(again.process())
    found = again.answer(body(8, 90.0), body(9, 90.0), prefix="new")[before:]
    again.journal.close()
    assert [each.output for each in found] == ["deadletter", "predictions"]


# Histories


def test_an_engine_that_goes_and_comes_back_within_one_batch_keeps_its_rows(tmp_path, model) -> None:
    module = Module(tmp_path, model, engines=20)
    for cycle in (1, 2, 3):
        names = [record(cycle, ConnectionDeviceId=f"e{number}") for number in range(21)]
        from_module(module, json.dumps(names).encode())
    kept = {name: module.classifier.history.newest(name) for name in module.classifier.history}
    module.journal.close()
    again = Module(tmp_path, model, engines=20)
    assert {name: again.classifier.history.newest(name) for name in again.classifier.history} == kept
    assert list(again.classifier.history) == list(kept)
    again.journal.close()


def test_of_an_engine_that_made_room_and_comes_back_nothing_is_left(tmp_path, model) -> None:
    module = Module(tmp_path, model, engines=2)

    def send(cycle: int, engine: str) -> None:
        from_module(module, body(cycle, ConnectionDeviceId=engine))

    for cycle in range(1, 5):
        send(cycle, "a")
    for engine in ("b", "c"):
        send(1, engine)
    send(5, "a")
    module.journal.close()
    module = Module(tmp_path, model, engines=2)
    found = from_module(module, body(6, ConnectionDeviceId="a"))[-1]
    module.journal.close()
    assert json.loads(found.body)["WindowFilled"] == pytest.approx(2 / 5)


def other_fields() -> Model:
    fields = tuple(Field(f"{each.name}x") if each.name == "Sensor21" else each for each in FIELDS)
    return Model(tiny_model(signature(fields=fields)))


def test_a_model_of_other_fields_leaves_the_histories_for_when_it_is_taken_back(tmp_path, model, caplog) -> None:
    module = Module(tmp_path, model)
    module.answer(*(body(cycle) for cycle in range(1, 5)))
    module.journal.close()
    other = Module(tmp_path, other_fields())
    assert len(other.classifier.history) == 0
    assert "the histories of 1 engines have the fields of another model and are kept for a week" in caplog.text
    other.journal.close()
    again = Module(tmp_path, model)
    found = again.answer(body(5), prefix="later")
    again.journal.close()
    assert json.loads(found[-1].body)["WindowFilled"] == 1.0


@pytest.mark.parametrize(("days", "engines"), [(6, 1), (8, 0)])
def test_they_are_kept_for_a_week(tmp_path, model, monkeypatch, days, engines) -> None:
    module = Module(tmp_path, model)
    module.answer(body(1))
    module.journal.close()
    Module(tmp_path, other_fields()).journal.close()
    now = time.time() + days * 24 * 3_600
    monkeypatch.setattr("modules.rulclassifier.histories.time.time", lambda: now)
    Module(tmp_path, other_fields()).journal.close()
    again = Module(tmp_path, model)
    assert len(again.classifier.history) == engines
    again.journal.close()


def test_a_journal_of_the_first_layout_brings_its_histories(tmp_path, model) -> None:
    shutil.copy(ROOT / "tests/modules/files/journal-1.sqlite3", tmp_path / "journal.sqlite3")
    module = Module(tmp_path, model)
    found = module.process()
    module.journal.close()
    cycles = [json.loads(each.body) for each in found[2:]]
    assert [(each["CycleTime"], each["WindowFilled"]) for each in cycles] == [(4, 0.8), (5, 1.0), (6, 1.0)]


def test_a_damaged_row_of_a_history_is_a_gap_in_it(module, tmp_path, model) -> None:
    module.answer(*(body(cycle) for cycle in range(1, 5)))
    module.journal._connection.execute("UPDATE history SET row = zeroblob(100) WHERE cycle = 2")
    module.journal.close()
    again = Module(tmp_path, model)
    found = again.answer(body(5), prefix="later")
    assert (json.loads(found[-1].body)["WindowFilled"], again.journal.damaged) == (0.8, 1)
    again.journal.close()


# Sizes and bounds


def test_a_list_of_more_records_than_a_part_is_settled_in_parts_and_goes_on_after_a_kill(tmp_path, model) -> None:
    module = Module(tmp_path, model)
    records = [record(cycle) if cycle % 10 else "x" for cycle in range(1, 201)]
    module.take(json.dumps(records).encode())
    settle, settled = module.journal.settle, []

    def killed(settlement, sent=()):
        if len(settled) == 2:
            raise KeyboardInterrupt
        settled.append(settlement)
        return settle(settlement, sent)

    module.journal.settle = killed
    with pytest.raises(KeyboardInterrupt):
        module.process()
    module.journal.close()
    again = Module(tmp_path, model)
    found = again.process()
    again.journal.close()
    cycles = [json.loads(each.body)["CycleTime"] for each in found if each.output == "predictions"]
    assert cycles == [cycle for cycle in range(1, 201) if cycle % 10]
    (letter,) = [each for each in found if each.output == "deadletter"]
    assert letter.properties["detail"].endswith("(and 19 more records)")


def test_the_answers_to_what_a_full_journal_holds_stay_under_its_limit(tmp_path, model) -> None:
    limit = 1_000_000
    module = Module(tmp_path, model, limit=limit)
    properties = "&" + "&".join(f"p{number}={'v' * 300}" for number in range(12))
    payload = json.dumps([record(cycle, 10.0) for cycle in range(1, 400)]).encode()
    taken = 0
    while module.journal.accept(f"{TOPIC}m{taken}{properties}", payload):
        taken += 1
    highest = 0
    answers = 0

    class Slow(Unsent):
        """A hub that takes what there is when the processor has come to wait for it."""

        def take_acknowledged(self) -> list:
            nonlocal highest, answers
            highest = max(highest, module.journal.bytes)
            found = module.journal.outgoing(0, 10_000) if module.processor.waits else []
            answers += len(found)
            return found

    module.processor._outbox = Slow()
    module.processor.wait = lambda seconds: None
    while module.journal.wait(0):
        module.processor.work()
    answers += module.journal.outbox_entries
    assert taken >= 2
    assert answers == taken * 399 * 2
    assert highest <= limit
    module.journal.close()


def test_what_is_passed_on_of_a_sender_is_bounded_and_what_is_left_off_is_said(module) -> None:
    properties = "&".join(f"p{number}={'v' * 1_000}" for number in range(20))
    assert module.journal.accept(f"{TOPIC}m0&Reason=mine&{properties}", body(1))
    (found,) = module.process()
    assert found.properties["propertiesLeftOff"] == "17"
    theirs = {"p0", "p1", "p2", "p3"}
    assert set(found.properties) - {"$.schema", "readingTime", "readingTimeBy", "rulClass"} == {
        *theirs,
        "propertiesLeftOff",
    }


def test_a_body_with_a_name_that_fills_a_topic_comes_back_as_a_dead_letter_that_fits(module) -> None:
    assert module.journal.accept(f"{TOPIC}m0&{'n' * 22_100}=1", b"x" * 240_000)
    found = module.process()
    for each in found:
        size = len(each.body) + sum(len(name) + len(value) for name, value in each.properties.items())
        assert size < 262_144
        assert "n" * 22_100 not in each.properties
    assert b"".join(each.body for each in found) == b"x" * 240_000


def test_what_replaces_a_message_that_the_hub_does_not_take_is_bare_and_in_parts(module) -> None:
    message = OutputMessage("deadletter", b"x" * 150_000, "id-1", "c", "Client_001", {"site": "west"})
    found = bare(message)
    assert b"".join(each.body for each in found) == message.body
    assert all(set(each.properties) <= {"reason", "detail", "part", "$.schema"} for each in found)
    assert {each.properties["reason"] for each in found} == {"not_taken"}
    assert max(len(each.body) for each in found) <= 60_000
    assert bare(found[0]) == []


def test_each_message_names_the_schema_that_its_body_and_its_properties_keep(module) -> None:
    found = module.answer(body(7), body(8, 12.0), b"x", json.dumps([record(9), record(0)]).encode(), b"[" * 250_000)
    found += bare(OutputMessage("alerts", b"x", "id-1"))
    assert {each.output for each in found} == {"predictions", "alerts", "deadletter"}
    assert any("part" in each.properties for each in found)
    for each in found:
        properties = dict(each.properties)
        schema = SCHEMAS[properties.pop("$.schema")]
        if each.output != "deadletter":
            jsonschema.validate(json.loads(each.body), schema)
        jsonschema.validate(properties, schema["$defs"]["properties"])


@pytest.mark.parametrize("told", ["%24.ctime", "iothub-creation-time-utc", "creationTimeUtc"])
def test_the_time_of_a_reading_is_its_sources_own_in_its_prediction_its_alert_and_its_dead_letter(module, told) -> None:
    for number, each in enumerate((body(7, 12.0), b"x")):
        assert module.journal.accept(f"{TOPIC}m{number}&{told}=2026-11-30T13%3A00%3A00.1239%2B01%3A00", each)
    found = module.process()
    assert [each.output for each in found] == ["predictions", "alerts", "deadletter"]
    for each in found:
        assert each.properties["readingTime"] == "2026-11-30T12:00:00.123Z"
        assert each.properties["readingTimeBy"] == "source"


def test_the_same_reading_at_another_time_has_the_same_body_and_id(module) -> None:
    for number in (1, 2):
        assert module.journal.accept(f"{TOPIC}m{number}&%24.ctime=2026-11-30T12%3A00%3A0{number}Z", body(7))
    first, second = module.process()
    assert (first.body, first.message_id) == (second.body, second.message_id)
    assert first.properties["readingTime"] != second.properties["readingTime"]


# What is told


def test_dead_letters_are_told_at_the_first_and_at_each_tenfold_with_reason_and_sender(module, caplog) -> None:
    module.answer(*(b"x" for _ in range(120)))
    lines = [each.getMessage() for each in caplog.records if "dead letter" in each.getMessage()]
    assert [line.split(" ", 3)[:3] for line in lines] == [["dead", "letter", n] for n in ("1", "10", "100")]
    assert all("not_json, from Client_001" in line for line in lines)


def test_what_is_settled_is_counted_once_though_the_disk_refused_it_first(module) -> None:
    settle, refused = module.journal.settle, []

    def refusing(settlement, sent=()):
        if len(refused) < 3:
            refused.append(settlement)
            raise JournalError("the disk is full")
        return settle(settlement, sent)

    module.journal.settle = refusing
    module.processor.wait = lambda seconds: None
    (found,) = module.answer(body(1))
    assert found.output == "predictions"
    assert 'rul_class="Full"} 1.0' in module.metrics.exposition().decode()
    assert module.processor.settled == 1
