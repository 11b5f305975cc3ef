"""The environment of processes that host modules and rc files, and how they import files."""

import os
import sys
from types import ModuleType

PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


ON_VARIABLE = "SLUICE_ON"
"""The variable is ``flux`` where rc files run in Flux's Python, with Flux's package ``flux``."""


def is_on_flux() -> bool:
    """Whether rc files run against a live Flux."""
    return os.environ.get(ON_VARIABLE) == "flux"


def use_real_flux() -> None:
    """Removes the packages of Sluice from the path, so that
    ``flux`` is the package of Flux. Imported modules of ``sluice`` stay usable."""
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != os.path.realpath(PACKAGE_DIR)]


def forget_environment(variable: str) -> str:
    """Removes variables that only this process needs, so that its children do not inherit them.

    :param variable: the variable that names the descriptor of the channel
    :returns: its value; empty if it is not set
    """
    value = os.environ.pop(variable, "")
    os.environ.pop("PYTHONSAFEPATH", None)
    paths = [path for path in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if path not in ("", PACKAGE_DIR)]
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    # ``python3 -m`` puts the working directory first. A file there may have the name of another module.
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    if is_on_flux():
        use_real_flux()
    elif PACKAGE_DIR not in sys.path:
        sys.path.insert(0, PACKAGE_DIR)
    return value


def import_file(path: str, name: str) -> ModuleType:
    """Imports a file with any suffix.

    :param name: the module's name in ``sys.modules``
    :raises BaseException: the exception of the file
    """
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be imported")
    module = module_from_spec(spec)
    # As the import statement does: dataclasses and pickle look up the module of a class there.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
