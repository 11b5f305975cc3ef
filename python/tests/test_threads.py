"""A handle goes from thread to thread (docs/design/embedding.md §2, sentence 8)."""

import asyncio
import errno
import threading
from typing import Any, Callable, List

import sluice
import sluice.aio
from sluice import constants as c
from sluice.handle import Sluice

from .broker import PATIENCE, FakeBroker, Stream
from .handle_case import HandleCase

THREADS = 6
CALLS = 200


def in_thread(call: Callable[[], Any]) -> Any:
    """The result of a call, or the error that it raises, in its own thread."""
    results: List[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    return results[0] if results else "it did not return"


class Threads(HandleCase):
    def setUp(self) -> None:
        super().setUp()
        self.broker.answer("echo.it", lambda message: message.raw)

    def hammer(self, call: Callable[[int], None]) -> List[BaseException]:
        """Calls from all threads at once; returns the errors that were raised."""
        errors: List[BaseException] = []
        start = threading.Barrier(THREADS)

        def work(number: int) -> None:
            start.wait(PATIENCE)
            for count in range(CALLS):
                try:
                    call(number * CALLS + count)
                except BaseException as error:  # noqa: BLE001 - the test judges it
                    errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE * 3)
            self.assertFalse(thread.is_alive())
        return errors

    def check(self, number: int) -> None:
        """One request; only the answer to this request is correct."""
        self.assertEqual(self.h.rpc("echo.it", {"n": number}).get(), {"n": number})

    def test_sentence_8_threads_that_hold_a_lock_use_it_in_turn(self) -> None:
        lock = threading.Lock()

        def call(number: int) -> None:
            with lock:
                self.check(number)

        self.assertEqual(self.hammer(call), [])

    def test_sentence_8_without_a_lock_a_call_during_another_is_EBUSY_and_harms_nothing(self) -> None:
        errors = self.hammer(self.check)
        self.assertEqual({getattr(each, "errno", each) for each in errors} - {errno.EBUSY}, set())
        self.assertEqual({str(each) for each in errors if "another thread" not in str(each)}, set())
        # What got through was answered, and what comes after that is too.
        for number in range(100):
            self.check(number)
        self.assertEqual((self.h.dispatch(), self.h.timeout()), (0, None))

    def test_sentence_8_futures_move_too(self) -> None:
        future = in_thread(lambda: self.h.rpc("echo.it", [1]))
        self.assertEqual(future.get(), [1])
        stream = self.h.rpc("echo.it", [2], flags=c.RPC_STREAMING)
        self.assertEqual(in_thread(stream.get), [2])
        stream.cancel()
        ready = self.h.rpc("echo.it", [3]).wait_for(PATIENCE)
        self.assertEqual(in_thread(lambda: ready.get()), [3])

    def test_sentence_8_timers_watchers_and_the_loop_move_too(self) -> None:
        seen: List[int] = []
        self.h.timer_watcher(0.0, lambda *_: seen.append(threading.get_ident())).start()
        ran: List[int] = []
        self.assertEqual(in_thread(lambda: (ran.append(threading.get_ident()), self.h.reactor_run())[1]), 1)
        self.assertEqual(seen, ran)

    def test_sentence_8_every_call_during_another_is_EBUSY(self) -> None:
        self.broker.answer("never.answered", Stream(ends=False))
        pending = self.h.rpc("never.answered")
        timer = self.h.timer_watcher(100.0, print)
        watcher = self.h.msg_watcher(print)
        request = sluice.Message("request", "a.b")
        calls: List[Callable[[], Any]] = [
            lambda: self.h.rpc("echo.it"),
            lambda: self.h.notify("echo.it"),
            lambda: self.h.respond(request),
            lambda: self.h.respond_error(request, 5),
            lambda: self.h.event_subscribe("x"),
            lambda: self.h.log("info", "x"),
            lambda: self.h.dispatch(),
            lambda: self.h.reactor_run(),
            lambda: self.h.reactor_stop(),
            lambda: self.h.timeout(),
            lambda: self.h.close(),
            lambda: pending.get(0.1),
            lambda: pending.then(print),
            lambda: pending.reset(),
            lambda: pending.cancel(),
            lambda: timer.start(),
            lambda: watcher.start(),
        ]
        outcomes: List[Any] = []

        def handler(*_: Any) -> None:
            outcomes.extend(in_thread(call) for call in calls)

        self.h.timer_watcher(0.0, handler).start()
        self.h.dispatch()
        self.assertEqual([getattr(each, "errno", each) for each in outcomes], [errno.EBUSY] * len(calls))
        self.assertFalse(pending.is_ready())
        self.assertEqual((self.h.timeout(), self.h.gone, self.h.stopped), (None, False, False))
        self.check(1)

    def test_sentence_8_a_call_that_raises_leaves_the_handle_free(self) -> None:
        with self.assertRaises(OSError):
            self.h.rpc("a..b")
        with self.assertRaises(TimeoutError):
            self.broker.answer("never.answered", Stream(ends=False))
            self.h.rpc("never.answered").get(timeout=0.01)
        self.assertEqual(in_thread(lambda: self.h.rpc("echo.it", 1).get()), 1)

    def test_sentence_8_a_loop_of_one_thread_keeps_the_others_away_until_it_lets_go(self) -> None:
        async def main() -> None:
            sluice.aio.attach(self.h)
            loop = asyncio.get_running_loop()
            refused = await loop.run_in_executor(None, in_thread, lambda: self.h.rpc("echo.it", 1).get())
            self.assertEqual(refused.errno, errno.EBUSY)
            self.assertIn("detach", str(refused))
            sluice.aio.detach(self.h)
            self.assertEqual(await loop.run_in_executor(None, in_thread, lambda: self.h.rpc("echo.it", 1).get()), 1)
            sluice.aio.attach(self.h)

        asyncio.run(main())
        # A loop that has closed drives nothing any more.
        self.assertEqual(in_thread(lambda: self.h.rpc("echo.it", 2).get()), 2)


class TwoModes(HandleCase):
    def test_sentence_7_one_pass_that_never_waits(self) -> None:
        seen: List[str] = []
        self.h.timer_watcher(1000.0, lambda *_: seen.append("late")).start()
        self.assertEqual(self.h.reactor_run(flags=c.REACTOR_NOWAIT), 0)
        self.h.timer_watcher(0.0, lambda *_: seen.append("now")).start()
        self.assertEqual(self.h.reactor_run(flags=c.REACTOR_NOWAIT), 1)
        self.assertEqual(seen, ["now"])

    def test_sentence_7_one_wait_and_one_pass(self) -> None:
        seen: List[str] = []
        self.h.timer_watcher(0.02, lambda *_: seen.append("first")).start()
        self.h.timer_watcher(1000.0, lambda *_: seen.append("late")).start()
        while not seen:
            self.h.reactor_run(flags=c.REACTOR_ONCE)
        self.assertEqual(seen, ["first"])
        with Sluice(sock=self.another().theirs) as idle:
            # Nothing to wait for.
            self.assertEqual(idle.reactor_run(flags=c.REACTOR_ONCE), 0)

    def test_sentence_7_other_flags_are_invalid(self) -> None:
        with self.assertRaises(OSError) as caught:
            self.h.reactor_run(flags=7)
        self.assertEqual(caught.exception.errno, errno.EINVAL)

    def another(self) -> FakeBroker:
        broker = FakeBroker()
        self.addCleanup(broker.close)
        return broker


class Lifetime(HandleCase):
    def test_sentence_4_a_buffer_may_be_reused_at_once(self) -> None:
        self.broker.answer("echo.it", lambda message: message.raw)
        self.broker.pause()
        # More than the socket takes: most of it is sent later.
        buffer = bytearray(b"a" * 5_000_000)
        future = self.h.rpc("echo.it", bytes(buffer))
        moving = bytearray(b"b" * 1000)
        second = self.h.rpc("echo.it", moving)
        moving[:] = b"x" * len(moving)
        self.broker.go_on()
        self.assertEqual(future.get(), b"a" * 5_000_000)
        self.assertEqual(second.get(), b"b" * 1000)
