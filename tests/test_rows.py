import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_mlp import rows as rows_module
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.rows import Accumulator, Block, Budget, Kernel, RowKernel, Rows, Sums, Work
from sklearn_mlp.standardize import Scaling, Units

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 3)) * [1, 10, 0.1] + [0, 5, 2]
Y = rng.normal(size=(1000, 2)) * 4 + 1
S = rng.integers(0, 3, size=1000).astype(float)
UNITS = Units(
    Scaling(X.mean(axis=0), X.std(axis=0), np.ones(3, bool)),
    Scaling(Y.mean(axis=0), Y.std(axis=0), np.ones(2, bool)),
)


@dataclass(frozen=True)
class Each(Kernel[Any]):
    """What a function makes of each block, in blocks of ten rows under TINY."""

    f: Callable[[Block], Any]
    floats_per_row: ClassVar[int] = 2

    def __call__(self, block: Block, work: Work) -> Any:
        return self.f(block)


TINY = Budget(block=70, jacobian=70, least_rows=1, threaded=0)


@pytest.fixture(params=["kept", "read"])
def budget(request: pytest.FixtureRequest) -> Budget:
    """Blocks of a hundred rows, with the data kept whole as read or read anew at each pass."""
    return Budget(block=700, least_rows=1, kept=1 << 20 if request.param == "kept" else 0)


def blocks(rows: Rows) -> list[Block]:
    return list(rows.map(Each(lambda block: block)))


def gathered(blocks: list[Block]) -> Block:
    weights = [b.weights for b in blocks if b.weights is not None]
    return Block(
        np.hstack([b.inputs for b in blocks]),
        np.hstack([b.targets for b in blocks]),
        np.concatenate(weights) if weights else None,
    )


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array, sp.csr_matrix])
def test_blocks_are_the_rows_in_order_as_z_scores_with_a_row_of_ones(
    container: type, budget: Budget
) -> None:
    parts = blocks(Rows(container(X), Y, units=UNITS, budget=budget))
    assert len(parts) == 10
    whole = gathered(parts)
    np.testing.assert_array_equal(whole.inputs[0], 1)
    np.testing.assert_allclose(whole.inputs[1:].T, (X - X.mean(axis=0)) / X.std(axis=0))
    np.testing.assert_allclose(whole.targets.T, (Y - Y.mean(axis=0)) / Y.std(axis=0))
    assert whole.weights is None


def test_rows_of_weight_zero_and_rows_not_taken_are_left_out(budget: Budget) -> None:
    index = np.arange(0, 1000, 7)
    expected = index[S[index] > 0]
    by_index = Rows(X, Y, S, index=index, budget=budget)
    for rows in (by_index, Rows(X, Y, S, budget=budget).take(_positions(index))):
        whole = gathered(blocks(rows))
        np.testing.assert_array_equal(whole.inputs[1:].T, X[expected])
        np.testing.assert_array_equal(whole.weights, S[expected])
        assert rows.n_rows == len(expected)
        assert rows.total_weight == S[expected].sum()


def _positions(index: np.ndarray) -> np.ndarray:
    """Where those rows of `index` that have a weight stand among all that have one."""
    return np.flatnonzero(np.isin(np.flatnonzero(S), index))


def test_a_sum_over_blocks_is_the_sum_over_rows(budget: Budget) -> None:
    def f(block: Block) -> Sums:
        assert block.weights is not None
        return Sums(block.total_weight, block.inputs @ (block.weights * block.targets).T)

    total, products = Rows(X, Y, S, budget=budget).sum(Each(f))
    assert total == S.sum()
    ones = np.column_stack([np.ones(1000), X])
    np.testing.assert_allclose(products, ones.T @ (S[:, None] * Y), rtol=1e-12)


@dataclass(frozen=True)
class Gram(Accumulator[FloatArray]):
    floats_per_row: ClassVar[int] = 2

    def zero(self) -> FloatArray:
        return np.zeros((4, 4))

    def add(self, total: FloatArray, block: Block, work: Work) -> None:
        total += block.inputs @ block.inputs.T


def test_an_accumulator_adds_to_one_total(budget: Budget) -> None:
    ones = np.column_stack([np.ones(1000), X])
    rows = Rows(X, Y, budget=budget)
    np.testing.assert_allclose(rows.sum(Gram()), ones.T @ ones, rtol=1e-12)
    np.testing.assert_allclose(Gram()(rows.whole(), rows.work), ones.T @ ones, rtol=1e-12)


@dataclass(frozen=True)
class Products(RowKernel):
    floats_per_row: ClassVar[int] = 2
    shape: ClassVar[tuple[int, ...]] = (2, 3)

    def __call__(self, block: Block, work: Work) -> FloatArray:
        return np.einsum("kn,jn->nkj", block.targets, block.inputs[1:])


def test_results_are_gathered_in_the_order_of_the_rows(budget: Budget) -> None:
    gathered = Rows(X, Y, budget=budget).gather(Products())
    np.testing.assert_array_equal(gathered, Y[:, :, np.newaxis] * X[:, np.newaxis])


def test_a_kernel_pickles_and_holds_no_rows() -> None:
    size = len(pickle.dumps(Gram()))
    assert size < 1000
    rows = Rows(X, Y)
    np.testing.assert_array_equal(rows.sum(pickle.loads(pickle.dumps(Gram()))), rows.sum(Gram()))


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_of_minibatches_has_every_row_once(shuffle: bool, budget: Budget) -> None:
    rng = np.random.RandomState(0) if shuffle else None
    batches = list(Rows(X, Y, dtype=np.float32, budget=budget).minibatches(64, rng))
    assert [b.inputs.shape[1] for b in batches] == [64] * 15 + [40]
    assert {b.inputs.dtype for b in batches} == {np.dtype(np.float32)}
    values = gathered(batches).inputs[1]
    expected = X[:, 0].astype(np.float32)
    assert (values == expected).all() != shuffle
    np.testing.assert_array_equal(np.sort(values), np.sort(expected))


def test_targets_too_large_for_the_blocks_dtype_are_scaled_before_they_are_rounded() -> None:
    y = 1e200 * Y
    units = Units(
        UNITS.inputs, Scaling(1e200 * Y.mean(axis=0), 1e200 * Y.std(axis=0), np.ones(2, bool))
    )
    block = Rows(X.astype(np.float32), y, units=units, dtype=np.float32).whole()
    expected = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    np.testing.assert_allclose(block.targets.T, expected, rtol=1e-6, atol=1e-6)


def test_coarse_rows_are_the_same_to_the_last_bit_whatever_the_units_of_the_data(
    budget: Budget,
) -> None:
    a, b = np.array([1609.344, 1e-6, 3.3]), np.array([1e3, -7.7, 0.1])
    moved = Units(
        Scaling(a * (X.mean(axis=0) + b), a * X.std(axis=0), np.ones(3, bool)), UNITS.outputs
    )
    coarse = gathered(blocks(Rows(X, Y, S, units=UNITS, budget=budget).coarse()))
    elsewhere = gathered(blocks(Rows(a * (X + b), Y, S, units=moved, budget=budget).coarse()))
    np.testing.assert_array_equal(coarse.inputs, elsewhere.inputs)
    exact = gathered(blocks(Rows(X, Y, S, units=UNITS)))
    np.testing.assert_array_equal(coarse.inputs * 2**18 % 1, 0)
    np.testing.assert_array_equal(coarse.targets, np.rint(exact.targets * 2**18) / 2**18)
    np.testing.assert_array_equal(coarse.weights, exact.weights)


def test_raw_rows_and_rows_in_float32_are_as_coarse_as_they_are() -> None:
    for rows in (Rows(X, Y), Rows(X, Y, units=UNITS, dtype=np.float32)):
        assert rows.coarse() is rows


@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_sums_and_maps_do_not_depend_on_the_number_of_threads(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = replace(TINY, kept=kept)
    used: set[int] = set()
    barrier = threading.Barrier(2, timeout=10)

    def gram(block: Block) -> Sums:
        if n_threads == 2 and threading.get_ident() not in used:
            used.add(threading.get_ident())
            barrier.wait()  # each thread waits for the other's first block
        return Sums(block.inputs @ block.inputs.T, np.exp(1000 * block.inputs).sum())

    results = []
    for n_threads in (1, 2):
        monkeypatch.setattr(rows_module, "_openmp_effective_n_threads", lambda n=n_threads: n)
        rows = Rows(X, Y, S, units=UNITS, budget=budget)
        with np.errstate(over="ignore"):  # in every thread
            results.append((list(rows.sum(Each(gram))), [b.start for b in blocks(rows)]))
    assert len(used) == 2
    (one, order_of_one), (two, order_of_two) = results
    np.testing.assert_array_equal(one[0], two[0])
    assert order_of_one == order_of_two
    assert order_of_one == list(range(0, rows.n_rows, 10))


def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_openmp_effective_n_threads", lambda: 2)

    def fail(block: Block) -> float:
        raise ValueError(f"at {block.start}")

    with pytest.raises(ValueError, match="at 0"):
        Rows(X, Y, budget=TINY).sum(Each(fail))


def test_sums_at_the_same_time_leave_blas_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_openmp_effective_n_threads", lambda: 2)

    def limits() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = limits()
        starts = Each(lambda block: block.start)
        first, second = (Rows(X, Y, budget=TINY).map(starts) for _ in range(2))
        assert (next(first), next(second)) == (0, 0)
        assert list(first) == list(second)  # the first ends before the second
        assert limits() == before


@pytest.mark.parametrize("weighted", [False, True])
def test_sorted_rows_are_the_same_whatever_their_order(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, size=(40, 2)).astype(float), rng.normal(size=(40, 1))
    s = rng.uniform(1, 2, size=40) if weighted else None
    order = rng.permutation(40)
    one = Rows(X, y, s).in_order().whole()
    other = Rows(X[order], y[order], None if s is None else s[order]).in_order().whole()
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)
    if s is not None:
        np.testing.assert_array_equal(one.weights, other.weights)
    assert [tuple(row) for row in one.inputs[1:].T] == sorted(map(tuple, X))


def test_many_rows_stay_as_they_are() -> None:
    rows = Rows(np.ones((9, 2)), np.ones((9, 1)), budget=Budget(kept=20))
    assert rows.in_order() is rows


def test_a_sample_stands_for_many_rows_and_is_the_same_every_time() -> None:
    few = Budget(sample=100 * 5)
    rows = Rows(X, Y, budget=few)
    sample = rows.at_hand()
    assert sample.n_rows == len(np.unique(sample.X, axis=0)) == len(sample.X) == 100
    np.testing.assert_array_equal(rows.weighted(np.full(1000, 2.0)).at_hand().X, sample.X)
    assert Rows(X[:100], Y[:100], budget=few).at_hand().n_rows == 100
