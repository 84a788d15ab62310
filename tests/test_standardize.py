import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from sklearn_mlp.standardize import Moments, Scaling, Units, change_units
from tests import reference
from tests.strategies import Problem, problems


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_parts_add_up_to_those_of_scikit_learns_scaler(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3)) * [1, 1e6, 1e-6] + [0, 1e6, 3]
    s = rng.uniform(0.1, 3, size=50) if weighted else None
    parts = [slice(0, 1), slice(1, 20), slice(20, 50)]
    total = sum(
        (Moments.of(X[p].T, None if s is None else s[p]) for p in parts[1:]),
        start=Moments.of(X[parts[0]].T, None if s is None else s[parts[0]]),
    )
    scaler = StandardScaler().fit(X, sample_weight=s)
    assert total.weight == pytest.approx(50 if s is None else s.sum())
    np.testing.assert_allclose(total.mean, scaler.mean_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total.std, scaler.scale_, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_moments_neither_overflow_nor_vanish(scale: float) -> None:
    x = np.array([[1.0, 2.0, 3.0, 6.0]])
    total = Moments.of(scale * x[:, :2]) + Moments.of(scale * x[:, 2:])
    np.testing.assert_allclose(total.mean / scale, x.mean())
    np.testing.assert_allclose(total.std / scale, x.std())


@given(st.floats(-1e12, 1e12), st.integers(1, 30), st.integers(1, 30))
def test_a_constant_column_has_a_deviation_of_exactly_zero(value: float, n: int, m: int) -> None:
    total = Moments.of(np.full((1, n), value)) + Moments.of(np.full((1, m), value))
    assert total.mean[0] == value
    assert total.std[0] == 0
    assert not Scaling.of(total, np.float64).varies[0]


@given(problems(), st.integers(0, 1000))
def test_a_change_of_units_leaves_the_function_as_it_is(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_in, n_out = problem.layer_sizes[0], problem.layer_sizes[-1]

    def scaling(n: int) -> Scaling:
        return Scaling(rng.normal(size=n), rng.uniform(0.5, 2, size=n), np.ones(n, bool))

    old, new = (Units(scaling(n_in), scaling(n_out)) for _ in range(2))

    def in_raw_units(w: np.ndarray, units: Units) -> np.ndarray:
        Z = (problem.X - units.inputs.mean) / units.inputs.scale
        y = reference.predict(w, Z, problem.layer_sizes, problem.activation)
        return y * units.outputs.scale + units.outputs.mean

    layers = reference.split(problem.w, problem.layer_sizes)
    changed = np.concatenate([W.ravel() for W in change_units(layers, old, new)])
    np.testing.assert_allclose(
        in_raw_units(changed, new), in_raw_units(problem.w, old), rtol=1e-9, atol=1e-9
    )


@given(problems())
def test_between_equal_units_no_bit_changes(problem: Problem) -> None:
    n_in, n_out = problem.layer_sizes[0], problem.layer_sizes[-1]
    units = Units(
        Scaling(np.full(n_in, 0.3), np.full(n_in, 0.7), np.ones(n_in, bool)),
        Scaling(np.full(n_out, 5.1), np.full(n_out, 1.9), np.ones(n_out, bool)),
    )
    layers = reference.split(problem.w, problem.layer_sizes)
    for before, after in zip(layers, change_units(layers, units, units), strict=True):
        np.testing.assert_array_equal(before, after)
