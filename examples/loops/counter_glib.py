"""The same module on the main loop of GLib, by PyGObject (Debian: python3-gi).

GLib keeps a list of sources and does not ask before each wait: `on_change` tells it what to wait for now.
"""

from gi.repository import GLib

from sluice import READ, WRITE, BrokerModule, request_handler


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


class GLibSource:
    """Ties a handle to the default main context: a watch for its descriptor, and a timer."""

    def __init__(self, h, ended):
        self.h = h
        #: Called with the error, or None, when the handle needs no loop any more.
        self.ended = ended
        self.descriptor = h.fileno()
        self.watched = self.watch = self.timer = 0
        #: How often GLib has called.
        self.calls = 0
        h.on_change = self.arm
        self.arm()

    def arm(self):
        """Has GLib wait for what the handle wants now; for nothing once its connection has ended."""
        wants = self.h.wants()
        if wants != self.watched:
            # A watch that stays after the end of the connection would call without end.
            if self.watch:
                GLib.source_remove(self.watch)
            self.watched, self.watch = wants, 0
            if wants:
                bits = GLib.IOCondition.HUP | GLib.IOCondition.ERR
                bits |= GLib.IOCondition.IN if wants & READ else bits
                bits |= GLib.IOCondition.OUT if wants & WRITE else bits
                self.watch = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, self.descriptor, bits, self.ready)
        if self.timer:
            GLib.source_remove(self.timer)
        timeout = self.h.timeout()
        # Rounded up: a timer that is called too early would have to wait once more.
        self.timer = 0 if timeout is None else GLib.timeout_add(int(timeout * 1000 + 0.999), self.due)

    def ready(self, descriptor, condition):
        self.dispatch()
        return GLib.SOURCE_CONTINUE

    def due(self):
        # GLib removes a timer that has called.
        self.timer = 0
        self.dispatch()
        return GLib.SOURCE_REMOVE

    def dispatch(self):
        self.calls += 1
        try:
            self.h.dispatch()
        # GLib would print it, drop the watch and go on.
        except Exception as error:
            self.ended(error)
        self.arm()
        if self.h.stopped:
            self.ended(self.h.failure)

    def release(self):
        """Lets go of the handle."""
        self.h.on_change = None
        for source in (self.watch, self.timer):
            if source:
                GLib.source_remove(source)
        self.watched = self.watch = self.timer = 0


def mod_main(h, *args):
    Counter(h, *args)
    h.set_running()
    loop = GLib.MainLoop()
    errors = []

    def ended(error):
        errors.append(error)
        loop.quit()

    source = GLibSource(h, ended)
    if not h.stopped:
        loop.run()
    source.release()
    for error in filter(None, errors):
        raise error
