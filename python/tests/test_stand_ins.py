"""Reading rc files whose imports are missing (docs/design/flux.md §1)."""

import os
import sys
import tempfile
import textwrap
import unittest
from types import ModuleType
from typing import Any, List, Tuple

from sluice import stand_ins
from sluice.host_environment import import_file
from sluice.stand_ins import StandIn


class Reading(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(stand_ins.end)
        self.dir = directory.name

    def put(self, name: str, source: str) -> str:
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(source))
        return path

    def read(self, source: str) -> Tuple[ModuleType, stand_ins.Report]:
        path = self.put("rc1.py", source)
        report = stand_ins.begin(path)
        try:
            return import_file(path, "stand_in_case"), report
        finally:
            stand_ins.end()

    def test_ten_names_that_do_not_exist_are_stood_in_for(self) -> None:
        module, report = self.read(
            """
            import flux.rexec
            import flux.job.list as lister
            import nowhere
            import nowhere.deep.down
            import nowhere.aliased as other
            from absent_package import one, two as second
            from absent.sub import three
            from flux.modprobe import task, JobID
            from flux import no_such_module
            from os import no_such_name, getpid
            """
        )
        self.assertEqual(
            list(report.names),
            [
                "flux.rexec",
                "flux.job.list",
                "nowhere",
                "nowhere.deep.down",
                "nowhere.aliased",
                "absent_package",
                "absent.sub",
                "flux.modprobe.JobID",
                "flux.no_such_module",
                "os.no_such_name",
            ],
        )
        self.assertEqual(report.names["flux.job.list"], 3)
        self.assertEqual(report.uses, [])
        for name in ("lister", "other", "one", "second", "three", "JobID", "no_such_module", "no_such_name"):
            self.assertIsInstance(getattr(module, name), StandIn, name)
        self.assertEqual(module.getpid(), os.getpid())
        self.assertEqual(module.task.__module__, "sluice.rc")

    def test_they_are_inert(self) -> None:
        _, report = self.read(
            """
            import contextlib, functools
            from absent import a, Base, decorate
            class C(Base):
                x: a.Type = a.b.c(1, k=2)[3].d
            class D(Base, dict): pass
            @decorate
            @decorate("x")
            def f(): raise RuntimeError
            with a.context() as c: c.go()
            y = -a + 1 + a * 2
            a.b = 1
            a["k"] = 2
            table = {a: 1, "text": f"{a.name}"}
            f()
            C(); D()
            """
        )
        self.assertEqual((list(report.names), report.uses), (["absent"], []))

    def test_each_decision_is_recorded_with_its_place(self) -> None:
        _, report = self.read(
            """
            from absent import a
            if a.enabled: pass
            for each in a.list(): raise RuntimeError
            chosen = 1 if a == 2 else 3
            n = len(a.things)
            i = int(a.number)
            found = "x" in a.names
            is_it = isinstance(3, a.Type)
            less = a.version < (1, 2)
            none = not a.x
            """
        )
        self.assertEqual([use.line for use in report.uses], [3, 4, 5, 6, 7, 8, 9, 10, 11])
        self.assertTrue(all(use.file.endswith("rc1.py") for use in report.uses))
        self.assertIn("'absent.a.enabled' cannot be imported here; a stand-in counted as true", report.uses[0].text)

    def test_a_file_of_the_site_that_is_imported_may_lack_its_own(self) -> None:
        helper = self.put("site_helper_for_test.py", "import flux.rexec\nfrom absent import x\nflag = bool(x)\n")
        sys.path.insert(0, self.dir)
        self.addCleanup(sys.path.remove, self.dir)
        self.addCleanup(sys.modules.pop, "site_helper_for_test", None)
        _, report = self.read("import site_helper_for_test\n")
        self.assertEqual(report.names, {"flux.rexec": 1, "absent": 2})
        self.assertEqual([(use.file, use.line) for use in report.uses], [(helper, 3)])

    def test_what_python_brings_is_imported_as_ever(self) -> None:
        """Its own optional imports fail, and it handles that."""
        before = set(sys.modules)
        module, report = self.read("import xml.etree.ElementTree, decimal, ctypes.util\nimport absent\n")
        self.assertEqual(list(report.names), ["absent"])
        self.assertEqual(module.decimal.Decimal("0.1") * 3, module.decimal.Decimal("0.3"))
        self.assertFalse([name for name in set(sys.modules) - before if isinstance(sys.modules[name], StandIn)])

    def test_a_file_that_is_broken_otherwise_fails_as_ever(self) -> None:
        for source, error in [("1 / 0", ZeroDivisionError), ("import os\nos.nope", AttributeError), ("x = (", SyntaxError)]:
            with self.subTest(source=source), self.assertRaises(error):
                self.read(source)

    def test_nothing_of_it_stays(self) -> None:
        self.read("import flux.subprocess_of_tomorrow, absent\nimport flux.kvs.deep")
        import flux
        import flux.kvs

        for name in ("flux.subprocess_of_tomorrow", "absent"):
            with self.subTest(name=name), self.assertRaises(ImportError):
                import_file(self.put("again.py", f"import {name}\n"), "stand_in_again")
        self.assertNotIn("subprocess_of_tomorrow", vars(flux))
        self.assertNotIn("deep", vars(flux.kvs))

    def test_a_plan_that_depends_on_one_says_what(self) -> None:
        from sluice.rc import Context, take_declared_tasks

        effects: List[Any] = []

        class HostOfTest:
            def __init__(self) -> None:
                from sluice.rc_mirror import Mirror

                self.mirror = Mirror()

        module, _ = self.read(
            """
            from flux.modprobe import task
            from absent import a
            @task("t", after=["kvs", a.service], ranks="0")
            def t(context): pass
            def setup(context):
                context.load_modules(["kvs", a.module])
                context.setopt("kvs", f"size={a.size}")
                context.setopt("kvs", "plain=1")
                context.set_alternative("sched", a.sched)
                context.enable(a.name)
                if context.attr_get(a.name) is None: context.remove_modules(["cron"])
            """
        )
        (declared,) = take_declared_tasks()
        self.assertEqual(declared.keys, {"ranks": "0"})
        path = os.path.join(self.dir, "rc1.py")
        report = stand_ins.begin(path)
        host: Any = HostOfTest()
        module.setup(Context(host, None, effects))
        stand_ins.end()
        self.assertEqual([use.line for use in report.uses], [7, 8, 10, 11, 12])
        self.assertEqual(
            effects,
            [
                {"kind": "load", "names": ["kvs"]},
                {"kind": "setopt", "module": "kvs", "options": ["plain=1"], "overwrite": False},
                {"kind": "remove", "names": ["cron"]},
            ],
        )
