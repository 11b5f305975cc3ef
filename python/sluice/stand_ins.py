"""Inert stand-ins for missing imports, while the host reads an rc file for a plan (docs/design/flux.md §1).

Packages of tasks may be missing, because a plan needs only the declarations of a file. The host records
each place where a stand-in affects the plan.
"""

import builtins
import os
import sys
import sysconfig
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .host_environment import PACKAGE_DIR

_INSTALLED = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in {PACKAGE_DIR, *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
)
_MARK = "<stand-in for "


class Use(NamedTuple):
    """The place where a stand-in affected the plan, and the effect."""

    file: str
    #: From 1.
    line: int
    text: str


class Report:
    """The missing imports of a file that the host reads.

    :param file: the rc file
    """

    def __init__(self, file: str) -> None:
        self._file = file
        #: The names, each with the line of the rc file that first used it.
        self.names: Dict[str, int] = {}
        self.uses: List[Use] = []

    def add_name(self, name: str) -> None:
        """Records a missing import."""
        self.names.setdefault(name, self._place()[1])

    def add_use(self, name: str, what: str) -> None:
        """Records that a stand-in affected the plan."""
        file, line = self._place()
        use = Use(file, line, f"'{name}' cannot be imported here; {what}")
        if use not in self.uses:
            self.uses.append(use)

    def _place(self) -> Tuple[str, int]:
        """The innermost line of code outside Sluice and Python."""
        frame = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if file == self._file or (os.path.isabs(file) and _is_site_code(file)):
                return file, frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return self._file, 0


_report: Optional[Report] = None
_import = builtins.__import__
_attached: List[Tuple[ModuleType, str]] = []


def begin(file: str) -> Report:
    """Makes later missing imports stand-ins, in code outside the installed Python."""
    global _report
    _report = Report(file)
    builtins.__import__ = _import_or_stand_in
    return _report


def end() -> None:
    """Undoes ``begin``. Missing imports are errors again."""
    global _report
    _report = None
    builtins.__import__ = _import
    while _attached:
        module, name = _attached.pop()
        delattr(module, name)


def stand_in_for(name: str) -> Any:
    """A stand-in for a name that is missing from a module, or None if missing names are errors now.

    :param name: MODULE.NAME
    """
    if _report is None:
        return None
    _report.add_name(name)
    return StandIn(name)


def decides(what: str, *values: Any) -> bool:
    """Returns and records whether values of a plan come from a stand-in. Ignore such values.

    :param what: the part of the plan that the values decide, as in "WHAT depends on the import"
    """
    if _report is None:
        return False
    names = {name for value in values for name in _names_in(value)}
    for name in sorted(names):
        _report.add_use(name, f"{what} depends on the import")
    return bool(names)


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, StandIn):
        yield object.__getattribute__(value, "_name")
    elif isinstance(value, str):
        for piece in value.split(_MARK)[1:]:
            yield piece.partition(">")[0]
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _names_in(key)
            yield from _names_in(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _names_in(item)


def _used(stand_in: "StandIn", what: str) -> None:
    if _report is not None:
        _report.add_use(object.__getattribute__(stand_in, "_name"), what)


def _gives_another(self: "StandIn", *_: Any, **__: Any) -> "StandIn":
    return StandIn(object.__getattribute__(self, "_name"))


def _answers(answer: Any, what: str) -> Callable[..., Any]:
    def method(self: "StandIn", *_: Any) -> Any:
        _used(self, f"a stand-in {what}")
        return answer

    return method


class StandIn:
    """Replaces a missing import. Its attributes, calls and items are stand-ins too.

    :param name: the name in the file
    """

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return StandIn(f"{object.__getattribute__(self, '_name')}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keeps nothing."""

    def __delitem__(self, key: Any) -> None:
        """A stand-in has no contents."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return StandIn(f"{object.__getattribute__(self, '_name')}()")

    def __mro_entries__(self, bases: Tuple[Any, ...]) -> Tuple[type, ...]:
        """Lets a class have the stand-in as its base class."""
        return ()

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def __await__(self) -> Iterator[Any]:
        return self
        yield

    def __str__(self) -> str:
        return f"{_MARK}{object.__getattribute__(self, '_name')}>"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    def __hash__(self) -> int:
        return id(self)

    def __iter__(self) -> Iterator[Any]:
        _used(self, "a stand-in counted as empty")
        return iter(())

    __bool__ = _answers(True, "counted as true")
    __len__ = _answers(0, "counted as empty")
    __contains__ = _answers(False, "lacked the requested item")
    __instancecheck__ = _answers(False, "counted as a class without instances")
    __subclasscheck__ = _answers(False, "counted as a class without subclasses")
    __int__ = __index__ = _answers(0, "counted as 0")
    __float__ = _answers(0.0, "counted as 0")


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(StandIn, f"__{_name}__", _answers(_name == "ne", "counted as different"))
for _name in "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split():
    setattr(StandIn, f"__{_name}__", _gives_another)
    setattr(StandIn, f"__r{_name}__", _gives_another)
for _name in ("getitem", "neg", "pos", "abs", "invert"):
    setattr(StandIn, f"__{_name}__", _gives_another)


class _Partial:
    """A module that lacks some of the names that a file imports from it."""

    def __init__(self, module: ModuleType, missing: Set[str]) -> None:
        self._module = module
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            return stand_in_for(f"{self._module.__name__}.{name}")
        return getattr(self._module, name)


def _is_site_code(file: str) -> bool:
    return not file.startswith("<") and not os.path.realpath(file).startswith(_INSTALLED)


def _import_or_stand_in(
    name: str,
    globals: Optional[Mapping[str, object]] = None,
    locals: Optional[Mapping[str, object]] = None,
    fromlist: Optional[Sequence[str]] = (),
    level: int = 0,
) -> Any:
    file = (globals or {}).get("__file__")
    is_site = _report is not None and level == 0 and isinstance(file, str) and _is_site_code(file)
    try:
        module = _import(name, globals, locals, fromlist or (), level)
    except ModuleNotFoundError as error:
        # An installed package with a missing dependency is broken in a plan as well.
        if not is_site or error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return _missing_module(name, bool(fromlist))
    if not is_site or not fromlist or "*" in fromlist:
        return module
    missing = {each for each in fromlist if not _has(module, each)}
    return _Partial(module, missing) if missing else module


def _has(module: ModuleType, name: str) -> bool:
    # A module's own __getattr__ gives a stand-in, and counts it.
    try:
        return hasattr(module, name)
    except ImportError:
        return False


def _missing_module(name: str, is_from: bool) -> Any:
    found = stand_in_for(name)
    if is_from or "." not in name:
        return found
    top, *words = name.split(".")
    try:
        module = _import(top)
    except ModuleNotFoundError:
        return StandIn(top)
    # ``import flux.job`` binds ``flux``. It gets the attribute for as long as the host reads the file.
    parent = module
    for number, word in enumerate(words):
        child = sys.modules.get(".".join([top, *words[: number + 1]]))
        if child is None:
            if not isinstance(vars(parent).get(word), StandIn):
                setattr(parent, word, StandIn(".".join([top, *words[: number + 1]])))
                _attached.append((parent, word))
            break
        parent = child
    return module
