"""Serves a module's twin over one connection: reads it, listens to patches, and reports what is due."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from modules.edge.hub import sdk
from modules.edge.hub.connection import CALL_SECONDS, HubConnection, chain
from modules.edge.hub.twin import InvalidTwinError, ModuleTwin, named

log = logging.getLogger(__name__)

# A hub that asks for patience gets it: some seconds, doubled to some minutes.
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0
TOO_MANY_REQUESTS = 429


class Reporter:
    """Serves a twin for as long as one connection stands.

    Nothing of it holds up messages or ends the connection: a hub that answers the twin never, late or with nonsense
    costs configuration only.
    """

    def __init__(self, connection: HubConnection, twin: ModuleTwin) -> None:
        self._connection = connection
        self._twin = twin
        self._loop = asyncio.get_running_loop()
        self._is_subscribed = False
        self._complaint = ""

    async def run(self) -> None:
        """Serve the twin until cancelled."""
        try:
            await self._serve()
        except Exception:
            log.exception("the twin is not served until the next connection")

    async def _serve(self) -> None:
        self._twin.begin()
        reading = self._connection.accompany(self._read())
        # What stands in the twin already is not reported again, so it is read first; but not waited for without end.
        await asyncio.wait([reading], timeout=CALL_SECONDS)
        if reading.done():
            reading.result()
        await self._report()

    async def _read(self) -> None:
        """Ask for the twin until it has been read; an answer that comes late is as good."""
        pause = FIRST_PAUSE_SECONDS
        asked: set[asyncio.Task[Any]] = set()
        is_read = False
        while not is_read:
            asked.add(self._connection.accompany(self._ask()))
            answered, asked = await asyncio.wait(asked, timeout=CALL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            is_read = any(each.result() for each in answered)
            if not answered:
                self._complain(f"the hub has not answered the twin for {CALL_SECONDS:g} s")
            self._listen()
            if not is_read:
                await _sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _ask(self) -> bool:
        """Read the twin; False if that has to be done again."""
        try:
            await sdk.subscribe_twin(self._connection.client)
            self._is_subscribed = True
            return self._twin.read(await sdk.read_twin(self._connection.client))
        except InvalidTwinError as error:
            self._complain(f"the hub answers with nonsense: {error}")
        except Exception as error:  # noqa: BLE001 - the SDK raises classes without a common base
            self._complain(f"the twin cannot be read: {chain(error)}")
        return False

    def _listen(self) -> None:
        """Take patches from now on; the SDK has kept those that came since it subscribed."""

        # Called in a thread of the SDK's.
        def on_patch(patch: dict[str, Any]) -> None:
            self._loop.call_soon_threadsafe(self._take_patch, patch)

        if self._is_subscribed:
            self._connection.client.on_twin_desired_properties_patch_received = on_patch

    def _take_patch(self, patch: object) -> None:
        try:
            self._twin.patch(patch)
        except InvalidTwinError as error:
            self._complain(f"the hub sends nonsense: {error}")

    async def _report(self) -> None:
        """Report what is due, whenever something is: one at a time, and what has changed since goes with the next."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._twin.changed.wait()
            self._twin.changed.clear()
            patch = self._twin.due()
            if patch and not await self._hand_over(patch):
                await _sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._twin.changed.set()
            else:
                pause = FIRST_PAUSE_SECONDS

    async def _hand_over(self, patch: dict[str, Any]) -> bool:
        """Report a patch; False if that has to be done again."""
        try:
            await self._connection.report(patch)
        except sdk.TwinRefusedError as error:
            if error.status == TOO_MANY_REQUESTS or error.status >= 500:
                self._complain(f"a report has to wait: {error}")
                return False
            log.warning("a report of %s is dropped: %s", named(patch), error)
        except Exception as error:  # noqa: BLE001 - the SDK raises classes without a common base
            self._complain(f"a report has to wait: {chain(error)}")
            return False
        self._twin.settle(patch)
        return True

    def _complain(self, complaint: str) -> None:
        """Log a complaint once, and none of a connection that is gone."""
        if complaint != self._complaint and not self._connection.is_lost:
            log.warning("twin: %s", complaint)
            self._complaint = complaint


async def _sleep(pause: float) -> None:
    # Spread, so that a hub that was overrun by ten thousand devices does not see them in step.
    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
