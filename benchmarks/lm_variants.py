"""What the pieces of Levenberg-Marquardt are worth, each with and without, on one problem.

The article's problem, 3,000 rows without noise, five units, from the small initial weights that
second-order training starts from. How many of the seeds come to an RMSE of 1e-3, 1e-6 and 1e-12
of the deviation of y, each in so many steps,

    - with the output layer as parameters like the others; or as parameters that are damped a tenth
      as much, and set to their best after the step; or projected out (Golub & Pereyra, 1973);
    - damped by I, by the largest diagonal of JᵀJ that there ever was (MINPACK), or by the present
      one (Marquardt, 1963);
    - without and with geodesic acceleration (Transtrum & Sethna, 2012): to the step v is added
      a/2, with a the step that answers the second derivative of the error along v.

All else is the same: whole data in memory, steps by singular values of the R of J = QR, the
damping doubled after a refusal and a fifth after a step.

    python -m benchmarks.lm_variants [--seeds 40] [--steps 200] [--output-layer NAME]
"""

import argparse
import itertools
import time
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq, qr, svd
from threadpoolctl import threadpool_limits

from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.network import Network, Workspace
from sklearn_mlp.rows import Block, Rows
from sklearn_mlp.solvers.evidence import SMALL_WEIGHTS
from sklearn_mlp.solvers.levenberg_marquardt import OUTPUT_DAMPING

LEVELS = (1e-3, 1e-6, 1e-12)
"""RMSE to be reached, in deviations of y."""

OUTPUT_LAYERS = ("parameters", "re-solved", "projected out")

PROBE = 0.1
"""How far along the step its second derivative is looked for."""

BEND = 0.75
"""The most that a may be, in lengths of v, for the two to be a step."""


@dataclass
class Problem:
    """Errors and their Jacobian over all rows, as functions of the parameters to be found."""

    network: Network
    block: Block
    output_layer: str

    def forward(self, w: np.ndarray) -> tuple[np.ndarray, Workspace]:
        """What the output layer reads, after a forward pass."""
        workspace = Workspace(self.network.layer_sizes, self.block.inputs.shape[1], float)
        self.network.forward(self.network.layers(w), self.block.inputs, workspace)
        return self.network.last_hidden(self.block.inputs, workspace), workspace

    def settle(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weights, with the best output layer unless it is as others; and the errors."""
        Phi, _ = self.forward(w)
        if self.output_layer != "parameters":
            w = w.copy()
            best = lstsq(Phi.T, self.block.targets.T, cond=1e-15, check_finite=False)[0]
            self.network.layers(w)[-1][...] = best
        return w, (self.network.layers(w)[-1].T @ Phi - self.block.targets)[0]

    def jacobian(self, w: np.ndarray) -> np.ndarray:
        """J (n_rows, n_free); projected, what of it the output layer cannot answer."""
        Phi, workspace = self.forward(w)
        J = self.network.jacobian(self.network.layers(w), self.block.inputs, workspace)[0].T
        if self.output_layer != "projected out":
            return J
        Q = qr(Phi.T, mode="economic", check_finite=False)[0]
        J = J[:, : J.shape[1] - Q.shape[1]]
        return J - Q @ (Q.T @ J)

    def moved(self, w: np.ndarray, d: np.ndarray) -> np.ndarray:
        """The weights after a step of the free ones."""
        w = w.copy()
        w[: len(d)] += d
        return w


class Steps:
    """The damped steps from one point: -(JᵀJ + λ D²)⁻¹ Jᵀ r for any r."""

    def __init__(self, J: np.ndarray, D: np.ndarray) -> None:
        self.Q, R = qr(J / D, mode="economic", check_finite=False)
        self.U, self.s, self.Vt = svd(R, check_finite=False)
        self.D = D

    def __call__(self, r: np.ndarray, damping: float) -> np.ndarray:
        """The step that answers errors r."""
        z = self.U.T @ (self.Q.T @ r)
        return -(self.Vt.T @ (self.s * z / (self.s**2 + damping))) / self.D


def descend(
    problem: Problem, w: np.ndarray, damp_by: str, geodesic: bool, max_steps: int
) -> tuple[float, float]:
    """Seconds and RMSE."""
    start = time.perf_counter()
    w, r = problem.settle(w)
    damping, largest = 1e-2, np.zeros(1)
    for _ in range(max_steps):
        if np.sqrt(np.mean(r**2)) <= LEVELS[-1] or damping > 1e12:
            break
        J = problem.jacobian(w)
        diagonal = np.sqrt((J**2).sum(axis=0))
        largest = np.maximum(largest, diagonal)
        D = {"I": np.full_like(diagonal, diagonal.max()), "largest": largest, "present": diagonal}
        scales = np.maximum(D[damp_by], 1e-12 * diagonal.max())
        if problem.output_layer == "re-solved":
            n_hidden = problem.network.n_hidden_parameters
            scales[n_hidden:] = np.sqrt(OUTPUT_DAMPING) * scales[n_hidden:]
        steps = Steps(J, scales)
        while damping <= 1e12:
            d = steps(r, damping)
            believed = True
            if geodesic:
                ahead = problem.settle(problem.moved(w, PROBE * d))[1]
                a = steps(2 / PROBE * ((ahead - r) / PROBE - J @ d), damping)
                believed = bool(np.linalg.norm(a * steps.D) < BEND * np.linalg.norm(d * steps.D))
                d = d + a / 2
            new_w, new_r = problem.settle(problem.moved(w, d))
            if believed and new_r @ new_r < r @ r:
                w, r = new_w, new_r
                damping = max(damping / 5, 1e-30)
                break
            damping *= 2
    return time.perf_counter() - start, float(np.sqrt(np.mean(r**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=200, help="of a descent")
    parser.add_argument("--output-layer", choices=OUTPUT_LAYERS, help="all, by default")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    levels = "".join(f"{level:>8.0e}" for level in LEVELS)
    print(f"Of {arguments.seeds} seeds, in {arguments.steps} steps each, come to an RMSE of")
    print(f"{'output layer':<14} {'damped by':<10} {'geodesic':<9}{levels}   mean seconds")
    with threadpool_limits(arguments.threads), np.errstate(all="ignore"):
        treatments = [arguments.output_layer] if arguments.output_layer else OUTPUT_LAYERS
        for output_layer, damp_by, geodesic in itertools.product(
            treatments, ("I", "largest", "present"), (False, True)
        ):
            reached = np.zeros(len(LEVELS), int)
            seconds = 0.0
            for seed in range(arguments.seeds):
                X, y = make_hyperplane(3_000, random_state=seed, return_X_y=True)
                X, y = np.asarray(X), np.asarray(y)
                Z = (X - X.mean(axis=0)) / X.std(axis=0)
                rows = Rows(Z, ((y - y.mean()) / y.std())[:, np.newaxis])
                network = Network([4, 5, 1], "sigmoid")
                w = network.initial_weights(np.random.RandomState(seed), SMALL_WEIGHTS)
                problem = Problem(network, rows.whole(), output_layer)
                taken, error = descend(problem, w, damp_by, geodesic, arguments.steps)
                reached += [error <= level for level in LEVELS]
                seconds += taken / arguments.seeds
            accelerated = "yes" if geodesic else "no"
            counts = "".join(f"{n:>8}" for n in reached)
            print(
                f"{output_layer:<14} {damp_by:<10} {accelerated:<9}{counts}   {seconds:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
