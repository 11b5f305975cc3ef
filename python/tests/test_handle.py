import errno
import os
import select
import signal
import threading
import time
import unittest
from typing import Any, List

import sluice
from sluice import constants as c
from sluice.handle import READ, WRITE, Sluice
from sluice.message import Message

from .broker import PATIENCE, FakeBroker, Stream, calling


class HandleCase(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = FakeBroker()
        self.addCleanup(self.broker.close)
        self.h = Sluice(sock=self.broker.theirs)
        self.addCleanup(self.h.close)

    def dispatch_until(self, condition: Any) -> None:
        """Another event loop, around the handle."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not come")
            wants = self.h.wants()
            timeout = self.h.timeout()
            # The condition may be about the broker's thread, which does not wake this one.
            patience = 0.005 if timeout is None else min(timeout, 0.005)
            select.select([self.h], [self.h] if wants & WRITE else [], [], patience)
            self.h.dispatch()


class Requests(HandleCase):
    def test_the_welcome_says_who_we_are(self) -> None:
        h = self.h
        self.assertEqual((h.name, h.uuid, h.rank, h.size, h.args), ("probe", "uuid-1", 2, 4, ("a", "b")))
        self.assertEqual(h.conf_get("table.key"), [1, 2])
        self.assertEqual(h.conf_get("table.key.x", "none"), "none")
        self.assertEqual(h.attr_get("version"), "1")

    def test_get_gives_the_payload(self) -> None:
        payloads: List[Any] = [None, {"a": [1, 2.5, None, "ü\ud800"]}, 0, False, b"\x00\x01", []]
        for payload in payloads:
            self.broker.answer("echo.it", lambda message: message.raw)
            self.assertEqual(self.h.rpc("echo.it", payload).get(), payload)

    def test_text_is_sent_as_it_is(self) -> None:
        self.broker.answer("echo.it", lambda message: message.raw)
        self.assertEqual(self.h.rpc("echo.it", '{"a": 1}').get_str(), '{"a": 1}')

    def test_get_raises_what_the_service_says(self) -> None:
        def fail(_: Any) -> None:
            raise OSError(errno.ENOENT, "no such thing")

        self.broker.answer("a.b", fail)
        with self.assertRaises(FileNotFoundError) as caught:
            self.h.rpc("a.b").get()
        self.assertEqual((caught.exception.errno, caught.exception.strerror), (errno.ENOENT, "no such thing"))

    def test_a_request_says_where_it_goes(self) -> None:
        self.broker.answer("a.b", None)
        cases: List[Any] = [(c.NODEID_ANY, "any"), (c.NODEID_UPSTREAM, "upstream"), (3, 3), ("any", "any")]
        for nodeid, sent in cases:
            self.h.rpc("a.b", nodeid=nodeid).get()
            self.assertEqual(self.broker.requests[-1].nodeid, sent)

    def test_what_is_no_request_is_refused_at_once(self) -> None:
        for topic, payload in [("a..b", None), ("", None), ("a", object()), ("a", float("nan")), ("a", "\ud800")]:
            with self.subTest(topic=topic), self.assertRaises(OSError) as caught:
                self.h.rpc(topic, payload)
            self.assertEqual(caught.exception.errno, errno.EINVAL)

    def test_a_request_without_response_is_settled(self) -> None:
        self.assertIsNone(self.h.rpc("a.b", flags=c.RPC_NORESPONSE).get())
        self.assertEqual(self.broker.next_request("a.b").matchtag, 0)

    def test_get_gives_up_after_its_timeout(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))
        with self.assertRaises(TimeoutError):
            self.h.rpc("a.b").get(timeout=0.01)

    def test_pending_requests_fail_when_the_broker_goes(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))
        future = self.h.rpc("a.b")
        self.broker.close()
        with self.assertRaises(ConnectionResetError):
            future.get()
        with self.assertRaises(ConnectionResetError):
            self.h.rpc("a.b")

    def test_a_broker_that_sends_rubbish_is_left(self) -> None:
        self.broker.answer("a.b", Stream(ends=False))
        future = self.h.rpc("a.b")
        self.broker.send_bytes(b"\xff" * 16)
        with self.assertRaises(ConnectionResetError):
            future.get()

    def test_large_payloads_both_ways(self) -> None:
        self.broker.answer("echo.it", lambda message: message.raw)
        payload = os.urandom(10_000_000)
        self.assertEqual(self.h.rpc("echo.it", payload).get(), payload)

    def test_close_sends_what_waits(self) -> None:
        self.h.notify("a.b", b"x" * 5_000_000)
        self.h.close()
        self.assertEqual(len(self.broker.next_request("a.b").payload), 5_000_000)

    def test_attributes(self) -> None:
        self.broker.answer("attr.get", lambda message: {"value": message.payload["name"].upper()})
        self.assertEqual(self.h.attr_get("size-x"), "SIZE-X")

        def missing(_: Any) -> None:
            raise OSError(errno.ENOENT, "no such attribute")

        self.broker.answer("attr.get", missing)
        self.assertEqual(self.h.attr_get("x", "default"), "default")
        with self.assertRaises(FileNotFoundError):
            self.h.attr_get("x")

    def test_log_lines_have_a_level(self) -> None:
        self.h.log(6, "hello")
        self.h.log("err", "oh")
        self.broker.next_request("log.append", lambda each: each.payload["text"] == "oh")
        self.assertEqual(
            [each.payload for each in self.broker.requests],
            [{"level": "info", "text": "hello"}, {"level": "err", "text": "oh"}],
        )


class Streams(HandleCase):
    def test_a_loop_gets_every_payload_until_the_end(self) -> None:
        self.broker.answer("a.b", Stream(1, 2, 3))
        self.assertEqual(list(self.h.rpc("a.b", flags=c.RPC_STREAMING)), [1, 2, 3])

    def test_reset_lets_go_of_one(self) -> None:
        self.broker.answer("a.b", Stream(1, 2))
        future = self.h.rpc("a.b", flags=c.RPC_STREAMING)
        self.assertEqual(future.get(), 1)
        self.assertEqual(future.get(), 1)
        future.reset()
        self.assertEqual(future.get(), 2)
        future.reset()
        with self.assertRaises(OSError) as caught:
            future.get()
        self.assertEqual(caught.exception.errno, errno.ENODATA)

    def test_leaving_the_loop_cancels(self) -> None:
        self.broker.answer("a.b", Stream(1, 2, ends=False))
        for value in self.h.rpc("a.b", flags=c.RPC_STREAMING):
            self.assertEqual(value, 1)
            break
        cancel = self.broker.next_request("a.cancel")
        self.assertEqual((cancel.payload["matchtag"], cancel.matchtag), (1, 0))

    def test_a_callback_sees_each_response_once(self) -> None:
        self.broker.answer("a.b", Stream(1, 2, 3))
        seen: List[Any] = []

        def got(future: sluice.Future) -> None:
            try:
                seen.append(future.get())
                future.reset()
            except OSError as error:
                seen.append(error.errno)

        self.h.rpc("a.b", flags=c.RPC_STREAMING).then(got)
        self.h.reactor_run()
        self.assertEqual(seen, [1, 2, 3, errno.ENODATA])


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


TOPICS = ["probe.ab", "probe.ac", "probe.b"]


class Answers(HandleCase):
    def answer(self, handler: Any, topic: str = "probe.x", **fields: Any) -> Any:
        self.h.msg_watcher(handler, c.MSGTYPE_REQUEST, "probe.x").start()
        queue = self.broker.ask(topic, None, **fields)
        self.dispatch_until(lambda: not queue.empty())
        return queue.get()

    def test_an_oserror_is_the_answer(self) -> None:
        def fail(*_: Any) -> None:
            raise FileExistsError(errno.EEXIST, "File exists")

        response = self.answer(fail)
        self.assertEqual((response.errnum, response.error), (errno.EEXIST, "File exists"))

    def test_anything_else_is_a_fault_of_the_program(self) -> None:
        self.h.msg_watcher(lambda *_: 1 / 0, c.MSGTYPE_REQUEST, "probe.x").start()
        queue = self.broker.ask("probe.x")
        with self.assertRaises(ZeroDivisionError):
            self.dispatch_until(lambda: False)
        self.assertEqual(queue.get(timeout=PATIENCE).errnum, errno.ECONNRESET)

    def test_guests_reach_only_what_is_theirs(self) -> None:
        self.assertEqual(self.answer(lambda h, w, m, a: h.respond(m), rolemask=2).errnum, errno.EPERM)
        self.assertEqual(self.answer(lambda h, w, m, a: h.respond(m), rolemask=1).errnum, 0)

    def test_an_unknown_method_names_itself(self) -> None:
        response = self.answer(lambda *_: None, "probe.y")
        self.assertEqual((response.errnum, response.error), (errno.ENOSYS, "Unknown service method 'probe.y'"))

    def test_a_request_is_answered_once(self) -> None:
        faults: List[OSError] = []

        def twice(h: Sluice, _watcher: Any, message: sluice.Message, _args: Any) -> None:
            h.respond(message, 1)
            try:
                h.respond(message, 2)
            except OSError as error:
                faults.append(error)

        self.assertEqual(self.answer(twice).payload, 1)
        self.assertEqual([each.errno for each in faults], [errno.EINVAL])

    def test_a_stream_that_is_cancelled_goes_nowhere(self) -> None:
        kept: List[sluice.Message] = []

        def begin(h: Sluice, _watcher: Any, message: sluice.Message, _args: Any) -> None:
            kept.append(message)
            h.respond(message, 1)

        self.h.msg_watcher(begin, c.MSGTYPE_REQUEST, "probe.x").start()
        queue = self.broker.ask("probe.x", flags=c.RPC_STREAMING)
        self.dispatch_until(lambda: kept)
        self.assertEqual(queue.get(timeout=PATIENCE).payload, 1)
        payload = {"matchtag": kept[0].matchtag}
        self.broker.ask("probe.cancel", payload, matchtag=0, flags=c.RPC_NORESPONSE)
        self.dispatch_until(lambda: kept[0].answered)
        self.assertEqual(queue.get(timeout=PATIENCE).errnum, errno.ECANCELED)
        self.h.respond(kept[0], 2)
        self.assertTrue(queue.empty())

    def test_a_sender_that_goes_away_takes_its_streams(self) -> None:
        kept: List[sluice.Message] = []
        self.h.msg_watcher(lambda h, w, m, a: kept.append(m), c.MSGTYPE_REQUEST, "probe.x").start()
        self.broker.ask("probe.x", flags=c.RPC_STREAMING, route=["gone"])
        self.dispatch_until(lambda: kept)
        left = self.broker.ask("probe.disconnect", route=["gone"])
        self.dispatch_until(lambda: not left.empty())
        self.assertTrue(kept[0].abandoned)
        self.h.respond(kept[0], 1)


class FlowControl(HandleCase):
    """Requests wait while the broker holds them."""

    def tell(self, what: str) -> None:
        self.broker.send(Message("control", raw=f'{{"requests":"{what}"}}', control="status"))
        # An event that comes after it: the notice has been received then.
        self.broker.publish("told")
        self.dispatch_until(lambda: self.told)
        self.told.clear()

    def setUp(self) -> None:
        super().setUp()
        self.told: List[Any] = []
        self.h.msg_watcher(lambda h, w, m, a: self.told.append(m), c.MSGTYPE_EVENT, "told").start()

    def test_requests_wait_while_they_are_held_and_go_in_order_after_that(self) -> None:
        self.broker.answer("a.b", lambda message: message.payload)
        self.tell("hold")
        futures = [self.h.rpc("a.b", number) for number in range(3)]
        self.h.notify("module.status", {"status": 1})
        self.h.msg_watcher(lambda h, w, m, a: h.respond(m, 1), c.MSGTYPE_REQUEST, "probe.x").start()
        answer = self.broker.ask("probe.x")
        self.dispatch_until(lambda: not answer.empty())
        self.assertEqual([each.topic for each in self.broker.requests], ["module.status"])
        self.tell("send")
        self.assertEqual([future.get() for future in futures], [0, 1, 2])
        self.assertEqual([each.payload for each in self.broker.requests if each.topic == "a.b"], [0, 1, 2])

    def test_a_hold_in_the_midst_of_many_stops_those_that_were_not_handed_on(self) -> None:
        self.broker.pause()
        self.broker.answer("a.b", None)
        futures = [self.h.rpc("a.b", b"x" * 1000) for _ in range(5000)]
        self.tell("hold")
        self.h.msg_watcher(lambda h, w, m, a: h.respond(m, 1), c.MSGTYPE_REQUEST, "probe.x").start()
        answer = self.broker.ask("probe.x")
        self.broker.go_on()
        self.dispatch_until(lambda: not answer.empty())
        self.assertLess(len(self.broker.requests), 5000)
        self.tell("send")
        for future in futures:
            self.assertIsNone(future.get())

    def test_what_is_held_at_the_end_is_sent(self) -> None:
        self.tell("hold")
        self.h.notify("a.b", 7)
        self.h.close()
        self.assertEqual(self.broker.next_request("a.b").payload, 7)

    def test_a_held_handle_does_not_wake_its_loop(self) -> None:
        self.tell("hold")
        self.h.notify("a.b", 7)
        self.assertEqual((self.h.wants(), self.h.timeout()), (READ, None))


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
        """A signal handler runs inside of the wait."""
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


class Unreachable(unittest.TestCase):
    def test_says_what_is_missing(self) -> None:
        os.environ.pop("SLUICE_URI", None)
        with self.assertRaisesRegex(OSError, "SLUICE_URI is not set"):
            Sluice()
        with self.assertRaisesRegex(FileNotFoundError, "no broker at local:///nonexistent/local-0"):
            Sluice("local:///nonexistent/local-0")
        with self.assertRaisesRegex(ValueError, "must be local:///PATH"):
            Sluice("http://x")
