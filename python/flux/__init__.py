"""The names that Python files written for Flux import, as thin aliases of :mod:`sluice`.

The package is on the path only in the hosts of modules and rc files, and under ``sluice python``. For all
other names, an ``ImportError`` or ``AttributeError`` reports that Sluice does not provide them.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional, Sequence

from ._absent import absent

if TYPE_CHECKING:
    from ._handle import Flux as Flux

__all__ = ["Flux"]


def __getattr__(name: str) -> Any:
    if name == "Flux":
        from ._handle import Flux

        globals()["Flux"] = Flux
        return Flux
    if name == "constants":
        from importlib import import_module

        return import_module("flux.constants")
    return absent(__name__, name)


class _Absent:
    """The last finder, for submodules that no other finder has found."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if name.startswith("flux."):
            raise ModuleNotFoundError(f"No module named '{name}': Sluice does not provide it", name=name)
        return None


sys.meta_path.append(_Absent)
