"""The one thread of a module that takes messages from the journal and settles them."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import ABC, abstractmethod

from modules.edge.journal.errors import JournalBrokenError, JournalError
from modules.edge.journal.journal import Journal, Outgoing, Settlement
from modules.edge.journal.outbox import Outbox

log = logging.getLogger(__name__)

# How soon the thread sees that it is to stop, where nothing arrives.
IDLE_SECONDS = 0.5
# After the disk refused: often enough to be back soon, seldom enough not to wear anything.
RETRY_SECONDS = 5.0
# How soon it is seen that edgeHub has taken something from a full outbox.
ROOM_SECONDS = 0.1


class Stopping(Exception):  # noqa: N818 - no error: the process ends
    """It is time to end, in the middle of a wait."""


class Worker(threading.Thread, ABC):
    """Takes what waits in the inbox, and settles it; what a module does with messages is its own part."""

    def __init__(self, name: str, journal: Journal, outbox: Outbox) -> None:
        """Prepare the thread.

        Args:
            name: The thread's.
            journal: Where messages come from, and answers go to.
            outbox: Told what is to be sent, and asked what was.
        """
        super().__init__(name=name, daemon=True)
        self.settled = 0
        """How many messages have been settled since the start."""
        self.trouble: str | None = None
        """Why nothing can be done with messages; None while it can."""
        self.waits = False
        """Whether messages wait for something else than this thread: the disk, or room."""
        self._journal = journal
        self._outbox = outbox
        self._sent: list[Outgoing] = []
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

    @abstractmethod
    def work(self) -> None:
        """Take and settle some of what waits in the inbox."""

    @abstractmethod
    def keep_time(self) -> None:
        """Do what is due, whether anything waits or not."""

    def stop(self) -> None:
        """Finish what is in hand, and end."""
        self._stopping.set()
        self.join()
        self._clear_sent()

    async def watch(self) -> None:
        """Wait for the thread to end.

        Raises:
            RuntimeError: It ended by itself.
        """
        while self.is_alive():  # noqa: ASYNC110 - a thread that is killed by an error sets no event
            await asyncio.sleep(IDLE_SECONDS)
        raise RuntimeError(f"the thread {self.name} has ended") from self._failure

    def run(self) -> None:
        """Work until told to stop."""
        try:
            while not self._stopping.is_set():
                if self._journal.wait(IDLE_SECONDS):
                    self.work()
                else:
                    self._clear_sent()
                    self._journal.tidy()
                self.keep_time()
        except Stopping:
            return
        except BaseException as error:
            self._failure = error
            raise

    def settle(self, settlement: Settlement) -> None:
        """Settle, as soon as the disk takes it and there is room for the answers.

        Raises:
            JournalBrokenError: The file is damaged; the next start saves what can be read of it.
            Stopping: It is time to end.
        """
        while True:
            self._sent += self._outbox.take_acknowledged()
            try:
                if self._journal.has_room(settlement):
                    added = self._journal.settle(settlement, self._sent)
                    break
                self.waits = True
                self._journal.sent(self._sent)
                self._sent = []
                self.wait(ROOM_SECONDS)
            except JournalBrokenError:
                raise
            except JournalError:
                self.waits = True
                self.wait(RETRY_SECONDS)
        self.waits = False
        self._sent = []
        self._outbox.offer(added)

    def wait(self, seconds: float) -> None:
        """Wait for something to become better.

        Raises:
            Stopping: It is time to end.
        """
        if self._stopping.wait(seconds):
            raise Stopping

    def _clear_sent(self) -> None:
        """Where no settlement takes it along: take what was sent out of the journal."""
        self._sent += self._outbox.take_acknowledged()
        if self._sent:
            try:
                self._journal.sent(self._sent)
            except JournalBrokenError:
                raise
            except JournalError as error:
                log.debug("%s; %d messages will be sent again after a restart", error, len(self._sent))
            else:
                self._sent = []
