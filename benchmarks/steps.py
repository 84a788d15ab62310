"""One step of each first-order solver, over a grid of shapes, against its peers and its floor.

Each contender trains on the same rows, in as many epochs of equal minibatches, shuffled anew
in each epoch; the time of the whole fit is divided by the number of steps. A "step" of lbfgs is
an iteration, of gd an epoch.

    python -m benchmarks steps
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.neural_network import MLPRegressor

from benchmarks.floor import Floor
from benchmarks.peers import adam_steps
from benchmarks.timing import Record, interleaved
from sklearn_mlp import SigmoidMLPRegressor

Shape = tuple[int, tuple[int, ...], int]

ARTICLE: Shape = (4, (5,), 32)
TYPICAL: Shape = (20, (50,), 200)
LARGE: Shape = (100, (256, 256), 256)
"""Inputs, hidden layers, batch size."""

RUN = 0.1
"""Seconds that our run of a case should take, roughly."""


class Case(NamedTuple):
    """A network and its minibatches."""

    n_inputs: int
    hidden: tuple[int, ...]
    batch: int
    dtype: Any = np.float64

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of all layers."""
        return (self.n_inputs, *self.hidden, 1)

    def __str__(self) -> str:
        shape = "-".join(map(str, self.sizes))
        return f"{shape}, batch {self.batch}, {np.dtype(self.dtype).name}"


def grid(quick: bool) -> Iterator[Case]:
    """The three shapes that the README quotes, then all combinations."""
    for shape in (ARTICLE, TYPICAL, LARGE):
        for dtype in (np.float64, np.float32):
            yield Case(*shape, dtype)
    if quick:
        return
    yield Case(20, (50,), 1)
    for units in (5, 50, 512):
        for depth in (1, 2, 4):
            for batch in (32, 200, 2_000):
                for dtype in (np.float64, np.float32):
                    if (20, (units,) * depth, batch) != TYPICAL:  # which was the second
                        yield Case(20, (units,) * depth, batch, dtype)


def data(case: Case, batches: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(case.batch * batches, case.n_inputs)).astype(case.dtype)
    return X, np.sin(X[:, 0])


def shape_of_run(case: Case) -> tuple[int, int]:
    """Minibatches in an epoch, and epochs, for a run of about RUN seconds."""
    pairs = zip(case.sizes[:-1], case.sizes[1:], strict=True)
    products = 6e-11 * case.batch * sum((n_in + 1) * n_out for n_in, n_out in pairs) * 3
    step = 5e-5 + products + 1e-8 * case.batch * sum(case.hidden)
    steps = max(2, int(RUN / step))
    epochs = 2 if steps < 400 else 10
    return max(1, steps // epochs), epochs


def adam(case: Case, turns: int) -> list[Record]:
    """Adam and its floor."""
    batches, epochs = shape_of_run(case)
    floor = Floor(case.sizes, case.batch, case.dtype)

    def run_floor() -> None:
        for _ in range(batches * epochs):
            floor.gradient_step()

    X, y = data(case, batches)
    contenders = adam_steps(X, y, case.hidden, case.batch, epochs)
    contenders["floor"] = run_floor
    return [
        Record("Adam step", str(case), name, name == "ours", list(seconds / (batches * epochs)))
        for name, seconds in interleaved(contenders, turns).items()
    ]


def others(case: Case, solver: str, turns: int) -> list[Record]:
    """Solvers other than Adam: against MLPRegressor where it has them, and the floor."""
    batches, epochs = shape_of_run(case)
    X, y = data(case, batches)
    rows = case.batch if solver == "sgd" else len(X)
    steps = epochs * (batches if solver == "sgd" else 1)
    floor = Floor(case.sizes, rows, case.dtype)
    settings: dict[str, Any] = {
        "hidden_layer_sizes": case.hidden,
        "activation": "logistic",
        "solver": solver,
        "alpha": 1e-4,
        "batch_size": case.batch,
        "max_iter": epochs,
        "tol": 0.0,
        "n_iter_no_change": epochs,
        "random_state": 0,
    }

    def run_floor() -> None:
        for _ in range(steps):
            floor.gradient_step()

    # Not one iteration of lbfgs is one evaluation: each takes its own count.
    counts: dict[str, list[int]] = {"ours": [], "MLPRegressor": []}

    def fit(name: str, kind: Any) -> Callable[[], None]:
        def run() -> None:
            model = kind(**settings).fit(X, y)
            counts[name].append(model.n_iter_ * (batches if solver == "sgd" else 1))

        return run

    contenders = {"ours": fit("ours", SigmoidMLPRegressor), "floor": run_floor}
    if solver != "gd":
        contenders["MLPRegressor"] = fit("MLPRegressor", MLPRegressor)
    return [
        Record(
            f"{solver} step",
            str(case),
            name,
            name == "ours",
            list(seconds / np.array(counts.get(name, [steps] * turns)[-turns:])),
        )
        for name, seconds in interleaved(contenders, turns).items()
    ]


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """All of them; with more than one thread, only the shapes that the README quotes."""
    records = []
    for case in grid(quick or threads > 1):
        records += adam(case, turns)
    for shape in (ARTICLE, TYPICAL, LARGE):
        for solver in ("sgd", "gd", "lbfgs"):
            records += others(Case(*shape), solver, turns)
    return records
