"""The data, read a block of rows at a time in the layout of the network.

A block is densified, standardised, transposed and given its row of ones as it is read, so
that the data as a whole is never copied. :meth:`Rows.map`, of which :meth:`Rows.sum` is made, and
:meth:`Rows.fold` are the only loops over the data that the deterministic solvers know.
"""

import operator
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from numpy.typing import DTypeLike
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.parallel import _get_threadpool_controller

from ._typing import FloatArray, IntArray, MatrixLike
from .standardize import Moments, Scaling, Units

Sums = TypeVar("Sums", bound=tuple[Any, ...])
Total = TypeVar("Total")
Result = TypeVar("Result")

BLOCK_FLOATS = 1 << 17
"""Numbers in the working set of a block: 1 MB in float64, about one core's cache."""

LEAST_BLOCK_ROWS = 256
"""Rows of a block at least: with fewer, a product of wide layers waits for their weights."""

KEPT_FLOATS = 1 << 20
"""Data of up to so many numbers is kept as read (8 MB), not standardised at every pass."""

THREADED_FLOATS = 1 << 22
"""Work on more numbers than this, some ten milliseconds, is worth starting threads for."""

_one_pool = threading.Lock()
"""Held by who has limited BLAS, for all of the process: another would find and keep the limit."""

GRID = 2.0**-18
"""The step, 4e-6, of the grid that :meth:`Rows.coarse` rounds z-scores to."""


class Block(NamedTuple):
    """Some rows of the data, one column for each.

    Attributes
    ----------
    inputs : array of shape (n_features + 1, n_rows)
        A row of ones, then the features.
    targets : array of shape (n_outputs, n_rows)
    weights : array of shape (n_rows,) or None
    start : int or None
        The position of its first row in the data, where they are read in order.
    """

    inputs: FloatArray
    targets: FloatArray
    weights: FloatArray | None
    start: int | None = None

    @property
    def total_weight(self) -> float:
        """The sum of the rows' weights."""
        return float(self.inputs.shape[1] if self.weights is None else self.weights.sum())

    def part(self, start: int, stop: int, position: int | None = None) -> "Block":
        """Rows `start` to `stop`, as views."""
        weights = None if self.weights is None else self.weights[start:stop]
        return Block(self.inputs[:, start:stop], self.targets[:, start:stop], weights, position)

    def take(self, index: IntArray) -> "Block":
        """Some of the rows, as copies."""
        weights = None if self.weights is None else self.weights[index]
        return Block(self.inputs.take(index, axis=1), self.targets.take(index, axis=1), weights)


class Rows:
    """Rows of X and y in memory, dense or CSR, with weights.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_samples, n_features)
    y : array of shape (n_samples, n_outputs)
    sample_weight : array of shape (n_samples,), optional
        Rows of weight 0 are left out.
    index : array of int, optional
        Which rows of X to take, all by default.
    units : Units, optional
        What the blocks are measured in, raw by default.
    dtype : dtype, default=float64
        Of the blocks.
    on_grid : bool, default=False
        Whether to round the blocks to multiples of GRID.

    Attributes
    ----------
    n_rows : int
    total_weight : float
        Σs, the sum of the rows' weights.
    """

    def __init__(
        self,
        X: MatrixLike,
        y: FloatArray,
        sample_weight: FloatArray | None = None,
        *,
        index: IntArray | None = None,
        units: Units | None = None,
        dtype: DTypeLike = np.float64,
        on_grid: bool = False,
    ) -> None:
        if sample_weight is not None and not sample_weight.all():
            index = np.arange(len(y)) if index is None else index
            index = index[sample_weight[index] > 0]
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.index = index
        self._units = units
        self.dtype = np.dtype(dtype)
        self.on_grid = on_grid
        self.n_rows = X.shape[0] if index is None else len(index)
        self.n_columns = X.shape[1] + y.shape[1]
        if sample_weight is None:
            self.total_weight = float(self.n_rows)
        else:
            self.total_weight = float(
                (sample_weight if index is None else sample_weight[index]).sum()
            )

    @cached_property
    def units(self) -> Units:
        """What the blocks are measured in."""
        return self._units or Units.raw(self.X.shape[1], self.y.shape[1])

    @cached_property
    def _kept(self) -> Block | None:
        """All rows as read, where they are few."""
        few = self.n_rows * self.n_columns <= KEPT_FLOATS
        return self._read(slice(None)) if few else None

    def take(self, index: IntArray) -> "Rows":
        """Some of the rows, by their positions."""
        if self.index is not None:
            index = self.index[index]
        return Rows(
            self.X, self.y, self.sample_weight, index=index, units=self.units, dtype=self.dtype
        )

    def in_units(self, units: Units, dtype: DTypeLike) -> "Rows":
        """The same rows measured in other units, with blocks of another dtype."""
        return Rows(self.X, self.y, self.sample_weight, index=self.index, units=units, dtype=dtype)

    def coarse(self) -> "Rows":
        """The same rows with z-scores rounded to multiples of GRID, or these if they are raw.

        The same data in other units have the same z-scores but for rounding, and a long
        descent by curvature magnifies the least difference at every step. Rounded alike,
        nearly all data start from the same numbers to the last bit. Blocks in float32 stay as
        they are: their own rounding is not far from the grid.
        """
        if self.units.are_raw or self.dtype != np.float64:
            return self
        return Rows(
            self.X, self.y, self.sample_weight, index=self.index, units=self.units, on_grid=True
        )

    def _read(self, rows: slice | IntArray) -> Block:
        """The given rows (positions in `index`) as a block."""
        if self.index is not None:
            rows = self.index[rows]
        X = self.X[rows]
        if sp.issparse(X):
            X = X.toarray()
        inputs = np.empty((X.shape[1] + 1, X.shape[0]), self.dtype)
        inputs[0] = 1
        y = self.y[rows]
        targets = np.empty((y.shape[1], y.shape[0]), self.dtype)
        if self._units is None or self._units.are_raw:
            inputs[1:], targets[...] = X.T, y.T
        else:
            _z_scores(X, self.units.inputs, out=inputs[1:])
            _z_scores(y, self.units.outputs, out=targets)
        if self.on_grid:
            _round(inputs)
            _round(targets)
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        return Block(inputs, targets, weights)

    def whole(self) -> Block:
        """All rows as one block. Only for rows that are few."""
        return self._read(slice(None)) if self._kept is None else self._kept

    def moments(self) -> tuple[Moments, Moments]:
        """The moments of the inputs and of the targets, not finite where they overflow."""

        def moments_of(block: Block) -> tuple[Moments, Moments]:
            inputs = Moments.of(block.inputs[1:], block.weights)
            return inputs, Moments.of(block.targets, block.weights)

        with np.errstate(over="ignore", invalid="ignore"):
            return self.sum(moments_of, 3 * self.n_columns)

    def robust_target_moments(self, center: float) -> Moments:
        """What :meth:`Moments.robust` has in the place of the targets' moments."""
        y, s = self.y, self.sample_weight
        if self.index is not None:
            y, s = y[self.index], None if s is None else s[self.index]
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments.robust(y.T, s, center)

    def blocks(self, floats_per_row: int, block_floats: int | None = None) -> Iterator[Block]:
        """The data in order, in blocks whose working set fits the cache.

        Parameters
        ----------
        floats_per_row : int
            How many numbers the work on one row needs.
        block_floats : int, optional
            How many numbers the work on a block may need, BLOCK_FLOATS by default.
        """
        size = self._block_size(floats_per_row, block_floats)
        for start in range(0, self.n_rows, size):
            yield self._block(start, size)

    def _block_size(self, floats_per_row: int, block_floats: int | None) -> int:
        fit = (block_floats or BLOCK_FLOATS) // (floats_per_row + self.n_columns)
        return max(fit, LEAST_BLOCK_ROWS)

    def _block(self, start: int, size: int) -> Block:
        """Rows `start` to `start + size`, or to the last."""
        stop = min(start + size, self.n_rows)
        if self._kept is not None:
            return self._kept.part(start, stop, start)
        return self._read(slice(start, stop))._replace(start=start)

    def map(
        self,
        f: Callable[[Block], Result],
        floats_per_row: int,
        block_floats: int | None = None,
    ) -> Iterator[Result]:
        """``f(block)`` of all blocks, in order.

        Where there is much to do, blocks are read and worked on by as many threads as OpenMP
        would take (``OMP_NUM_THREADS``, ``threadpoolctl``); BLAS then keeps to one in each. The
        results do not depend on how many there are.

        Parameters
        ----------
        f : callable
            Takes a Block. Must be safe to be called from several threads.
        floats_per_row, block_floats
            As in :meth:`blocks`.
        """
        size = self._block_size(floats_per_row, block_floats)
        starts = range(0, self.n_rows, size)
        much = len(starts) > 1 and self.n_rows * (floats_per_row + self.n_columns) > THREADED_FLOATS
        n_threads = _openmp_effective_n_threads() if much else 1
        if n_threads == 1 or not _one_pool.acquire(blocking=False):
            yield from map(f, self.blocks(floats_per_row, block_floats))
            return
        try:
            yield from self._threaded(f, starts, size, n_threads)
        finally:
            _one_pool.release()

    def _threaded(
        self, f: Callable[[Block], Result], starts: range, size: int, n_threads: int
    ) -> Iterator[Result]:
        errors = np.geterr()  # of which other threads know nothing

        def work(start: int) -> Result:
            with np.errstate(**errors):
                return f(self._block(start, size))

        limit = _get_threadpool_controller().limit(limits=1, user_api="blas")
        with limit, ThreadPoolExecutor(n_threads) as pool:
            # A few at a time, so that results do not pile up.
            for i in range(0, len(starts), 8 * n_threads):
                yield from pool.map(work, starts[i : i + 8 * n_threads])

    def fold(
        self,
        f: Callable[[Block, Total | None], Total],
        floats_per_row: int,
        block_floats: int | None = None,
    ) -> Total:
        """What ``f`` makes of the blocks, one after another: a sum too large for one a block.

        Parameters
        ----------
        f : callable
            Takes a Block and what it returned for the blocks before, None for the first.
        floats_per_row, block_floats
            As in :meth:`blocks`.
        """
        total = None
        for block in self.blocks(floats_per_row, block_floats):
            total = f(block, total)
        assert total is not None
        return total

    def sum(
        self,
        f: Callable[[Block], Sums],
        floats_per_row: int,
        block_floats: int | None = None,
    ) -> Sums:
        """The sum of ``f(block)`` over all blocks, made as by :meth:`map`.

        Parameters
        ----------
        f : callable
            Takes a Block and returns a tuple of things that add up. The first such tuple
            collects the sum, in place where its members allow it.
        floats_per_row : int
            How many numbers ``f`` needs for one row.
        block_floats : int, optional
            How many numbers ``f`` may need for a block, BLOCK_FLOATS by default.
        """
        parts = self.map(f, floats_per_row, block_floats)
        total = next(parts)
        for part in parts:
            # A tuple of the members' types, which mypy cannot tell of a map.
            total = tuple(map(operator.iadd, total, part))  # type: ignore[assignment]
        return total

    def minibatches(self, batch_size: int, rng: RandomState | None) -> Iterator[Block]:
        """One epoch: every row once, `batch_size` at a time.

        Parameters
        ----------
        batch_size : int
        rng : RandomState or None
            Shuffles the rows; None takes them in order.
        """
        order = None if rng is None else rng.permutation(self.n_rows)
        size = batch_size * max(1, BLOCK_FLOATS // (batch_size * self.n_columns))
        for start in range(0, self.n_rows, size):
            stop = min(start + size, self.n_rows)
            if order is not None and self._kept is not None:
                block = self._kept.take(order[start:stop])
            elif order is not None:
                block = self._read(order[start:stop])
            elif self._kept is not None:
                block = self._kept.part(start, stop)
            else:
                block = self._read(slice(start, stop))
            for first in range(0, stop - start, batch_size):
                yield block.part(first, first + batch_size)


def _round(values: FloatArray) -> None:
    """To multiples of GRID in place: the last bit of a number between 2^52 and 2^53 GRID."""
    values += 1.5 * 2.0**52 * GRID
    values -= 1.5 * 2.0**52 * GRID


def _z_scores(values: FloatArray, scaling: Scaling, out: FloatArray) -> None:
    """The z-scores of ``values`` (n_rows, n_columns), transposed into ``out``."""
    if np.result_type(values, out) == out.dtype:
        mean, scale = scaling.mean.astype(out.dtype), scaling.scale.astype(out.dtype)
        np.subtract(values.T, mean[:, np.newaxis], out=out)
        out /= scale[:, np.newaxis]
    else:  # float64 values in float32 blocks: round the z-scores, not the values
        out[...] = ((values - scaling.mean) / scaling.scale).T
