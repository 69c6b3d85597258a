"""The packages of the extra `control`, and the error for a missing package."""

import importlib
from types import ModuleType

INSTALL = "pip install 'jarvis-snn[control]'"


class MissingPackageError(ImportError):
    """A package of the extra `control` is not installed; the message says how to install it."""


def required(name: str) -> ModuleType:
    """A package of the extra `control`.

    Raises:
        MissingPackageError: if the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        top = name.split(".")[0]
        raise MissingPackageError(f"jarvis.control needs {top}: {INSTALL}") from None
