"""Peak memory of a fit beyond the data themselves, solver by solver.

Each fit runs in a process of its own; what it adds is the peak of the resident memory over
what was resident with the data in place and the libraries warm.

    python -m benchmarks.memory
"""

import argparse
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import psutil
from sklearn.exceptions import ConvergenceWarning

from sklearn_mlp import SigmoidMLPRegressor

UNITS = {"lbfgs": 50, "adam": 50, "sgd": 50, "gd": 50, "lm": 10}
"""Fewer for "lm", for time's sake: its cost goes with the square of the parameters."""


def measure(solver: str, n_samples: int, n_features: int) -> None:
    """Print how many MB one fit adds to the resident memory."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    y = np.sin(X[:, 0]) + X[:, 1]
    process = psutil.Process()
    model = SigmoidMLPRegressor((UNITS[solver],), solver=solver, max_iter=2)
    model.fit(X[:1000], y[:1000])
    before, peak, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    model.fit(X, y)
    done.set()
    watcher.join()
    print(f"{solver:>8} {X.nbytes / 1e6:8.0f} {(peak - before) / 1e6:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solver", choices=list(UNITS))
    parser.add_argument("--n-samples", type=int, default=1_000_000)
    parser.add_argument("--n-features", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.solver:
        measure(arguments.solver, arguments.n_samples, arguments.n_features)
        return
    print(f"{'solver':>8} {'X, MB':>8} {'added':>8}")
    for solver in UNITS:
        subprocess.run(
            [sys.executable, "-m", __spec__.name, "--solver", solver, *sys.argv[1:]], check=True
        )


if __name__ == "__main__":
    main()
