import functools
import os
import subprocess
import sys
import time
import unittest
from typing import List, Tuple

from sluice import constants as c
from sluice.host_environment import PACKAGE_DIR

from .broker import PATIENCE
from .test_module import Module

LOOPS = os.path.join(os.path.dirname(PACKAGE_DIR), "examples", "loops")


#: A program whose main loop goes on after its broker has gone.
END_ON_GLIB = """
import sys
from gi.repository import GLib
from sluice.handle import Sluice
from sluice.host_environment import import_file
from tests.broker import FakeBroker

glib = import_file(sys.argv[1], "counter_glib")
broker = FakeBroker()
h = Sluice(sock=broker.theirs)
loop = GLib.MainLoop()
ends = []

def ended(error):
    ends.append(error)
    calls = source.calls
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) < 20:
            return True
        print("ended", len(ends))
        print("watches", source.watch)
        print("calls after the end", source.calls - calls)
        loop.quit()
        return False

    GLib.timeout_add(5, tick)

source = glib.GLibSource(h, ended)
GLib.idle_add(lambda: broker.close())
loop.run()
h.close()
"""

NAMES = ["asyncio", "select", "epoll", "glib"]


@functools.lru_cache(maxsize=None)
def python_with_glib() -> str:
    """This interpreter, or Debian's, which has PyGObject."""
    for python in (sys.executable, "/usr/bin/python3"):
        found = subprocess.run(
            [python, "-c", "from gi.repository import GLib"], stderr=subprocess.PIPE, text=True, check=False
        )
        if found.returncode == 0:
            return python
    raise AssertionError(f"the test of GLib needs PyGObject: apt-get install python3-gi; {found.stderr}")


class Loops(unittest.TestCase):
    def load(self, loop: str) -> Module:
        with open(os.path.join(LOOPS, f"counter_{loop}.py"), encoding="utf-8") as file:
            return Module(self, file.read(), python=python_with_glib() if loop == "glib" else sys.executable)

    def load_all(self) -> List[Tuple[str, Module]]:
        """One handle of each kind, which start at the same time."""
        return [(loop, self.load(loop)) for loop in NAMES]

    def test_the_same_module_serves_on_each(self) -> None:
        for loop, module in self.load_all():
            with self.subTest(loop=loop):
                module.broker.status(c.STATUS_RUNNING)
                counts = [module.broker.call("mod.next").payload["count"] for _ in range(3)]
                self.assertEqual(counts, [1, 2, 3])
                large = b"x" * 10_000_000
                self.assertEqual(module.broker.call("mod.ping", large).raw, large)
                module.broker.call("mod.shutdown")
                self.assertEqual(module.ended(), (0, None, 0))

    def test_trap_H10_a_timer_is_called_without_traffic_on_each(self) -> None:
        for loop, module in self.load_all():
            with self.subTest(loop=loop):
                module.broker.status(c.STATUS_RUNNING)
                # Nothing is sent or received between the two requests and their answers.
                late = module.broker.ask("mod.later", {"seconds": 0.05})
                soon = module.broker.ask("mod.later", {"seconds": 0.01})
                for answer in (soon, late):
                    self.assertEqual(answer.get(timeout=PATIENCE).payload, {"waited": True})
                module.broker.call("mod.shutdown")
                self.assertEqual(module.ended(), (0, None, 0))

    def test_what_a_handler_raises_ends_each(self) -> None:
        for loop, module in self.load_all():
            with self.subTest(loop=loop):
                module.broker.status(c.STATUS_RUNNING)
                module.broker.ask("mod.later", {})
                errnum, error, status = module.ended()
                self.assertEqual((error, status), ("KeyError: 'seconds'", 0))

    def test_each_ends_when_the_broker_goes(self) -> None:
        for loop, module in self.load_all():
            with self.subTest(loop=loop):
                module.broker.status(c.STATUS_RUNNING)
                module.broker.close()
                self.assertEqual(module.process.wait(PATIENCE), 0)

    def test_glib_watches_nothing_after_the_end_of_the_connection(self) -> None:
        result = subprocess.run(
            [python_with_glib(), "-c", END_ON_GLIB, os.path.join(LOOPS, "counter_glib.py")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([PACKAGE_DIR, os.path.join(PACKAGE_DIR, "..")])},
            cwd=PACKAGE_DIR,
            stdout=subprocess.PIPE,
            timeout=PATIENCE * 3,
            text=True,
            check=False,
        )
        self.assertEqual((result.stdout, result.returncode), ("ended 1\nwatches 0\ncalls after the end 0\n", 0))

    def test_an_idle_second_has_no_wake_ups(self) -> None:
        module = self.load("epoll")
        # By then its subscription has been answered.
        module.broker.status(c.STATUS_RUNNING)
        before = module.broker.call("mod.wake-ups").payload["count"]
        time.sleep(1)
        # One is the request itself.
        self.assertEqual(module.broker.call("mod.wake-ups").payload["count"] - before, 1)
