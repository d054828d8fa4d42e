"""Any order of messages, repeats, engines that drive each other out, restarts, kills and refusals of the disk: the
answers are those of a process that never stopped."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modules.edge.journal import JournalError
from modules.rulclassifier.processor import Rules
from scoring.model.model import Model
from tests.modules.rulclassifier.test_processor import MODULE_TOPIC, Module
from tests.onnx_models import record, tiny_model

pytestmark = pytest.mark.whole

MODEL = Model(tiny_model())
RULES = Rules(jump=12)
ENGINES = ["a", "b", "c", "d"]

readings = st.builds(
    lambda engine, cycle, rul: record(cycle, rul, ConnectionDeviceId=engine),
    st.sampled_from(ENGINES),
    st.integers(min_value=1, max_value=40),
    # Few, so that the same reading comes again.
    st.sampled_from([12.0, 100.0]),
)
runs = st.builds(
    lambda engine, first, length, rul: [
        record(cycle, rul, ConnectionDeviceId=engine) for cycle in range(first, first + length)
    ],
    st.sampled_from(ENGINES),
    st.integers(min_value=1, max_value=30),
    st.integers(min_value=1, max_value=12),
    st.sampled_from([12.0, 100.0]),
)


class Undisturbed(RuleBasedStateMachine):
    """Two modules that take the same messages; one of them is disturbed."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "calm").mkdir()
        self.calm = Module(self.folder / "calm", MODEL, engines=3, rules=RULES)
        self.disturbed = self.opened()
        self.count = 0
        self.expected: list[tuple] = []
        self.found: list[tuple] = []

    def opened(self) -> Module:
        module = Module(self.folder, MODEL, engines=3, rules=RULES)
        # One that is in hand at three ends of the process is taken for poison; these ends are none of its doing.
        with module.journal.memory() as connection:
            connection.execute("UPDATE inbox SET attempts = 0")
        return module

    def send(self, payload: object) -> None:
        topic = MODULE_TOPIC.replace("mid=x", f"mid=m{self.count}&creationTimeUtc=2026-11-30T12%3A00%3A00Z")
        self.count += 1
        for module in (self.calm, self.disturbed):
            assert module.journal.accept(topic, json.dumps(payload).encode())
        self.calm.process()
        self.expected += sent(self.calm)

    @rule(reading=readings)
    def one_reading(self, reading) -> None:
        self.send(reading)

    @rule(run=runs)
    def some_cycles_one_after_the_other(self, run) -> None:
        for reading in run:
            self.send(reading)

    @rule(several=st.lists(readings | st.just("x"), min_size=1, max_size=80))
    def a_list(self, several) -> None:
        self.send(several)

    @rule()
    def process(self) -> None:
        self.disturbed.process()

    @rule()
    def the_hub_takes_what_there_is(self) -> None:
        self.found += sent(self.disturbed)

    @rule()
    def restart(self) -> None:
        self.disturbed.journal.close()
        self.disturbed = self.opened()

    @rule(settlements=st.integers(min_value=0, max_value=3))
    def kill(self, settlements) -> None:
        """The process ends before a transaction is written; all before it are."""
        settle = self.disturbed.journal.settle

        def dying(settlement, sent=()):
            nonlocal settlements
            if settlements == 0:
                raise KeyboardInterrupt
            settlements -= 1
            return settle(settlement, sent)

        self.disturbed.journal.settle = dying
        with contextlib.suppress(KeyboardInterrupt):
            self.disturbed.process()
        self.restart()

    @rule(refusals=st.integers(min_value=1, max_value=4))
    def the_disk_refuses(self, refusals) -> None:
        settle = self.disturbed.journal.settle

        def refusing(settlement, sent=()):
            nonlocal refusals
            if refusals:
                refusals -= 1
                raise JournalError("the disk is full")
            return settle(settlement, sent)

        self.disturbed.journal.settle = refusing
        self.disturbed.processor.wait = lambda seconds: None
        self.disturbed.process()
        self.restart()

    @rule()
    def a_call_of_the_model_raises(self) -> None:
        predict, raised = self.disturbed.classifier.predict, []

        def raising(batch):
            if not raised:
                raised.append(batch)
                raise RuntimeError("kernel failed")
            return predict(batch)

        self.disturbed.classifier.predict = raising
        self.disturbed.process()
        self.disturbed.classifier.predict = predict

    @invariant()
    def the_same_is_remembered(self) -> None:
        if self.disturbed.journal.inbox_entries == 0:
            calm, disturbed = self.calm, self.disturbed
            assert list(disturbed.classifier.history) == list(calm.classifier.history)
            assert len(disturbed.processor.continuity) == len(calm.processor.continuity)

    def teardown(self) -> None:
        if not hasattr(self, "disturbed"):
            return
        self.disturbed.process()
        self.found += sent(self.disturbed)
        for module in (self.calm, self.disturbed):
            module.journal.close()
        shutil.rmtree(self.folder)
        assert self.found == self.expected


def sent(module: Module) -> list[tuple]:
    """What stands in the outbox, which the hub takes."""
    outgoing = module.journal.outgoing(0, 10_000)
    module.journal.sent(outgoing)
    return [
        (
            each.message.output,
            each.message.message_id,
            each.message.correlation_id,
            each.message.properties,
            each.message.body,
        )
        for each in outgoing
    ]


TestUndisturbed = Undisturbed.TestCase
TestUndisturbed.settings = settings(
    max_examples=40 * int(os.environ.get("FAULT_ROUNDS", "1")), stateful_step_count=25, deadline=None
)
