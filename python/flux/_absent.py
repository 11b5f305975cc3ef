"""Handles names of Flux that Sluice does not provide."""

from typing import Any

from sluice.stand_ins import stand_in_for


def absent(module: str, name: str) -> Any:
    """The value of a missing name of a module: a stand-in while the host reads a file for a plan.

    :param module: full name of the module
    :raises AttributeError: otherwise
    """
    found = None if name.startswith("__") else stand_in_for(f"{module}.{name}")
    if found is not None:
        return found
    raise AttributeError(f"module '{module}' has no attribute '{name}': Sluice does not provide it")
