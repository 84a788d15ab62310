"""Where "lm" is out of reach: what ``solver="auto"`` does there, beside simple peers.

The problems are those of the map (see problem_map.py), with noise in the training rows and none in
the 5,000 fresh rows, so that R² can be 1. Ours and the peers take turns, with one thread.

    python -m benchmarks.beyond_lm [--largest 20000] [--csv docs/benchmarks/beyond_lm.csv]
"""

import argparse
import csv
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmarks.problem_map import PROBLEMS, Cell, make_ours, make_peers

SIZES = (
    (2_000, 100, "100,100,100"),
    (5_000, 20, "100,100,100"),
    (5_000, 100, "200"),
    (20_000, 100, "200"),
)
NOISES = (0.3, 1.0)
HEADER = ("rows", "columns", "hidden", "problem", "noise")
FOOTER = ("coverage", "time in Adam's")


def make_data(cell: Cell) -> tuple[np.ndarray, ...]:
    """The training rows, fresh rows, and the fresh rows' targets without and with noise."""
    random = np.random.default_rng(cell.columns)
    X = random.uniform(size=(cell.rows + 5_000, cell.columns))
    f = PROBLEMS[cell.problem](X, random.normal(size=cell.columns))
    f /= f.std()
    y, n = f + cell.noise * random.normal(size=len(f)), cell.rows
    return X[:n], y[:n], X[n:], f[n:], y[n:]


def measure(cell: Cell) -> dict[str, Any]:
    """R² of each model, the coverage of our 95 % intervals, and our time in that of Adam."""
    X, y, X_new, truth, y_new = make_data(cell)
    models, seconds = {"ours": make_ours(cell)} | make_peers(cell), {}
    row: dict[str, Any] = cell._asdict()
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(X, y)
        seconds[name] = time.perf_counter() - start
        row[name] = f"{model.score(X_new, truth):.3f}"
    assert models["ours"].solver_ == "adam"
    mean, std = models["ours"].predict(X_new, return_std=True)
    row["coverage"] = f"{np.mean(np.abs(y_new - mean) < 1.96 * std):.2f}"
    row["time in Adam's"] = f"{seconds['ours'] / seconds['MLPRegressor-adam']:.1f}"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=20_000, help="rows of the largest problem")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    with threadpool_limits(1):
        for n_rows, n_columns, hidden in SIZES:
            for problem in PROBLEMS if n_rows <= arguments.largest else ():
                for noise in NOISES:
                    rows.append(measure(Cell(problem, noise, n_rows, n_columns, hidden)))
                    print(rows[-1], flush=True)
    if arguments.csv:
        models = [name for name in rows[0] if name not in (*HEADER, *FOOTER)]
        names = [*HEADER, *models, *FOOTER]
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
