"""How near each training rule comes to the article's function, and in how many seconds.

The article's problem: 10,000 rows, four inputs, five units, so that the best error is nought.
First the default of SigmoidMLPRegressor, but for the layer size: the RMSE it reaches and the
seconds it takes. Then the seconds to RMSE 1e-3, for it and for the solvers
of MLPRegressor, whose best counts in each turn.

"Seconds to an RMSE" are those of a whole fit: max_iter is raised by half at a time, each fit
begins anew from the same weights, and the first that is near enough counts. So are the points
of the figure, in which the four rules are all SigmoidMLPRegressor's.

    python -m benchmarks.convergence [--seeds 10] [--figure PATH]
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.timing import ratio
from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.datasets import make_hyperplane

NEAR = 1e-3
"""The RMSE to be reached: half of what a plane leaves."""

PEERS: dict[str, dict[str, Any]] = {
    "adam": {"solver": "adam"},
    "adam, rate 0.01": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd, rate 0.1": {"solver": "sgd", "learning_rate_init": 0.1},
    "lbfgs": {"solver": "lbfgs", "max_fun": 10**9},
}

RULES: dict[str, dict[str, Any]] = {
    "gd": {"solver": "gd", "learning_rate_init": 0.2},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs", "max_fun": 10**9},
}
"""At rates that suit the problem, to a tolerance of 0 and without a penalty."""

Model = Any
Make = Callable[[int], Model]
"""An estimator that trains for so many iterations."""


def ours(seed: int) -> Make:
    """The default, but for the size."""
    return lambda max_iter: SigmoidMLPRegressor((5,), max_iter=max_iter, random_state=seed)


def first_order(estimator: type[Model], seed: int, **settings: Any) -> Make:
    """Either estimator, to go on for as long as it may."""

    def make(max_iter: int) -> Model:
        return estimator(
            hidden_layer_sizes=(5,),
            activation="logistic",
            alpha=0.0,
            tol=0.0,
            max_iter=max_iter,
            n_iter_no_change=max_iter,
            random_state=seed,
            **settings,
        )

    return make


def scaled(make: Make) -> Make:
    """With z-scores of the inputs and the target taken outside."""
    return lambda max_iter: TransformedTargetRegressor(
        make_pipeline(StandardScaler(), make(max_iter)), transformer=StandardScaler()
    )


def fit(model: Model, X: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Seconds and RMSE."""
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, float(root_mean_squared_error(y, model.predict(X)))


def longer_and_longer(
    make: Make, X: np.ndarray, y: np.ndarray, limit: float
) -> Iterator[tuple[float, float]]:
    """Seconds and RMSE of fits of more and more iterations, until one takes `limit` seconds."""
    max_iter = 2
    while True:
        seconds, error = fit(make(max_iter), X, y)
        yield seconds, error
        if seconds > limit or max_iter > 1e6:
            return
        max_iter += (max_iter + 1) // 2


def seconds_to(error: float, fits: Iterator[tuple[float, float]]) -> float:
    """Seconds of the first fit that is so near; infinite if none is."""
    return next((seconds for seconds, reached in fits if reached <= error), np.inf)


def figure(path: Path, X: np.ndarray, y: np.ndarray, limit: float) -> None:
    """RMSE against seconds, a point a fit."""
    from matplotlib.figure import Figure

    makes = {
        name: first_order(SigmoidMLPRegressor, 0, **settings) for name, settings in RULES.items()
    }
    canvas = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    ax = canvas.subplots()
    for (name, make), marker in zip({**makes, "lm": ours(0)}.items(), "sv^o", strict=True):
        curve = []
        for point in longer_and_longer(make, X, y, limit):
            curve.append(point)
            if point[1] < 1e-14 or (len(curve) > 2 and curve[-3][1] == point[1]):
                break  # found, or at rest
        seconds, errors = zip(*curve, strict=True)
        ax.loglog(seconds, errors, marker=marker, ms=4, label=name)
        print(f"    figure: {name:<6} {errors[-1]:.1e} in {seconds[-1]:.1f} s", flush=True)
    for level, label in ((0.0514, "where the article stops"), (0.0023, "a plane")):
        ax.axhline(level, color="grey", ls=":", lw=1)
        ax.annotate(label, (1, level), (-4, 2), xycoords=("axes fraction", "data"), ha="right",
                    textcoords="offset points", color="grey", size=8)  # fmt: skip
    ax.set(xlabel="seconds of a whole fit", ylabel="RMSE")
    ax.legend(title="solver")
    canvas.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--max-iter", type=int, default=200)
    parser.add_argument("--limit", type=float, default=5.0, help="seconds of the longest fit")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--figure", type=Path, metavar="PATH")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(arguments.threads):
        peers, default = [], []
        for seed in range(arguments.seeds):
            X, y = make_hyperplane(10_000, random_state=seed, return_X_y=True)
            X, y = np.asarray(X), np.asarray(y)
            seconds, error = fit(ours(seed)(arguments.max_iter), X, y)
            print(f"seed {seed}: default {error:.1e} in {seconds:.1f} s; to {NEAR:g}, seconds:")
            default.append(seconds_to(NEAR, longer_and_longer(ours(seed), X, y, arguments.limit)))
            print(f"    {'ours':<30} {default[-1]:7.2f}", flush=True)
            found = []
            for name, settings in PEERS.items():
                make = scaled(first_order(MLPRegressor, seed, **settings))
                fits = longer_and_longer(make, X, y, arguments.limit)
                found.append(seconds_to(NEAR, fits))
                print(f"    MLPRegressor {name:<17} {found[-1]:7.2f}", flush=True)
            peers.append(min(found))
        print("Times as fast as MLPRegressor's best, to the same RMSE (median, range):")
        print(f"    {ratio(np.array(peers), np.array(default))}", flush=True)
        if arguments.figure:
            X, y = make_hyperplane(10_000, random_state=0, return_X_y=True)
            figure(arguments.figure, np.asarray(X), np.asarray(y), 2 * arguments.limit)


if __name__ == "__main__":
    main()
