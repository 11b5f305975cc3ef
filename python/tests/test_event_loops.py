import errno
import select
import time
from typing import Any, List

import sluice
from sluice import constants as c
from sluice.handle import READ, WRITE, Sluice

from .broker import PATIENCE, Stream, calling
from .handle_case import HandleCase

TOPICS = ["probe.ab", "probe.ac", "probe.b"]


class EventLoop(HandleCase):
    def test_ends_when_nothing_is_left_to_wait_for(self) -> None:
        self.broker.answer("a.b", {"n": 1})
        seen: List[Any] = []
        self.h.rpc("a.b").then(lambda future, *args, **named: seen.append((future.get(), args, named)), 5, x=6)
        self.h.reactor_run()
        self.assertEqual(seen, [({"n": 1}, (5,), {"x": 6})])

    def test_raises_what_a_callback_raises(self) -> None:
        self.broker.answer("a.b", None)
        self.h.rpc("a.b").then(lambda _: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            self.h.reactor_run()

    def test_a_wait_of_0_seconds_reads_what_has_arrived(self) -> None:
        self.broker.answer("a.b", 1)
        self.broker.answer("never.answered", Stream(ends=False))
        late = self.h.rpc("never.answered")
        future = self.h.rpc("a.b")
        self.assertTrue(select.select([self.h], [], [], PATIENCE)[0])
        self.assertEqual(future.get(0), 1)
        with self.assertRaises(TimeoutError):
            late.get(0)

    def test_waits_may_be_longer_than_poll_takes(self) -> None:
        self.broker.answer("a.b", 1)
        for seconds in (30 * 86400.0, 1e300, float("inf")):
            self.assertEqual(self.h.rpc("a.b").get(seconds), 1)
            timer = self.h.timer_watcher(seconds, calling()).start()
            self.h.rpc("a.b").then(calling(timer.stop))
            self.h.reactor_run()

    def test_reactor_run_makes_all_calls_after_the_end_of_the_connection(self) -> None:
        self.broker.answer("a.b", 1)
        seen: List[Any] = []
        for _ in range(200):
            self.h.rpc("a.b").then(lambda future: seen.append(future.get()))
        self.h.rpc("a.b").get()
        self.broker.close()
        self.h.reactor_run()
        self.assertEqual(seen, [1] * 200)

    def test_reactor_run_makes_no_more_calls_after_a_stop(self) -> None:
        self.broker.answer("a.b", 1)
        seen: List[Any] = []
        for _ in range(200):
            self.h.rpc("a.b").then(calling(lambda: seen.append(1), self.h.reactor_stop))
        self.h.rpc("a.b").get()
        self.broker.close()
        self.h.reactor_run()
        self.assertLess(len(seen), 200)

    def test_stop_error_is_raised(self) -> None:
        self.h.timer_watcher(0.0, lambda h, *_: h.reactor_stop_error(ValueError("enough"))).start()
        with self.assertRaisesRegex(ValueError, "enough"):
            self.h.reactor_run()

    def test_timers_run_in_order_and_again(self) -> None:
        seen: List[str] = []

        def tick(h: Sluice, watcher: Any, _revents: int, args: str) -> None:
            seen.append(args)
            if seen.count("again") == 3:
                watcher.stop()

        self.h.timer_watcher(0.03, tick, args="late").start()
        self.h.timer_watcher(0.001, tick, repeat=0.001, args="again").start()
        stopped = self.h.timer_watcher(0.0, tick, args="never").start()
        stopped.stop()
        self.h.reactor_run()
        self.assertEqual(seen, ["again", "again", "again", "late"])

    def test_requests_are_answered_by_the_latest_watcher_that_matches(self) -> None:
        def answer(h: Sluice, _watcher: Any, message: sluice.Message, args: str) -> None:
            h.respond(message, [args, message.payload])

        for glob, args in [("*", "any"), ("probe.a*", "a"), ("probe.ab", "ab")]:
            self.h.msg_watcher(answer, c.MSGTYPE_REQUEST, glob, args).start()
        queues = [self.broker.ask(topic, [1]) for topic in TOPICS]
        self.dispatch_until(lambda: not any(each.empty() for each in queues))
        self.assertEqual([each.get().payload for each in queues], [["ab", [1]], ["a", [1]], ["any", [1]]])

    def test_events_reach_every_watcher_that_matches(self) -> None:
        seen: List[Any] = []
        self.h.event_subscribe("heartbeat.*")
        self.h.msg_watcher(lambda h, w, m, a: seen.append((m.topic, m.seq, m.payload)), c.MSGTYPE_EVENT, "*").start()
        self.broker.publish("heartbeat.pulse", {"count": 1}, seq=9)
        self.dispatch_until(lambda: seen)
        self.assertEqual(seen, [("heartbeat.pulse", 9, {"count": 1})])

    def test_no_handler_runs_inside_a_wait(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))
        seen: List[str] = []
        self.h.event_subscribe("x")
        self.h.msg_watcher(lambda h, w, m, a: seen.append(m.topic), c.MSGTYPE_EVENT, "x").start()
        future = self.h.rpc("a.b")
        request = self.broker.next_request("a.b")
        self.broker.publish("x")
        self.broker.send(sluice.Message("response", "a.b", "1", matchtag=request.matchtag))
        self.assertEqual(future.get(), 1)
        self.assertEqual(seen, [])
        self.assertEqual(self.h.timeout(), 0.0)
        self.assertEqual(self.h.dispatch(), 1)
        self.assertEqual(seen, ["x"])


class ForeignLoops(HandleCase):
    def test_an_idle_second_has_no_wake_ups(self) -> None:
        self.h.event_subscribe("x")
        poll = select.poll()
        poll.register(self.h, select.POLLIN)
        self.assertIsNone(self.h.timeout())
        self.assertEqual(self.h.wants(), READ)
        self.assertEqual(poll.poll(1000), [])
        self.assertEqual(self.h.dispatch(), 0)

    def test_wants_to_write_only_while_something_waits(self) -> None:
        self.broker.answer("a.b", lambda message: len(message.raw))
        future = self.h.rpc("a.b", b"x" * 20_000_000)
        self.assertEqual(self.h.wants(), READ | WRITE)
        self.dispatch_until(future.is_ready)
        self.assertEqual(self.h.wants(), READ)
        self.assertEqual(future.get(), 20_000_000)

    def test_dispatch_never_waits(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))
        self.h.rpc("a.b").then(lambda _: None)
        started = time.monotonic()
        self.assertEqual(self.h.dispatch(), 0)
        self.assertLess(time.monotonic() - started, 0.5)

    def test_trap_H9_dispatch_inside_a_handler_is_an_error_that_says_so(self) -> None:
        raised: List[OSError] = []

        def nested(h: Sluice, *_: Any) -> None:
            try:
                h.dispatch()
            except OSError as error:
                raised.append(error)

        self.h.event_subscribe("x")
        self.h.msg_watcher(nested, c.MSGTYPE_EVENT, "x").start()
        self.broker.publish("x")
        self.dispatch_until(lambda: raised)
        self.assertEqual(raised[0].errno, errno.EBUSY)
        self.assertIn("inside a handler", str(raised[0]))
        self.broker.answer("a.b", lambda _: '"still works"')
        self.assertEqual(self.h.rpc("a.b").get(), "still works")

    def test_trap_H9_a_handler_that_raises_does_not_leave_the_handle_busy(self) -> None:
        def fail(*_: Any) -> None:
            raise ValueError("bad event")

        self.h.timer_watcher(0.0, fail).start()
        with self.assertRaisesRegex(ValueError, "bad event"):
            self.h.dispatch()
        self.assertEqual(self.h.dispatch(), 0)

    def test_trap_H9_one_call_handles_at_most_64_and_asks_to_be_called_again(self) -> None:
        seen: List[int] = []
        for number in range(150):
            self.h.timer_watcher(0.0, lambda *args: seen.append(args[3]), args=number).start()
        counts = []
        while len(seen) < 150:
            self.assertEqual(self.h.timeout(), 0.0)
            counts.append(self.h.dispatch())
        self.assertEqual(counts, [64, 64, 22])
        self.assertEqual(seen, list(range(150)))
        self.assertIsNone(self.h.timeout())

    def test_trap_H9_events_and_callbacks_share_the_64(self) -> None:
        seen: List[Any] = []
        self.h.event_subscribe("x")
        self.h.msg_watcher(lambda h, w, m, a: seen.append(m.payload), c.MSGTYPE_EVENT, "x").start()
        self.broker.answer("a.b", lambda _: '"answer"')
        for number in range(100):
            self.broker.publish("x", number)
        futures = [self.h.rpc("a.b").then(lambda future: seen.append(future.get())) for _ in range(50)]
        # All have arrived once the last is answered.
        futures[-1].wait_for(PATIENCE)
        counts = []
        while self.h.timeout() == 0.0:
            counts.append(self.h.dispatch())
        self.assertEqual(sum(counts), 150)
        self.assertEqual(max(counts), 64)
        self.assertEqual(seen, [*range(100), *(["answer"] * 50)])

    def test_timeout_says_when_the_next_timer_is_due(self) -> None:
        self.h.timer_watcher(100.0, lambda *_: None).start()
        timeout = self.h.timeout()
        assert timeout is not None
        self.assertTrue(99 < timeout <= 100)
