import errno
import os
import unittest
from typing import Any, List

import sluice
from sluice import constants as c
from sluice.handle import READ, Sluice
from sluice.message import Message

from .broker import Stream
from .handle_case import HandleCase


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


class Unreachable(unittest.TestCase):
    def test_says_what_is_missing(self) -> None:
        os.environ.pop("SLUICE_URI", None)
        with self.assertRaisesRegex(OSError, "SLUICE_URI is not set"):
            Sluice()
        with self.assertRaisesRegex(FileNotFoundError, "no broker at local:///nonexistent/local-0"):
            Sluice("local:///nonexistent/local-0")
        with self.assertRaisesRegex(ValueError, "must be local:///PATH"):
            Sluice("http://x")
