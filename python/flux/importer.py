"""``flux.importer``: importing files by their path."""

import os
from types import ModuleType
from typing import Any

from sluice.host_environment import import_file

from ._absent import absent

__all__ = ["import_path"]


def import_path(file_path: str) -> ModuleType:
    """Imports a file with any suffix. The module has the name of the file without its suffix.

    :raises BaseException: the exception of the file
    """
    name = os.path.splitext(os.path.basename(file_path))[0]
    return import_file(file_path, name)


def __getattr__(name: str) -> Any:
    return absent(__name__, name)
