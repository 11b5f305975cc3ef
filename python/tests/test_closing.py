import errno
import select
import signal
import threading
from typing import Any, List

import sluice
from sluice import constants as c
from sluice.handle import WRITE, Sluice

from .broker import PATIENCE, FakeBroker, Stream, calling
from .handle_case import HandleCase


class Closing(HandleCase):
    def test_fault_C11_an_event_loop_is_told_before_the_descriptor_is_closed(self) -> None:
        told: List[Any] = []
        self.h.on_change = lambda: told.append((self.h.fileno() >= 0, self.h.wants()))
        self.h.close()
        self.assertEqual(told[0], (True, 0))
        self.assertEqual((self.h.fileno(), self.h.wants(), self.h.timeout()), (-1, 0, None))

    def test_fault_C11_a_descriptor_closes_even_if_telling_the_event_loop_fails(self) -> None:
        def fail() -> None:
            self.h.on_change = None
            raise ValueError("no such source")

        self.h.on_change = fail
        with self.assertRaisesRegex(ValueError, "no such source"):
            self.h.close()
        self.assertEqual(self.h.fileno(), -1)

    def test_fault_C11_a_connection_that_the_broker_ended_is_not_watched_any_more(self) -> None:
        self.broker.close()
        self.dispatch_until(lambda: self.h.stopped)
        self.assertEqual(self.h.wants(), 0)

    def test_fault_C11_closing_inside_a_callback_ends_each_loop(self) -> None:
        """The loops of examples/loops, and the handle's own."""

        def select_loop(h: Sluice) -> None:
            while not h.stopped:
                select.select([h], [h] if h.wants() & WRITE else [], [], h.timeout())
                h.dispatch()

        def epoll_loop(h: Sluice) -> None:
            with select.epoll() as epoll:
                epoll.register(h, select.EPOLLIN)
                while not h.stopped:
                    epoll.modify(h, select.EPOLLIN | (select.EPOLLOUT if h.wants() & WRITE else 0))
                    epoll.poll(h.timeout())
                    h.dispatch()

        loops: List[Any] = [select_loop, epoll_loop, Sluice.reactor_run]
        for loop in loops:
            for close in (self.close_in_response, self.close_in_event, self.close_in_timer):
                with self.subTest(loop=loop.__name__, close=close.__name__):
                    broker = FakeBroker()
                    self.addCleanup(broker.close)
                    broker.answer("echo.it", None)
                    h = Sluice(sock=broker.theirs)
                    seen: List[str] = []
                    close(broker, h, seen)
                    loop(h)
                    h.dispatch()
                    self.assertEqual(seen, ["closed"])
                    self.assertEqual(h.fileno(), -1)

    def close_in_response(self, broker: FakeBroker, h: Sluice, seen: List[str]) -> None:
        h.rpc("echo.it").then(calling(h.close, lambda: seen.append("closed")))

    def close_in_event(self, broker: FakeBroker, h: Sluice, seen: List[str]) -> None:
        h.msg_watcher(calling(h.close, lambda: seen.append("closed")), c.MSGTYPE_EVENT, "x").start()
        broker.publish("x")
        broker.publish("x")

    def close_in_timer(self, broker: FakeBroker, h: Sluice, seen: List[str]) -> None:
        h.timer_watcher(0.0, calling(h.close, lambda: seen.append("closed"))).start()
        h.timer_watcher(0.0, lambda *_: seen.append("a timer of a closed handle"), repeat=0.001).start()

    def test_fault_C11_closing_while_a_future_waits_ends_its_wait(self) -> None:
        """A signal handler runs during the wait."""
        before = signal.signal(signal.SIGUSR1, lambda *_: self.h.close())
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        waiting = threading.get_ident()

        def interrupt(_: Any) -> None:
            signal.pthread_kill(waiting, signal.SIGUSR1)
            # Ends the wait if the signal came just before it began.
            self.broker.publish("x")

        self.broker.answer("a.b", interrupt)
        self.broker.answer("never.answered", Stream(ends=False))
        with self.assertRaises(OSError) as caught:
            future = self.h.rpc("never.answered")
            self.h.rpc("a.b")
            future.get(timeout=PATIENCE)
        self.assertEqual(caught.exception.errno, errno.ECANCELED)

    def test_fault_C11_a_callback_hears_that_its_request_ended_with_the_handle(self) -> None:
        self.broker.answer("never.answered", Stream(ends=False))
        seen: List[Any] = []

        def got(future: sluice.Future) -> None:
            with self.assertRaises(OSError) as caught:
                future.get()
            seen.append(caught.exception.errno)

        self.h.rpc("never.answered").then(got)
        self.h.close()
        self.assertEqual(self.h.timeout(), 0.0)
        self.assertEqual(self.h.dispatch(), 1)
        self.assertEqual(seen, [errno.ECANCELED])
