"""A map of problems: ours beside simple peers, over rows, columns, noise and network sizes.

    python -m benchmarks map [--out PATH] [--quick] [--max-rows N] [--problems NAME ...]
                             [--noises S ...] [--hidden SIZES ...] [--largest-mlp ROWS]
    python -m benchmarks map --report      # the summary and the pictures, from the JSON alone

A cell of the map is a problem, a level of noise, a number of training rows, a number of columns,
and the hidden layer sizes. All models of a cell are fitted to the same rows, in turn, in one
process and with one thread. They are scored on 2,000 fresh rows.

The results are one JSON file. It is written after each cell, and cells that it has already are
skipped: a run that was cut off goes on where it stopped. Cheap cells come first.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import map_report, peers
from benchmarks.tabular import scaled
from sklearn_mlp import SigmoidMLPRegressor

RESULTS = Path(__file__).with_name("map.json")
N_TEST = 2_000
LARGEST_TABLE = 10_000_000
"""Numbers in X above which a cell is left out."""
LARGEST_MLP = 50_000
"""Rows up to which both kinds of MLPRegressor are fitted. Above, they take minutes a fit."""

NOISES = (0.0, 0.3, 1.0)
ROWS = (15, 50, 150, 500, 2_000, 10_000, 50_000, 300_000)
COLUMNS = (1, 5, 20, 100, 300)
THIN_ROWS = (50, 500, 5_000, 50_000)
THIN_COLUMNS = (5, 20, 100)
SIZES = ("5", "50", "200", "50,20", "100,100,100")
"""The sizes that are given, as they are written on the command line."""
HIDDEN = ("auto", *SIZES)
QUICK_ROWS, QUICK_COLUMNS, QUICK_HIDDEN = 50, 5, ("auto", "5")
"""The largest numbers of --quick, and the hidden layers unless others are asked for."""

STEPS = ((0, 0.3, 2.0), (1, 0.6, -1.0), (2, 0.5, 1.0), (3, 0.7, -1.5), (4, 0.4, 1.0))
"""The column of each step, where it is and how high. Columns are counted round the table."""


class Cell(NamedTuple):
    """A cell of the map.

    Attributes
    ----------
    problem : str
        A key of `PROBLEMS`.
    noise : float
        Standard deviation of the noise, for a target with a deviation of 1.
    rows : int
        Number of training rows.
    columns : int
        Number of columns of X.
    hidden : str
        "auto", or the units of each hidden layer with commas between them.
    """

    problem: str
    noise: float
    rows: int
    columns: int
    hidden: str


class Data(NamedTuple):
    """The training rows and the test rows of a cell."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def friedman(X: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    """Friedman's first function. With one column, the second counts as 1.

    With fewer than five columns, it has the terms whose columns exist.
    """
    n_columns = X.shape[1]
    y = 10 * np.sin(np.pi * X[:, 0] * (X[:, 1] if n_columns > 1 else 1))
    if n_columns > 2:
        y += 20 * (X[:, 2] - 0.5) ** 2
    if n_columns > 3:
        y += 10 * X[:, 3]
    if n_columns > 4:
        y += 5 * X[:, 4]
    return y


def linear(X: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    """A linear function of all columns."""
    return X @ coefs


def step(X: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    """A sum of indicator functions, each of one column (`STEPS`)."""
    n_columns = X.shape[1]
    return np.sum([h * (X[:, j % n_columns] > t) for j, t, h in STEPS], axis=0)


PROBLEMS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "friedman": friedman,
    "linear": linear,
    "step": step,
}


def make_data(cell: Cell) -> Data:
    """The rows of a cell. Columns are uniform in 0 to 1.

    Cells with the same number of columns share their test rows, and more training rows begin with
    fewer. So neighbours in the map differ by what their axis says, and by nothing else.
    """
    test, train, train_noise, weights = np.random.default_rng(cell.columns).spawn(4)
    coefs = weights.normal(size=cell.columns)
    X_test = test.uniform(size=(N_TEST, cell.columns))
    X = train.uniform(size=(cell.rows, cell.columns))
    f, f_test = (PROBLEMS[cell.problem](Z, coefs) for Z in (X, X_test))
    return Data(
        X,
        f / f_test.std() + cell.noise * train_noise.normal(size=cell.rows),
        X_test,
        f_test / f_test.std() + cell.noise * test.normal(size=N_TEST),
    )


def hidden_layer_sizes(hidden: str) -> tuple[int, ...]:
    return tuple(int(units) for units in hidden.split(","))


def make_ours(cell: Cell) -> SigmoidMLPRegressor:
    hidden = cell.hidden if cell.hidden == "auto" else hidden_layer_sizes(cell.hidden)
    return SigmoidMLPRegressor(hidden, random_state=0)


def make_peers(cell: Cell) -> dict[str, Any]:
    """New estimators. Networks have the sizes of the cell, or their default where it has "auto"."""
    sizes: dict[str, Any] = {"random_state": 0}
    if cell.hidden != "auto":
        sizes["hidden_layer_sizes"] = hidden_layer_sizes(cell.hidden)
    return {
        "Ridge": make_pipeline(StandardScaler(), Ridge()),
        "MLPRegressor-adam": scaled(MLPRegressor(**sizes)),
        "MLPRegressor-lbfgs": scaled(MLPRegressor(solver="lbfgs", **sizes)),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    }


def number(value: float) -> float | None:
    """As JSON has it: null in place of NaN."""
    return float(value) if np.isfinite(value) else None


def measure(model: Any, data: Data) -> dict[str, Any]:
    """Fit and score a model. A fit that fails has no R², and says why in "error"."""
    record: dict[str, Any] = {"r2": None}
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        start = time.perf_counter()
        try:
            model.fit(data.X, data.y)
            record["seconds"] = time.perf_counter() - start
            record["r2"] = number(r2_score(data.y_test, model.predict(data.X_test)))
        except Exception as error:  # the map goes on with the other models and cells
            record.setdefault("seconds", time.perf_counter() - start)
            record["error"] = f"{type(error).__name__}: {error}"
        record["converged"] = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return record


def measure_ours(cell: Cell, data: Data) -> dict[str, Any]:
    """What `measure` gives, and the solver, the layers, the posterior and its coverage."""
    model = make_ours(cell)
    record = {"coverage": None, "posterior": None, **measure(model, data)}
    if "error" in record:
        return record
    record["solver"] = model.solver_
    record["layers"] = [W.shape[1] for W in model.weights_[:-1]]
    try:
        with threadpool_limits(1):
            mean, std = model.predict(data.X_test, return_std=True)
    except ValueError:  # this fit has no error bars
        return record
    inside = np.abs(data.y_test - mean) <= norm.ppf(0.975) * std
    record["coverage"] = number(np.mean(inside))
    record["posterior"] = getattr(model, "posterior_kind_", "all parameters")
    return record


def run_cell(cell: Cell, largest_mlp: int) -> dict[str, Any]:
    """The record of a cell. "left_out" names the peers that it has too many rows for."""
    data = make_data(cell)
    ours = measure_ours(cell, data)
    models = make_peers(cell)
    left_out = [name for name in models if name.startswith("MLP") and cell.rows > largest_mlp]
    found = {name: measure(models[name], data) for name in models if name not in left_out}
    return {**cell._asdict(), "ours": ours, "peers": found, "left_out": left_out}


def cost(cell: Cell) -> float:
    """How long a cell takes, roughly and in no unit: only the order counts."""
    units = [25] if cell.hidden == "auto" else list(hidden_layer_sizes(cell.hidden))
    layers = [cell.columns, *units, 1]
    n_parameters = sum((a + 1) * b for a, b in pairwise(layers))
    return float(cell.rows * n_parameters * min(cell.rows, n_parameters, 1_000))


def cells(given: argparse.Namespace) -> list[Cell]:
    """Those that were asked for, from cheap to expensive."""
    found = []
    for hidden in given.hidden or (QUICK_HIDDEN if given.quick else HIDDEN):
        whole = hidden == "auto"
        all_rows, all_columns = (ROWS, COLUMNS) if whole else (THIN_ROWS, THIN_COLUMNS)
        for rows, columns in product(all_rows, all_columns):
            if rows <= given.max_rows and rows * columns <= LARGEST_TABLE:
                found += [
                    Cell(problem, noise, rows, columns, hidden)
                    for problem, noise in product(given.problems, given.noises)
                ]
    if given.quick:
        found = [c for c in found if c.rows <= QUICK_ROWS and c.columns <= QUICK_COLUMNS]
    return sorted(found, key=cost)


def write(path: Path, results: dict[str, Any]) -> None:
    """A line for each cell. The file is whole at any time, even if the run is cut off here."""
    head = {name: value for name, value in results.items() if name != "cells"}
    lines = ",\n".join(json.dumps(cell, allow_nan=False) for cell in results["cells"])
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "cells": [\n{lines}\n ]\n}}\n')
    os.replace(unfinished, path)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"cells": []}
    return found


def run(given: argparse.Namespace, machine: dict[str, Any]) -> None:
    """Measure the cells that the file lacks."""
    found = read(given.out)["cells"]
    there = {Cell(*(record[field] for field in Cell._fields)) for record in found}
    missing = [cell for cell in cells(given) if cell not in there]
    for i, cell in enumerate(missing, start=1):
        start = time.perf_counter()
        found.append(run_cell(cell, given.largest_mlp))
        limits = {"largest_mlp": given.largest_mlp, "largest_table": LARGEST_TABLE}
        write(given.out, {"machine": machine, "limits": limits, "cells": found})
        seconds = time.perf_counter() - start
        print(f"{i} of {len(missing)} ({seconds:.1f} s): {map_report.line(found[-1])}", flush=True)


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks map", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="PATH", help="the JSON file, or its folder"
    )
    parser.add_argument("--quick", action="store_true", help="small cells, without pictures")
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--noises", nargs="+", type=float, choices=NOISES, default=NOISES)
    parser.add_argument("--hidden", nargs="+", choices=HIDDEN, help="all, by default")
    parser.add_argument("--max-rows", type=int, default=max(ROWS), metavar="N")
    parser.add_argument(
        "--largest-mlp",
        type=int,
        default=LARGEST_MLP,
        metavar="ROWS",
        help=f"rows up to which MLPRegressor is fitted ({LARGEST_MLP:,} by default)",
    )
    parser.add_argument("--report", action="store_true", help="measure nothing")
    given = parser.parse_args(arguments)
    if given.out.is_dir():
        given.out /= "map.json"
    peers.set_threads(1)
    if not given.report:
        run(given, machine)
    results = read(given.out)
    print(f"\n{map_report.summary(results['cells'])}", flush=True)
    if given.quick or not results["cells"]:
        return
    if given.out == RESULTS:
        map_report.generate(results)
    else:
        map_report.draw(results["cells"], given.out.parent, given.out.stem)
