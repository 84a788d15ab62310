"""The gallery's notebooks as they run in the browser."""

from typing import Any


def install_first(notebook: dict[str, Any], filename: str) -> None:
    """Install the package in the first cell of a notebook."""
    more = " mapie" if "mapie" in str(notebook["cells"]) else ""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cell["source"] = [f"%pip install -q sklearn-mlp matplotlib{more}"]
    notebook["cells"].insert(0, cell)
