"""MathJax from an installed package, so that the site needs no internet connection."""

import importlib.util
import shutil
from pathlib import Path

CARRIER = "sphinx-mathjax-offline"  #: the package that contains MathJax, in the extra `docs`
SCRIPT = "mathjax/tex-chtml.js"  #: path below _static, for `mathjax_path`
#: Parts of MathJax: the script, its fonts, and files that some formulas or its menu load.
PARTS = ("tex-chtml.js", "output/chtml", "input/tex/extensions", "a11y", "sre", "ui", "core.js")


def mathjax_folder() -> Path:
    """The folder in which the installed package keeps MathJax.

    Raises:
        FileNotFoundError: if the package is not installed; the message says how to install it.
    """
    found = importlib.util.find_spec(CARRIER)
    folder = Path(found.origin).parent / "static" / "mathjax" if found and found.origin else None
    if folder is None or not (folder / "tex-chtml.js").exists():
        raise FileNotFoundError(
            f"the site's formulas need {CARRIER}, which is not installed: pip install -e '.[docs]'"
        )
    return folder


def copy_mathjax(static: Path) -> None:
    """Copy the files that the pages load into the folder ``_static/mathjax`` of a built site."""
    source, target = mathjax_folder(), static / "mathjax"
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        elif (source / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)
