"""When an input's own precision is worth its cost: the log density of fresh rows, by the rule.

Small networks are trained under the evidence on few rows of many columns. Each ascent has a summit
with one precision for all inputs, and one with a precision for each. A rule takes the second where
its log evidence is higher by more than the cost. The log density of a row counts as -5 at least.

    python -m benchmarks.choice_of_inputs [--seeds 2]
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.random import RandomState
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from benchmarks.problem_map import PROBLEMS
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Predictions
from sklearn_mlp.posterior import (
    LaplacePosterior,
    PredictiveVariances,
    calibrated,
    choice_of_inputs,
)
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.ascent import Ascent
from sklearn_mlp.solvers.evidence import SMALL_WEIGHTS, STARTS

SIZES = ((20, 3), (40, 10), (30, 30), (60, 30), (60, 100), (100, 60), (100, 10), (200, 100))
NOISES = (0.3, 0.8)
WIDTHS = (3, 6)
MAX_ITER = 200

COSTS: dict[str, Callable[[np.ndarray], float]] = {
    "nothing": lambda gamma: 0.0,
    "log 2": lambda gamma: np.log(2) * len(gamma),
    "1": lambda gamma: 1.0 * len(gamma),
    "log 2 + min(gamma, 1)": lambda gamma: float(np.sum(np.log(2) + np.minimum(gamma, 1))),
    "a set of inputs": choice_of_inputs,
    "never": lambda gamma: np.inf,
}
"""The cost of the precisions, by the number of weights of each input that the data determine."""


def problem(
    name: str, n_rows: int, n_columns: int, noise: float, seed: int
) -> tuple[Rows, Rows, np.ndarray]:
    """Training rows and fresh ones in z-scores, and the fresh targets."""
    random = np.random.default_rng(seed)
    X = random.uniform(size=(n_rows + 500, n_columns))
    f = np.zeros(len(X))
    if name != "noise":
        f = PROBLEMS[name](X, random.normal(size=n_columns))
        f /= f.std()
    y = f + (1.0 if name == "noise" else noise) * random.normal(size=len(f))
    X = (X - X[:n_rows].mean(axis=0)) / X[:n_rows].std(axis=0)
    y = (y - y[:n_rows].mean()) / y[:n_rows].std()
    nothing = np.empty((500, 0))
    return Rows(X[:n_rows], y[:n_rows, np.newaxis]), Rows(X[n_rows:], nothing), y[n_rows:]


def density(posterior: LaplacePosterior, objective: Objective, fresh: Rows, y: np.ndarray) -> float:
    """The mean log density of fresh rows."""
    posterior, network = calibrated(posterior, objective), objective.network
    mean = fresh.gather(Predictions(network, network.layers(posterior.w))).ravel()
    std = np.sqrt(fresh.gather(PredictiveVariances(network, posterior))).ravel()
    return max(float(norm.logpdf(y, mean, std).mean()), -5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    seeds = range(parser.parse_args().seeds)
    taken: dict[str, list[float]] = {name: [] for name in COSTS}
    cases = [
        (name, *size, noise, seed)
        for name in (*PROBLEMS, "noise")
        for size in SIZES
        for noise in (NOISES if name != "noise" else NOISES[:1])
        for seed in seeds
    ]
    with threadpool_limits(1), np.errstate(all="ignore"):
        for case in cases:
            rows, fresh, y = problem(*case)
            for width in WIDTHS:
                network = Network([case[2], width, 1], "sigmoid")
                objective, random = Objective(network, rows, 0.0), RandomState(case[-1])
                for alpha, beta in STARTS:
                    monitor = Monitor(tol=0, n_iter_no_change=10**9)
                    w = network.initial_weights(random, SMALL_WEIGHTS)
                    ascent = Ascent(objective, w, alpha, beta, monitor)
                    ascent.run(MAX_ITER)
                    if not ascent.per_input or len(ascent.summits) < 2:
                        continue
                    common, own = (ascent.at(summit) for summit in ascent.summits)
                    gain = own.log_evidence + own.choice_of_inputs - common.log_evidence
                    gamma = own.gamma[own.groups.of_one_input]
                    densities = [density(p, objective, fresh, y) for p in (common, own)]
                    for name, cost in COSTS.items():
                        taken[name].append(densities[int(gain > cost(gamma))])
    for name, values in taken.items():
        print(f"{name:24}{np.mean(values):8.3f}   {len(values)} ascents", flush=True)


if __name__ == "__main__":
    main()
