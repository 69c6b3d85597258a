"""MathJax from an installed package, so that the site needs no network."""

import importlib.util
import shutil
from pathlib import Path

CARRIER = "sphinx-mathjax-offline"  #: the package that brings MathJax; in the extra `docs`
SCRIPT = "mathjax/tex-chtml.js"  #: below _static, for `mathjax_path`
#: Its parts: the script, its fonts, and what it loads when a formula or its menu asks for it.
PARTS = ("tex-chtml.js", "output/chtml", "input/tex/extensions", "a11y", "sre", "ui", "core.js")


def mathjax_folder() -> Path:
    """Where the installed package keeps MathJax.

    Raises:
        FileNotFoundError: where the package is not installed; the message says how to install it.
    """
    found = importlib.util.find_spec(CARRIER)
    folder = Path(found.origin).parent / "static" / "mathjax" if found and found.origin else None
    if folder is None or not (folder / "tex-chtml.js").exists():
        raise FileNotFoundError(
            f"the site's formulas need {CARRIER}, which is not installed: pip install -e '.[docs]'"
        )
    return folder


def copy_mathjax(static: Path) -> None:
    """Copy what the pages load into the folder ``_static/mathjax`` of a built site."""
    source, target = mathjax_folder(), static / "mathjax"
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        elif (source / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)
