"""Writing rc files (docs/design/planning.md §8): ``@task``, and the ``Context`` that tasks and ``setup()``
get.
"""

import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    TypeVar,
    Union,
)

from .rc_mirror import Mirror
from .stand_ins import decides
from .task_keys import TASK_KEYS

if TYPE_CHECKING:
    from .future import Future
    from .handle import Sluice
    from .outgoing_requests import NodeId

_F = TypeVar("_F", bound=Callable[..., Any])


class DeclaredTask(NamedTuple):
    """The declaration of a task."""

    name: str
    #: Keys of unit files and their values, which the composition checks.
    keys: Dict[str, Any]
    run: Callable[["Context"], Any]
    #: Line of the declaration, from 1.
    line: int


_declared: List[DeclaredTask] = []


def take_declared_tasks() -> List[DeclaredTask]:
    """The tasks declared since the last call, in order. All are from one file, because the host reads
    files one after the other.
    """
    taken = list(_declared)
    _declared.clear()
    return taken


class UnknownArgument(ValueError):
    """``@task`` got an argument that no task has."""

    def __init__(self, task_name: str, argument: str) -> None:
        super().__init__(f"{task_name}: unknown task argument {argument}")
        #: The remedy, where an argument has a similar name.
        self.hint = _did_you_mean(argument)


def _did_you_mean(argument: str) -> Optional[str]:
    from difflib import get_close_matches  # only a file with a mistake has to wait for it

    similar = get_close_matches(argument, TASK_KEYS, n=1)
    return f"did you mean '{similar[0]}'?" if similar else None


def task(name: Optional[str] = None, **arguments: Any) -> Callable[[_F], _F]:
    """Declares a task of an rc file. The decorated function has one argument, the context.

    :param name: unique name, which is also a service of the task
    :param arguments: ``ranks``, ``requires``, ``needs``, ``provides``, ``before``, ``after``, ``needs_attrs``,
        ``needs_config``, ``needs_env``, ``disabled``, ``priority``, ``timeout``, ``description``, ``optional``,
        ``groups``: the keys of docs/design/planning.md §1; None is the same as an argument that is left out
    :raises ValueError: ``NAME: unknown task argument X``; ``task missing required name argument``
    """
    if not isinstance(name, str) or not name:
        raise ValueError("task missing required name argument")
    keys: Dict[str, Any] = {}
    for argument, value in arguments.items():
        key = TASK_KEYS.get(argument)
        if key is None:
            raise UnknownArgument(name, argument)
        if value is not None and not decides(f"the {key} of task {name}", value):
            keys[key] = list(value) if isinstance(value, (tuple, set, frozenset)) else value
    line = sys._getframe(1).f_lineno
    declared_name = name

    def declare(function: _F) -> _F:
        if not callable(function):
            raise ValueError(f"{declared_name}: task missing its function")
        _declared.append(DeclaredTask(declared_name, keys, function, line))
        return function

    return declare


class RcHost(Protocol):
    """The part of the host process that a context uses."""

    #: The copy of the runner's facts.
    mirror: Mirror

    def handle(self) -> "Sluice":
        """The handle of this thread."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message to the runner: a JSON object."""

    def rpc(self, topic: str, payload: Any, nodeid: "NodeId", flags: int) -> "Future":
        """Sends a request through the handle of this thread."""

    def set_data(self, key: str, value: Any) -> None:
        """Shares a JSON value."""

    def setenv(self, env: Dict[str, Optional[str]]) -> None:
        """Sets variables here and in the broker. None unsets a variable."""

    def bash(self, command: str, task: Optional[str]) -> None:
        """Runs a shell line. Its output becomes the output of the task."""


class Context:
    """The argument of ``setup()`` and of tasks in rc files.

    Facts (``rank``, attributes, configuration, the broker's environment) need no request. The run reads
    them at its start, before each task, and after each ``bash()`` and ``rpc().get()``.
    """

    def __init__(self, host: RcHost, task_name: Optional[str], effects: Optional[List[Dict[str, Any]]] = None) -> None:
        self._host = host
        self._task = task_name
        #: The changes of a ``setup()`` to the plan; None in a task.
        self._effects = effects

    @property
    def rank(self) -> int:
        """This rank, from 0."""
        return self._host.mirror.rank

    @property
    def handle(self) -> "Sluice":
        """A handle of the instance, one for each thread, opened at its first use.

        :raises OSError: ``ENOENT`` without an instance; the errno of connect(2) if no broker listens there
        """
        return self._host.handle()

    def print(self, *items: Any) -> None:
        """Writes a line to standard error, in verbose mode only."""
        self._host.send({"op": "print", "text": " ".join(map(str, items))})

    def rpc(self, topic: str, payload: Any = None, nodeid: "NodeId" = 0xFFFFFFFF, flags: int = 0) -> "Future":
        """Sends a request. ``get()`` of the returned future waits for the response.

        Parameters and errors are as for ``Sluice.rpc``.
        """
        return self._host.rpc(topic, payload, nodeid, flags)

    def set(self, key: str, value: Any) -> None:
        """Shares a JSON value with all tasks of all hosts of this run.

        :raises ValueError: ``value`` is not a JSON value
        """
        if not decides("shared data", key, value):
            self._host.set_data(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """A shared value, or the default."""
        return default if decides("shared data", key) else self._host.mirror.data.get(key, default)

    def attr_get(self, name: str, default: Any = None) -> Any:
        """An attribute of the broker, or the default."""
        return default if decides("an attribute", name) else self._host.mirror.attrs.get(name, default)

    def conf_get(self, name: str, default: Any = None) -> Any:
        """A configuration value by its dotted key, or the default."""
        return default if decides("a value of the configuration", name) else self._host.mirror.conf(name, default)

    def getenv(self, name: str, default: Any = None) -> Any:
        """A variable of the local environment, else of the broker, else the default."""
        return default if decides("a variable", name) else self._host.mirror.env(name, default)

    def setenv(self, name: Union[str, Mapping[str, Optional[str]]], value: Optional[str] = None) -> None:
        """Sets variables here and in the broker, so that the initial program and rc3 get them. None
        unsets a variable.

        :param name: the name of one variable, or a mapping of names to values
        :raises ValueError: a name or value is invalid. The call then sets no variable
        """
        if decides("the environment", name, value):
            return
        env = {name: value} if isinstance(name, str) else dict(name)
        for key, item in env.items():
            if not isinstance(key, str):
                raise ValueError(f"setenv: the name {key!r} must be a string")
            if item is not None and not isinstance(item, str):
                raise ValueError(f"setenv: the value of {key} must be a string or None, not {item!r}")
            if not key or "=" in key or "\0" in key:
                raise ValueError(f"setenv: invalid name {key!r}")
            if item is not None and "\0" in item:
                raise ValueError(f"setenv: the value of {key} contains a NUL")
        self._host.setenv(env)

    def setopt(self, module: str, options: str, overwrite: bool = False) -> None:
        """Appends to the arguments of a module that loads later, or replaces them.

        :param module: a unit, or a service, which means its provider
        :param options: split on white space
        """
        if decides("an argument of a module", module, options):
            return
        edit = {"kind": "setopt", "module": module, "options": options.split(), "overwrite": bool(overwrite)}
        self._host.mirror.set_args(edit)
        if self._effects is None:
            self._host.send({"op": "setopt", "edit": edit})
        else:
            self._effects.append(edit)

    def getopts(self, name: str, default: Any = None, also: Optional[Iterable[str]] = None) -> Any:
        """The current arguments of a module, as a list of strings, or the default if it has no arguments.

        :param also: names whose arguments follow
        """
        if decides("an argument of a module", name, also):
            return default
        names = [name, *([also] if isinstance(also, str) else also or [])]
        args = [arg for each in names for arg in self._host.mirror.args_of(each)]
        return args if args or default is None else default

    def bash(self, command: str) -> None:
        """Runs a shell line with bash. Its output becomes output of the task.

        :raises RuntimeError: ``bash: exited with exit status N``, ``bash: died by signal N``
        """
        self._host.bash(command, self._task)

    def load_modules(self, modules: Iterable[str]) -> None:
        """In ``setup()`` only: adds units or services to the roots of the plan."""
        self._effect("load_modules", {"kind": "load", "names": _names("load_modules", modules)})

    def remove_modules(self, modules: Optional[Iterable[str]] = None) -> None:
        """In ``setup()`` only: plans the removal of these modules. None means all."""
        names = None if modules is None else _names("remove_modules", modules)
        self._effect("remove_modules", {"kind": "remove", "names": names})

    def set_alternative(self, service: str, unit: str) -> None:
        """In ``setup()`` only: chooses the provider of a service (docs/design/planning.md §4)."""
        self._effect("set_alternative", {"kind": "alternative", "service": service, "unit": unit})

    def enable(self, name: str) -> None:
        """In ``setup()`` only: force-enables a unit, or all providers of a service (docs/design/planning.md §3)."""
        self._effect("enable", {"kind": "enable", "name": name})

    def _effect(self, method: str, effect: Dict[str, Any]) -> None:
        if self._effects is None:
            raise ValueError(f"{method}: only setup() can change the plan")
        if not decides(f"the effect of {method}()", effect):
            self._effects.append(effect)


def _names(method: str, names: Iterable[str]) -> List[str]:
    """A list of names. A single string is invalid, because Python would treat it as a list of letters."""
    listed = None if isinstance(names, (str, bytes)) else [each for each in names if not decides(f"{method}()", each)]
    if listed is None or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"{method}: expected a list of names")
    return listed
