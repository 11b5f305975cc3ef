import asyncio
import errno
import unittest
from typing import Any, List

import sluice.aio
from sluice import constants as c

from .broker import FakeBroker, Stream


class Asyncio(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = FakeBroker()
        self.addCleanup(self.broker.close)

    def run_with(self, main: Any) -> Any:
        async def wrapped() -> Any:
            async with sluice.aio.Sluice(sock=self.broker.theirs) as h:
                return await main(h)

        return asyncio.run(wrapped())

    def test_futures_are_awaited_side_by_side(self) -> None:
        self.broker.answer("echo.it", lambda message: message.raw)

        async def main(h: sluice.aio.Sluice) -> Any:
            return await asyncio.gather(*(h.rpc("echo.it", n) for n in range(50)))

        self.assertEqual(self.run_with(main), list(range(50)))

    def test_errors_are_raised(self) -> None:
        async def main(h: sluice.aio.Sluice) -> None:
            await h.rpc("no.such")

        with self.assertRaises(OSError) as caught:
            self.run_with(main)
        self.assertEqual(caught.exception.errno, errno.ENOSYS)

    def test_streams_are_iterated(self) -> None:
        self.broker.answer("a.b", Stream(1, 2, 3))

        async def main(h: sluice.aio.Sluice) -> Any:
            return [value async for value in sluice.aio.stream(h.rpc("a.b", flags=c.RPC_STREAMING))]

        self.assertEqual(self.run_with(main), [1, 2, 3])

    def test_a_broker_that_goes_fails_what_is_awaited(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))

        async def main(h: sluice.aio.Sluice) -> None:
            future = h.rpc("a.b")
            asyncio.get_running_loop().call_soon(self.broker.close)
            await future

        with self.assertRaises(ConnectionResetError):
            self.run_with(main)

    def test_what_is_cancelled_is_not_waited_for(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))

        async def main(h: sluice.aio.Sluice) -> None:
            await asyncio.wait_for(asyncio.ensure_future(sluice.aio.settled(h.rpc("a.b"))), 0.01)

        with self.assertRaises(asyncio.TimeoutError):
            self.run_with(main)

    def test_large_requests_wait_for_the_socket(self) -> None:
        self.broker.answer("a.b", lambda message: len(message.raw))

        async def main(h: sluice.aio.Sluice) -> Any:
            return await h.rpc("a.b", b"x" * 10_000_000)

        self.assertEqual(self.run_with(main), 10_000_000)

    def test_timers_and_run(self) -> None:
        seen: List[str] = []

        async def main(h: sluice.aio.Sluice) -> None:
            h.timer_watcher(0.01, lambda h, *_: h.reactor_stop()).start()
            h.timer_watcher(0.0, lambda *_: seen.append("tick")).start()
            await h.run()

        self.run_with(main)
        self.assertEqual(seen, ["tick"])

    def test_an_idle_second_wakes_nobody(self) -> None:
        calls: List[int] = []

        async def main(h: sluice.aio.Sluice) -> None:
            dispatch = h.dispatch

            def counted() -> int:
                calls.append(dispatch())
                return calls[-1]

            setattr(h, "dispatch", counted)
            await asyncio.sleep(1)

        self.run_with(main)
        self.assertEqual(calls, [])
