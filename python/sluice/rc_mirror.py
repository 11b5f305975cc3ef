"""A host's copy of the runner's facts, so that reading them never waits."""

import errno
import os
from typing import Any, Dict, List, Mapping, Optional


class Mirror:
    """The facts that rc files read. The runner has the original. The host sends changes to the
    runner, which sends them to the other hosts.

    An update from the runner replaces whole tables, so that tasks in other threads never read half of it.
    """

    def __init__(self) -> None:
        self.rank = 0
        self.attrs: Dict[str, str] = {}
        self.data: Dict[str, Any] = {}
        self._config: Any = {}
        self._broker_env: Dict[str, str] = {}
        self._args: Dict[str, List[str]] = {}
        self._providers: Dict[str, str] = {}

    def update(self, state: Mapping[str, Any]) -> None:
        """Applies a state of the runner.

        :param state: ``{"rank"?, "attrs"?, "config"?, "brokerEnv"?, "providers"?, "args"?, "data"?, "env"?}``.
            An update has only the changed parts
        """
        self.rank = state.get("rank", self.rank)
        self.attrs = state.get("attrs", self.attrs)
        self._config = state.get("config", self._config)
        self._broker_env = state.get("brokerEnv", self._broker_env)
        self._providers = state.get("providers", self._providers)
        self._args = state.get("args", self._args)
        if "data" in state:
            self.data = {**self.data, **state["data"]}
        if "env" in state:
            self.set_env(state["env"])

    def conf(self, key: Optional[str], default: Any) -> Any:
        """A configuration value by its dotted key, or the default; without a key, the whole
        configuration."""
        value = self._config
        if key is None:
            return value
        for word in key.split("."):
            if not isinstance(value, dict) or word not in value:
                return default
            value = value[word]
        return value

    def env(self, name: str, default: Any) -> Any:
        """A variable of this process, else of the broker, else the default."""
        value = os.environ.get(name)
        return value if value is not None else self._broker_env.get(name, default)

    def set_env(self, values: Mapping[str, Optional[str]]) -> None:
        """Sets variables of this process. None unsets a variable, also in the broker."""
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._broker_env = {name: value for name, value in self._broker_env.items() if name not in values}

    def set_data(self, key: str, value: Any) -> None:
        """Sets a shared value."""
        self.data = {**self.data, key: value}

    def args_of(self, name: str) -> List[str]:
        """The arguments of a unit, or of the provider of a service."""
        return self._args.get(self._providers.get(name, name), [])

    def set_args(self, edit: Mapping[str, Any]) -> None:
        """Appends or replaces arguments.

        :param edit: ``{"module": unit or service, "options": [argument, …], "overwrite": bool}``
        """
        name = self._providers.get(edit["module"], edit["module"])
        options = list(edit["options"])
        args = options if edit["overwrite"] else [*self._args.get(name, []), *options]
        self._args = {**self._args, name: args}


class PlannedHandle:
    """The ``context.handle`` of an rc file for a plan without an instance. It has only the facts."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    @property
    def rank(self) -> int:
        """The rank of the plan."""
        return self._mirror.rank

    def get_rank(self) -> int:
        """The rank of the plan."""
        return self._mirror.rank

    def attr_get(self, name: str, default: Any = None) -> Any:
        """An attribute.

        :raises FileNotFoundError: the attribute is not set, and the call has no default
        """
        if name not in self._mirror.attrs and default is None:
            raise FileNotFoundError(errno.ENOENT, f"attribute {name} is not set")
        return self._mirror.attrs.get(name, default)

    def conf_get(self, key: Optional[str] = None, default: Any = None) -> Any:
        """A configuration value by its dotted key; without a key, the whole configuration."""
        return self._mirror.conf(key, default)

    def __getattr__(self, name: str) -> Any:
        raise FileNotFoundError(errno.ENOENT, f"no instance: {name} needs one, and SLUICE_URI is not set")
