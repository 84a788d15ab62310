"""What a network that fits all rows does between the rows.

Without a penalty, a network can fit all rows and take any value between them. A steep sigmoid has
its step between two rows, and no row says where. Two such sigmoids can make a spike that no row
shows.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .._typing import BoolArray, FloatArray, IntArray
from ..network import Workspace
from ..objective import NetworkKernel, Objective
from ..rows import Block, Sums, Work

MOST_ROWS = 1_000
"""The function is checked near so many rows."""

NEAREST = 7
"""The number of neighbours of each, itself included: enough to have some on each side."""

PARTS = (0.25, 0.5, 0.75)
"""The points on the way to a neighbour at which it is checked, as shares of the way."""

LEAST_UNIT = 1e-7
"""A hidden unit has no part in the output if all its weights to the next layer are smaller. Weights
to the output are in deviations of y."""


def is_tame(objective: Objective, w: FloatArray) -> bool:
    """Whether the function stays near the range of the targets between neighbouring rows.

    It may leave the range by the width of the range. With many rows, only some are checked.
    """
    block = _some_rows(objective)
    X = block.inputs.T
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(X))).fit(X)
    ways = X[nearest.kneighbors(X, return_distance=False).T] - X
    between = np.vstack([X, *(X + part * way for way in ways for part in PARTS)])
    return _stays_near_targets(objective, w, between, block, 1.0)


def has_spikes(objective: Objective, w: FloatArray) -> bool:
    """Whether the function leaves the range of the targets where an unseen unit is half on.

    A spike can have any width, but its sides are units of the first layer. So the function is
    checked where such a unit is half on, between the nearest rows on both sides. It may leave the
    range by half the width of the range. With many rows, only some are checked.
    """
    network = objective.network
    unseen = unseen_units(objective, w)[: network.layer_sizes[1]]
    if not unseen.any():
        return False
    block = _some_rows(objective)
    W = network.first_layer(w)[:, unseen]
    points = []
    directions = np.vstack([np.zeros_like(W[:1]), W[1:]]).T
    for direction, a in zip(directions, W.T @ block.inputs, strict=True):
        sides = [np.flatnonzero(sign * a > 0) for sign in (-1, 1)]
        if all(map(len, sides)):
            for rows in sides:
                i = rows[np.abs(a[rows]).argmin()]
                points.append(block.inputs[:, i] - a[i] / (direction @ direction) * direction)
    return bool(points) and not _stays_near_targets(objective, w, np.array(points), block, 0.5)


def _some_rows(objective: Objective) -> Block:
    """The rows, or some of many."""
    rows = objective.rows
    index = np.linspace(0, rows.n_rows - 1, min(rows.n_rows, MOST_ROWS)).astype(np.intp)
    return rows.take(index).whole()


def _stays_near_targets(
    objective: Objective, w: FloatArray, X: FloatArray, block: Block, widths: float
) -> bool:
    """Whether the function is in the range of the targets, or so many widths of it beyond."""
    network = objective.network
    workspace = Workspace(network.layer_sizes, len(X), objective.rows.dtype)
    with np.errstate(over="ignore"):
        z = network.pass_over(w, np.ascontiguousarray(X.T), workspace)
    low, high = (limit(block.targets, axis=1, keepdims=True) for limit in (np.min, np.max))
    margin = widths * (high - low)
    return bool(((low - margin <= z) & (z <= high + margin)).all())


def bends_where_rows_are(objective: Objective, w: FloatArray) -> bool:
    """Whether all hidden units that contribute to the output are active in enough rows."""
    return not unseen_units(objective, w).any()


def unseen_units(objective: Objective, w: FloatArray) -> BoolArray:
    """Which hidden units contribute to the output, but are active in too few rows.

    A unit is active in (Σ s²)² / Σ s⁴ rows, where s is the derivative of the output by the unit's
    bias. There must be more of them than the unit has weights.
    """
    network = objective.network
    *hidden, last = network.layers(w)
    numbers = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    positions = np.concatenate([layer[0] for layer in numbers[:-1]]).astype(np.intp)
    squares, fourths = objective.rows.sum(BiasSlopes(network, w, positions))
    outgoing = np.concatenate([np.abs(W[1:]).max(axis=1) for W in (*hidden[1:], last)])
    n_weights = np.repeat([len(W) for W in hidden], [W.shape[1] for W in hidden])
    return (squares**2 <= n_weights * fourths) & (outgoing >= LEAST_UNIT)


@dataclass(frozen=True, eq=False)
class BiasSlopes(NetworkKernel):
    """Σ s² and Σ s⁴ over rows and outputs, where s is the derivative by each hidden bias."""

    positions: IntArray

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and a row of the Jacobian."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""
        J, _ = self.jacobian(block, work)
        squares = J[:, self.positions] ** 2
        return Sums(squares.sum(axis=(0, 2)), (squares**2).sum(axis=(0, 2)))
