import asyncio
import errno
import fcntl
import os
import socket
import unittest
from typing import Any, List

import sluice.aio
from sluice import constants as c

from .broker import PATIENCE, FakeBroker, Stream, calling


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

    def test_an_idle_second_has_no_wake_ups(self) -> None:
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


def renumbered(descriptor: int) -> int:
    """The same file under a free number: each caller gets it if the one before has closed it."""
    number = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    return number


class Closing(unittest.TestCase):
    """The loop outlives its handles, so closing a handle must remove all that it registered."""

    def setUp(self) -> None:
        self.brokers: List[FakeBroker] = []

    def broker(self) -> FakeBroker:
        broker = FakeBroker()
        self.brokers.append(broker)
        self.addCleanup(broker.close)
        broker.answer("echo.it", lambda message: message.raw)
        broker.answer("never.answered", Stream(ends=False))
        return broker

    def test_fault_C11_handles_made_one_after_the_other_in_one_loop_all_work(self) -> None:
        """Each handle gets the descriptor number of the one before it, if the test opens no other file."""

        descriptors: List[int] = []

        async def ask(payload: int) -> Any:
            theirs = self.broker().theirs
            h = sluice.aio.Sluice(sock=socket.socket(fileno=renumbered(theirs.detach())))
            descriptors.append(h.fileno())
            answer = await asyncio.wait_for(sluice.aio.settled(h.rpc("echo.it", payload)), PATIENCE)
            h.close()
            return answer

        async def main() -> List[Any]:
            return [await ask(payload) for payload in range(3)]

        self.assertEqual(asyncio.run(main()), [0, 1, 2])
        self.assertEqual(len(set(descriptors)), 1)

    def test_fault_C11_a_number_used_again_by_something_else_is_not_disturbed(self) -> None:
        async def main() -> bytes:
            loop = asyncio.get_running_loop()
            h = sluice.aio.Sluice(sock=socket.socket(fileno=renumbered(self.broker().theirs.detach())))
            await h.rpc("echo.it", 1)
            number = h.fileno()
            h.close()
            reader, writer = os.pipe()
            reader = renumbered(reader)
            self.assertEqual(reader, number)
            readable = asyncio.Event()
            try:
                loop.add_reader(reader, readable.set)
                sluice.aio.detach(h)
                os.write(writer, b"x")
                await asyncio.wait_for(readable.wait(), PATIENCE)
                loop.remove_reader(reader)
                return os.read(reader, 1)
            finally:
                os.close(reader)
                os.close(writer)

        self.assertEqual(asyncio.run(main()), b"x")

    def test_fault_C11_closing_while_a_coroutine_waits_ends_its_wait(self) -> None:
        async def main() -> Any:
            h = sluice.aio.Sluice(sock=self.broker().theirs)
            waits = asyncio.ensure_future(sluice.aio.settled(h.rpc("never.answered")))
            stream = asyncio.ensure_future(self.collect(h.rpc("never.answered", flags=c.RPC_STREAMING)))
            run = asyncio.ensure_future(h.run())
            await h.rpc("echo.it")
            h.close()
            await asyncio.wait_for(run, PATIENCE)
            return await asyncio.wait_for(asyncio.gather(waits, stream, return_exceptions=True), PATIENCE)

        self.assertEqual([error.errno for error in asyncio.run(main())], [errno.ECANCELED, errno.ECANCELED])

    async def collect(self, future: sluice.Future) -> List[Any]:
        return [each async for each in sluice.aio.stream(future)]

    def test_fault_C11_closing_inside_a_callback_is_orderly(self) -> None:
        faults: List[Any] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
            for close in (self.close_in_response, self.close_in_event, self.close_in_timer):
                closed = asyncio.Event()
                h = sluice.aio.Sluice(sock=self.broker().theirs)
                close(h, closed)
                await asyncio.wait_for(closed.wait(), PATIENCE)
                self.assertEqual((h.fileno(), h.wants(), h.timeout()), (-1, 0, None))
                # Whatever is still registered would come up by now.
                other = sluice.aio.Sluice(sock=self.broker().theirs)
                self.assertEqual(await asyncio.wait_for(sluice.aio.settled(other.rpc("echo.it", 1)), PATIENCE), 1)
                other.close()

        asyncio.run(main())
        self.assertEqual(faults, [])

    def close_in_response(self, h: sluice.aio.Sluice, closed: asyncio.Event) -> None:
        sluice.aio.attach(h)
        h.rpc("echo.it").then(calling(h.close, closed.set))

    def close_in_event(self, h: sluice.aio.Sluice, closed: asyncio.Event) -> None:
        sluice.aio.attach(h)
        h.msg_watcher(calling(h.close, closed.set), c.MSGTYPE_EVENT, "x").start()
        self.brokers[-1].publish("x")

    def close_in_timer(self, h: sluice.aio.Sluice, closed: asyncio.Event) -> None:
        sluice.aio.attach(h)
        h.timer_watcher(0.0, calling(h.close, closed.set)).start()
        h.timer_watcher(0.0, lambda *_: self.fail("a timer of a closed handle ran"), repeat=0.001).start()

    def test_fault_C11_a_handle_may_be_closed_and_detached_in_any_order(self) -> None:
        async def main() -> None:
            async with sluice.aio.Sluice(sock=self.broker().theirs) as h:
                await h.rpc("echo.it")
                h.close()
            sluice.aio.detach(h)
            h.close()

        asyncio.run(main())

    def test_fault_C11_detaching_inside_a_callback_leaves_no_reader(self) -> None:
        async def main() -> Any:
            h = sluice.aio.Sluice(sock=self.broker().theirs)
            detached = asyncio.Event()
            h.rpc("echo.it").then(calling(lambda: sluice.aio.detach(h), detached.set))
            sluice.aio.attach(h)
            await asyncio.wait_for(detached.wait(), PATIENCE)
            removed = asyncio.get_running_loop().remove_reader(h.fileno())
            h.close()
            return removed

        self.assertFalse(asyncio.run(main()))

    def test_fault_C11_a_handle_may_outlive_its_loop(self) -> None:
        broker = self.broker()
        h = sluice.aio.Sluice(sock=broker.theirs)

        async def main(number: int) -> Any:
            h.timer_watcher(100.0, lambda *_: None).start()
            return await h.rpc("echo.it", number)

        self.assertEqual([asyncio.run(main(number)) for number in range(3)], [0, 1, 2])
        self.assertEqual(h.rpc("echo.it", 3).get(), 3)
        h.close()

    def test_fault_C11_a_broker_that_goes_leaves_no_reader(self) -> None:
        async def main() -> Any:
            broker = self.broker()
            h = sluice.aio.Sluice(sock=broker.theirs)
            future = h.rpc("never.answered")
            sluice.aio.attach(h)
            asyncio.get_running_loop().call_soon(broker.close)
            with self.assertRaises(ConnectionResetError):
                await future
            removed = asyncio.get_running_loop().remove_reader(h.fileno())
            h.close()
            return removed

        self.assertFalse(asyncio.run(main()))
