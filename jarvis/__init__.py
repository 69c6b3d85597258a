"""jarvis: spiking neural networks to learn from, in Python and PyTorch.

The most common names are available here; all other names are in the subpackages, such as
`jarvis.encoding.ttfs_decode`. Names are imported on first use and listed for editors in the stub
file ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
