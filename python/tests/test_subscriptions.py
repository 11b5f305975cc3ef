"""Subscriptions that the broker ends, because events were missed."""

import asyncio
import errno
import unittest
from typing import Any, List

import sluice
import sluice.aio
from sluice import constants as c

from .broker import FakeBroker
from .handle_case import HandleCase
from .test_module import Module

TEXT = "subscription to a.* has ended: missed"

WATCHES = """
from sluice.brokermod import BrokerModule, event_handler

class Watching(BrokerModule):
    @event_handler("poke")
    def poke(self, msg):
        self.log.info(f"poked {msg.payload}")

    def subscription_ended(self, topic, error):
        self.log.info(f"{topic} {error.errno}")
        self.handle.event_subscribe(topic)

def mod_main(h, *args):
    Watching(h, *args).run()
"""

WATCHES_NOT = """
def mod_main(h, *args):
    h.event_subscribe("a.*")
    h.run()
"""


class Clients(HandleCase):
    def test_are_called_once_for_each_subscription_and_may_subscribe_again(self) -> None:
        seen: List[Any] = []

        def again(error: OSError) -> None:
            seen.append((error.errno, error.strerror))
            self.h.event_subscribe("a.*", again)

        self.h.msg_watcher(lambda h, w, m, a: seen.append(m.topic), c.MSGTYPE_EVENT, "a.*").start()
        self.h.event_subscribe("a.*", again)
        self.h.event_subscribe("a.*", lambda error: seen.append("other"))
        self.assertEqual(self.broker.requests[-1].flags, c.RPC_STREAMING)
        self.broker.end_subscription("a.*")
        self.dispatch_until(lambda: len(seen) == 2)
        self.broker.publish("a.b")
        self.dispatch_until(lambda: len(seen) == 3)
        self.assertEqual(seen, [(errno.ENODATA, TEXT), "other", "a.b"])
        self.broker.end_subscription("a.*")
        self.dispatch_until(lambda: len(seen) == 4)
        self.assertEqual(seen[3], (errno.ENODATA, TEXT))

    def test_end_with_that_error_if_they_take_no_notice(self) -> None:
        self.h.event_subscribe("a.*")
        self.h.msg_watcher(lambda *_: None, c.MSGTYPE_EVENT, "a.*").start()
        self.broker.end_subscription("a.*")
        for call in (self.h.reactor_run, lambda: self.h.rpc("a.b")):
            with self.assertRaises(OSError) as caught:
                call()
            self.assertEqual((caught.exception.errno, caught.exception.strerror), (errno.ENODATA, TEXT))
        self.assertEqual(self.h.wants(), 0)

    def test_take_no_notice_of_what_they_have_undone(self) -> None:
        ended: List[OSError] = []
        self.h.event_subscribe("a.*", ended.append)
        self.h.event_unsubscribe("a.*")
        self.broker.end_subscription("a.*")
        self.broker.answer("a.b", 1)
        self.assertEqual(self.h.rpc("a.b").get(), 1)
        self.h.dispatch()
        self.assertEqual(ended, [])

    def test_do_not_run_only_for_the_end_of_a_subscription(self) -> None:
        self.h.event_subscribe("a.*", lambda _: None)
        self.assertEqual(self.h.reactor_run(), 0)


class Asyncio(unittest.TestCase):
    def test_run_raises_the_error(self) -> None:
        broker = FakeBroker()
        self.addCleanup(broker.close)

        async def serve() -> None:
            async with sluice.aio.Sluice(sock=broker.theirs) as h:
                h.event_subscribe("a.*")
                broker.end_subscription("a.*")
                await h.run()

        with self.assertRaises(OSError) as caught:
            asyncio.run(serve())
        self.assertEqual((caught.exception.errno, caught.exception.strerror), (errno.ENODATA, TEXT))


class Modules(unittest.TestCase):
    def test_fail_if_they_take_no_notice(self) -> None:
        module = Module(self, WATCHES_NOT)
        module.broker.status(c.STATUS_RUNNING)
        module.broker.end_subscription("a.*")
        self.assertEqual(module.ended()[:2], (errno.ENODATA, TEXT))

    def test_subscribe_again(self) -> None:
        module = Module(self, WATCHES)
        module.broker.status(c.STATUS_RUNNING)
        module.broker.end_subscription("mod.poke")
        line = module.broker.next_request("log.append")
        self.assertEqual(line.payload["text"], f"mod.poke {errno.ENODATA}")
        module.broker.publish("mod.poke", 1)
        module.broker.next_request("log.append", lambda each: each.payload["text"] == "poked 1")

    def test_clear_their_counts_after_missed_events_too(self) -> None:
        module = Module(self, WATCHES)
        module.broker.status(c.STATUS_RUNNING)
        topic = {"topic": "mod.stats-clear"}
        first = module.broker.next_request("event.subscribe", lambda each: each.payload == topic)
        module.broker.end_subscription("mod.stats-clear")
        module.broker.next_request(
            "event.subscribe", lambda each: each.payload == topic and each.matchtag != first.matchtag
        )
