import select
import time
import unittest
from typing import Any

from sluice.handle import WRITE, Sluice

from .broker import PATIENCE, FakeBroker


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
