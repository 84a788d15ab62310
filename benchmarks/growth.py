"""How the cost of one iteration grows with the rows and with the parameters.

python -m benchmarks growth
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.timing import Record, interleaved
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point, Precisions
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.levenberg_marquardt import Damping, step

N_FEATURES = 20


def objective_of(n_rows: int, n_units: int) -> tuple[Objective, np.ndarray]:
    """An objective over so many rows, and initial weights."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n_rows, N_FEATURES))
    network = Network([N_FEATURES, n_units, 1], "sigmoid")
    return Objective(network, Rows(X, np.sin(X[:, :1])), 0.0), network.initial_weights(rng)


def lm_iteration(n_rows: int, n_units: int) -> Callable[[], object]:
    objective, w = objective_of(n_rows, n_units)
    precisions = Precisions(np.ones(1), np.full(len(w), 1e-2))
    point = Point(w, objective.gauss_newton(w))
    return lambda: step(objective, point, precisions, Damping(), precisions.curvature(point.sums))


def gradient(n_rows: int, n_units: int) -> Callable[[], object]:
    objective, w = objective_of(n_rows, n_units)
    return partial(objective.value_and_gradient, w)


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """Both kinds of iteration, by rows at 20 units and by units at 5,000 rows."""
    records = []
    scale = 10 if quick else 1
    for name, make in (("LM iteration", lm_iteration), ("gradient", gradient)):
        by_rows = {n // scale: make(n // scale, 10) for n in (10_000, 30_000, 100_000, 300_000)}
        by_parameters = {
            (N_FEATURES + 2) * units + 1: make(5_000 // scale, units)
            for units in (3, 6, 12, 24, 45)
        }
        for variable, contenders in (("rows", by_rows), ("parameters", by_parameters)):
            timed = interleaved({str(n): f for n, f in contenders.items()}, turns)
            records += [
                Record("growth", f"{name} by {variable}", size, True, list(seconds))
                for size, seconds in timed.items()
            ]
    return records
