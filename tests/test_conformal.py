"""Guaranteed coverage by MAPIE, on top of the error bars."""

from typing import Any

import numpy as np
import pytest
from mapie.conformity_scores import StdConformityScore
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(2400, 2))
NOISE = 0.05 + 0.5 * np.abs(X[:, 0])
Y = np.sin(3 * X[:, 0]) + NOISE * rng.standard_t(3, size=2400)
FRESH = slice(400, None)


def coverage_and_width(conformal: Any) -> tuple[float, np.ndarray]:
    _, intervals = conformal.predict_interval(X[FRESH])
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    return float(np.mean((low <= Y[FRESH]) & (Y[FRESH] <= high))), high - low


@pytest.mark.nightly
def test_cross_conformal_intervals_cover_and_follow_the_noise() -> None:
    conformal = CrossConformalRegressor(
        SigmoidMLPRegressor(noise="varying", random_state=0),
        confidence_level=0.9, conformity_score=StdConformityScore(), cv=5, method="base",
    )  # fmt: skip
    conformal.fit_conformalize(X[:400], Y[:400])
    coverage, width = coverage_and_width(conformal)
    assert coverage > 0.87  # 0.9 less four standard errors
    assert np.corrcoef(width, NOISE[FRESH])[0, 1] > 0.8


@pytest.mark.parametrize(
    "estimator",
    [
        SigmoidMLPRegressor((4,), random_state=0),
        SigmoidMLPEnsembleRegressor(SigmoidMLPRegressor((2,)), n_estimators=2, random_state=0),
    ],
    ids=["one", "ensemble"],
)
def test_split_conformal_intervals_cover(estimator: Any) -> None:
    conformal = SplitConformalRegressor(
        estimator, confidence_level=0.9, conformity_score=StdConformityScore(), prefit=False
    )
    conformal.fit(X[:200], Y[:200]).conformalize(X[200:400], Y[200:400])
    assert coverage_and_width(conformal)[0] > 0.83  # 200 rows to calibrate on
