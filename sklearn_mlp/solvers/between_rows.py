"""What weights that fit all rows are between the rows.

Weights without a penalty can fit all rows and be anything between them. A steep sigmoid has its
step between two rows, and no row says where. Two of them can make a spike there that no row has
seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .._typing import FloatArray, IntArray
from ..network import Workspace
from ..objective import NetworkKernel, Objective
from ..rows import Block, Sums, Work

MOST_NUMBERS = 20_000
"""On the way from so many rows, times columns, to their neighbours the function is looked at."""

NEAREST = 7
"""They have so many neighbours, enough to have some on each side."""

PARTS = (0.25, 0.5, 0.75)
"""The parts of the way at which it is looked at, and where a unit of the first layer is half on."""

LEAST_UNIT = 1e-7
"""A hidden unit has no part in the output if all its weights to the next layer are smaller. Weights
to the output are in deviations of y."""


class BetweenRows:
    """What a network is on the ways from rows to their neighbours. With many rows, from some.

    Parameters
    ----------
    objective : Objective
        Of the network, over the rows.
    """

    def __init__(self, objective: Objective) -> None:
        rows = objective.rows
        self.network, self.dtype = objective.network, rows.dtype
        n_some = min(rows.n_rows, 1 + MOST_NUMBERS // rows.n_inputs)
        block = rows.take(np.linspace(0, rows.n_rows - 1, n_some).astype(np.intp)).whole()
        self.lowest = block.targets.min(axis=1, keepdims=True)
        self.highest = block.targets.max(axis=1, keepdims=True)
        self.X = block.inputs.T
        nearest = NearestNeighbors(n_neighbors=min(NEAREST + 1, n_some)).fit(self.X)
        self.ways = self.X[nearest.kneighbors(self.X, return_distance=False).T[1:]] - self.X

    def is_tame(self, w: FloatArray) -> bool:
        """Whether the function leaves the range of the targets by no more than half its width."""
        points = [self.X, *(self.X + part * way for way in self.ways for part in PARTS)]
        if len(self.network.shapes) > 1:
            points += self._half_on(self.network.layers(w)[0])
        inputs = np.ascontiguousarray(np.vstack(points).T)
        workspace = Workspace(self.network.layer_sizes, inputs.shape[1], self.dtype)
        with np.errstate(over="ignore"):
            z = self.network.pass_over(w, inputs, workspace)
        beyond = np.abs(2 * z - self.lowest - self.highest)
        return bool((beyond <= 2 * (self.highest - self.lowest)).all())

    def _half_on(self, W: FloatArray) -> Iterator[FloatArray]:
        """Where the units with these weights have an input of 0 on the ways from each row.

        A spike can be as narrow as one likes, but it has its two steps where its units are half on.
        """
        start = self.network.seen(self.X.T).T @ W
        for way in self.ways:
            slope = self.network.seen(way.T).T @ W
            row, unit = np.nonzero(np.abs(2 * start + slope) < np.abs(slope))
            part = -start[row, unit] / slope[row, unit]
            yield self.X[row] + part[:, np.newaxis] * way[row]


def bends_where_rows_are(objective: Objective, w: FloatArray) -> bool:
    """Whether all hidden units that have a part in the output are seen at work.

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
    seen = squares**2 > n_weights * fourths
    return bool((seen | (outgoing < LEAST_UNIT)).all())


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
