"""Read the data a block of rows at a time, in the layout of the network.

As a block is read, it is made dense, standardised and transposed, and gets its row of ones. So the
data as a whole are never copied. A :class:`Kernel` computes something for a block, and holds no
rows. :class:`Rows` runs a kernel over all blocks, in :meth:`Rows.sum` and :meth:`Rows.gather`. The
deterministic solvers use no other loops over the data.
"""

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from numpy.typing import DTypeLike
from sklearn.model_selection import train_test_split
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.parallel import _get_threadpool_controller
from sklearn.utils.random import sample_without_replacement

from ._lazy import lazy
from ._typing import FloatArray, IntArray, MatrixLike
from .network import Network, Workspace
from .standardize import Moments, Scaling, Units

Result = TypeVar("Result")
Total = TypeVar("Total")
State = TypeVar("State")

GRID = 2.0**-18
"""The step, 4e-6, of the grid that :meth:`Rows.coarse` rounds z-scores to."""

RUN = 125_000
"""A descent by minibatches reads neighbouring rows of a mapped file together, 1 MB of them."""

POOL = 16_000_000
"""It shuffles so many numbers in memory: 128 MB."""

WEIGHT_RANGE = (1e-100, 1e100)
"""Between these is the sum of the rows' weights, so that neither it nor its inverse overflows."""

_blas_is_limited = threading.Lock()
"""Held by the pass over the data that has limited BLAS to one thread.

The limit holds for the whole process. A second pass at the same time would mistake it for the
user's setting, and restore it in the end.
"""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, unless it is limited already: for small matrices.

    Small products gain nothing from threads, which wait for each other if a processor is busy.
    """
    if not _blas_is_limited.acquire(blocking=False):
        yield
        return
    try:
        with _get_threadpool_controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _blas_is_limited.release()


def refuse_extreme_weights(total: float) -> None:
    """Raise a ValueError if the weights sum to a total that is too large or too small."""
    least, most = WEIGHT_RANGE
    if not least <= total <= most:
        raise ValueError(
            f"The values of sample_weight sum to {total:.3g}: multiply them by a number that makes "
            "them about 1."
        )


@dataclass(frozen=True)
class Budget:
    """How much memory the work on a block may take, in numbers of 8 bytes.

    Parameters
    ----------
    block : int, default=2**17
        The working set of a block: 1 MB, about one core's cache.
    jacobian : int, default=2**20
        A block of the Jacobian: 8 MB, so that its products are large enough to be fast.
    factor : int, default=2**19
        A block of rows that is factorised.
    least_rows : int, default=256
        The smallest number of rows in a block. With fewer, a product of wide layers spends its
        time on reading their weights.
    kept : int, default=2**20
        Data of up to this size (8 MB) are kept as read, and not standardised again at every pass.
    threaded : int, default=2**22
        Threads are started for work on more numbers than this, which takes about ten
        milliseconds.
    sample : int, default=2**20
        What is estimated from a sample of the rows gets one of this size (8 MB).
    update : int, default=2**14
        A minibatch update works on this many parameters at a time: a few vectors of 128 kB, which
        stay in one core's cache.
    """

    block: int = 1 << 17
    jacobian: int = 1 << 20
    factor: int = 1 << 19
    least_rows: int = 256
    kept: int = 1 << 20
    threaded: int = 1 << 22
    sample: int = 1 << 20
    update: int = 1 << 14


class Block(NamedTuple):
    """Some rows of the data. Each row is a column of the arrays.

    Attributes
    ----------
    inputs : array of shape (n_features + 1, n_rows)
        A row of ones, then the features.
    targets : array of shape (n_outputs, n_rows)
    weights : array of shape (n_rows,) or None
        The weight of each row; None if all weigh 1.
    start : int or None
        The position of the block's first row in the data; None if rows are not in order.
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
        """The rows from `start` to `stop`, as views."""
        weights = None if self.weights is None else self.weights[start:stop]
        return Block(self.inputs[:, start:stop], self.targets[:, start:stop], weights, position)

    def take(self, index: IntArray) -> "Block":
        """Some of the rows, as copies."""
        weights = None if self.weights is None else self.weights[index]
        return Block(self.inputs.take(index, axis=1), self.targets.take(index, axis=1), weights)


class Work(threading.local):
    """The arrays that kernels work in. They are kept from block to block; each thread has its own.

    Parameters
    ----------
    n_rows : int
        Number of rows in the whole data.
    dtype : dtype
    kept : int
        If a pass over all rows needs at most this many numbers, every block has its own
        workspace, which keeps the last forward pass.
    """

    def __init__(self, n_rows: int, dtype: np.dtype[Any], kept: int) -> None:
        self._n_rows, self._dtype, self._kept = n_rows, dtype, kept
        self._workspaces: dict[tuple[Network, int, int | None], Workspace] = {}
        self._arrays: dict[tuple[int, ...], FloatArray] = {}

    def workspace(self, network: Network, block: "Block") -> Workspace:
        """The arrays for a pass over a block. Their `w` is None unless the block has its own."""
        n_rows = block.inputs.shape[1]
        own = block.start is not None and self._n_rows * network.floats_per_row <= self._kept
        key = (network, n_rows, block.start if own else None)
        workspace = self._workspaces.get(key)
        if workspace is None:
            workspace = Workspace(network.layer_sizes, n_rows, self._dtype, remembers=own)
            self._workspaces[key] = workspace
        return workspace

    def array(self, *shape: int) -> FloatArray:
        """A float64 array of that shape. Its values are arbitrary."""
        if shape not in self._arrays:
            self._arrays[shape] = np.empty(shape)
        return self._arrays[shape]


class Kernel(ABC, Generic[Result]):
    """A computation on a block of rows.

    A kernel holds small arguments (a network, weights), but no rows. So it can be pickled and sent
    to where the rows are, and several threads can call it at the same time.

    Attributes
    ----------
    size : str
        The field of :class:`Budget` that limits its working set.
    """

    size: ClassVar[str] = "block"

    @property
    @abstractmethod
    def floats_per_row(self) -> int:
        """The number of floats that the work on one row needs."""

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
    """A kernel that adds to a running total, because a total for each block would be too large."""

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
    """Several totals that add up member by member, in place if they support it."""

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
        The positions of the rows to use; by default all.
    units : Units, optional
        The units of the blocks; by default raw.
    dtype : dtype, default=float64
        The dtype of the blocks.
    on_grid : bool, default=False
        Whether to round the blocks to multiples of GRID.
    budget : Budget, optional
        How large blocks are, and what is kept.

    Attributes
    ----------
    n_rows : int
        Number of rows in use.
    n_inputs, n_outputs : int
        Number of columns of X, and of y.
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
        self.n_inputs, self.n_outputs = int(X.shape[1]), int(y.shape[1])
        if sample_weight is None:
            self.total_weight = float(self.n_rows)
        else:
            weights = sample_weight if index is None else sample_weight[index]
            self.total_weight = float(weights.sum())
        self.work = Work(self.n_rows, self.dtype, self.budget.kept)

    def counted(self) -> "Rows":
        """The same rows, with weights of a mean of 1 if their mean is less.

        So n rows count as n rows at least.
        """
        s = self.sample_weight
        if s is None or self.total_weight >= self.n_rows:
            return self
        scaled = (s * (self.n_rows / self.total_weight)).astype(s.dtype)
        return Rows(
            self.X, self.y, scaled, index=self.index, units=self._units, dtype=self.dtype,
            on_grid=self.on_grid, budget=self.budget,
        )  # fmt: skip

    def _like(self, **changes: Any) -> "Rows":
        """The same rows, with some arguments changed."""
        own = {
            "index": self.index,
            "units": self._units,
            "dtype": self.dtype,
            "on_grid": self.on_grid,
            "budget": self.budget,
        }
        return Rows(self.X, self.y, self.sample_weight, **(own | changes))

    @property
    def X_dtype(self) -> np.dtype[Any]:  # noqa: N802  # X is its name
        """The dtype of X as it is given."""
        return np.dtype(self.X.dtype)

    @property
    def n_columns(self) -> int:
        """Number of columns of X and y together."""
        return self.n_inputs + self.n_outputs

    @lazy
    def units(self) -> Units:
        """The units of the blocks."""
        return self._units or Units.raw(self.n_inputs, self.n_outputs)

    @lazy
    def _kept(self) -> Block | None:
        """All rows as read, if they are few."""
        few = self.n_rows * self.n_columns <= self.budget.kept
        return self._read(slice(None)) if few else None

    def take(self, index: IntArray) -> "Rows":
        """Some of the rows, by their positions among these."""
        return self._like(index=index if self.index is None else self.index[index])

    def random_order(self, rng: RandomState) -> IntArray:
        """What :meth:`first_of` needs."""
        return rng.permutation(self.n_rows)

    def first_of(self, order: IntArray, n_rows: int) -> "Rows":
        """The first rows in a random order. Fewer are among more of the same order."""
        return self.take(np.sort(order[:n_rows]))

    def split(self, fraction: float, rng: RandomState) -> "tuple[Rows, Rows]":
        """All rows but a random fraction of them, and that fraction."""
        rest, part = train_test_split(np.arange(self.n_rows), test_size=fraction, random_state=rng)
        if self._is_mapped:  # which is read from its beginning to its end
            rest.sort()
            part.sort()
        return self.take(rest), self.take(part)

    def in_units(self, units: Units) -> "Rows":
        """The same rows in other units."""
        return self._like(units=units)

    def with_targets(self, y: FloatArray) -> "Rows":
        """The same rows with other targets, one for each of these rows, as they are."""
        units = Units(self.units.inputs, Scaling.identity(y.shape[1]))
        return Rows(
            self.X, self._spread(y), self.sample_weight, index=self.index, units=units,
            budget=self.budget,
        )  # fmt: skip

    def weighted(self, factors: FloatArray) -> "Rows":
        """The same rows, with the weight of each multiplied by a positive factor."""
        weights = self._spread(self.weights_of_rows() * factors).astype(self.X.dtype)
        return Rows(
            self.X, self.y, weights, index=self.index, units=self._units, dtype=self.dtype,
            on_grid=self.on_grid, budget=self.budget,
        )  # fmt: skip

    def reweighted(self, kernel: RowKernel) -> "Rows":
        """The same rows, with the weight of each multiplied by what a kernel finds for it."""
        return self.weighted(self.in_dtype(np.float64).gather(kernel))

    def at_hand(self) -> "Rows":
        """A random sample of the rows, or all if they are few. It is the same every time."""
        n_rows = self.budget.sample // self.n_columns
        if n_rows >= self.n_rows:
            return self
        sample = sample_without_replacement(self.n_rows, n_rows, random_state=0)
        return self.take(np.sort(sample)).in_memory()

    def in_memory(self) -> "Rows":
        """The same rows alone, as copies."""
        every: Any = slice(None) if self.index is None else self.index
        s = self.sample_weight
        return Rows(
            np.array(self.X[every]) if self._is_mapped else self.X[every],
            self.y[every], None if s is None else s[every], units=self._units,
            dtype=self.dtype, on_grid=self.on_grid, budget=self.budget,
        )  # fmt: skip

    def weights_of_rows(self) -> FloatArray:
        """The weight of each row, 1 if there are none."""
        if self.sample_weight is None:
            return np.ones(self.n_rows)
        weights = self.sample_weight if self.index is None else self.sample_weight[self.index]
        return weights.astype(np.float64)

    def whole_targets(self) -> FloatArray:
        """The targets of all rows in the units of the blocks, of shape (n_rows, n_outputs)."""
        y = self.y if self.index is None else self.y[self.index]
        targets: FloatArray = (y - self.units.outputs.mean) / self.units.outputs.scale
        return targets

    def _spread(self, values: FloatArray) -> FloatArray:
        """Values of these rows at their places among all of X. They are 1 elsewhere."""
        if self.index is None:
            return values
        spread = np.ones((self.X.shape[0], *values.shape[1:]))
        spread[self.index] = values
        return spread

    def in_dtype(self, dtype: DTypeLike) -> "Rows":
        """The same rows in blocks of another dtype."""
        return self if np.dtype(dtype) == self.dtype else self._like(dtype=dtype)

    def anywhere(self) -> "Rows":
        """The same rows, for a computation after the fit."""
        return self

    def coarse(self) -> "Rows":
        """The same rows with z-scores rounded to multiples of GRID. Raw rows stay as they are.

        In other units the same data have z-scores that differ by rounding. A long second-order
        descent magnifies even the smallest difference at every step. After rounding to the grid,
        nearly all z-scores are the same to the last bit. Blocks in float32 stay as they are: their
        own rounding is nearly as coarse as the grid.
        """
        if self.units.are_raw or self.dtype != np.float64:
            return self
        return self._like(on_grid=True)

    def in_order(self) -> "Rows":
        """The same rows, sorted by their values; many rows stay as they are.

        So the order in which they were given does not matter, not even by the rounding of sums,
        which a long second-order descent magnifies. Values are compared on the grid of
        :meth:`coarse`, so that the units do not matter either.
        """
        block = self.coarse()._kept
        if block is None:
            return self
        weights = np.ones(self.n_rows) if block.weights is None else block.weights
        order = np.lexsort([weights, *block.targets[::-1], *block.inputs[:0:-1]])
        return self.take(order)

    def _read(self, rows: slice | IntArray) -> Block:
        """The rows at the given positions of `index`, as a block."""
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
            if (limit := self.units.outputs.limit) < np.inf:
                np.clip(targets, -limit, limit, out=targets)
        if self.on_grid:
            _round(inputs)
            _round(targets)
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        return Block(inputs, targets, weights)

    def whole(self) -> Block:
        """All rows as one block. Use it only for few rows."""
        return self._read(slice(None)) if self._kept is None else self._kept

    def moments(self) -> tuple[Moments, Moments]:
        """The moments of the inputs and of the targets. They are not finite if they overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            inputs, targets = self.sum(_MomentsOfColumns(self.n_columns))
        return inputs, targets

    @lazy
    def squared_deviations(self) -> FloatArray:
        """Σ s (y - ȳ)² of each target."""
        targets = self.moments()[1]
        return targets.weight * targets.std**2

    def robust_target_moments(self, center: float) -> Moments:
        """The robust moments of the targets: see :meth:`Moments.robust`."""
        y, s = self.y, self.sample_weight
        if self.index is not None:
            y, s = y[self.index], None if s is None else s[self.index]
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments.robust(y.T, s, center)

    # The loops over blocks ----------------------------------------------------------------

    def block_rows(self, kernel: Kernel[Any]) -> int:
        """The number of rows in a block for this kernel."""
        numbers: int = getattr(self.budget, kernel.size)
        fit = numbers // (kernel.floats_per_row + self.n_columns)
        return max(fit, self.budget.least_rows)

    def blocks(self, size: int) -> Iterator[Block]:
        """The blocks of `size` rows, in order."""
        for start in range(0, self.n_rows, size):
            yield self._block(start, size)

    def _block(self, start: int, size: int) -> Block:
        """The rows from `start` to `start + size`, or to the last row."""
        stop = min(start + size, self.n_rows)
        if self._kept is not None:
            return self._kept.part(start, stop, start)
        return self._read(slice(start, stop))._replace(start=start)

    def _only_block(self, kernel: Kernel[Any]) -> Block | None:
        """All rows, if they are a single block for this kernel. Small data need no loops."""
        size = self.block_rows(kernel)
        return self._block(0, size) if size >= self.n_rows else None

    def map(self, kernel: Kernel[Result]) -> Iterator[Result]:
        """The results of a kernel for all blocks, in order.

        On large data, as many threads as OpenMP would use read the blocks and work on them
        (``OMP_NUM_THREADS``, ``threadpoolctl``). BLAS then uses one thread in each. The results do
        not depend on the number of threads.
        """
        return self._map(kernel, lambda block: kernel(block, self.work))

    def _map(self, kernel: Kernel[Any], f: Callable[[Block], Result]) -> Iterator[Result]:
        """``f(block)`` for all blocks, in order. The kernel sets their size."""
        block = self._only_block(kernel)
        if block is not None:
            return iter([f(block)])
        return self._map_blocks(kernel, f, range(0, self.n_rows, self.block_rows(kernel)))

    def _map_blocks(
        self, kernel: Kernel[Any], f: Callable[[Block], Result], starts: range
    ) -> Iterator[Result]:
        n_floats = self.n_rows * (kernel.floats_per_row + self.n_columns)
        n_threads = _openmp_effective_n_threads() if n_floats > self.budget.threaded else 1
        if n_threads == 1 or not _blas_is_limited.acquire(blocking=False):
            yield from map(f, self.blocks(starts.step))
            return
        try:
            yield from self._threaded(f, starts, n_threads)
        finally:
            _blas_is_limited.release()

    def _threaded(
        self, f: Callable[[Block], Result], starts: range, n_threads: int
    ) -> Iterator[Result]:
        errors = np.geterr()  # other threads have their own

        def work(start: int) -> Result:
            with np.errstate(**errors):
                return f(self._block(start, starts.step))

        limit = _get_threadpool_controller().limit(limits=1, user_api="blas")
        with limit, ThreadPoolExecutor(n_threads) as pool:
            # A few at a time, so that results do not accumulate in memory.
            for i in range(0, len(starts), 8 * n_threads):
                yield from pool.map(work, starts[i : i + 8 * n_threads])

    def sum(self, kernel: Kernel[Total]) -> Total:
        """The sum of a kernel's results over all blocks.

        Parameters
        ----------
        kernel : Kernel
            Its results add up by ``+=``. An :class:`Accumulator` adds to one total, in one
            thread: its products are large, and BLAS uses its own threads for them.

        Returns
        -------
        object
            What the kernel returns for a block, summed over all blocks.
        """
        block = self._only_block(kernel)
        if block is not None:
            return kernel(block, self.work)
        if isinstance(kernel, Accumulator):
            total: Total = kernel.zero()
            for block in self.blocks(self.block_rows(kernel)):
                kernel.add(total, block, self.work)
            return total
        parts = self.map(kernel)
        total = next(parts)
        for part in parts:
            total += part  # type: ignore[operator]  # no type says that totals add up
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

    def pass_through(
        self, state: State, step: "Callable[[State, Rows], State]", rng: RandomState | None
    ) -> State:
        """What a state becomes on its way through the rows.

        Parameters
        ----------
        state : object
            It may be changed in place.
        step : callable
            Maps the state before some rows, and these rows, to the state after them. It is called
            for each part of the data that is in one place, here once.
        rng : RandomState or None
            Shuffles these parts.
        """
        return step(state, self)

    def minibatches(self, batch_size: int, rng: RandomState | None) -> Iterator[Block]:
        """One epoch: every row once, `batch_size` at a time.

        Parameters
        ----------
        batch_size : int
        rng : RandomState or None
            Shuffles the rows; None takes them in order.
        """
        if rng is not None and self._kept is None and self._is_mapped:
            for part in self._pools(rng):
                yield from part.minibatches(batch_size, rng)
            return
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

    def _pools(self, rng: RandomState) -> "Iterator[Rows]":
        """The rows of a mapped file in parts that are copied to memory, to be shuffled there.

        Random rows would have to be read one by one, each with its neighbours, and again and again
        if the file is larger than the memory. So a part consists of runs of neighbouring rows from
        all over the file.
        """
        run = max(1, RUN // self.n_columns)
        runs = rng.permutation(-(-self.n_rows // run))
        for some in np.array_split(runs, -(-self.n_rows * self.n_columns // POOL)):
            index = (np.sort(some)[:, np.newaxis] * run + np.arange(run)).ravel()
            index = index[index < self.n_rows]
            index = index if self.index is None else self.index[index]
            s = None if self.sample_weight is None else self.sample_weight[index]
            yield Rows(
                self.X[index], self.y[index], s, units=self._units, dtype=self.dtype,
                on_grid=self.on_grid, budget=self.budget,
            )  # fmt: skip

    @property
    def _is_mapped(self) -> bool:
        """Whether X is in a mapped file, or a view of one."""
        array: Any = self.X
        while array is not None and not isinstance(array, np.memmap):
            array = getattr(array, "base", None)
        return array is not None


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
    """Round to multiples of GRID, in place. GRID is the last bit of numbers around 2^52 GRID."""
    values += 1.5 * 2.0**52 * GRID
    values -= 1.5 * 2.0**52 * GRID


def _z_scores(values: FloatArray, scaling: Scaling, out: FloatArray) -> None:
    """Write the z-scores of ``values`` (n_rows, n_columns), transposed, to ``out``."""
    if np.result_type(values, out) == out.dtype:
        mean, scale = scaling.mean.astype(out.dtype), scaling.scale.astype(out.dtype)
        np.subtract(values.T, mean[:, np.newaxis], out=out)
        out /= scale[:, np.newaxis]
    else:  # float64 values in float32 blocks: round the z-scores, not the values
        out[...] = ((values - scaling.mean) / scaling.scale).T
