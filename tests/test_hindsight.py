"""Error bars after solvers that know none: over all parameters, and over the last layer."""

import pickle
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.linear_model import BayesianRidge
from sklearn.preprocessing import StandardScaler

import sklearn_mlp.hindsight
from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.hindsight import Hindsight
from sklearn_mlp.last_layer import LastLayerPosterior
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective
from sklearn_mlp.posterior import PredictiveVariances
from sklearn_mlp.rows import Rows
from tests import reference
from tests.helpers import fitted, precision_of

FIRST_ORDER = ("adam", "sgd", "gd", "lbfgs")


@pytest.fixture
def only_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn_mlp.hindsight, "MOST_COST", 0)


def friedman(n: int, n_inputs: int = 10, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rows to train on and fresh ones, with a noise of 0.3 deviations."""
    X, y = make_friedman1(n + 1000, n_inputs, random_state=seed)
    y = y / y.std() + np.random.default_rng(seed).normal(scale=0.3, size=len(y))
    return X[:n], X[n:], y[:n], y[n:]


def covered(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    mean, std = model.predict(X, return_std=True)
    return float(np.mean(np.abs(y - mean) < 1.96 * std))


# The mathematics --------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(3, 4, 1), (3, 4, 2), (3, 5, 4, 2)])
@pytest.mark.parametrize("whole", [True, False])
def test_the_precision_is_that_of_the_jacobian(
    sizes: tuple[int, ...], whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not whole:
        monkeypatch.setattr(sklearn_mlp.hindsight, "MOST_COST", 0)
    rng = np.random.default_rng(0)
    n = 90
    X, s = rng.normal(size=(n, 3)), rng.uniform(0.5, 2, n)
    network = Network(sizes, "sigmoid")
    w = rng.normal(size=network.n_parameters)
    Y = reference.predict(w, X, sizes, "sigmoid") + rng.normal(scale=0.3, size=(n, sizes[-1]))
    posterior: Any = Hindsight(Objective(network, Rows(X, Y, s), 0.0), w, None).posterior()
    n_own = network.n_parameters if whole else (sizes[-2] + 1) * sizes[-1]
    J = reference.complex_step(lambda v: reference.predict(v, X, sizes, "sigmoid"), w)[..., -n_own:]
    assert posterior.kind == ("all parameters" if whole else "last layer")
    inner = posterior.inner if isinstance(posterior, LastLayerPosterior) else posterior
    prior = np.append(inner.alpha, 0.0)[inner.groups.labels]
    A = np.einsum("n,k,nkp,nkq->pq", s, inner.beta, J, J) + np.diag(prior)
    np.testing.assert_allclose(precision_of(inner), A, rtol=1e-8, atol=1e-8)
    # The precisions are those that the evidence asks for, to what counts as settled.
    gamma = 1 - prior * np.diag(np.linalg.inv(A))
    for g, alpha in enumerate(inner.alpha):
        own = inner.groups.labels == g
        assert alpha * np.sum(w[-n_own:][own] ** 2) == pytest.approx(gamma[own].sum(), rel=0.2)
    error = Y - reference.predict(w, X, sizes, "sigmoid")
    free = s.sum() - inner.gamma_of_output
    np.testing.assert_allclose(inner.beta, free / (s @ error**2), rtol=0.1)
    # The error bars, by the Jacobian at new rows.
    new = rng.normal(size=(7, 3))
    j = reference.complex_step(lambda v: reference.predict(v, new, sizes, "sigmoid"), w)[
        ..., -n_own:
    ]
    expected = np.einsum("nkp,pq,nkq->nk", j, np.linalg.inv(A), j) + 1 / inner.beta
    rows = Rows(new, np.empty((7, 0)))
    variance = rows.gather(PredictiveVariances(network, posterior))
    np.testing.assert_allclose(variance, posterior.calibration * expected, rtol=1e-7)
    M = posterior.covariance_root()
    np.testing.assert_allclose(M[-n_own:] @ M[-n_own:].T @ A, np.eye(n_own), atol=1e-6)
    assert not M[:-n_own].any()


def test_without_hidden_layers_it_is_bayesian_ridge() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0] + rng.normal(scale=0.5, size=200)
    Z = StandardScaler().fit_transform(X)
    model = fitted(SigmoidMLPRegressor((), solver="lbfgs", alpha=0.0, tol=1e-8), X, y)
    line = BayesianRidge().fit(Z, y)
    assert model.noise_std_ == pytest.approx(1 / np.sqrt(line.alpha_), rel=0.02)
    std = model.predict(X, return_std=True)[1]
    np.testing.assert_allclose(std, line.predict(Z, return_std=True)[1], rtol=0.02)


# Honest, after every solver ---------------------------------------------------------------------


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_error_bars_are_honest_after_every_solver(solver: str) -> None:
    X, fresh, y, truth = friedman(600)
    rate = {"sgd": 0.05, "gd": 0.5}.get(solver, 0.005)
    parameters: dict[str, Any] = {"learning_rate_init": rate, "max_iter": 300, "random_state": 0}
    model = fitted(SigmoidMLPRegressor((10,), solver=solver, alpha=0.1, **parameters), X, y)
    assert model.posterior_kind_ == "all parameters"
    assert 0.9 < covered(model, fresh, truth) < 0.995
    error = np.sqrt(np.mean((model.predict(fresh) - truth) ** 2))
    assert 0.7 * error < model.noise_std_ < 1.2 * error
    assert model.feature_importances_[:5].min() > model.feature_importances_[5:].max()
    assert np.isfinite(model.log_marginal_likelihood_)


def test_a_network_that_has_fitted_the_noise_knows_it() -> None:
    X, fresh, y, truth = friedman(150)
    model = fitted(SigmoidMLPRegressor((50,), solver="lbfgs", alpha=1e-4, random_state=0), X, y)
    assert covered(model, fresh, truth) > 0.9


@pytest.mark.usefixtures("only_the_last_layer")
def test_held_out_rows_show_how_far_the_other_layers_are_known() -> None:
    X, fresh, y, truth = friedman(2000)
    model = SigmoidMLPRegressor(
        (100, 50), solver="adam", early_stopping=True, learning_rate_init=0.005, random_state=0
    )
    fitted(model, X, y)
    assert model.posterior_kind_ == "last layer"
    assert 0.9 < covered(model, fresh, truth) < 0.99
    assert model.alpha_["coefs_[0]"] == np.inf
    assert 0 < model.alpha_["coefs_[2]"] < np.inf


@pytest.mark.usefixtures("only_the_last_layer")
def test_held_out_rows_widen_error_bars_that_are_too_narrow() -> None:
    rng = np.random.default_rng(0)
    X, X_val, fresh = (rng.uniform(-1, 1, (n, 10)) for n in (60, 400, 400))
    y, y_val, truth = (rng.normal(size=n) for n in (60, 400, 400))
    given = {"X_val": X_val, "y_val": y_val}
    model = SigmoidMLPRegressor(
        (100,), solver="adam", early_stopping=True, n_iter_no_change=1_000, max_iter=500,
        learning_rate_init=0.01, random_state=0,
    )  # fmt: skip
    fitted(model, X, y, **given)
    mean, std = model.predict(fresh, return_std=True)
    assert norm.logpdf(truth, mean, std).mean() > -2
    assert covered(model, fresh, truth) > 0.88


@pytest.mark.usefixtures("only_the_last_layer")
def test_a_warning_says_where_nothing_shows_how_far_the_layers_are_known() -> None:
    X, fresh, y, _ = friedman(3000, 5)
    model = fitted(SigmoidMLPRegressor((3,), solver="adam", random_state=0), X, y)
    with pytest.warns(UserWarning, match=r"may be too narrow. Set early_stopping=True"):
        model.predict(fresh, return_std=True)
    model.predict(fresh, return_std=True)  # says it once


# When it is computed ----------------------------------------------------------------------------


def test_it_is_computed_when_first_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = Hindsight.posterior

    def counted(self: Hindsight) -> Any:
        calls.append(self)
        return original(self)

    monkeypatch.setattr(Hindsight, "posterior", counted)
    X, fresh, y, _ = friedman(100)
    model = fitted(SigmoidMLPRegressor((20,), solver="adam", random_state=0), X, y)
    before = model.predict(fresh)
    model.score(fresh, y[:1].repeat(len(fresh)))
    assert not calls
    first = model.predict(fresh, return_std=True)
    second = model.predict(fresh, return_std=True)
    assert len(calls) == 1
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0], before)


def test_it_is_computed_at_once_where_it_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _, y, _ = friedman(3000, 5)
    model = fitted(SigmoidMLPRegressor((3,), solver="adam", random_state=0), X, y)
    monkeypatch.setattr(Hindsight, "posterior", None)
    assert model.noise_std_ > 0


def test_a_copy_has_the_error_bars_and_not_the_rows() -> None:
    X, fresh, y, _ = friedman(100)
    model = fitted(SigmoidMLPRegressor((20,), solver="lbfgs", random_state=0), X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert b"Hindsight" not in pickle.dumps(model)
    for ours, theirs in zip(
        model.predict(fresh, return_std=True), copy.predict(fresh, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert not hasattr(clone(model), "noise_std_")


def test_weights_from_elsewhere_have_none() -> None:
    X, fresh, y, _ = friedman(100)
    model = fitted(SigmoidMLPRegressor((20,), solver="adam", random_state=0), X, y)
    model.weights_ = [2 * W for W in model.weights_]
    with pytest.raises(ValueError, match=r"return_std needs a posterior.*call fit"):
        model.predict(fresh, return_std=True)
    assert not hasattr(model, "noise_std_")
    model.partial_fit(X, y)
    with pytest.raises(
        AttributeError, match=r"noise_std_ needs a posterior.*partial_fit.*call fit"
    ):
        _ = model.noise_std_


def test_the_rows_of_an_interrupted_or_repeated_fit_are_those_of_the_last() -> None:
    X, fresh, y, _ = friedman(100)
    model = SigmoidMLPRegressor((5,), solver="lbfgs", random_state=0)
    fitted(model, X[:50], y[:50])
    again = fitted(clone(model), X, y)
    fitted(model, X, y)
    np.testing.assert_array_equal(
        model.predict(fresh, return_std=True), again.predict(fresh, return_std=True)
    )


def test_an_ensemble_has_the_error_bars_of_its_members() -> None:
    X, fresh, y, truth = friedman(300)
    member = SigmoidMLPRegressor((10,), solver="adam", learning_rate_init=0.01, max_iter=300)
    model = SigmoidMLPEnsembleRegressor(member, n_estimators=3, random_state=0)
    fitted(model, X, y)
    assert 0.9 < covered(model, fresh, truth) < 0.999
    assert model.noise_std_ > 0
