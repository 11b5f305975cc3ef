import errno
import os
import socket
import tempfile
import threading
import unittest
from importlib import import_module
from typing import Any, Dict, List
from unittest import mock

import flux
import flux.constants
import flux.importer
import flux.kvs
import flux.proctitle
import flux.subprocess
from flux.modprobe import ModuleList, run_all_rc_scripts

from sluice.message import Message, encode_payload

from .broker import PATIENCE, FakeBroker


class Aliases(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = FakeBroker()
        self.addCleanup(self.broker.close)
        self.h = flux.Flux(sock=self.broker.theirs)
        self.addCleanup(self.h.close)

    def test_numbers(self) -> None:
        self.assertEqual(flux.constants.FLUX_RPC_STREAMING, 2)
        self.assertEqual(flux.constants.FLUX_NODEID_ANY, 0xFFFFFFFF)
        self.assertEqual((self.h.get_rank(), self.h.get_size()), (2, 4))

    def test_a_subscription_stands_for_all_that_begins_so(self) -> None:
        self.h.event_subscribe("kvs")
        self.h.event_subscribe("")
        topics = [each.payload["topic"] for each in self.broker.requests]
        self.assertEqual(topics, ["kvs", "kvs.*", "*"])

    def test_values_by_key(self) -> None:
        stored: Dict[str, Any] = {}

        def commit(message: Any) -> Any:
            stored.update((op["key"], op.get("value")) for op in message.payload["ops"])
            return {"version": 3}

        def get(message: Any) -> Any:
            if message.payload["key"] not in stored:
                raise OSError(errno.ENOENT, "not there")
            return {"value": stored[message.payload["key"]], "version": 3}

        self.broker.answer("kvs.commit", commit)
        self.broker.answer("kvs.get", get)
        flux.kvs.put(self.h, "a", {"b": [1]})
        flux.kvs.put(self.h, "c", 2)
        self.assertEqual(stored, {})
        self.assertEqual(flux.kvs.commit(self.h), 3)
        self.assertEqual(flux.kvs.get(self.h, "a"), {"b": [1]})
        with self.assertRaises(FileNotFoundError):
            flux.kvs.get(self.h, "x")

    def test_modules_by_name_and_service(self) -> None:
        modules = [{"name": "content-sqlite", "services": ["content-backing"]}, {"name": "kvs", "services": []}]
        self.broker.answer("module.list", {"modules": modules})
        loaded = ModuleList(self.h)
        self.assertEqual(list(loaded), ["content-sqlite", "kvs"])
        self.assertEqual(loaded.lookup("content-backing"), "content-sqlite")
        self.assertEqual(loaded.lookup("kvs"), "kvs")
        self.assertIsNone(loaded.lookup("cron"))

    def test_what_is_not_there_says_so(self) -> None:
        with self.assertRaisesRegex(ImportError, "flux.job.*Sluice does not provide it"):
            import_module("flux.job")
        with self.assertRaisesRegex(ImportError, "JobID"):
            from flux.modprobe import JobID  # noqa: F401
        with self.assertRaisesRegex(AttributeError, "'walk'.*Sluice does not provide it"):
            getattr(flux.kvs, "walk")
        with self.assertRaisesRegex(AttributeError, "'flux_job_submit'.*Sluice does not provide it"):
            getattr(self.h, "flux_job_submit")

    def test_files_are_imported_by_their_path(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "my-file.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write("answer = 42\n")
            self.assertEqual(flux.importer.import_path(path).answer, 42)


class RcScripts(unittest.TestCase):
    def script(self, path: str, body: str, mode: int = 0o755) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, mode)

    def test_run_in_order_all_of_them_and_failures_are_told_at_the_end(self) -> None:
        with tempfile.TemporaryDirectory() as d:
            log = os.path.join(d, "log")
            self.script(f"{d}/conf/rc1.d/b", f"echo b >> {log}")
            self.script(f"{d}/conf/rc1.d/a", f"echo a >> {log}; exit 3")
            self.script(f"{d}/conf/rc1.d/c", "exit 1", 0o644)
            self.script(f"{d}/conf/rc3.d/x", f"echo x >> {log}")
            self.script(f"{d}/extra/rc1.d/z", f"echo z >> {log}; kill -9 $$")
            os.environ.update({"SLUICE_CONFDIR": f"{d}/conf", "FLUX_RC_EXTRA": f"{d}/none:{d}/extra"})
            self.addCleanup(os.environ.pop, "SLUICE_CONFDIR")
            self.addCleanup(os.environ.pop, "FLUX_RC_EXTRA")
            with self.assertRaises(RuntimeError) as caught:
                run_all_rc_scripts(1)
            self.assertEqual(
                str(caught.exception),
                f"{d}/conf/rc1.d/a: exited with exit status 3; {d}/extra/rc1.d/z: died by signal 9",
            )
            run_all_rc_scripts(3)
            with open(log, encoding="utf-8") as file:
                self.assertEqual(file.read().split(), ["a", "b", "z", "x"])


class Reactors(unittest.TestCase):
    """``Flux.reactor_run(reactor=None, flags=0)``."""

    def setUp(self) -> None:
        self.broker = FakeBroker()
        self.addCleanup(self.broker.close)
        self.h = flux.Flux(sock=self.broker.theirs)
        self.addCleanup(self.h.close)

    def test_sentence_7_the_flags_mean_the_same(self) -> None:
        seen: List[int] = []
        self.h.timer_watcher(0.0, lambda *_: seen.append(1)).start()
        self.h.timer_watcher(1000.0, lambda *_: seen.append(2)).start()
        self.assertEqual(self.h.reactor_run(self.h.get_reactor(), flux.constants.FLUX_REACTOR_NOWAIT), 1)
        self.assertEqual(self.h.reactor_run(flags=flux.constants.FLUX_REACTOR_NOWAIT), 0)
        self.h.timer_watcher(0.01, lambda *_: seen.append(3)).start()
        while len(seen) < 2:
            self.h.reactor_run(None, flux.constants.FLUX_REACTOR_ONCE)
        self.assertEqual(seen, [1, 3])

    def test_sentence_7_a_handler_stops_the_loop(self) -> None:
        self.h.timer_watcher(0.0, lambda h, *_: h.reactor_stop(h.get_reactor()), repeat=0.001).start()
        self.assertEqual(self.h.reactor_run(), 1)

    def test_sentence_7_another_handles_loop_is_refused(self) -> None:
        with self.assertRaises(OSError) as caught:
            self.h.reactor_run(object())
        self.assertEqual(caught.exception.errno, errno.EINVAL)


class Commands(unittest.TestCase):
    """Commands have connections of their own."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.bind(f"{directory.name}/local-0")
        self.server.listen()
        self.server.settimeout(PATIENCE)
        patched = mock.patch.dict(os.environ, {"SLUICE_URI": f"local://{directory.name}/local-0"})
        patched.start()
        self.addCleanup(patched.stop)
        self.broker = FakeBroker()
        self.addCleanup(self.broker.close)
        self.h = flux.Flux(sock=self.broker.theirs)
        self.addCleanup(self.h.close)
        self.started = threading.Thread(target=self.start_command)
        self.started.start()
        self.command = flux.subprocess.rexec_bg(self.h, ["true"], label="job", waitable=True)

    def start_command(self) -> None:
        self.owner = FakeBroker(accepted=self.server.accept()[0])
        self.addCleanup(self.owner.close)
        self.request = self.owner.next_request("exec.run")
        self.report({"type": "started", "id": 5, "pid": 70})

    def report(self, payload: Any) -> None:
        raw = encode_payload(payload)
        self.owner.send(Message("response", "exec.run", raw, matchtag=self.request.matchtag))

    def test_have_their_labels_at_once(self) -> None:
        self.broker.answer("exec.kill", lambda message: message.payload)
        killed = flux.subprocess.kill(self.h, label="job").get()
        self.assertEqual(killed, {"id": 5, "signum": 15})
        with self.assertRaises(FileNotFoundError):
            flux.subprocess.kill(self.h, label="other")
        self.started.join()

    def test_that_are_lost_have_no_status(self) -> None:
        self.assertEqual(self.command.get_pid(), 70)
        self.started.join()
        result = flux.subprocess.wait(self.h, pid=70)
        self.owner.close()
        for lost in (result, flux.subprocess.wait(self.h, label="job")):
            with self.assertRaises(ConnectionResetError):
                lost.get_status()

    def test_with_an_unknown_signal_have_no_status(self) -> None:
        self.started.join()
        self.report({"type": "ended", "status": 0, "signal": "SIGRTMIN+3"})
        with self.assertRaises(KeyError):
            flux.subprocess.wait(self.h, label="job").get()
