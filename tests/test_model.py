"""The model against textbook arithmetic: what it predicts, how sure it is, and how it bends."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from scipy.stats import norm

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.model import Model, relevances
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import LaplacePosterior, WeightGroups, laplace
from sklearn_mlp.rows import Rows
from sklearn_mlp.standardize import Scaling, Units
from tests import reference
from tests.helpers import fitted
from tests.strategies import Problem, problems

rng = np.random.default_rng(0)
LINKS: dict[str, Callable[[Any], Any]] = {"identity": lambda z: z, "exp": np.exp}
every_link = pytest.mark.parametrize("link", LINKS)


def some_units(n_inputs: int, n_outputs: int) -> Units:
    """Columns that lie elsewhere and vary by a few orders of magnitude."""
    rng = np.random.default_rng(1)

    def scaling(n: int) -> Scaling:
        return Scaling(rng.normal(size=n), 10 ** rng.uniform(-2, 2, size=n), np.ones(n, bool))

    return Units(scaling(n_inputs), scaling(n_outputs))


def in_units(units: Units, Z: np.ndarray) -> np.ndarray:
    """Raw inputs whose z-scores are Z."""
    return Z * units.inputs.scale + units.inputs.mean


# What it predicts ---------------------------------------------------------------------------


@every_link
@given(problem=problems())
@settings(deadline=None, max_examples=30)
def test_prediction_is_the_forward_pass_through_the_link(link: str, problem: Problem) -> None:
    sizes, w = problem.layer_sizes, 0.3 * problem.w
    model = Model.of_weights(reference.split(w, sizes), problem.activation, link)
    expected = LINKS[link](reference.predict(w, problem.X, sizes, problem.activation))
    np.testing.assert_allclose(model.predict(problem.X), expected, rtol=1e-11, atol=1e-12)
    assert model.posterior is None


@given(problem=problems())
@settings(deadline=None, max_examples=30)
def test_training_in_any_units_is_folded_into_weights_for_raw_data(problem: Problem) -> None:
    sizes = problem.layer_sizes
    units = some_units(sizes[0], sizes[-1])
    network = Network(sizes, problem.activation)
    model = Model.of_training(network, problem.w, units, np.float64)
    z = reference.predict(problem.w, problem.X, sizes, problem.activation)
    expected = z * units.outputs.scale + units.outputs.mean
    size = np.abs(expected).max() + units.outputs.scale.max()
    np.testing.assert_allclose(
        model.predict(in_units(units, problem.X)), expected, rtol=1e-8, atol=1e-8 * size
    )
    again = np.concatenate([W.ravel() for W in model.standardized_weights])
    np.testing.assert_allclose(again, problem.w, rtol=1e-7, atol=1e-7)


def test_what_does_not_vary_is_ignored_as_an_input_and_predicted_as_a_target() -> None:
    network = Network([2, 3, 2], "tanh")
    constant = np.array([True, False])
    units = Units(
        Scaling(np.array([1.0, 5.0]), np.array([2.0, 1.0]), constant),
        Scaling(np.array([3.0, 0.1]), np.array([4.0, 1.0]), constant),
    )
    model = Model.of_training(network, rng.normal(size=17), units, np.float64)
    X = rng.normal(size=(5, 2))
    np.testing.assert_array_equal(model.predict(X), model.predict(X * [1, 0]))
    np.testing.assert_allclose(model.predict(X)[:, 1], 0.1, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_have_the_dtype_of_training_and_answers_that_of_both(dtype: Any) -> None:
    model, X = Model.of_training(
        Network([3, 4, 1], "tanh"), rng.normal(size=21), some_units(3, 1), dtype
    ), rng.normal(size=(5, 3))  # fmt: skip
    assert {W.dtype for W in model.weights} == {np.dtype(dtype)}
    for f in (model.predict, model.input_gradient):
        assert f(X.astype(dtype)).dtype == dtype
        assert f(X).dtype == np.float64


def test_weights_that_overflow_their_dtype_are_refused() -> None:
    units = Units(Scaling.identity(1), Scaling(np.zeros(1), np.array([1e39]), np.ones(1, bool)))
    with pytest.raises(ValueError, match="overflow float32"):
        Model.of_training(Network([1, 1], "tanh"), np.ones(2), units, np.float32)


def test_sparse_rows_are_as_good_as_dense_ones() -> None:
    model, X = a_model_with_a_posterior("identity")[0], rng.normal(size=(7, 3))
    for f in (model.predict, model.std, model.input_gradient):
        np.testing.assert_array_equal(f(sp.csr_array(X)), f(X))


# How it bends -------------------------------------------------------------------------------


@every_link
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus", "identity"])
@pytest.mark.parametrize("hidden", [(), (4,), (5, 3)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_input_gradient_is_the_derivative_by_the_raw_inputs(
    link: str, activation: str, hidden: tuple[int, ...], n_outputs: int
) -> None:
    sizes = (3, *hidden, n_outputs)
    network, rng = Network(sizes, activation), np.random.default_rng(0)
    units = Units(some_units(3, 1).inputs, Scaling.identity(n_outputs))
    w = 0.5 * rng.normal(size=network.n_parameters)
    model = Model.of_training(network, w, units, np.float64, link)
    raw, X = np.concatenate([W.ravel() for W in model.weights]), rng.normal(size=(10, 3))
    X = in_units(units, X)

    def at(x: np.ndarray) -> Any:
        return LINKS[link](reference.predict(raw, x[None], sizes, activation)[0])

    expected = np.array([reference.complex_step(at, x) for x in X])
    gradient = model.input_gradient(X)
    assert gradient.shape == (10, n_outputs, 3)
    size = np.abs(expected).max(axis=(0, 1))
    np.testing.assert_allclose(gradient / size, expected / size, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_relevance_is_shared_where_no_input_matters(n_outputs: int) -> None:
    network = Network([4, 3, n_outputs], "tanh")
    objective = Objective(network, Rows(rng.normal(size=(9, 4)), np.zeros((9, n_outputs))), 0.0)
    np.testing.assert_array_equal(relevances(objective, np.zeros(network.n_parameters)), 0.25)


# How sure it is -----------------------------------------------------------------------------

SIZES = (3, 4, 2)


def a_model_with_a_posterior(activation: str) -> tuple[Model, LaplacePosterior, np.ndarray]:
    """A model, its posterior, and the precision A of that by complex steps."""
    rng = np.random.default_rng(0)
    Z, Y, s = rng.normal(size=(30, 3)), rng.normal(size=(30, 2)), rng.uniform(0.5, 2, 30)
    network = Network(SIZES, activation)
    w = rng.normal(size=network.n_parameters)
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha, beta = rng.uniform(0.5, 2, len(groups.names)), np.array([0.7, 1.9])
    objective = Objective(network, Rows(Z, Y, s), 0.0)
    posterior = laplace(Point(w, objective.gauss_newton(w)), groups, alpha, beta, s.sum())
    posterior = replace(posterior, calibration=np.array([1.0, 2.5]))
    J = reference.complex_step(lambda v: reference.predict(v, Z, SIZES, activation), w)
    A = np.einsum("n,k,nkp,nkq->pq", s, beta, J, J) + np.diag(np.append(alpha, 0.0)[groups.labels])
    model = Model.of_training(network, w, some_units(3, 2), np.float64, "identity", posterior)
    return model, posterior, A


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "identity"])
def test_std_is_the_noise_and_what_is_unsure_of_the_weights(activation: str) -> None:
    model, posterior, A = a_model_with_a_posterior(activation)
    Z = rng.normal(size=(8, 3))
    J = reference.complex_step(
        lambda v: reference.predict(v, Z, SIZES, activation), posterior.w
    )  # by the weights in the units of training
    variance = 1 / posterior.beta + np.einsum("nkp,pq,nkq->nk", J, np.linalg.inv(A), J)
    expected = model.units.outputs.scale * np.sqrt([1.0, 2.5] * variance)
    np.testing.assert_allclose(model.std(in_units(model.units, Z)), expected, rtol=1e-7)


def test_noise_and_evidence_are_in_the_units_of_y() -> None:
    model, posterior, _ = a_model_with_a_posterior("tanh")
    scale = model.units.outputs.scale
    np.testing.assert_allclose(model.noise_std, scale / np.sqrt(posterior.beta))
    # The density of the n values of each target is that of their z-scores over n scales.
    per_row = norm(scale=scale).logpdf(0) - norm().logpdf(0)
    expected = posterior.log_evidence + posterior.n * per_row.sum()
    assert model.log_marginal_likelihood == pytest.approx(expected)


def test_precisions_go_by_the_attributes_of_the_estimator() -> None:
    model, posterior, _ = a_model_with_a_posterior("tanh")
    precisions = model.precisions
    np.testing.assert_array_equal(precisions["coefs_[0]"], posterior.alpha[:3])
    assert precisions["intercepts_[0]"] == posterior.alpha[3]
    np.testing.assert_array_equal(precisions["coefs_[1]"], posterior.alpha[4:])
    assert precisions["intercepts_[1]"] == 0


# The model of an estimator ------------------------------------------------------------------


def test_weights_set_by_hand_are_a_model_of_which_no_more_is_known() -> None:
    X = rng.normal(size=(40, 3))
    model = fitted(SigmoidMLPRegressor((4,), solver="lm", max_iter=5), X, X[:, 0])
    assert model.noise_std_ > 0
    w = rng.normal(size=21)
    model.weights_ = reference.split(w, (3, 4, 1))
    expected = reference.predict(w, X, (3, 4, 1), "sigmoid")[:, 0]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-11)
    np.testing.assert_array_equal(model.coefs_[1], w[17:, np.newaxis])
    for name in ("noise_std_", "alpha_", "log_marginal_likelihood_", "feature_importances_"):
        assert not hasattr(model, name)
    with pytest.raises(ValueError, match="return_std"):
        model.predict(X, return_std=True)


def test_before_there_is_a_model_there_are_no_fitted_attributes() -> None:
    model = SigmoidMLPRegressor()
    for name in ("weights_", "coefs_", "intercepts_", "out_activation_", "noise_std_", "alpha_"):
        assert not hasattr(model, name)
