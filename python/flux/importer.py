"""``flux.importer``: importing files by their path."""

import os
from types import ModuleType
from typing import Any

from sluice.host_environment import import_file

__all__ = ["import_path"]


def import_path(file_path: str) -> ModuleType:
    """Imports a file, whatever its name; the module is called as the file without its suffix.

    :raises BaseException: what it raises
    """
    name = os.path.splitext(os.path.basename(file_path))[0]
    return import_file(file_path, name)


def __getattr__(name: str) -> Any:
    from . import _absent

    raise _absent(__name__, name)
