"""jarvis: spiking neural networks to learn from, in Python and PyTorch.

Here are the names that one types first; each folder has the rest, such as
`jarvis.encoding.ttfs_decode`. They are imported when they are first used, and listed in the stub
``__init__.pyi``, which editors read.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
