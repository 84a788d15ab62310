"""Evidence and error bars of counts and amounts, against SciPy, quadrature and linear models."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import gamma, poisson
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.interop.onnx import to_onnx
from sklearn_mlp.losses import Gamma, Loss, Poisson, SquaredError
from sklearn_mlp.posterior import LaplacePosterior
from tests.helpers import fitted

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(300, 3))
MEAN = np.exp(1 + np.sin(3 * X[:, 0]) + X[:, 1])
COUNTS = rng.poisson(MEAN).astype(float)
SHAPE = 4.0
AMOUNTS = rng.gamma(SHAPE, MEAN / SHAPE)
TARGETS = {"poisson": COUNTS, "gamma": AMOUNTS}
LOSSES = list(TARGETS)
DEVIANCE = {"poisson": mean_poisson_deviance, "gamma": mean_gamma_deviance}
FRESH = np.random.default_rng(1).uniform(-1, 1, size=(2000, 3))
FRESH_MEAN = np.exp(1 + np.sin(3 * FRESH[:, 0]) + FRESH[:, 1])
LINEAR: dict[str, Any] = {"hidden_layer_sizes": (), "solver": "lm", "random_state": 0}


def regressor(loss: str, **parameters: Any) -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(**{"random_state": 0, "loss": loss, **parameters})


def fit(loss: str, **parameters: Any) -> SigmoidMLPRegressor:
    return fitted(regressor(loss, **parameters), X, TARGETS[loss])


# Densities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1.0, 0.3, 7.0])
def test_the_loss_and_its_normalizer_are_the_density_of_the_gamma_distribution(beta: float) -> None:
    z, y = np.meshgrid(np.linspace(-2, 2, 9), [0.01, 1.0, 30.0])
    log_density = Gamma().log_normalizer(y, beta) - beta * Gamma().value(z, y)
    np.testing.assert_allclose(
        log_density, gamma.logpdf(y, beta, scale=np.exp(z) / beta), rtol=1e-9
    )


def test_those_of_counts_are_the_poisson_distribution() -> None:
    z, y = np.meshgrid(np.linspace(-2, 2, 9), [0.0, 1.0, 30.0])
    log_density = Poisson().log_normalizer(y, 1.0) - Poisson().value(z, y)
    np.testing.assert_allclose(log_density, poisson.logpmf(y, np.exp(z)), rtol=1e-9, atol=1e-12)


def test_those_of_the_squared_error_are_the_normal_distribution() -> None:
    log_density = SquaredError().log_normalizer(np.zeros(1), 4.0)
    np.testing.assert_allclose(log_density, np.log(2 / np.sqrt(2 * np.pi)))


# The evidence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "kind"), [("poisson", Poisson()), ("gamma", Gamma())])
def test_the_evidence_is_the_integral_over_the_weights(loss: str, kind: Loss) -> None:
    x, y = X[:, 0], TARGETS[loss]
    model = fitted(regressor(loss, **{**LINEAR, "standardize": False}), x[:, np.newaxis], y)
    beta, alpha = 1 / float(model.dispersion_), model.alpha_["coefs_[0]"]
    mode = model.weights_[0].ravel()

    def log_density(b: float, w: float) -> float:
        z = b + w * x
        of_rows = kind.log_normalizer(y, beta) - beta * kind.value(z, y)
        return float(of_rows.sum() - alpha / 2 * w**2 + 0.5 * np.log(alpha / (2 * np.pi)))

    highest = log_density(*mode)
    integral, _ = dblquad(
        lambda b, w: np.exp(log_density(b, w) - highest),
        mode[1] - 0.6, mode[1] + 0.6, mode[0] - 0.6, mode[0] + 0.6,
    )  # fmt: skip
    flat = 0.5 * np.log(2 * np.pi)  # of the bias, whose prior has no integral
    expected = highest + np.log(integral) - flat
    assert model.log_marginal_likelihood_ == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_finds_the_function_and_what_depends_on_the_noise(loss: str) -> None:
    model = fit(loss)
    constant = np.full(2000, TARGETS[loss].mean())
    deviance, of_constant = (
        DEVIANCE[loss](FRESH_MEAN, prediction) for prediction in (model.predict(FRESH), constant)
    )
    assert deviance < 0.1 * of_constant
    assert model.solver_ == "lm"
    assert model.dispersion_ == pytest.approx(1.0 if loss == "poisson" else 1 / SHAPE, rel=0.2)
    np.testing.assert_array_equal(np.argsort(model.feature_importances_), [2, 1, 0])
    np.testing.assert_allclose(
        model.predict_noise_std(FRESH),
        np.sqrt(model.dispersion_ * model.predict(FRESH) ** (1 if loss == "poisson" else 2)),
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_pure_noise_gives_nearly_a_constant(loss: str) -> None:
    draws = np.random.default_rng(3)
    y = draws.poisson(5.0, 300).astype(float) if loss == "poisson" else draws.gamma(4.0, size=300)
    model = fitted(regressor(loss), X, y)
    assert model.n_effective_parameters_ < 6
    assert model.predict(FRESH).std() < 0.2 * y.std()


@pytest.mark.parametrize("loss", LOSSES)
def test_leaving_a_row_out_is_as_good_as_training_without_it(loss: str) -> None:
    """The log density of the rows against that of as many fits, with the same precisions."""
    some, y = X[:60], TARGETS[loss][:60]
    model = fitted(regressor(loss, **LINEAR, alpha=2.0), some, y)
    kind: Loss = Poisson() if loss == "poisson" else Gamma()
    beta, total = 1 / float(model.dispersion_), 0.0
    for i in range(60):
        rest = np.delete(np.arange(60), i)
        one = fitted(regressor(loss, **LINEAR, alpha=2.0), some[rest], y[rest])
        z = np.log(one.predict(some[i : i + 1]))
        total += float(kind.log_normalizer(y[i : i + 1], beta)[0] - beta * kind.value(z, y[i])[0])
    posterior = model._model.posterior
    assert isinstance(posterior, LaplacePosterior)
    assert posterior.leave_one_out == pytest.approx(total, abs=0.05 * abs(total))


# Error bars -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_without_hidden_layers_it_is_the_generalized_linear_model(loss: str) -> None:
    model = fit(loss, **LINEAR, alpha=0.0, standardize=False)
    kind = PoissonRegressor if loss == "poisson" else GammaRegressor
    theirs = kind(alpha=0.0, tol=1e-9, max_iter=1000).fit(X, TARGETS[loss])
    mu = theirs.predict(FRESH)
    mean, std = model.predict(FRESH, return_std=True)
    np.testing.assert_allclose(mean, mu, rtol=1e-4)

    ones = np.column_stack([np.ones(300), X])
    phi, power = model.dispersion_, 1 if loss == "poisson" else 2
    c = theirs.predict(X) if loss == "poisson" else TARGETS[loss] / theirs.predict(X)
    covariance = phi * np.linalg.inv(ones.T @ (c[:, np.newaxis] * ones))
    rows = np.column_stack([np.ones(2000), FRESH])
    v = np.einsum("ij,jk,ik->i", rows, covariance, rows)
    noise = phi * mu**power * np.exp(power**2 * v / 2)
    expected = noise + mu**2 * np.exp(v) * (np.exp(v) - 1)
    np.testing.assert_allclose(std**2, expected, rtol=1e-3)


def test_far_from_the_rows_they_are_wide_and_finite() -> None:
    mean, std = fit("poisson").predict(1e6 * np.ones((2, 3)), return_std=True)
    assert np.isfinite(std).all()
    assert (std > 10 * np.sqrt(mean)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_quantiles_cover_what_they_say(loss: str) -> None:
    draws = np.random.default_rng(2)
    if loss == "poisson":
        y = draws.poisson(FRESH_MEAN).astype(float)
    else:
        y = draws.gamma(SHAPE, FRESH_MEAN / SHAPE)
    q = fit(loss).predict_quantiles(FRESH, [0.025, 0.1, 0.9, 0.975])
    assert (np.diff(q, axis=1) >= 0).all()
    assert 0.93 < np.mean((q[:, 0] <= y) & (y <= q[:, 3])) < 0.99
    assert 0.77 < np.mean((q[:, 1] <= y) & (y <= q[:, 2])) < 0.9


# The rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_two_is_two_copies(loss: str) -> None:
    times = np.random.default_rng(5).integers(1, 3, size=300)
    weighted = regressor(loss, hidden_layer_sizes=(4,))
    weighted.fit(X, TARGETS[loss], sample_weight=times.astype(float))
    copies = fitted(
        regressor(loss, hidden_layer_sizes=(4,)), X.repeat(times, 0), TARGETS[loss].repeat(times)
    )
    for ours, theirs in zip(
        weighted.predict(FRESH[:50], return_std=True),
        copies.predict(FRESH[:50], return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def test_rows_of_dask_are_rows_in_memory() -> None:
    model, same = (regressor("poisson", hidden_layer_sizes=(4,)) for _ in range(2))
    model.fit(X, COUNTS)
    same.fit(da.from_array(X, chunks=(90, 3)), da.from_array(COUNTS, chunks=90))
    for ours, theirs in zip(
        model.predict(FRESH[:50], return_std=True),
        same.predict(FRESH[:50], return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-3)


def test_many_rows_begin_on_few() -> None:
    draws = np.random.default_rng(4)
    many = draws.uniform(-1, 1, size=(8000, 3))
    mean = np.exp(1 + np.sin(3 * many[:, 0]) + many[:, 1])
    model = fitted(regressor("poisson"), many, draws.poisson(mean).astype(float))
    assert min(tried["n_rows"] for tried in model.architectures_) < 8000
    assert model.posterior_n_samples_ == 8000
    assert mean_poisson_deviance(mean, model.predict(many)) < 0.01


def test_two_outputs_have_a_dispersion_each() -> None:
    draws = np.random.default_rng(6)
    Y = np.column_stack([draws.gamma(k, MEAN / k) for k in (1.0, 20.0)])
    dispersion = fitted(regressor("gamma"), X, Y).dispersion_
    np.testing.assert_allclose(dispersion, [1.0, 0.05], rtol=0.25)


# What there is not --------------------------------------------------------------------------------


def test_what_there_is_not_says_where_to_look() -> None:
    model = fit("poisson", hidden_layer_sizes=(2,))
    for name in ("noise_std_", "noise_"):
        with pytest.raises(AttributeError, match=f"{name} exists .* see dispersion_"):
            getattr(model, name)
    with pytest.raises(AttributeError, match="dispersion_ exists after training with loss='poiss"):
        _ = fitted(SigmoidMLPRegressor(()), X, COUNTS).dispersion_
    with pytest.raises(ValueError, match="return_std is converted for loss='squared_error' only"):
        to_onnx(model, return_std=True)
    ensemble = SigmoidMLPEnsembleRegressor(regressor("poisson", hidden_layer_sizes=(2,)), 2)
    ensemble.fit(X, COUNTS)
    with pytest.raises(ValueError, match="take that of a single SigmoidMLPRegressor"):
        ensemble.predict_quantiles(X)
