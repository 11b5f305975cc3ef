import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from typing import Any, Dict, List, Optional

from sluice import constants as c
from sluice.host_environment import PACKAGE_DIR
from sluice.message import Message

from .broker import PATIENCE, FakeBroker, Stream

SERVE = """
def mod_main(h, *args):
    h.run()
"""

HELLO = """
from flux.brokermod import BrokerModule, event_handler, request_handler

class Hello(BrokerModule):
    seen = 0

    @request_handler("greet", allow_guest=True)
    def greet(self, msg):
        self.handle.respond(msg, {"name": self.name, "args": list(self.args), "payload": msg.payload})

    @request_handler("text")
    def text(self, msg):
        self.handle.respond(msg, '{"as":  "it is"}')

    @request_handler("other.topic", prefix=False)
    def other(self, msg):
        self.handle.respond(msg, ["other"])

    @event_handler("poke")
    def poke(self, msg):
        self.seen += msg.payload["by"]
        self.log.info(f"poked {self.seen}")

    @request_handler("raise")
    def fault(self, msg):
        raise KeyError("x")

    @request_handler("refuse")
    def refuse(self, msg):
        raise FileExistsError(17, "File exists")

    @request_handler("bit")
    def bit(self, msg):
        self.handle.respond(msg, self.debug_test(1, clear=True))

    @request_handler("leave")
    def leave(self, msg):
        self.stop()
        self.handle.respond(msg)

    @request_handler("fail")
    def fail(self, msg):
        self.stop_error(OSError(28, "no room"))
"""


class Module:
    """A module in its own process, on a broker of the test."""

    def __init__(
        self,
        case: unittest.TestCase,
        source: str,
        welcome: Optional[Dict[str, Any]] = None,
        *options: str,
        python: str = sys.executable,
    ) -> None:
        directory = tempfile.TemporaryDirectory()
        case.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "mod.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(source))
        self.path = path
        self.broker = FakeBroker({"name": "mod", "args": [], **(welcome or {})})
        descriptor = self.broker.theirs.fileno()
        env = {**os.environ, "SLUICE_MODULE_URI": f"fd://{descriptor}", "PYTHONPATH": PACKAGE_DIR}
        self.process = subprocess.Popen(
            [python, "-m", "sluice.module_exec", *options, path],
            pass_fds=[descriptor],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.broker.theirs.close()
        case.addCleanup(self.broker.close)
        case.addCleanup(self.end)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def ended(self) -> Any:
        """How it ended: its last report and its exit status."""
        report = self.broker.status(c.STATUS_EXITED)
        return report["errnum"], report.get("error"), self.process.wait(PATIENCE)


class Life(unittest.TestCase):
    def test_reports_running_then_finalizing_then_exited(self) -> None:
        module = Module(self, SERVE)
        module.broker.status(c.STATUS_RUNNING)
        with open(f"/proc/{module.process.pid}/comm", encoding="utf-8") as comm:
            self.assertEqual(comm.read(), "mod\n")
        module.broker.call("mod.shutdown")
        self.assertEqual(module.ended(), (0, None, 0))
        statuses = [each.payload["status"] for each in module.broker.requests if each.topic == "module.status"]
        self.assertEqual(statuses, [1, 2, 3])

    def test_what_comes_after_shutdown_is_refused_even_if_it_was_there_already(self) -> None:
        source = (
            "def mod_main(h):\n"
            "    def block(_h, _w, request, _a):\n"
            "        h.respond(request, h.rpc('gate.open').get())\n"
            "    h.msg_watcher(block, topic_glob='*.block').start()\n"
            "    h.run()\n"
        )
        module = Module(self, source)
        module.broker.status(c.STATUS_RUNNING)
        asked: List[Any] = []

        def opened(_message: Any) -> None:
            asked.extend(module.broker.ask(f"mod.{method}") for method in ("shutdown", "ping", "block"))

        module.broker.answer("gate.open", opened)
        self.assertEqual(module.broker.call("mod.block").errnum, 0)
        self.assertEqual(
            [response.get(timeout=PATIENCE).errnum for response in asked], [0, errno.ENOSYS, errno.ENOSYS]
        )
        self.assertEqual(module.ended(), (0, None, 0))

    HOLDS = """
    import sluice.module_handle
    def mod_main(h, limit):
        sluice.module_handle.ANSWERS_SECONDS = float(limit)
        held = []
        h.msg_watcher(lambda h, w, request, a: held.append(request), topic_glob="*.hold").start()
        def let_go(*_):
            for request in held:
                h.respond(request, "1")
        h.msg_watcher(let_go, topic_glob="let.go").start()
        h.run()
    """

    def test_shutdown_waits_for_the_answers_to_received_requests(self) -> None:
        module = Module(self, self.HOLDS, {"args": ["3600"]})
        held = module.broker.ask("mod.hold")
        module.broker.call("mod.ping")
        self.assertEqual(module.broker.call("mod.shutdown").errnum, 0)
        self.assertEqual(module.broker.call("mod.ping").errnum, errno.ENOSYS)
        module.broker.publish("let.go")
        self.assertEqual(held.get(timeout=PATIENCE).payload, 1)
        self.assertEqual(module.ended(), (0, None, 0))

    def test_shutdown_waits_neither_for_streams_nor_for_senders_that_have_gone(self) -> None:
        module = Module(self, self.HOLDS, {"args": ["3600"]})
        module.broker.ask("mod.hold", flags=c.RPC_STREAMING)
        module.broker.ask("mod.hold", route=["gone"])
        module.broker.call("mod.shutdown")
        module.broker.ask("mod.disconnect", route=["gone"])
        self.assertEqual(module.ended(), (0, None, 0))

    def test_shutdown_waits_for_a_limited_time(self) -> None:
        module = Module(self, self.HOLDS, {"args": ["0.01"]})
        module.broker.ask("mod.hold")
        module.broker.call("mod.shutdown")
        self.assertEqual(module.ended(), (0, None, 0))

    def test_a_number_that_is_no_error_number_is_not_passed_on(self) -> None:
        for number in (-5, 2**40):
            module = Module(self, f"def mod_main(h): raise OSError({number}, 'odd')")
            self.assertEqual(module.ended()[:2], (errno.ECONNRESET, "odd"))

    def test_an_error_number_reaches_the_caller(self) -> None:
        source = "import errno, os\ndef mod_main(h): raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))"
        module = Module(self, source)
        self.assertEqual(module.ended(), (errno.EEXIST, "File exists", 0))

    def test_a_valueerror_is_its_message_and_nothing_more(self) -> None:
        module = Module(self, "def mod_main(h, *args): raise ValueError('bad option ' + args[0])", {"args": ["x=1"]})
        self.assertEqual(module.ended(), (errno.EINVAL, "bad option x=1", 0))
        self.assertEqual(module.process.communicate()[1], "bad option x=1\n")
        self.assertNotIn("stack", module.broker.status(c.STATUS_EXITED))

    def test_anything_else_has_a_traceback(self) -> None:
        module = Module(self, "def mod_main(h): return {}['x']")
        self.assertEqual(module.ended()[0], errno.ECONNRESET)
        self.assertIn("KeyError", module.broker.status(c.STATUS_EXITED)["stack"])
        self.assertIn("Traceback (most recent call last):", module.process.communicate()[1])

    def test_a_file_that_cannot_be_imported_says_why(self) -> None:
        module = Module(self, "def mod_main(h:\n")
        self.assertEqual(module.ended()[0], errno.ECONNRESET)
        self.assertIn("SyntaxError", module.broker.status(c.STATUS_EXITED)["stack"])

    def test_a_return_before_it_ran_is_a_failure(self) -> None:
        module = Module(self, "def mod_main(h): pass")
        self.assertEqual(module.ended(), (errno.ECONNRESET, "module returned before it was running", 0))

    def test_without_entry_or_with_several_it_says_so(self) -> None:
        module = Module(self, "")
        self.assertEqual(module.ended()[:2], (errno.EINVAL, f"{module.path}: neither mod_main nor a BrokerModule subclass"))
        source = "from sluice import BrokerModule\nclass B(BrokerModule): pass\nclass A(BrokerModule): pass"
        errnum, text, _ = Module(self, source).ended()
        self.assertEqual(errnum, errno.EINVAL)
        self.assertTrue(text.endswith("several BrokerModule subclasses and no mod_main: A, B"), text)

    def test_set_running_comes_before_the_event_loop(self) -> None:
        module = Module(self, "def mod_main(h):\n  h.set_running()\n  h.rpc('wait.here').get()\n  h.run()")
        self.assertEqual(module.broker.status(c.STATUS_RUNNING), {"status": 1})
        self.assertEqual(module.ended()[0], errno.ENOSYS)

    def test_exits_when_its_channel_closes(self) -> None:
        module = Module(self, SERVE)
        module.broker.status(c.STATUS_RUNNING)
        module.broker.close()
        self.assertEqual(module.process.wait(PATIENCE), 0)

    def test_a_native_crash_shows_in_how_it_ends(self) -> None:
        module = Module(self, "import ctypes\ndef mod_main(h):\n  h.set_running()\n  ctypes.string_at(0)")
        self.assertEqual(module.process.wait(PATIENCE), -signal.SIGSEGV)

    def test_more_than_its_memory_limit_is_a_failure(self) -> None:
        source = "def mod_main(h):\n  h.set_running()\n  hog = [bytearray(2**20) for _ in range(1000)]"
        module = Module(self, source, None, f"--memory-limit={64 * 2**20}")
        self.assertEqual(module.ended(), (errno.ENOMEM, "out of memory, its memory-limit is 64 MiB", 0))

    def test_sys_exit_is_no_way_out(self) -> None:
        module = Module(self, "import sys\ndef mod_main(h):\n  h.set_running()\n  sys.exit(3)")
        self.assertEqual(module.ended(), (errno.ECONNRESET, "exit status 3", 0))

    def test_what_it_starts_inherits_nothing_of_ours(self) -> None:
        source = """
        import os, subprocess, sys
        def mod_main(h):
            def answer(h, w, msg, arg):
                env = {name for name in os.environ if name.startswith(("SLUICE_MODULE", "PYTHONPATH", "PYTHONSAFE"))}
                h.respond(msg, [sorted(env), os.listdir("/proc/self/fd").__len__() > 0, sys.path[0] != ""])
            h.msg_watcher(answer, topic_glob="mod.env").start()
            h.run()
        """
        module = Module(self, source)
        self.assertEqual(module.broker.call("mod.env").payload, [[], True, True])


class Handlers(unittest.TestCase):
    def setUp(self) -> None:
        self.module = Module(self, HELLO, {"args": ["a", "b"]})
        self.broker = self.module.broker

    def test_answer_requests(self) -> None:
        response = self.broker.call("mod.greet", {"n": 1}, rolemask=c.ROLE_GUEST)
        self.assertEqual(response.payload, {"name": "mod", "args": ["a", "b"], "payload": {"n": 1}})
        self.assertEqual(self.broker.call("mod.text").raw, '{"as":  "it is"}')
        self.assertEqual(self.broker.call("other.topic").payload, ["other"])
        self.assertEqual(self.broker.call("mod.text", rolemask=c.ROLE_GUEST).errnum, errno.EPERM)

    def test_get_events(self) -> None:
        self.broker.next_request("event.subscribe", lambda each: each.payload == {"topic": "mod.poke"})
        self.broker.publish("mod.poke", {"by": 3})
        line = self.broker.next_request("log.append")
        self.assertEqual(line.payload, {"level": "info", "text": "poked 3"})

    def test_get_no_event_with_invalid_json(self) -> None:
        self.broker.next_request("event.subscribe", lambda each: each.payload == {"topic": "mod.poke"})
        self.broker.publish("mod.poke", "hello")
        self.broker.publish("mod.poke", {"by": 3})
        dropped = self.broker.next_request("log.append").payload
        self.assertEqual(dropped["level"], "err")
        self.assertRegex(dropped["text"], "^event mod.poke dropped: invalid JSON")
        self.broker.next_request("log.append", lambda each: each.payload["text"] == "poked 3")

    def test_that_raise_an_oserror_have_answered(self) -> None:
        response = self.broker.call("mod.refuse")
        self.assertEqual((response.errnum, response.error), (errno.EEXIST, "File exists"))
        self.assertEqual(self.broker.call("mod.ping").errnum, 0)

    def test_that_raise_anything_else_fail_the_module(self) -> None:
        self.assertEqual(self.broker.call("mod.raise").errnum, errno.ECONNRESET)
        self.assertEqual(self.module.ended()[0], errno.ECONNRESET)
        self.assertIn("KeyError", self.broker.status(c.STATUS_EXITED)["stack"])

    def test_stop_and_stop_error(self) -> None:
        self.broker.call("mod.leave")
        self.assertEqual(self.module.ended(), (0, None, 0))
        other = Module(self, HELLO)
        other.broker.ask("mod.fail")
        self.assertEqual(other.ended(), (errno.ENOSPC, "no room", 0))

    def test_there_are_defaults(self) -> None:
        call = self.broker.call
        self.assertEqual(call("mod.ping", {"pad": "x"}, rolemask=c.ROLE_GUEST).payload, {"pad": "x"})
        self.assertIsNone(call("mod.ping").raw)
        stats = call("mod.stats-get").payload
        self.assertEqual(set(stats), {"tx", "rx"})
        self.assertGreater(stats["rx"]["request"], 0)
        call("mod.stats-clear")
        self.assertEqual(call("mod.stats-get").payload["rx"]["request"], 1)
        self.assertGreater(call("mod.rusage").payload["maxrss"], 1000)
        self.assertIn("utime", call("mod.rusage", {"who": "thread"}).payload)
        self.assertEqual(call("mod.rusage", {"who": "nobody"}).errnum, errno.EPROTO)
        self.assertEqual(call("mod.nothing").errnum, errno.ENOSYS)
        self.assertEqual(call("mod.disconnect").errnum, 0)

    def test_defaults_answer_an_invalid_payload_with_an_error(self) -> None:
        deep = "[" * 100_000 + "]" * 100_000
        for payload in ([1], '"x"', "1", "false", b"x", {"who": [1], "op": [1]}, "{", deep):
            for method in ("rusage", "debug"):
                answer = self.broker.call(f"mod.{method}", payload)
                self.assertEqual(answer.errnum, errno.EPROTO, f"{method} {str(payload)[:20]}")
        self.assertEqual(self.broker.call("mod.config-reload", deep).errnum, errno.EPROTO)
        self.assertEqual(self.broker.call("mod.ping").errnum, 0)

    def test_debug_bits(self) -> None:
        call = self.broker.call
        self.assertEqual(call("mod.debug", {"op": "setbit", "flags": 5}).payload, {"flags": 5})
        self.assertIs(call("mod.bit").payload, True)
        self.assertIs(call("mod.bit").payload, False)
        self.assertEqual(call("mod.debug", {}).payload, {"flags": 4})
        self.assertEqual(call("mod.debug", {"op": "clr"}).payload, {"flags": 0})
        self.assertEqual(call("mod.debug", {"op": "dance"}).errnum, errno.EPROTO)


class Coroutines(unittest.TestCase):
    SOURCE = """
    import asyncio
    from sluice import BrokerModule, request_handler

    class Slow(BrokerModule):
        @request_handler("ask")
        async def ask(self, msg):
            await asyncio.sleep(0)
            self.handle.respond(msg, await self.handle.rpc("echo.it", [1]))

        @request_handler("fault")
        async def fault(self, msg):
            raise RuntimeError("oh")

    async def mod_main(h, *args):
        await h.rpc("echo.it", "start")
        await Slow(h, *args).run()
    """

    def test_are_awaited(self) -> None:
        module = Module(self, self.SOURCE)
        module.broker.answer("echo.it", lambda message: [message.raw])
        early = module.broker.ask("mod.ask")
        module.broker.status(c.STATUS_RUNNING)
        self.assertEqual(early.get(timeout=PATIENCE).payload, ["[1]"])
        module.broker.call("mod.shutdown")
        self.assertEqual(module.ended(), (0, None, 0))

    def test_answer_before_the_module_ends(self) -> None:
        module = Module(self, self.SOURCE)
        module.broker.answer("echo.it", lambda message: None if message.raw == "start" else Stream(ends=False))
        module.broker.status(c.STATUS_RUNNING)
        asked = module.broker.ask("mod.ask")
        inner = module.broker.next_request("echo.it", lambda each: each.raw == "[1]")
        module.broker.call("mod.shutdown")
        module.broker.send(Message("response", "echo.it", "2", matchtag=inner.matchtag))
        self.assertEqual(asked.get(timeout=PATIENCE).payload, 2)
        self.assertEqual(module.ended(), (0, None, 0))

    def test_need_a_coroutine_as_the_entry(self) -> None:
        module = Module(self, self.SOURCE.partition("async def mod_main")[0])
        errnum, text, _ = module.ended()
        self.assertEqual(errnum, errno.EINVAL)
        self.assertIn("Slow.ask is a coroutine, and needs a coroutine mod_main", text)

    def test_fail_the_module_with_their_faults(self) -> None:
        module = Module(self, self.SOURCE)
        module.broker.answer("echo.it", None)
        self.assertEqual(module.broker.call("mod.fault").errnum, errno.ECONNRESET)
        self.assertEqual(module.ended()[:2], (errno.ECONNRESET, "oh"))
