"""What becomes of the data before training: checked, split, and brought into its units."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import median_abs_deviation
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.data import Data, Given, checked_inputs, prepare
from sklearn_mlp.losses import make_loss
from sklearn_mlp.rows import Rows
from sklearn_mlp.standardize import Moments

rng = np.random.default_rng(0)
N = 40
X = rng.normal(size=(N, 3)) * [1, 1e3, 1e-3] + [0, 5e3, 1]
Y = rng.normal(size=(N, 2)) * [1, 50] + 7
S = rng.integers(0, 3, size=N).astype(float)
TRAIN, HELD_OUT = train_test_split(np.arange(N), test_size=0.25, random_state=0)


def prepared(
    given: Given,
    validation: Given | None = None,
    moments: tuple[Moments, Moments] | None = None,
    **parameters: Any,
) -> Data:
    """The data of a first fit."""
    estimator = SigmoidMLPRegressor(**{"validation_fraction": 0.25, **parameters})
    loss = make_loss(estimator.loss, huber_delta=1.35, quantile=estimator.quantile)
    return prepare(
        estimator, given, validation, loss=loss, rng=np.random.RandomState(0), is_first=True,
        moments=moments,
    )  # fmt: skip


def inputs(rows: Rows) -> np.ndarray:
    return rows.whole().inputs[1:].T


def targets(rows: Rows) -> np.ndarray:
    return rows.whole().targets.T


def z_scores(values: np.ndarray, of: np.ndarray, s: np.ndarray | None = None) -> np.ndarray:
    """By the moments of other rows, as scikit-learn takes them."""
    return StandardScaler().fit(of, sample_weight=s).transform(values)


# Checks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (X, np.float64),
        (X.astype(np.float32), np.float32),
        (X.tolist(), np.float64),
        (np.rint(X).astype(int), np.float64),
        (sp.csc_array(X.astype(np.float32)), np.float32),
        (pd.DataFrame(X), np.float64),
    ],
    ids=["float64", "float32", "lists", "integers", "sparse", "frame"],
)
def test_training_has_the_dtype_of_x_if_that_is_a_float(given: Any, expected: Any) -> None:
    data = prepared(Given(given, Y.astype(np.float32)))
    assert data.dtype == expected
    block = data.rows.whole()
    assert block.inputs.dtype == block.targets.dtype == expected
    assert (data.n_inputs, data.n_outputs) == (3, 2)
    assert data.in_dtype(np.float64).rows.whole().inputs.dtype == np.float64
    assert data.in_dtype(np.float64).dtype == expected  # that of the weights, as before


def test_the_estimator_learns_the_columns_the_first_time_and_insists_on_them_later() -> None:
    estimator = SigmoidMLPRegressor()
    others: dict[str, Any] = {
        "loss": make_loss("squared_error", huber_delta=1, quantile=0.5),
        "rng": np.random.RandomState(0), "moments": None,
    }  # fmt: skip
    prepare(
        estimator, Given(pd.DataFrame(X, columns=list("abc")), Y), None, is_first=True, **others
    )
    assert list(estimator.feature_names_in_) == list("abc")
    with pytest.raises(ValueError, match="feature names"):
        prepare(
            estimator,
            Given(pd.DataFrame(X, columns=list("acb")), Y),
            None,
            is_first=False,
            **others,
        )
    prepare(estimator, Given(X[:, :2], Y), None, is_first=True, **others)
    assert estimator.n_features_in_ == 2
    assert not hasattr(estimator, "feature_names_in_")


def test_rows_of_weight_zero_are_left_out() -> None:
    data = prepared(Given(X, Y, S))
    assert data.rows.n_rows == np.count_nonzero(S)
    np.testing.assert_array_equal(data.rows.whole().weights, S[S > 0])


def test_inputs_of_a_prediction_that_need_no_change_are_not_copied() -> None:
    estimator = SigmoidMLPRegressor((2,), solver="adam", tol=1e9).fit(X, Y)
    assert checked_inputs(estimator, X) is X
    np.testing.assert_array_equal(checked_inputs(estimator, X.tolist()), X)
    for bad in (X[:, :2], X[:0], np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match=r"features|0 sample|NaN"):
            checked_inputs(estimator, bad)


# Units --------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [None, S], ids=["", "weights"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_rows_are_z_scores_by_the_moments_that_scikit_learn_finds(
    s: np.ndarray | None, container: Any
) -> None:
    rows = prepared(Given(container(X), Y, s)).rows
    taken = slice(None) if s is None else s > 0
    np.testing.assert_allclose(inputs(rows), z_scores(X, X, s)[taken], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(targets(rows), z_scores(Y, Y, s)[taken], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("loss", "quantile"), [("huber", 0.5), ("pinball", 0.9)])
def test_a_robust_loss_has_the_targets_in_units_that_no_outlier_changes(
    loss: str, quantile: float
) -> None:
    spoilt = Y.copy()
    spoilt[0] = 1e12
    units = prepared(Given(X, spoilt), loss=loss, quantile=quantile).units
    middle = np.quantile(
        spoilt, quantile if loss == "pinball" else 0.5, axis=0, method="inverted_cdf"
    )
    np.testing.assert_array_equal(units.outputs.mean, middle)
    center = np.quantile(spoilt, 0.5, axis=0, method="inverted_cdf")
    distance = np.quantile(abs(spoilt - center), 0.5, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(units.outputs.scale, distance / 0.67448975, rtol=1e-7)
    ordinary = median_abs_deviation(Y, scale="normal")
    np.testing.assert_allclose(units.outputs.scale, ordinary, rtol=0.2)


def test_counts_stay_counts_and_raw_data_raw() -> None:
    counts = np.abs(np.rint(Y))
    data = prepared(Given(X, counts), loss="poisson")
    np.testing.assert_array_equal(targets(data.rows), counts)
    np.testing.assert_allclose(inputs(data.rows), z_scores(X, X), rtol=1e-9, atol=1e-12)
    data = prepared(Given(X, Y), standardize=False)
    np.testing.assert_array_equal(inputs(data.rows), X)
    np.testing.assert_array_equal(targets(data.rows), Y)
    assert data.units.are_raw
    assert data.moments is None


def test_units_account_for_the_data_of_earlier_calls() -> None:
    first = prepared(Given(X[:15], Y[:15]))
    data = prepared(Given(X[15:], Y[15:]), moments=first.moments)
    np.testing.assert_allclose(inputs(data.rows), z_scores(X[15:], X), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(targets(data.rows), z_scores(Y[15:], Y), rtol=1e-9, atol=1e-10)


# Rows to stop by ----------------------------------------------------------------------------


def test_without_early_stopping_nothing_is_held_out() -> None:
    given = Given(X, Y, S)
    data = prepared(given)
    assert data.held_out is None
    assert data.trained_on is given or data.trained_on.X.shape[0] == np.count_nonzero(S)


def test_the_rows_held_out_are_those_of_scikit_learns_split_in_the_units_of_the_others() -> None:
    data = prepared(Given(X, Y), early_stopping=True)
    assert data.held_out is not None
    for rows, index in ((data.rows, TRAIN), (data.held_out, HELD_OUT)):
        np.testing.assert_allclose(
            inputs(rows), z_scores(X[index], X[TRAIN]), rtol=1e-9, atol=1e-10
        )
        np.testing.assert_allclose(
            targets(rows), z_scores(Y[index], Y[TRAIN]), rtol=1e-9, atol=1e-10
        )


def test_the_rows_given_to_stop_by_are_in_the_units_of_the_others() -> None:
    validation = Given(sp.csc_array(X[HELD_OUT]), Y[HELD_OUT], S[HELD_OUT])
    data = prepared(Given(X[TRAIN], Y[TRAIN]), validation, early_stopping=True)
    assert data.held_out is not None
    weighs = HELD_OUT[S[HELD_OUT] > 0]
    np.testing.assert_allclose(
        inputs(data.held_out), z_scores(X[weighs], X[TRAIN]), rtol=1e-9, atol=1e-10
    )
    np.testing.assert_allclose(
        targets(data.held_out), z_scores(Y[weighs], Y[TRAIN]), rtol=1e-9, atol=1e-10
    )
    np.testing.assert_array_equal(data.held_out.whole().weights, S[weighs])


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sp.coo_array, np.ndarray.tolist])
def test_what_was_trained_on_is_what_was_given_less_what_is_held_out(container: Any) -> None:
    data = prepared(Given(container(X), Y, S + 1), early_stopping=True)
    given = data.trained_on
    as_array = given.X.toarray() if sp.issparse(given.X) else np.asarray(given.X)
    np.testing.assert_array_equal(as_array, X[TRAIN])
    np.testing.assert_array_equal(given.y, Y[TRAIN])
    np.testing.assert_array_equal(given.sample_weight, S[TRAIN] + 1)
    if container is pd.DataFrame:
        assert list(given.X.index) == list(TRAIN)
