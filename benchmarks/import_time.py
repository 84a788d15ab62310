"""Seconds to import the package, beside those of scikit-learn's networks that it builds on.

python -m benchmarks import_time
"""

import subprocess
import sys
from functools import partial

from benchmarks.timing import Record, interleaved

MODULES = {"ours": "sklearn_mlp", "sklearn.neural_network": "sklearn.neural_network"}


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """Each in a new interpreter."""
    contenders = {
        name: partial(subprocess.run, [sys.executable, "-c", f"import {module}"], check=True)
        for name, module in MODULES.items()
    }
    return [
        Record("import", "a new interpreter", name, name == "ours", list(seconds))
        for name, seconds in interleaved(contenders, turns).items()
    ]
