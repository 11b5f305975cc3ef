"""The same module on a loop around select(2), as many toolkits have it: sources, a poll, a dispatch."""

import select

from sluice import WRITE, BrokerModule, request_handler


class Counter(BrokerModule):
    count = 0

    @request_handler("next", allow_guest=True)
    def next(self, msg):
        self.count += 1
        self.handle.respond(msg, {"count": self.count})

    @request_handler("later", allow_guest=True)
    def later(self, msg):
        """Answers after some time without traffic: the loop wakes for it by `timeout()`."""
        self.handle.timer_watcher(msg.payload["seconds"], lambda *_: self.handle.respond(msg, {"waited": True})).start()


def mod_main(h, *args):
    Counter(h, *args)
    h.set_running()
    while not h.stopped:
        writers = [h] if h.wants() & WRITE else []
        select.select([h], writers, [], h.timeout())
        h.dispatch()
    if h.failure is not None:
        raise h.failure
