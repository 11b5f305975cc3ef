"""A module that counts, on asyncio. `sluice module load ./counter_asyncio.py`, then `sluice rpc counter_asyncio.next`."""

from sluice import BrokerModule, request_handler


class Counter(BrokerModule):
    count = 0

    @request_handler("next", allow_guest=True)
    async def next(self, msg):
        self.count += 1
        self.handle.respond(msg, {"count": self.count})

    @request_handler("later", allow_guest=True)
    def later(self, msg):
        """Answers after some time without traffic: the event loop knows of it by `timeout()`."""
        self.handle.timer_watcher(msg.payload["seconds"], lambda *_: self.handle.respond(msg, {"waited": True})).start()


async def mod_main(h, *args):
    await Counter(h, *args).run()
