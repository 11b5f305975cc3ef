import os
import time
import unittest

from sluice import constants as c
from sluice.host_environment import PACKAGE_DIR

from .test_module import Module

LOOPS = os.path.join(os.path.dirname(PACKAGE_DIR), "examples", "loops")


class Loops(unittest.TestCase):
    def load(self, loop: str) -> Module:
        with open(os.path.join(LOOPS, f"counter_{loop}.py"), encoding="utf-8") as file:
            return Module(self, file.read())

    def test_the_same_module_serves_on_each(self) -> None:
        for loop in ["asyncio", "select", "epoll"]:
            with self.subTest(loop=loop):
                module = self.load(loop)
                module.broker.status(c.STATUS_RUNNING)
                counts = [module.broker.call("mod.next").payload["count"] for _ in range(3)]
                self.assertEqual(counts, [1, 2, 3])
                large = b"x" * 10_000_000
                self.assertEqual(module.broker.call("mod.ping", large).raw, large)
                module.broker.call("mod.shutdown")
                self.assertEqual(module.ended(), (0, None, 0))

    def test_an_idle_second_has_no_wake_ups(self) -> None:
        module = self.load("epoll")
        # By then its subscription has been answered.
        module.broker.status(c.STATUS_RUNNING)
        before = module.broker.call("mod.wake-ups").payload["count"]
        time.sleep(1)
        # One is the request itself.
        self.assertEqual(module.broker.call("mod.wake-ups").payload["count"] - before, 1)
