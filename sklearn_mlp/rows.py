"""The data, read a block of rows at a time in the layout of the network.

A block is densified, standardised, transposed and given its row of ones as it is read, so
that the data as a whole is never copied. What is done to a block is a :class:`Kernel`, which
holds no rows. :class:`Rows` runs it over all blocks, in :meth:`Rows.sum` and
:meth:`Rows.gather`: the only loops over the data that the deterministic solvers know.
"""

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from numpy.typing import DTypeLike
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.parallel import _get_threadpool_controller

from ._typing import FloatArray, IntArray, MatrixLike
from .network import Network, Workspace
from .standardize import Moments, Scaling, Units

Result = TypeVar("Result")
Total = TypeVar("Total")

GRID = 2.0**-18
"""The step, 4e-6, of the grid that :meth:`Rows.coarse` rounds z-scores to."""

_blas_is_limited = threading.Lock()
"""Held by the pass whose threads have limited BLAS to one thread each.

The limit is that of the whole process: a second pass at the same time would find the limit,
take it for the user's setting, and leave it behind.
"""


@dataclass(frozen=True)
class Budget:
    """How much of the memory, in numbers of 8 bytes, the work on a block may take.

    Parameters
    ----------
    block : int, default=2**17
        The working set of a block: 1 MB, about one core's cache.
    jacobian : int, default=2**20
        A block of the Jacobian: 8 MB, so that its products are large enough to be fast.
    factor : int, default=2**19
        A block that is factored by rows.
    least_rows : int, default=256
        Rows of a block at least: with fewer, a product of wide layers waits for their weights.
    kept : int, default=2**20
        Data of up to so many numbers are kept as read (8 MB), not standardised at every pass.
    threaded : int, default=2**22
        Work on more numbers than this, some ten milliseconds, is worth starting threads for.
    """

    block: int = 1 << 17
    jacobian: int = 1 << 20
    factor: int = 1 << 19
    least_rows: int = 256
    kept: int = 1 << 20
    threaded: int = 1 << 22


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


class Work(threading.local):
    """The arrays that kernels work in, kept from block to block. Every thread has its own.

    Parameters
    ----------
    n_rows : int
        Of the data as a whole.
    dtype : dtype
    kept : int
        Where a pass over all rows takes up to so many numbers, every block has a workspace of
        its own, in which the last forward pass stays.
    """

    def __init__(self, n_rows: int, dtype: np.dtype[Any], kept: int) -> None:
        self._n_rows, self._dtype, self._kept = n_rows, dtype, kept
        self._workspaces: dict[tuple[Network, int, int | None], Workspace] = {}
        self._arrays: dict[tuple[int, ...], FloatArray] = {}

    def workspace(self, network: Network, block: "Block") -> Workspace:
        """The arrays of a pass over a block; `w` is None unless they are the block's own."""
        n_rows = block.inputs.shape[1]
        own = block.start is not None and self._n_rows * network.floats_per_row <= self._kept
        key = (network, n_rows, block.start if own else None)
        workspace = self._workspaces.get(key)
        if workspace is None:
            workspace = Workspace(network.layer_sizes, n_rows, self._dtype, remembers=own)
            self._workspaces[key] = workspace
        return workspace

    def array(self, *shape: int) -> FloatArray:
        """A float64 array of that shape, with whatever was left in it."""
        if shape not in self._arrays:
            self._arrays[shape] = np.empty(shape)
        return self._arrays[shape]


class Kernel(ABC, Generic[Result]):
    """What is done to a block of rows.

    A kernel holds its small arguments (a network, weights), never rows, so that it can be sent
    to wherever the rows are: it pickles, and it is safe to call from several threads.

    Attributes
    ----------
    size : str
        Which number of the :class:`Budget` its working set keeps to.
    """

    size: ClassVar[str] = "block"

    @property
    @abstractmethod
    def floats_per_row(self) -> int:
        """How many numbers the work on one row needs."""

    @abstractmethod
    def __call__(self, block: Block, work: Work) -> Result:
        """The result for a block."""


class RowKernel(Kernel[FloatArray]):
    """A kernel with a result for each row, of shape (n_rows, *shape)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of the result for one row."""


class Accumulator(Kernel[Total]):
    """A kernel whose total is too large to make one for each block: it adds to that so far."""

    @abstractmethod
    def zero(self) -> Total:
        """The total of no rows."""

    @abstractmethod
    def add(self, total: Total, block: Block, work: Work) -> None:
        """Add the terms of a block to the total, in place."""

    def __call__(self, block: Block, work: Work) -> Total:
        """The terms of a block alone."""
        total = self.zero()
        self.add(total, block, work)
        return total


class Sums:
    """Several things that add up, member by member, in place where they allow it."""

    def __init__(self, *members: Any) -> None:
        self.members = list(members)

    def __iadd__(self, other: Self) -> Self:
        self.members = list(map(operator.iadd, self.members, other.members))
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self.members)


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
    budget : Budget, optional
        How large blocks are, and what is kept.

    Attributes
    ----------
    n_rows : int
    n_columns : int
        Of X and y together.
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
        budget: Budget | None = None,
    ) -> None:
        if sample_weight is not None and not sample_weight.all():
            index = np.arange(len(y)) if index is None else index
            index = index[sample_weight[index] > 0]
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self.index = index
        self._units = units
        self.dtype = np.dtype(dtype)
        self.on_grid = on_grid
        self.budget = budget or Budget()
        self.n_rows = X.shape[0] if index is None else len(index)
        self.n_columns = X.shape[1] + y.shape[1]
        if sample_weight is None:
            self.total_weight = float(self.n_rows)
        else:
            weights = sample_weight if index is None else sample_weight[index]
            self.total_weight = float(weights.sum())
        self.work = Work(self.n_rows, self.dtype, self.budget.kept)

    def _like(self, **changes: Any) -> "Rows":
        """These rows but for some of the arguments."""
        own = {
            "index": self.index,
            "units": self._units,
            "dtype": self.dtype,
            "on_grid": self.on_grid,
            "budget": self.budget,
        }
        return Rows(self.X, self.y, self.sample_weight, **(own | changes))

    @cached_property
    def units(self) -> Units:
        """What the blocks are measured in."""
        return self._units or Units.raw(self.X.shape[1], self.y.shape[1])

    @cached_property
    def _kept(self) -> Block | None:
        """All rows as read, where they are few."""
        few = self.n_rows * self.n_columns <= self.budget.kept
        return self._read(slice(None)) if few else None

    def take(self, index: IntArray) -> "Rows":
        """Some of the rows, by their positions."""
        return self._like(index=index if self.index is None else self.index[index])

    def in_units(self, units: Units) -> "Rows":
        """The same rows measured in other units."""
        return self._like(units=units)

    def in_dtype(self, dtype: DTypeLike) -> "Rows":
        """The same rows in blocks of another dtype."""
        return self if np.dtype(dtype) == self.dtype else self._like(dtype=dtype)

    def coarse(self) -> "Rows":
        """The same rows with z-scores rounded to multiples of GRID, or these if they are raw.

        The same data in other units have the same z-scores but for rounding, and a long
        descent by curvature magnifies the least difference at every step. Rounded alike,
        nearly all data start from the same numbers to the last bit. Blocks in float32 stay as
        they are: their own rounding is not far from the grid.
        """
        if self.units.are_raw or self.dtype != np.float64:
            return self
        return self._like(on_grid=True)

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
        with np.errstate(over="ignore", invalid="ignore"):
            inputs, targets = self.sum(_MomentsOfColumns(self.n_columns))
        return inputs, targets

    def robust_target_moments(self, center: float) -> Moments:
        """What :meth:`Moments.robust` has in the place of the targets' moments."""
        y, s = self.y, self.sample_weight
        if self.index is not None:
            y, s = y[self.index], None if s is None else s[self.index]
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments.robust(y.T, s, center)

    # The loops over blocks ----------------------------------------------------------------

    def block_rows(self, kernel: Kernel[Any]) -> int:
        """How many rows a kernel takes at a time."""
        numbers: int = getattr(self.budget, kernel.size)
        fit = numbers // (kernel.floats_per_row + self.n_columns)
        return max(fit, self.budget.least_rows)

    def blocks(self, size: int) -> Iterator[Block]:
        """The data in order, `size` rows at a time."""
        for start in range(0, self.n_rows, size):
            yield self._block(start, size)

    def _block(self, start: int, size: int) -> Block:
        """Rows `start` to `start + size`, or to the last."""
        stop = min(start + size, self.n_rows)
        if self._kept is not None:
            return self._kept.part(start, stop, start)
        return self._read(slice(start, stop))._replace(start=start)

    def map(self, kernel: Kernel[Result]) -> Iterator[Result]:
        """The results for all blocks, in order.

        Where there is much to do, blocks are read and worked on by as many threads as OpenMP
        would take (``OMP_NUM_THREADS``, ``threadpoolctl``); BLAS then keeps to one in each. The
        results do not depend on how many there are.
        """
        return self._map(kernel, lambda block: kernel(block, self.work))

    def _map(self, kernel: Kernel[Any], f: Callable[[Block], Result]) -> Iterator[Result]:
        """``f(block)`` of the blocks that a kernel takes, in order."""
        size = self.block_rows(kernel)
        starts = range(0, self.n_rows, size)
        n_floats = self.n_rows * (kernel.floats_per_row + self.n_columns)
        much = len(starts) > 1 and n_floats > self.budget.threaded
        n_threads = _openmp_effective_n_threads() if much else 1
        if n_threads == 1 or not _blas_is_limited.acquire(blocking=False):
            yield from map(f, self.blocks(size))
            return
        try:
            yield from self._threaded(f, starts, size, n_threads)
        finally:
            _blas_is_limited.release()

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

    def sum(self, kernel: Kernel[Total]) -> Total:
        """The sum of a kernel's results over all blocks.

        Parameters
        ----------
        kernel : Kernel
            Its results add up by ``+=``. An :class:`Accumulator` adds to one total, in one
            thread: its products are large, and BLAS has threads of its own.
        """
        if isinstance(kernel, Accumulator):
            total: Total = kernel.zero()
            for block in self.blocks(self.block_rows(kernel)):
                kernel.add(total, block, self.work)
            return total
        parts = self.map(kernel)
        total = next(parts)
        for part in parts:
            total += part  # type: ignore[operator]  # totals add up, which no type says
        return total

    def gather(self, kernel: RowKernel) -> FloatArray:
        """The results of a kernel for all rows, of shape (n_rows, *kernel.shape)."""
        out = np.empty((self.n_rows, *kernel.shape), self.dtype)

        def put(block: Block) -> None:
            assert block.start is not None
            out[block.start : block.start + block.inputs.shape[1]] = kernel(block, self.work)

        for _ in self._map(kernel, put):
            pass
        return out

    def minibatches(self, batch_size: int, rng: RandomState | None) -> Iterator[Block]:
        """One epoch: every row once, `batch_size` at a time.

        Parameters
        ----------
        batch_size : int
        rng : RandomState or None
            Shuffles the rows; None takes them in order.
        """
        order = None if rng is None else rng.permutation(self.n_rows)
        size = batch_size * max(1, self.budget.block // (batch_size * self.n_columns))
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


@dataclass(frozen=True)
class _MomentsOfColumns(Kernel[Sums]):
    """The moments of the inputs and of the targets."""

    n_columns: int

    @property
    def floats_per_row(self) -> int:
        return 3 * self.n_columns

    def __call__(self, block: Block, work: Work) -> Sums:
        inputs = Moments.of(block.inputs[1:], block.weights)
        return Sums(inputs, Moments.of(block.targets, block.weights))


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
