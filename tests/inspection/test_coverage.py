from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.inspection import CoverageDisplay

from .conftest import fitted, legend_texts

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 2))
y = X[:, 0] + rng.normal(size=600)
LEVELS = np.array([0.1, 0.5, 0.9])


def axes() -> Any:
    return Figure().subplots()


def observed(display: CoverageDisplay) -> FloatArray:
    return np.asarray(display.observed)


def test_the_shares_are_those_of_the_intervals() -> None:
    """Observations at known places of a standard normal distribution."""
    y_true = norm.ppf(np.arange(0.005, 1, 0.01))
    display = CoverageDisplay.from_predictions(
        y_true, np.zeros(100), np.ones(100), nominal=LEVELS, ax=axes()
    )
    np.testing.assert_allclose(observed(display), LEVELS)
    np.testing.assert_array_equal(display.line_.get_ydata(), observed(display))
    too_narrow = CoverageDisplay.from_predictions(
        y_true, np.zeros(100), 0.5 * np.ones(100), nominal=LEVELS, ax=axes()
    )
    half = 2 * norm.cdf(0.5 * norm.ppf((1 + LEVELS) / 2)) - 1
    np.testing.assert_allclose(observed(too_narrow), half, atol=0.02)


def test_the_band_holds_what_chance_allows() -> None:
    display = CoverageDisplay(nominal=LEVELS, observed=LEVELS, n_samples=100).plot(ax=axes())
    assert display.band_ is not None
    at_half = np.concatenate([p.vertices for p in display.band_.get_paths()])
    y_at_half = at_half[np.abs(at_half[:, 0] - 0.5) < 1e-9, 1]
    assert (y_at_half.min(), y_at_half.max()) == (0.4, 0.6)  # binomial, n = 100, p = 0.5
    assert CoverageDisplay(nominal=LEVELS, observed=LEVELS).plot(ax=axes()).band_ is None


@pytest.mark.parametrize("model", [BayesianRidge(), SigmoidMLPRegressor((), random_state=0)])
def test_an_estimator_in_a_pipeline(model: Any) -> None:
    pipeline = fitted(make_pipeline(StandardScaler(), model), X[:300], y[:300])
    display = CoverageDisplay.from_estimator(
        pipeline, X[300:], y[300:], nominal=LEVELS, ax=axes(), name="linear"
    )
    np.testing.assert_allclose(observed(display), LEVELS, atol=0.08)
    assert "linear" in legend_texts(display.ax_)
    assert display.n_samples == 300


def test_quantiles_are_asked_for_where_they_are() -> None:
    model = fitted(SigmoidMLPRegressor((2,), loss="poisson", random_state=0), X, np.ones(600))
    display = CoverageDisplay.from_estimator(model, X, np.ones(600), nominal=[0.9], ax=axes())
    assert observed(display) == 1.0


def test_one_of_several_outputs() -> None:
    Y = np.column_stack([y, 5 * rng.normal(size=600)])
    model = fitted(SigmoidMLPRegressor((), random_state=0), X[:300], Y[:300])
    for k in (0, 1):
        display = CoverageDisplay.from_estimator(
            model, X[300:], Y[300:], output=k, nominal=LEVELS, ax=axes()
        )
        np.testing.assert_allclose(observed(display), LEVELS, atol=0.08)
    with pytest.raises(ValueError, match="choose one of them, output=0 to 1"):
        CoverageDisplay.from_estimator(model, X, Y, ax=axes())


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="LinearRegression does not say how sure it is"):
        CoverageDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="Coverages are numbers between 0 and 1"):
        CoverageDisplay(nominal=[50.0], observed=[0.5]).plot(ax=axes())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CoverageDisplay(nominal=[0.5, 0.6], observed=[0.5]).plot(ax=axes())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CoverageDisplay.from_predictions([1.0], [1.0, 2.0], [1.0, 1.0])
