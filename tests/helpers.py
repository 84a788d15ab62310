"""What several files of tests do with an estimator."""

import warnings
from typing import Any, TypeVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from sklearn_mlp import SigmoidMLPRegressor

Fitted = TypeVar("Fitted")


def fitted(model: Fitted, *data: Any, **more: Any) -> Fitted:
    """The model after a fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*data, **more)  # type: ignore[attr-defined]
    return model


def flat(model: SigmoidMLPRegressor) -> np.ndarray:
    """All weights of a fitted model as one vector."""
    return np.concatenate([W.ravel() for W in model.weights_])


def precision_of(posterior: Any) -> np.ndarray:
    """The precision A of a Gaussian posterior, from the root of its covariance."""
    M = posterior.covariance_root()
    return np.linalg.inv(M @ M.T)


def assert_passes_the_checks_of_scikit_learn(estimator: Any) -> None:
    """No check of ``check_estimator`` fails, and none is expected to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke them
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert len(results) > 40
    assert not failed
    assert not [r["check_name"] for r in results if r["expected_to_fail"]]
