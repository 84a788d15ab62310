"""What weights that fit all rows are between the rows.

Weights without a penalty can fit all rows and be anything between them. A steep sigmoid has its
step between two rows, and no row says where. Two of them can make a spike there that no row has
seen.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .._typing import BoolArray, FloatArray, IntArray
from ..network import Workspace
from ..objective import NetworkKernel, Objective
from ..rows import Block, Sums, Work

MOST_ROWS = 1_000
"""The function is looked at near so many rows."""

NEAREST = 7
"""They have so many neighbours, with themselves, enough to have some on each side."""

PARTS = (0.25, 0.5, 0.75)
"""The parts of the way at which it is looked at."""

LEAST_UNIT = 1e-7
"""A hidden unit has no part in the output if all its weights to the next layer are smaller. Weights
to the output are in deviations of y."""


def is_tame(objective: Objective, w: FloatArray) -> bool:
    """Whether the function stays near the range of the targets between neighbouring rows.

    It may leave the range by its own width. With many rows, only some are looked at.
    """
    block = _some_rows(objective)
    X = block.inputs.T
    nearest = NearestNeighbors(n_neighbors=min(NEAREST, len(X))).fit(X)
    ways = X[nearest.kneighbors(X, return_distance=False).T] - X
    between = np.vstack([X, *(X + part * way for way in ways for part in PARTS)])
    return _stays_near_targets(objective, w, between, block, 1.0)


def has_spikes(objective: Objective, w: FloatArray) -> bool:
    """Whether the function leaves the range of the targets where an unseen unit is half on.

    A spike can be as narrow as one likes, but its sides are units of the first layer. Where such a
    unit is half on is looked at beside the nearest rows on both sides. The function may leave the
    range by half its width. With many rows, only some are looked at.
    """
    network = objective.network
    unseen = unseen_units(objective, w)[: network.layer_sizes[1]]
    if not unseen.any():
        return False
    block = _some_rows(objective)
    every = network.seen(np.eye(len(block.inputs)))  # the inputs that the network reads
    W = every.T @ network.layers(w)[0][:, unseen]
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
    """Whether all hidden units that have a part in the output are seen at work."""
    return not unseen_units(objective, w).any()


def unseen_units(objective: Objective, w: FloatArray) -> BoolArray:
    """Which hidden units have a part in the output, but are not seen at work.

    The rows that see a unit are (Σ s²)² / Σ s⁴ in number, where s is the derivative of the output
    by the unit's bias. They must be more than its weights.
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
