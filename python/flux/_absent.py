"""The errors for names of Flux that Sluice does not provide."""


def absent(module: str, name: str) -> AttributeError:
    """The error of a module that is asked for a name it does not have.

    :param module: full name of the module
    """
    return AttributeError(f"module '{module}' has no attribute '{name}': Sluice does not provide it")
