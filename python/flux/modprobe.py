"""``flux.modprobe``: the names that rc files import."""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

from sluice.rc import Context, task

from ._absent import absent

if TYPE_CHECKING:
    from sluice.handle import Sluice

__all__ = ["Context", "ModuleList", "run_all_rc_scripts", "task"]


def rc_scripts(runlevel: int) -> List[str]:
    """Paths of executable files of ``rcN.d`` in the configuration directory and the directories of ``FLUX_RC_EXTRA``.

    The files of each directory are in the order of their names. Missing directories have no effect.
    """
    confdir = os.environ.get("SLUICE_CONFDIR", "/etc/sluice")
    extra = os.environ.get("FLUX_RC_EXTRA", "").split(":")
    found: List[str] = []
    for directory in [confdir, *filter(None, extra)]:
        part = os.path.join(directory, f"rc{runlevel}.d")
        if not os.path.isdir(part):
            continue
        paths = [os.path.join(part, name) for name in sorted(os.listdir(part), key=os.fsencode)]
        found += [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
    return found


def run_all_rc_scripts(runlevel: int) -> None:
    """Runs the scripts of a run level one after the other, even if one fails.

    :param runlevel: 1 or 3
    :raises RuntimeError: a script failed. The message gives the name and the end of each failed script.
    """
    import subprocess

    failures: List[str] = []
    for path in rc_scripts(runlevel):
        try:
            status = subprocess.run([path], stdin=subprocess.DEVNULL, check=False).returncode
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
            continue
        if status > 0:
            failures.append(f"{path}: exited with exit status {status}")
        elif status < 0:
            failures.append(f"{path}: died by signal {-status}")
    if failures:
        raise RuntimeError("; ".join(failures))


class ModuleList:
    """The loaded modules: their names, and a lookup by name or service.

    :param handle: of the instance, for one request
    :raises OSError: as ``Future.get``
    """

    def __init__(self, handle: "Sluice") -> None:
        modules = handle.rpc("module.list").get()["modules"]
        #: Name or service → name of the module that has it.
        self.servicemap: Dict[str, str] = {}
        self.loaded_modules: List[str] = [module["name"] for module in modules]
        for module in modules:
            for service in module["services"]:
                self.servicemap[service] = module["name"]
        self.servicemap.update((name, name) for name in self.loaded_modules)

    def lookup(self, name: str) -> Optional[str]:
        """The module with this name, or with this service; None if no module matches."""
        return self.servicemap.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self.servicemap

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaded_modules)

    def __len__(self) -> int:
        return len(self.loaded_modules)


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
