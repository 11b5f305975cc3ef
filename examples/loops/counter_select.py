"""The same module on a loop around select(2), as GLib and many toolkits have it: sources, a poll, a dispatch."""

import select

from sluice import WRITE, BrokerModule, request_handler


class Counter(BrokerModule):
    count = 0

    @request_handler("next", allow_guest=True)
    def next(self, msg):
        self.count += 1
        self.handle.respond(msg, {"count": self.count})


def mod_main(h, *args):
    Counter(h, *args)
    h.set_running()
    while not h.stopped:
        writers = [h] if h.wants() & WRITE else []
        select.select([h], writers, [], h.timeout())
        h.dispatch()
    if h.failure is not None:
        raise h.failure
