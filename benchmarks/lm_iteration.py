"""One Levenberg-Marquardt iteration against its peers, and against the product that it contains.

An iteration makes the errors at the trial point, the derivatives at the point that is accepted,
and the step from there. Ours are two iterations from two starts in turn, for of one alone the
forward pass would be found to be made already; so are those of the others.

    python -m benchmarks lm_iteration
"""

from collections.abc import Callable

import numpy as np

from benchmarks.floor import gauss_newton_floor
from benchmarks.peers import lm_steps
from benchmarks.timing import Record, interleaved
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point, Precisions
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.levenberg_marquardt import Damping, step

SHAPES = [(10_000, 4, 5), (7_373, 8, 50), (2_000, 20, 20), (4_000, 20, 45)]
"""Rows, inputs, units: 31, 501, 441 and 991 parameters."""


def ours(X: np.ndarray, y: np.ndarray, n_units: int) -> Callable[[], object]:
    """Two iterations."""
    network = Network([X.shape[1], n_units, 1], "sigmoid")
    objective = Objective(network, Rows(X, y[:, np.newaxis]), 0.0)
    rng = np.random.RandomState(0)
    precisions = Precisions(np.ones(1), np.full(network.n_parameters, 1e-2))
    starts = [network.initial_weights(rng) for _ in range(2)]
    points = [Point(w, objective.gauss_newton(w)) for w in starts]

    def run() -> None:
        for point in points:
            taken = step(objective, point, precisions, Damping(), precisions.curvature(point.sums))
            assert taken is not None

    return run


def twice(f: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        f()
        f()

    return run


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """All shapes, or the first two."""
    records = []
    for n_rows, n_inputs, n_units in SHAPES[:2] if quick else SHAPES:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n_rows, n_inputs))
        y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(n_rows)
        n_parameters = (n_inputs + 1) * n_units + n_units + 1
        contenders = {
            "ours": ours(X, y, n_units),
            "floor": twice(gauss_newton_floor(n_rows, n_parameters)),
            **{name: twice(f) for name, f in lm_steps(X, y, (n_units,)).items()},
        }
        case = f"{n_rows:,} x {n_parameters}"
        records += [
            Record("LM iteration", case, name, name == "ours", list(seconds / 2))
            for name, seconds in interleaved(contenders, turns).items()
        ]
    return records
