"""The packages are stacks: each module imports only modules below it."""

import ast
import os
import unittest
from typing import Dict, Iterator, List, Set

from sluice.host_environment import PACKAGE_DIR

Graph = Dict[str, Set[str]]


def module_files(package: str) -> Iterator["tuple[str, str]"]:
    """The modules of a package by their full names, with their files."""
    for directory, _, names in os.walk(os.path.join(PACKAGE_DIR, package)):
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                words = os.path.relpath(path, PACKAGE_DIR)[: -len(".py")].split(os.sep)
                yield ".".join(words[:-1] if words[-1] == "__init__" else words), path


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator["tuple[str, str]"]:
    """Each import, also inside functions and below ``if TYPE_CHECKING``. ``(module, name or "")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level > 0:
                above = module.split(".")
                above = above[: len(above) - node.level + (1 if is_package else 0)]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield base, alias.name
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), ""


def import_graph(sources: "Dict[str, tuple[str, bool]]") -> Graph:
    """The modules of this set that each module imports. A package that is only on the way to a module does
    not count.

    :param sources: module → source, whether it is a package
    """
    graph: Graph = {module: set() for module in sources}
    for module, (source, is_package) in sources.items():
        for base, name in imported(ast.parse(source), module, is_package):
            target = f"{base}.{name}" if f"{base}.{name}" in sources else base
            if target in sources:
                graph[module].add(target)
    return graph


def cycle_of(graph: Graph) -> List[str]:
    """The modules of one circle, with the first again at the end; empty if there is no circle."""
    done: Set[str] = set()
    path: List[str] = []

    def visit(module: str) -> List[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for target in sorted(graph[module]):
            circle = visit(target)
            if circle:
                return circle
        done.add(path.pop())
        return []

    for module in sorted(graph):
        circle = visit(module)
        if circle:
            return circle
    return []


class Imports(unittest.TestCase):
    def sources(self) -> "Dict[str, tuple[str, bool]]":
        sources: "Dict[str, tuple[str, bool]]" = {}
        for package in ("sluice", "flux"):
            for module, path in module_files(package):
                with open(path, encoding="utf-8") as file:
                    sources[module] = (file.read(), os.path.basename(path) == "__init__.py")
        return sources

    def test_no_module_imports_itself_by_way_of_others(self) -> None:
        graph = import_graph(self.sources())
        self.assertIn("sluice.reactor", graph["sluice.handle"])
        self.assertIn("flux._handle", graph["flux"])
        self.assertEqual(" → ".join(cycle_of(graph)), "")

    def test_the_stack_has_the_order_that_it_is_named_for(self) -> None:
        graph = import_graph(self.sources())
        stack = "message wire connection reactor future outgoing_requests handle aio module_handle module_exec".split()
        for number, lower in enumerate(stack):
            with self.subTest(lower=lower):
                above = {f"sluice.{each}" for each in stack[number + 1 :]}
                self.assertEqual(graph[f"sluice.{lower}"] & above, set())
        self.assertNotIn("sluice.rc_host", graph["sluice.rc"])

    def test_every_way_to_import_counts(self) -> None:
        ways = [
            "import p.b",
            "from p import b",
            "from p.b import x",
            "from . import b",
            "from .b import x",
            "def f():\n    from . import b",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import x",
            "from importlib import import_module\nimport_module('p.b')",
        ]
        for way in ways:
            with self.subTest(way=way):
                graph = import_graph({"p": ("", True), "p.a": (way, False), "p.b": ("from .a import y", False)})
                self.assertEqual(cycle_of(graph), ["p.a", "p.b", "p.a"])

    def test_a_package_that_takes_a_name_from_its_module_is_imported_by_none_of_them(self) -> None:
        graph = import_graph({"p": ("from .a import x", True), "p.a": ("from . import y", False)})
        self.assertEqual(cycle_of(graph), ["p", "p.a", "p"])
