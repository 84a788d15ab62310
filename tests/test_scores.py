"""The scores of distributions in ``benchmarks``, against SciPy's densities and integrals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from benchmarks import scores
from sklearn_mlp.mixture import Mixture

SHARES, MEANS, STDS = np.array([0.3, 0.7]), np.array([-1.0, 2.0]), np.array([0.5, 1.5])
TWO = Mixture(SHARES, MEANS.reshape(1, 1, 2), STDS.reshape(1, 1, 2))


def test_the_density_of_a_mixture() -> None:
    expected = np.log(SHARES @ norm(MEANS, STDS).pdf(0.4))
    assert scores.log_density(TWO, np.array([0.4])) == pytest.approx(expected)


@pytest.mark.parametrize("y", [-4.0, 0.4, 3.0])
def test_the_crps_is_the_integral_of_the_squared_distance(y: float) -> None:
    def distance(t: float) -> float:
        F: float = SHARES @ norm(MEANS, STDS).cdf(t)
        return (F - (t >= y)) ** 2

    expected = quad(distance, -20, y)[0] + quad(distance, y, 20)[0]
    assert scores.crps(TWO, np.array([y])) == pytest.approx(expected, rel=1e-6)


def test_the_interval_of_a_gaussian_and_its_score() -> None:
    y = np.array([0.0, 5.0, -5.0])
    standard = scores.gaussian(np.zeros(3), np.ones(3))
    end = norm.ppf(0.9)
    low, high = scores.interval(standard, 0.8)
    np.testing.assert_allclose([low, high], [[-end] * 3, [end] * 3])
    expected = 2 * end + np.array([0, 1, 1]) * (5 - end) * 2 / 0.2
    np.testing.assert_allclose(scores.interval_score(standard, y, 0.8), expected)
