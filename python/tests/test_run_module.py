"""One module without an instance (docs/design/embedding.md §2)."""

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from typing import Any, Callable, List

import sluice
from sluice import constants as c
from sluice.host_environment import PACKAGE_DIR

from .broker import PATIENCE
from .test_threads import in_thread

GREETER = """
import os
def mod_main(h, *args):
    def hello(h, watcher, message, _):
        h.respond(message, {"text": "hello " + message.payload["name"], "args": list(args), "pid": os.getpid()})
    def ask(h, watcher, message, _):
        h.respond(message, {"rank": h.attr_get("rank"), "asked": h.rpc("oracle.ask").get()})
    def fail(h, watcher, message, _):
        h.respond(message)
        h.reactor_stop_error(OSError(28, "the sensor is wet"))
    for name, handler in (("hello", hello), ("ask", ask), ("fail", fail)):
        h.msg_watcher(handler, topic_glob=f"{h.name}.{name}").start()
    h.run()
"""

IN_JAVASCRIPT = """
export function modMain(handle, ...args) {
  handle.handle("hello", ({ payload }) => ({ text: "hello " + payload.name, args, pid: process.pid }));
  return handle.run();
}
"""

NEVER_ENDS = """
import time
def mod_main(h):
    def block(*_):
        time.sleep(3600)
    h.msg_watcher(block, topic_glob="*.block").start()
    h.run()
"""


class RunModule(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def run_module(self, path: str, **options: Any) -> "sluice.StartedModule":
        module = sluice.run_module(path, **options)
        self.addCleanup(module.unload)
        return module

    def refusal(self, call: Callable[[], Any]) -> OSError:
        with self.assertRaises(OSError) as raised:
            call()
        return raised.exception

    def test_it_runs_and_answers_and_ends_as_it_is_asked_to(self) -> None:
        module = self.run_module(self.write("greeter.py", GREETER), args=["loud"])
        self.assertEqual(module.name, "greeter")
        answer = module.handle.rpc("greeter.hello", {"name": "Ada"}).get()
        self.assertEqual((answer["text"], answer["args"]), ("hello Ada", ["loud"]))
        module.stop()
        self.assertEqual(module.exited(), sluice.ModuleExit("ok"))
        # The handle is open until the module is unloaded.
        self.assertEqual(self.refusal(module.handle.rpc("greeter.hello").get).errno, errno.ENOSYS)
        module.unload()
        self.assertEqual(self.refusal(lambda: module.handle.rpc("greeter.hello")).errno, errno.ECONNRESET)
        with self.assertRaises(ProcessLookupError):
            os.kill(answer["pid"], 0)
        # Each of them may be called again.
        module.stop()
        module.unload()
        self.assertEqual(module.exited(), sluice.ModuleExit("ok"))

    def test_a_module_in_any_language_under_any_name(self) -> None:
        path = self.write("greeter.mjs", IN_JAVASCRIPT)
        in_thread = self.run_module(path, name="desk", args=["a", "b"])
        in_process = self.run_module(path, exec=True)
        answers = [each.handle.rpc(f"{each.name}.hello", {"name": "Ada"}).get() for each in (in_thread, in_process)]
        self.assertEqual([each.name for each in (in_thread, in_process)], ["desk", "greeter"])
        self.assertEqual([(each["text"], each["args"]) for each in answers], [("hello Ada", ["a", "b"]), ("hello Ada", [])])
        self.assertEqual(len({os.getpid(), *(each["pid"] for each in answers)}), 3)

    def test_the_caller_stands_in_for_services_that_the_module_uses(self) -> None:
        with sluice.run_module(self.write("greeter.py", GREETER)) as module:
            h = module.handle
            h.service_register("oracle").get()
            h.msg_watcher(lambda h, w, message, a: h.respond(message, 42), topic_glob="oracle.ask").start()
            asked = h.rpc("greeter.ask").then(lambda _: h.reactor_stop())
            h.reactor_run()
            self.assertEqual(asked.get(), {"rank": "0", "asked": 42})
        self.assertTrue(h.gone)

    def test_the_log_of_the_module_is_a_stream_of_its_broker(self) -> None:
        source = "def mod_main(h):\n  h.log('notice', 'dry')\n  print('not a report')\n  h.run()\n"
        module = self.run_module(self.write("sensor.py", source))
        lines = module.handle.rpc("log.dmesg", flags=c.RPC_STREAMING)
        self.assertIn(("sensor", "notice", "dry"), [(each["name"], each["level"], each["text"]) for each in lines])

    def test_what_goes_wrong_at_the_start_is_the_error_of_the_module(self) -> None:
        missing = os.path.join(self.directory, "none.py")
        error = self.refusal(lambda: sluice.run_module(missing))
        self.assertEqual(error.errno, errno.ENOENT)
        self.assertIn("none.py", str(error))
        fails = self.write("fails.py", "def mod_main(h, *args): raise ValueError('bad option ' + args[0])")
        error = self.refusal(lambda: sluice.run_module(fails, args=["x=1"]))
        self.assertEqual((error.errno, error.strerror), (errno.EINVAL, "fails: bad option x=1 (Invalid argument)"))

    def test_a_start_is_given_up_after_its_time_and_leaves_nothing(self) -> None:
        path = self.write("hangs.py", "import time\ntime.sleep(3600)\n")
        error = self.refusal(lambda: sluice.run_module(path, timeout=0.3))
        self.assertEqual(error.errno, errno.ETIMEDOUT)
        self.assertEqual(self.processes_with(path), [])

    def processes_with(self, word: str) -> List[str]:
        """The command lines that contain a word."""
        lines: List[str] = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                lines.append(file.read())
        return [line for line in lines if word in line]

    def test_a_module_that_fails_says_so_in_how_it_ended(self) -> None:
        module = self.run_module(self.write("greeter.py", GREETER))
        with self.assertRaises(TimeoutError):
            module.exited(timeout=0.05)
        module.handle.rpc("greeter.fail").get()
        ended = module.exited(timeout=30 * 86400.0)
        self.assertEqual((ended.kind, ended.message, ended.errnum), ("error", "the sensor is wet", 28))
        # It has ended before it is asked to.
        module.stop()

    def test_unload_ends_a_module_that_does_not_end(self) -> None:
        module = self.run_module(self.write("never.py", NEVER_ENDS))
        module.handle.notify("never.block")
        error = self.refusal(lambda: module.stop(timeout=0.2))
        self.assertEqual(error.errno, errno.ETIMEDOUT)
        module.unload()
        self.assertEqual(module.exited().kind, "terminated")

    def test_the_end_of_the_program_ends_the_module(self) -> None:
        program = self.write(
            "program.py",
            f"""
            import os, sluice, sys
            module = sluice.run_module({self.write("greeter.py", GREETER)!r})
            print(module.handle.rpc("greeter.hello", {{"name": ""}}).get()["pid"], flush=True)
            sys.stdin.read()
            """,
        )
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR}
        for end in (lambda process: process.stdin.close(), lambda process: process.send_signal(signal.SIGKILL)):
            with subprocess.Popen(
                [sys.executable, program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                pid = int(process.stdout.readline())
                module = os.pidfd_open(pid)
                end(process)
                process.wait(PATIENCE)
                ended, _, _ = select.select([module], [], [], PATIENCE)
                os.close(module)
                self.assertEqual(ended, [module])

    def test_a_call_during_another_is_EBUSY(self) -> None:
        module = self.run_module(self.write("greeter.py", GREETER))
        calls: List[Callable[[], Any]] = [module.exited, module.stop, module.unload]
        with module.claim:
            refused = [in_thread(call) for call in calls]
        self.assertEqual([each.errno for each in refused], [errno.EBUSY] * len(calls))
        in_thread(module.stop)
        self.assertEqual(in_thread(module.exited), sluice.ModuleExit("ok"))

    def test_it_says_what_is_missing_where_there_is_no_node(self) -> None:
        path = self.write("greeter.py", GREETER)
        program = f"import os, sluice\nos.environ['PATH'] = {self.directory!r}\nsluice.run_module({path!r})"
        env = {**os.environ, "PYTHONPATH": PACKAGE_DIR}
        ended = subprocess.run([sys.executable, "-c", program], env=env, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(ended.stderr.splitlines()[-1], "FileNotFoundError: [Errno 2] node: command not found; run_module() needs it")
