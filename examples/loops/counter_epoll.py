"""The same module on a hand-written loop around epoll(7), which has a descriptor of its own besides."""

import os
import select

from sluice import WRITE, BrokerModule, request_handler


class Counter(BrokerModule):
    def __init__(self, h, *args):
        super().__init__(h, *args)
        self.count = 0
        self.wake_ups = 0

    @request_handler("next", allow_guest=True)
    def next(self, msg):
        self.count += 1
        self.handle.respond(msg, {"count": self.count})

    @request_handler("later", allow_guest=True)
    def later(self, msg):
        """Answers after some time without traffic: the loop wakes for it by `timeout()`."""
        self.handle.timer_watcher(msg.payload["seconds"], lambda *_: self.handle.respond(msg, {"waited": True})).start()

    @request_handler("wake-ups", allow_guest=True)
    def report(self, msg):
        self.handle.respond(msg, {"count": self.wake_ups})


def mod_main(h, *args):
    counter = Counter(h, *args)
    h.set_running()
    own, other = os.pipe()
    epoll = select.epoll()
    epoll.register(own, select.EPOLLIN)
    epoll.register(h, select.EPOLLIN)
    while not h.stopped:
        epoll.modify(h, select.EPOLLIN | (select.EPOLLOUT if h.wants() & WRITE else 0))
        ready = epoll.poll(h.timeout())
        counter.wake_ups += 1
        if any(descriptor == own for descriptor, _ in ready):
            os.read(own, 1)
        # Cheap without input: it handles what is possible now and returns.
        h.dispatch()
    epoll.close()
    os.close(own)
    os.close(other)
    if h.failure is not None:
        raise h.failure
