"""Seconds a row of predict, with error bars and without, against MLPRegressor and the floor.

python -m benchmarks predictions
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.neural_network import MLPRegressor

from benchmarks.floor import Floor
from benchmarks.timing import Record, interleaved
from sklearn_mlp import SigmoidMLPRegressor

SHAPES: list[tuple[int, tuple[int, ...], int]] = [
    (4, (5,), 1_000_000),
    (20, (50,), 1_000_000),
    (100, (256, 256), 100_000),
]
"""Inputs, hidden layers, rows."""

CALLS = 200
"""Predictions of a single row that are timed together."""


def repeated(model: Any, x: np.ndarray) -> None:
    for _ in range(CALLS):
        model.predict(x)


def run(turns: int, threads: int, *, quick: bool) -> list[Record]:
    """Many rows at once; one row at a time; many rows with their standard deviations."""
    records = []
    for n_inputs, hidden, n_rows in SHAPES:
        n_rows = n_rows // 10 if quick else n_rows
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n_rows, n_inputs))
        start, y = X[:1000], np.sin(X[:1000, 0])
        settings: dict[str, Any] = {"hidden_layer_sizes": hidden, "activation": "logistic"}
        settings |= {"solver": "adam", "max_iter": 2, "random_state": 0}
        ours = SigmoidMLPRegressor(**settings).fit(start, y)
        theirs = MLPRegressor(**settings).fit(start, y)
        block = 100_000 // sum(hidden)
        floor = Floor((n_inputs, *hidden, 1), block, np.float64)

        def run_floor(floor: Floor = floor, blocks: int = n_rows // block) -> None:
            for _ in range(blocks):
                floor.forward()

        shape = "-".join(map(str, (n_inputs, *hidden, 1)))
        bulk: dict[str, Callable[[], object]] = {
            "ours": partial(ours.predict, X),
            "MLPRegressor": partial(theirs.predict, X),
            "floor": run_floor,
        }
        records += [
            Record("predict, a row of many", f"{shape}, {n_rows:,} rows", name, name == "ours",
                   list(seconds / n_rows))
            for name, seconds in interleaved(bulk, turns).items()
        ]  # fmt: skip
        single: dict[str, Callable[[], object]] = {
            "ours": partial(repeated, ours, X[:1]),
            "MLPRegressor": partial(repeated, theirs, X[:1]),
        }
        records += [
            Record("predict, a single row", shape, name, name == "ours", list(seconds / CALLS))
            for name, seconds in interleaved(single, turns).items()
        ]
        if len(hidden) == 1:  # a posterior of 66,000 parameters would not fit
            bayesian = SigmoidMLPRegressor(hidden, solver="lm", max_iter=5).fit(start, y)
            some = X[: n_rows // 20]
            with_std: dict[str, Callable[[], object]] = {
                "ours": partial(bayesian.predict, some, return_std=True)
            }
            records += [
                Record("predict with std, a row of many", f"{shape}, {len(some):,} rows", name,
                       True, list(seconds / len(some)))
                for name, seconds in interleaved(with_std, turns).items()
            ]  # fmt: skip
    return records
