"""A fit of 455 rows of 13 columns beside another process that is busy, and on the idle machine.

python -m benchmarks busy_neighbour
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn.datasets import make_friedman1

from benchmarks.timing import Record, interleaved
from sklearn_mlp import SigmoidMLPRegressor

BUSY = [sys.executable, "-c", "while True: pass"]


def beside_a_busy_process(run: Callable[[], Any]) -> None:
    """Run it while another process computes without a pause."""
    with subprocess.Popen(BUSY) as busy:
        try:
            run()
        finally:
            busy.kill()


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """The default, whose width is found, and a width that is given."""
    X, y = make_friedman1(455, n_features=13, noise=1.0, random_state=0)
    records = []
    for hidden in ("auto", (12,) if quick else (50,)):
        fit = partial(SigmoidMLPRegressor(hidden, random_state=0).fit, X, y)
        contenders = {"idle machine": fit, "ours": partial(beside_a_busy_process, fit)}
        records += [
            Record("fit beside a busy process", f"455 x 13, {hidden}", name, name == "ours",
                   list(seconds))
            for name, seconds in interleaved(contenders, min(turns, 3)).items()
        ]  # fmt: skip
    return records
