"""Rows of Dask collections: in files, in more memory than one machine has, or across a cluster.

Everything that training asks of the data is a sum over rows. So the kernels go to where the
partitions of the data are. Each is computed there by :class:`~sklearn_mlp.rows.Rows` of that
partition alone, and the totals are added in a tree. What comes back has the size of the weights,
or of a matrix over them, whatever the number of rows.

Where the tasks run is up to Dask: in threads of this process, or on the workers of a
``distributed.Client``, if one is active. This module imports Dask only in functions that are given
a Dask collection.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from sklearn.utils import check_X_y
from sklearn.utils.validation import _check_sample_weight, _num_samples, validate_data

from ._lazy import lazy
from ._typing import FloatArray, IntArray, Regressor
from .losses import refuse_targets
from .rows import (
    Budget,
    Kernel,
    Result,
    RowKernel,
    Rows,
    State,
    Total,
    Work,
    one_blas_thread,
    refuse_extreme_weights,
)
from .standardize import Moments, Units

FLOATS = (np.float64, np.float32)
"""The dtypes of X that are kept. Any other is converted to the first."""

ADDED_AT_ONCE = 4
"""How many totals a task adds. Each is up to a P x P matrix for every output."""

READ_AHEAD = 1 << 24
"""A descent by minibatches goes through partitions of so many numbers at a time (128 MB), or
through two. It goes from one to the next. Threads that have nothing else to do would meanwhile read
all of the others, and keep them in memory."""

NO_THREADS = 1 << 62
"""A partition is the work of one thread. Dask has others for the other partitions."""


def is_dask(collection: Any) -> bool:
    """Whether it is a Dask array, DataFrame or Series. Does not import Dask."""
    return _package(collection) in ("dask", "dask_expr") and hasattr(collection, "__dask_graph__")


def _package(thing: Any) -> str:
    """The name of the package that a thing is from."""
    return type(thing).__module__.partition(".")[0]


# The partitions ---------------------------------------------------------------------------------


class Drawn(NamedTuple):
    """Some rows of a partition: those from `start` to `stop` in a random order."""

    seed: int
    start: int
    stop: int | None

    def positions(self, n_rows: int) -> IntArray:
        """Their positions among so many rows, in ascending order."""
        rng = RandomState(self.seed)
        rng.uniform()  # see shares
        return np.sort(rng.permutation(n_rows)[self.start : self.stop])


class Chosen(NamedTuple):
    """The rows of a partition at some positions, in ascending order."""

    at: IntArray

    def positions(self, n_rows: int) -> IntArray:
        """Their positions."""
        return self.at


def shares(seeds: IntArray, numbers: Sequence[int], fraction: float) -> list[int]:
    """How many rows of each partition are drawn: its share, rounded up or down at random.

    So all of them are the fraction on average, and a larger fraction draws no fewer of any.
    """
    parts = zip(seeds, numbers, strict=True)
    return [min(n, int(fraction * n + RandomState(seed).uniform())) for seed, n in parts]


Draws = tuple[Drawn | Chosen, ...]


@dataclass(frozen=True)
class Partition:
    """A partition, or some of its rows.

    Attributes
    ----------
    arrays : Delayed
        X, y and the weights as arrays, without the rows of weight 0.
    n_rows : int
        The number of rows that are used.
    drawn : tuple of Drawn or Chosen
        Which these are; each draws from those that the one before has left.
    """

    arrays: Any
    n_rows: int
    drawn: Draws = ()

    def draw(self, seed: int, start: int, stop: int | None) -> "Partition":
        """Some of its rows."""
        n_rows = len(range(self.n_rows)[start:stop])
        return Partition(self.arrays, n_rows, (*self.drawn, Drawn(int(seed), start, stop)))

    def choose(self, positions: IntArray) -> "Partition":
        """The rows at these positions."""
        return Partition(self.arrays, len(positions), (*self.drawn, Chosen(positions)))


@dataclass(frozen=True)
class Layout:
    """How a partition is read."""

    X_dtype: np.dtype[Any]
    units: Units | None
    dtype: np.dtype[Any]
    on_grid: bool
    budget: Budget
    weight: float = 1.0
    """What weights are multiplied by."""
    reweight: RowKernel | None = None
    """What the weight of each row is multiplied by."""

    @classmethod
    def as_given(cls, dtype: np.dtype[Any]) -> Self:
        """X as it is, of this dtype, and blocks in float64."""
        return cls(dtype, None, np.dtype(np.float64), False, Budget())

    def rows(
        self,
        arrays: tuple[Any, FloatArray, FloatArray | None],
        drawn: Draws,
    ) -> Rows:
        """The rows of a partition."""
        X, y, s = arrays
        index = None
        for some in drawn:
            every = np.arange(len(y)) if index is None else index
            index = every[some.positions(len(every))]
        if s is not None and self.weight != 1:
            s = (s * self.weight).astype(s.dtype)
        rows = Rows(
            X, y, s, index=index, units=self.units, dtype=self.dtype, on_grid=self.on_grid,
            budget=replace(self.budget, threaded=NO_THREADS, kept=0),
        )  # fmt: skip
        return rows.reweighted(self.reweight) if self.reweight and rows.n_rows else rows


class Job:
    """What is done with the rows of each partition.

    Parameters
    ----------
    do : callable
        Maps rows to a result. It is sent to where the partitions are.
    layout : Layout
    drawn : sequence of tuples of Drawn or Chosen
        For each partition.
    """

    def __init__(self, do: Callable[..., Any], layout: Layout, drawn: Sequence[Draws]) -> None:
        self.do, self.layout, self.drawn = do, layout, drawn
        self.errors = np.geterr()  # a worker has its own

    def run(self, i: int, arrays: Any, *state: Any) -> Any:
        """The result for partition `i`; None if it has no rows. With a state, what it becomes."""
        rows = self.layout.rows(arrays, self.drawn[i])
        with np.errstate(**self.errors):
            if state:  # a copy, because a task may have to be run again
                return self.do(copy.deepcopy(state[0]), rows) if rows.n_rows else state[0]
            return self.do(rows) if rows.n_rows else None


def run(job: Job, i: int, arrays: Any, *state: Any) -> Any:
    """Do a job. A function, because Dask would copy a callable object into each task."""
    return job.run(i, arrays, *state)


def add(*totals: Any) -> Any:
    """The sum of totals, of which some may be None."""
    present = [total for total in totals if total is not None]
    if len(present) < 2:
        return present[0] if present else None
    total = copy.deepcopy(present[0])  # what a task gets is not its own
    for other in present[1:]:
        total += other
    return total


class DaskRows(Rows):
    """Rows of X and y in the partitions of Dask collections, with weights.

    Parameters
    ----------
    partitions : sequence of Partition
    layout : Layout
    n_inputs, n_outputs : int
        Number of columns of X, and of y.
    is_weighted : bool
        Whether rows have other weights than 1.
    moments : pair of Moments, optional
        The moments of all rows in raw units, if they are known.
    client : distributed.Client, optional
        If this client is closed, nothing is computed any more. Dask itself would continue in this
        process.

    Attributes
    ----------
    n_rows : int
        Number of rows in use.
    total_weight : float
        Σs, the sum of the rows' weights.
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        layout: Layout,
        n_inputs: int,
        n_outputs: int,
        *,
        is_weighted: bool,
        moments: tuple[Moments, Moments] | None = None,
        client: Any = None,
    ) -> None:
        self.partitions, self.layout = tuple(partitions), layout
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        self._units, self.dtype = layout.units, layout.dtype
        self.on_grid, self.budget = layout.on_grid, layout.budget
        self.is_weighted, self._moments, self._client = is_weighted, moments, client
        self.n_rows = sum(partition.n_rows for partition in self.partitions)
        self.index = None
        self.work = Work(self.n_rows, self.dtype, 0)

    @lazy
    def total_weight(self) -> float:  # type: ignore[override]  # here it may take a pass
        """Σs, the sum of the rows' weights."""
        if not self.is_weighted:
            return float(self.n_rows)
        return self._moments[0].weight if self._moments else self.sum(TotalWeight())

    def counted(self) -> "DaskRows":
        """The same rows, with weights of a mean of 1 if their mean is less."""
        if self.total_weight >= self.n_rows:
            return self
        factor = self.n_rows / self.total_weight
        rows = self._like(weight=self.layout.weight * factor)
        if self._moments is not None:
            inputs, targets = (replace(m, weight=factor * m.weight) for m in self._moments)
            rows._moments = inputs, targets
        return rows

    @property
    def X_dtype(self) -> np.dtype[Any]:  # noqa: N802  # X is its name
        """The dtype of X as it is given."""
        return self.layout.X_dtype

    def _like(self, **changes: Any) -> "DaskRows":
        return self._over(self.partitions, replace(self.layout, **changes))

    def _over(self, partitions: Sequence[Partition], layout: Layout) -> "DaskRows":
        return DaskRows(
            partitions, layout, self.n_inputs, self.n_outputs, is_weighted=self.is_weighted,
            client=self._client,
        )  # fmt: skip

    def anywhere(self) -> Rows:
        """The same rows, wherever Dask is set to compute them later."""
        rows = self._like()
        rows._client = None
        return rows

    def _of(self, partitions: Sequence[Partition]) -> Rows:
        """The rows of these partitions alone; in memory if they are few."""
        rows = self._over(partitions, self.layout)
        return rows.in_memory() if rows.are_few else rows

    # Some of the rows ---------------------------------------------------------------------------

    @property
    def are_few(self) -> bool:
        """Whether they are so few that they are better in memory."""
        return self.n_rows * self.n_columns <= self.budget.kept

    def reweighted(self, kernel: RowKernel) -> Rows:
        """The same rows. Weights are multiplied by what a kernel finds, where the rows are."""
        rows = self._like(reweight=kernel)
        rows.is_weighted = True
        return rows

    def at_hand(self) -> Rows:
        """A random sample in memory, or all if they are few. It is the same every time."""
        order, n_rows = self.random_order(RandomState(0)), self.budget.sample // self.n_columns
        drawn, _ = self._drawn(order, min(n_rows / self.n_rows, 1.0))
        return self._over(drawn, self.layout).in_memory()

    def in_memory(self) -> Rows:
        """The same rows in memory, in the same order."""
        found = self._compute(self._tasks(raw))
        X, y, s = zip(*(part for part in found if part is not None), strict=True)
        weights = np.concatenate(s) if self.is_weighted else None
        stacked = sp.vstack(X, "csr") if sp.issparse(X[0]) else np.concatenate(X)
        return Rows(
            stacked, np.concatenate(y), weights, units=self._units, dtype=self.dtype,
            on_grid=self.on_grid, budget=self.budget,
        )  # fmt: skip

    def take(self, index: IntArray) -> Rows:
        """Some of the rows, by their positions among these, in ascending order; in memory."""
        last = np.cumsum([partition.n_rows for partition in self.partitions])
        parts = zip(np.split(index, np.searchsorted(index, last[:-1])), last, strict=True)
        chosen = [
            partition.choose(part - (stop - partition.n_rows))
            for partition, (part, stop) in zip(self.partitions, parts, strict=True)
        ]
        return self._over(chosen, self.layout).in_memory()

    def random_order(self, rng: RandomState) -> IntArray:
        """A seed for each partition, from which it makes its own random order."""
        return rng.randint(np.iinfo(np.int32).max, size=len(self.partitions))

    def first_of(self, order: IntArray, n_rows: int) -> Rows:
        """About so many rows, of each partition its share. Fewer are among more."""
        return self._of(self._drawn(order, n_rows / self.n_rows)[0])

    def split(self, fraction: float, rng: RandomState) -> tuple[Rows, Rows]:
        """All rows but a random fraction of them, and that fraction. A share of each partition."""
        part, rest = self._drawn(self.random_order(rng), fraction)
        return self._of(rest), self._of(part)

    def _drawn(self, order: IntArray, fraction: float) -> tuple[list[Partition], list[Partition]]:
        """The partitions with a random share of their rows, and those with the others."""
        numbers = shares(order, [partition.n_rows for partition in self.partitions], fraction)
        parts = list(zip(self.partitions, order, numbers, strict=True))
        drawn = [partition.draw(seed, 0, n) for partition, seed, n in parts]
        return drawn, [partition.draw(seed, n, None) for partition, seed, n in parts]

    def as_arrays(self) -> tuple[Any, Any, Any]:
        """X, y and the weights, if there are any, as Dask arrays."""
        import dask.array as da
        from dask import delayed

        each = [delayed(part, nout=3) for part in self._tasks(raw)]
        numbers = [partition.n_rows for partition in self.partitions]

        def joined(i: int, shape: tuple[int, ...], dtype: Any) -> Any:
            parts = zip(each, numbers, strict=True)
            return da.concatenate([da.from_delayed(p[i], (n, *shape), dtype) for p, n in parts])

        y = joined(1, (self.n_outputs,), np.float64)
        return (
            joined(0, (self.n_inputs,), self.X_dtype),
            y[:, 0] if self.n_outputs == 1 else y,
            joined(2, (), self.X_dtype) if self.is_weighted else None,
        )

    def in_order(self) -> Rows:
        """The same rows: so many are not sorted."""
        return self

    # What is computed of the rows ---------------------------------------------------------------

    def whole(self) -> Any:
        """All rows as one block, in memory."""
        return self.in_memory().whole()

    def moments(self) -> tuple[Moments, Moments]:
        """The moments of the inputs and of the targets. They are not finite if they overflow."""
        return self._moments or super().moments()

    def robust_target_moments(self, center: float) -> Moments:
        """The robust moments of the targets. All targets come to this process for it."""
        found = self._compute(self._tasks(raw_targets))
        y, s = zip(*(part for part in found if part is not None), strict=True)
        weights = np.concatenate(s) if self.is_weighted else None
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments.robust(np.concatenate(y).T, weights, center)

    def sum(self, kernel: Kernel[Total]) -> Total:
        """The sum of a kernel's results over all rows, added in a tree on the workers."""
        from dask import delayed

        totals = self._tasks(methodcaller("sum", kernel))
        add_up = delayed(add, pure=False)
        while len(totals) > 1:
            starts = range(0, len(totals), ADDED_AT_ONCE)
            totals = [add_up(*totals[i : i + ADDED_AT_ONCE]) for i in starts]
        total: Total = self._compute(totals)[0]
        return total

    def map(self, kernel: Kernel[Result]) -> Iterator[Result]:
        """The results of a kernel for all blocks, in order. They come to this process."""
        for results in self._compute(self._tasks(partial(mapped, kernel))):
            yield from results or []

    def gather(self, kernel: RowKernel) -> FloatArray:
        """The results of a kernel for all rows, of shape (n_rows, *kernel.shape)."""
        parts = self._compute(self._tasks(methodcaller("gather", kernel)))
        return np.concatenate([part for part in parts if part is not None])

    def pass_through(
        self, state: State, step: Callable[[State, Rows], State], rng: RandomState | None
    ) -> State:
        """What a state becomes on its way from partition to partition, in a random order."""
        from dask import delayed

        n = len(self.partitions)
        task = self._tasks_of(step)
        for some in self._a_few_at_a_time(range(n) if rng is None else rng.permutation(n)):
            going = delayed(state, traverse=False)
            for i in some:
                going = task(i, going)
            state = self._compute([going])[0]
        return state

    def _a_few_at_a_time(self, order: Iterable[int]) -> Iterator[list[int]]:
        """The numbers of the partitions, as many at a time as may be in memory."""
        some: list[int] = []
        size = 0
        for i in order:
            numbers = self.partitions[i].n_rows * self.n_columns
            if len(some) > 1 and size + numbers > READ_AHEAD:
                yield some
                some, size = [], 0
            some.append(int(i))
            size += numbers
        yield some

    # Dask ---------------------------------------------------------------------------------------

    def _tasks(self, do: Callable[[Rows], Any]) -> list[Any]:
        """What is done with each partition, as tasks."""
        task = self._tasks_of(do)
        return [task(i) for i in range(len(self.partitions))]

    def _tasks_of(self, do: Callable[..., Any]) -> Callable[..., Any]:
        """A function from the number of a partition to a task."""
        from dask import delayed

        drawn = [partition.drawn for partition in self.partitions]
        # A value of the graph by itself goes to each worker once.
        job = delayed(Job(do, self.layout, drawn), traverse=False)
        call = delayed(run, pure=False, traverse=False)
        return lambda i, *state: call(job, i, self.partitions[i].arrays, *state)

    def _compute(self, tasks: list[Any]) -> tuple[Any, ...]:
        parts = [[partition.arrays] for partition in self.partitions]
        return compute_or_blame(tasks, parts, self._client)


@dataclass(frozen=True)
class TotalWeight(Kernel[float]):
    """Σ s."""

    @property
    def floats_per_row(self) -> int:
        """The weight."""
        return 1

    def __call__(self, block: Any, work: Work) -> float:
        """That of a block."""
        return float(block.total_weight)


def raw(rows: Rows) -> tuple[Any, FloatArray, FloatArray | None]:
    """X, y and the weights of rows."""
    every: Any = slice(None) if rows.index is None else rows.index
    s = rows.sample_weight
    return rows.X[every], rows.y[every], None if s is None else s[every]


def raw_targets(rows: Rows) -> tuple[FloatArray, FloatArray | None]:
    """y and the weights of rows."""
    return raw(rows)[1:]


def mapped(kernel: Kernel[Result], rows: Rows) -> list[Result]:
    """The results of a kernel for all blocks."""
    return list(rows.map(kernel))


def compute(tasks: list[Any]) -> tuple[Any, ...]:
    """The results of tasks, by whatever scheduler Dask is set to."""
    import dask

    with one_blas_thread(), warnings.catch_warnings():
        # Matrices over the weights may be large, and are needed on each worker.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        found: tuple[Any, ...] = dask.compute(*tasks)
    return found


def active_client() -> Any:
    """The client of the cluster that Dask computes on; None if it computes in this process."""
    from dask.base import get_scheduler

    client = getattr(get_scheduler(), "__self__", None)
    return client if _package(client) == "distributed" else None


def compute_or_blame(
    tasks: list[Any], partitions: Sequence[Sequence[Any]], client: Any
) -> tuple[Any, ...]:
    """The results of tasks, or an error that says what is at fault: a partition, or the cluster.

    Parameters
    ----------
    tasks : list of Delayed
    partitions : sequence of sequences of Delayed
        What belongs to each partition.
    client : distributed.Client or None
        It must not be closed.
    """
    check_client(client)
    try:
        return compute(tasks)
    except Exception as error:
        check_client(client, error)
        if _package(error) in ("distributed", "asyncio"):
            raise
        blame(partitions, client)
        raise


def check_client(client: Any, error: Exception | None = None) -> None:
    """Raise an error if the client is closed, or if its cluster has cancelled a computation."""
    is_closed = client is not None and client.status in ("closing", "closed")
    if is_closed or isinstance(error, CancelledError):
        raise RuntimeError(
            "The Dask client has been closed, or its cluster has gone, before the end of the "
            "computation. Connect to a cluster again, and call fit again."
        ) from error


def blame(partitions: Sequence[Sequence[Any]], client: Any) -> None:
    """Raise an error that names the first partition that cannot be computed, if there is one."""
    for i, parts in enumerate(partitions):
        try:
            compute([part for part in parts if part is not None])
        except Exception as cause:
            check_client(client, cause)
            raise RuntimeError(
                f"Partition {i} of the data cannot be computed: {type(cause).__name__}: {cause}"
            ) from cause


# Checks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """What the checks of a partition find.

    Attributes
    ----------
    n_rows : int
        The number of rows of a weight above 0.
    n_given : int
        The number of rows.
    dtype : dtype or None
        That of X; None without rows, as with what follows.
    n_outputs : int or None
    least_target : float
    moments : pair of Moments, or None
    error : str
        What is wrong, if anything is.
    """

    n_rows: int = 0
    n_given: int = 0
    dtype: np.dtype[Any] | None = None
    n_outputs: int | None = None
    least_target: float = np.inf
    moments: tuple[Moments, Moments] | None = None
    error: str = ""


def as_arrays(
    name: str, X: Any, y: Any, s: Any, *, finite: bool = False
) -> tuple[Any, FloatArray, FloatArray | None]:
    """X, y and the weights of a partition, as arrays; without the rows of weight 0.

    Parameters
    ----------
    name : str
        That of the estimator, for messages.
    X, y, s : array-like
        Of a partition; the weights may be None.
    finite : bool, default=False
        Whether to refuse what is not a number. It has been checked before if not.
    """
    if (n_rows := _num_samples(X)) != len(y):
        raise ValueError(
            f"X has {n_rows} rows there, and y has {len(y)}. Give both the same partitions: take "
            "them from one collection, or rechunk y to the chunks of X."
        )
    if n_rows == 0:  # which scikit-learn refuses for y
        return np.empty(X.shape), np.empty((0, 1)), None
    X, y = check_X_y(
        X, y, accept_sparse="csr", dtype=FLOATS, multi_output=True, y_numeric=True,
        ensure_all_finite=finite, ensure_min_samples=0, estimator=name,
    )  # fmt: skip
    y = y.astype(np.float64, copy=False).reshape(len(y), -1)
    if s is None:
        return X, y, None
    if len(s) != len(y):
        raise ValueError(f"X has {len(y)} rows there, and sample_weight has {len(s)}.")
    s = np.asarray(s, X.dtype)
    if finite and s.any():  # where all are 0, other partitions may have other weights
        s = _check_sample_weight(s, X, dtype=X.dtype, ensure_non_negative=True)
        with np.errstate(over="ignore"):
            refuse_extreme_weights(float(s.sum(dtype=np.float64)))
    kept = s > 0
    return (X, y, s) if kept.all() else (X[kept], y[kept], s[kept])


def summary(name: str, X: Any, y: Any, s: Any) -> Summary:
    """What the checks of a partition find."""
    n_given = _num_samples(X)
    try:
        if n_given == 0 and len(y) == 0:
            return Summary()
        X, y, s = as_arrays(name, X, y, s, finite=True)
        if not len(y):
            return Summary(n_given=n_given)
        rows = Rows(X, y, s, budget=Budget(threaded=NO_THREADS))
        return Summary(len(y), n_given, X.dtype, y.shape[1], float(y.min()), rows.moments())
    except (ValueError, TypeError) as error:
        return Summary(error=str(error))


def checked_collections(
    estimator: Regressor, X: Any, y: Any, sample_weight: Any, *, reset: bool
) -> Rows:
    """Check Dask collections in one pass over them.

    Parameters
    ----------
    estimator : SigmoidMLPRegressor
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared.
    X : Dask array or DataFrame of shape (n_samples, n_features)
    y : Dask array, Series or DataFrame, or array-like
    sample_weight : Dask array or Series, array-like, or None
    reset : bool
        Whether X may have any columns.

    Returns
    -------
    Rows
        In memory if they are few.

    Raises
    ------
    ValueError
        If the data cannot be used. The message says why, and names the partition.
    RuntimeError
        If a partition cannot be computed, or if the client of the cluster is closed.
    """
    from dask import delayed

    check_columns(estimator, X, reset=reset)
    name = type(estimator).__name__
    parts = list(zip(*partitions_of(X, y, sample_weight), strict=True))
    check = delayed(summary, pure=False)
    client = active_client()
    found: tuple[Summary, ...] = compute_or_blame([check(name, *p) for p in parts], parts, client)
    for i, one in enumerate(found):
        if one.error:
            raise ValueError(f"Partition {i} of the data: {one.error}")
    present = [one for one in found if one.n_rows]
    if not present:
        none = "All rows have a sample_weight of 0" if any(s.n_given for s in found) else "No rows"
        raise ValueError(f"{none}: there is nothing to fit.")
    refuse_targets(estimator.loss, min(one.least_target for one in present), "y")
    dtype = np.result_type(*(one.dtype for one in present if one.dtype))
    load = delayed(as_arrays, pure=False)
    rows = DaskRows(
        [Partition(load(name, *p), one.n_rows) for p, one in zip(parts, found, strict=True)],
        Layout.as_given(np.dtype(dtype)),
        X.shape[1],
        present[0].n_outputs or 0,
        is_weighted=sample_weight is not None,
        moments=sum_of_moments(one.moments for one in present),
        client=client,
    )
    return rows.in_memory() if rows.are_few else rows


def sum_of_moments(parts: Iterator[Any]) -> tuple[Moments, Moments]:
    """The moments of the inputs and of the targets of all parts."""
    inputs, targets = next(parts)
    for more_inputs, more_targets in parts:
        inputs, targets = inputs + more_inputs, targets + more_targets
    return inputs, targets


def check_columns(estimator: Regressor, X: Any, *, reset: bool) -> None:
    """Compare the number and the names of the columns, or note them."""
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: reshape X to one row a sample."
        )
    like = X._meta if hasattr(X, "columns") else np.empty((0, X.shape[1]))
    validate_data(estimator, like, skip_check_array=True, reset=reset)


def without_names(X: Any) -> Any:
    """A Dask array of the columns."""
    return X.to_dask_array() if hasattr(X, "columns") else X


def partitions_of(X: Any, y: Any, sample_weight: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The partitions of X, y and the weights, which correspond to each other."""
    if not hasattr(X, "columns"):
        X = X.rechunk({1: -1})
    own = delayed_parts(X)
    others = [
        [None] * len(own) if part is None else _aligned(X, own, part, name)
        for part, name in ((y, "y"), (sample_weight, "sample_weight"))
    ]
    return own, others[0], others[1]


def delayed_parts(collection: Any) -> list[Any]:
    """The partitions of a collection, one by one.

    Optimised alone, columns of a Parquet file may be read several partitions at a time, as many as
    the columns are few. So those of a frame are taken as they are. Then a partition of X and that
    of y come from the same read, too.
    """
    if hasattr(collection, "to_dask_array"):
        return list(collection.to_delayed(optimize_graph=False))
    return list(collection.to_delayed().ravel())


def _aligned(X: Any, own: list[Any], other: Any, name: str) -> list[Any]:
    """The partitions of y or the weights, for each partition of X."""
    if not is_dask(other):
        return _cut(X, own, other, name)
    is_array = not hasattr(other, "to_dask_array")
    if is_array and not hasattr(X, "columns"):
        known = not (np.isnan(X.shape[0]) or np.isnan(other.shape[0]))
        if known and X.shape[0] == other.shape[0]:
            other = other.rechunk({0: X.chunks[0]})
    elif not is_array and hasattr(X, "columns") and X.known_divisions and other.known_divisions:
        other = other if other.divisions == X.divisions else other.repartition(X.divisions)
    if is_array and other.ndim == 2:
        other = other.rechunk({1: -1})
    parts = delayed_parts(other)
    if len(parts) != len(own):
        raise ValueError(
            f"X has {len(own)} partitions, and {name} has {len(parts)}. Give both the same: take "
            "them from one collection, or rechunk (arrays, after compute_chunk_sizes) or "
            "repartition (frames)."
        )
    return parts


def _cut(X: Any, own: list[Any], other: Any, name: str) -> list[Any]:
    """Rows in memory, cut into the partitions of X."""
    from dask import delayed

    numbers = () if hasattr(X, "columns") else X.chunks[0]
    if not numbers or np.isnan(numbers).any():
        count = delayed(_num_samples, pure=False)
        numbers = compute([count(part) for part in own])
    if np.ndim(other) == 0 and name == "sample_weight":
        other = np.full(int(sum(numbers)), other)
    if not hasattr(other, "iloc"):
        other = np.asarray(other)
    n_rows = int(sum(numbers))
    if len(other) != n_rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_rows}, and "
            f"{name} has {len(other)}."
        )
    stops = np.cumsum(numbers)
    rows = other.iloc if hasattr(other, "iloc") else other
    return [
        delayed(rows[stop - n : stop], traverse=False)
        for n, stop in zip(numbers, stops, strict=True)
    ]


def collections_of(rows: Rows) -> tuple[Any, Any, Any]:
    """X, y and the weights of rows, or None: as Dask arrays, or in memory if the rows are."""
    if not isinstance(rows, DaskRows):
        X, y, s = raw(rows)
        return X, y[:, 0] if y.shape[1] == 1 else y, s
    return rows.as_arrays()


# Predictions ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answer:
    """The result of a method of a fitted estimator for a partition.

    Parameters
    ----------
    estimator : SigmoidMLPRegressor
    method : str
    shape : tuple of int
        Of the answer for one row.
    dtype : dtype
        Of the answer.
    arguments : dict
    """

    estimator: Regressor
    method: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    arguments: dict[str, Any]

    def __call__(self, X: Any) -> FloatArray:
        """The answers, of shape (n_rows, *shape). Several are stacked."""
        if _num_samples(X) == 0:
            return np.empty((0, *self.shape), self.dtype)
        answer = getattr(self.estimator, self.method)(X, **self.arguments)
        if isinstance(answer, tuple):
            answer = np.stack(answer, axis=1)
        return answer.astype(self.dtype, copy=False)


def answers(estimator: Regressor, method: str, X: Any, shape: tuple[int, ...], **kw: Any) -> Any:
    """A lazy Dask array of the results of a method of the estimator for each partition.

    Parameters
    ----------
    estimator : SigmoidMLPRegressor or SigmoidMLPEnsembleRegressor
        As it is now. A later fit does not change the answers.
    method : str
    X : Dask array or DataFrame
    shape : tuple of int
        Of the answer for one row.
    **kw
        Arguments of the method.
    """
    import dask.array as da

    check_columns(estimator, X, reset=False)
    weights = [W.dtype for W in getattr(estimator, "weights_", ())]  # an ensemble has none
    types = set(X.dtypes) if hasattr(X, "columns") else {X.dtype}
    dtype = np.result_type(np.float32 if types == {np.dtype(np.float32)} else np.float64, *weights)
    fitted = object.__new__(type(estimator))
    unneeded = ("_hindsight", "_left_off", "_skl_callbacks")
    fitted.__dict__.update({k: v for k, v in vars(estimator).items() if k not in unneeded})
    answer = Answer(fitted, method, shape, dtype, kw)
    meta = np.empty((0,) * (1 + len(shape)), dtype)
    if hasattr(X, "columns"):
        blocks = [da.from_delayed(part, (np.nan, *shape), meta=meta) for part in _each(answer, X)]
        return da.concatenate(blocks, allow_unknown_chunksizes=True)
    chunks = (X.chunks[0], *((n,) for n in shape))
    X = X.rechunk({1: -1})
    if not shape:
        return da.map_blocks(answer, X, drop_axis=1, chunks=chunks, meta=meta)
    more = list(range(2, 1 + len(shape)))
    return da.map_blocks(answer, X, new_axis=more or None, chunks=chunks, meta=meta)


def _each(f: Callable[[Any], Any], frame: Any) -> list[Any]:
    """A function of each partition of a frame, as tasks."""
    from dask import delayed

    call, shared = delayed(apply, pure=False), delayed(f, traverse=False)
    return [call(shared, part) for part in delayed_parts(frame)]


def apply(f: Callable[[Any], Any], X: Any) -> Any:
    """``f(X)``."""
    return f(X)
