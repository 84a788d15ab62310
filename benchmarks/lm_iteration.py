"""One Levenberg-Marquardt iteration against the product JᵀJ that it contains.

python -m benchmarks.lm_iteration
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import interleaved
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.levenberg_marquardt import Damping, Point, Precisions, step

SHAPES = [(7373, 8, 50), (10_000, 4, 5)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    arguments = parser.parse_args()
    print("Milliseconds (median), and the iteration in units of the product (median, range)")
    for threads in (1, 2):
        for n_rows, n_inputs, n_units in SHAPES:
            rng = np.random.RandomState(0)
            network = Network([n_inputs, n_units, 1], "sigmoid")
            X = rng.standard_normal((n_rows, n_inputs))
            y = np.sin(X[:, :1]) + 0.1 * rng.standard_normal((n_rows, 1))
            objective = Objective(network, Rows(X, y), 0.0)
            w = network.initial_weights(rng)
            precisions = Precisions(np.ones(1), np.full(len(w), 1e-2))
            J = rng.standard_normal((n_rows, len(w)))
            point = Point(w, objective.gauss_newton(w))

            def iteration(
                objective: Objective = objective,
                point: Point = point,
                precisions: Precisions = precisions,
            ) -> None:
                H = precisions.hessian(point.sums)
                step(objective, point, precisions, Damping(), H)

            contenders: dict[str, Callable[[], object]] = {
                "iteration": iteration,
                "product": partial(np.matmul, J.T, J),
            }
            with threadpool_limits(threads):
                seconds = interleaved(contenders, arguments.turns)
            ratio = seconds["iteration"] / seconds["product"]
            print(
                f"{n_rows:>7} x {len(w):<4} {threads} threads: "
                f"iteration {1e3 * np.median(seconds['iteration']):6.1f}, "
                f"product {1e3 * np.median(seconds['product']):6.1f}, "
                f"ratio {np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
