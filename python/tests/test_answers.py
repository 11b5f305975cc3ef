import errno
from typing import Any, List

import sluice
from sluice import constants as c
from sluice.handle import Sluice

from .broker import PATIENCE
from .handle_case import HandleCase


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

    def test_a_cancel_with_invalid_json_raises_nothing(self) -> None:
        answer = self.broker.ask("probe.cancel", '{"matchtag":01}', matchtag=0, flags=c.RPC_NORESPONSE)
        self.h.msg_watcher(lambda h, w, m, a: h.respond(m, 1), c.MSGTYPE_REQUEST, "probe.x").start()
        after = self.broker.ask("probe.x")
        self.dispatch_until(lambda: not after.empty())
        self.assertTrue(answer.empty())

    def test_a_sender_that_goes_away_takes_its_streams(self) -> None:
        kept: List[sluice.Message] = []
        self.h.msg_watcher(lambda h, w, m, a: kept.append(m), c.MSGTYPE_REQUEST, "probe.x").start()
        self.broker.ask("probe.x", flags=c.RPC_STREAMING, route=["gone"])
        self.dispatch_until(lambda: kept)
        left = self.broker.ask("probe.disconnect", route=["gone"])
        self.dispatch_until(lambda: not left.empty())
        self.assertTrue(kept[0].abandoned)
        self.h.respond(kept[0], 1)
