"""Prepare the data of a fit: check, split and standardise them, once and in one place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils import _safe_indexing, check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from ._lazy import lazy
from ._typing import FloatArray, MatrixLike, Regressor
from ._warnings import warn
from .distributed import FLOATS, checked_collections, collections_of, is_dask
from .losses import Loss, refuse_targets
from .overflow import unwarned
from .rows import Rows, refuse_extreme_weights
from .standardize import Moments, Scaling, Units

FARTHEST_OUTLIER = 1e9
"""A robust loss sees an outlier no further from the center than this, in robust deviations of y.

The loss grows linearly there, so the gradient does not change. But in the sum with a loss of 1e16
or more, the losses of the other rows are lost in rounding, and no descent sees them.
"""


class Given(NamedTuple):
    """The unchecked data that :meth:`SigmoidMLPRegressor.fit` was given."""

    X: Any
    y: Any
    sample_weight: Any = None


@dataclass(frozen=True)
class Data:
    """The prepared data of a fit.

    Attributes
    ----------
    rows : Rows
        The rows to train on, in the units and the dtype of training.
    held_out : Rows or None
        The rows that decide when to stop, in the same units.
    moments : pair of Moments, or None
        The moments of the inputs and of the targets, if the units come from them.
    dtype : dtype
        The dtype of X, and of the weights that act on it.
    given : Given
        The data before preparation.
    """

    rows: Rows
    held_out: Rows | None
    moments: tuple[Moments, Moments] | None
    dtype: np.dtype[Any]
    given: Given

    @property
    def units(self) -> Units:
        """The units in which training sees the data."""
        return self.rows.units

    @property
    def n_inputs(self) -> int:
        """The number of features."""
        return self.rows.n_inputs

    @property
    def n_outputs(self) -> int:
        """The number of targets."""
        return self.rows.n_outputs

    def in_dtype(self, dtype: DTypeLike) -> "Data":
        """The same data, in blocks of another dtype."""
        held_out = self.held_out and self.held_out.in_dtype(dtype)
        return replace(self, rows=self.rows.in_dtype(dtype), held_out=held_out)

    @lazy
    def trained_on(self) -> Given:
        """The given data without the held-out rows."""
        index = self.rows.index
        if is_dask(self.given.X):
            return self.given if self.held_out is None else Given(*collections_of(self.rows))
        if index is None:
            return self.given
        parts = [part.tocsr() if sp.issparse(part) else part for part in self.given]
        return Given(
            *(part if np.ndim(part) == 0 else _safe_indexing(part, index) for part in parts)
        )


def prepare(
    estimator: Regressor,
    given: Given,
    validation: Given | None,
    *,
    loss: Loss,
    rng: RandomState,
    is_first: bool,
    moments: tuple[Moments, Moments] | None,
    keeps_units: bool = False,
    in_parts: bool = False,
) -> Data:
    """Check, split and standardise the data of a fit.

    Parameters
    ----------
    estimator : SigmoidMLPRegressor
        Gives the parameters. Its ``n_features_in_`` and ``feature_names_in_`` are set here.
    given : Given
    validation : Given or None
        Rows that decide when to stop, instead of rows held out from `given`.
    loss : Loss
    rng : RandomState
        Chooses the rows to hold out.
    is_first : bool
        Whether the estimator has seen no data yet, so that X may have any columns.
    moments : pair of Moments, or None
        The moments of the data of earlier calls. The units take them into account.
    keeps_units : bool, default=False
        Whether the units are those of these moments alone.
    in_parts : bool, default=False
        Whether these rows are only some. Then their weights stay as they are.

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        If the data cannot be used. The message says why.
    """
    rows, held_out = _checked(estimator, given, reset=is_first), None
    relative = estimator.loss in ("squared_error", "gamma")  # a count of 0 or 1 has its own weight
    if estimator.alpha == "auto" and relative and not in_parts:
        rows = rows.counted()
    if validation is not None:
        held_out = _checked_validation(estimator, validation, rows)
    elif estimator.early_stopping:
        rows, held_out = _split(rows, estimator.validation_fraction, rng)
    own = _moments(rows, loss) if estimator.standardize else None
    if moments and rows.n_outputs != (n_before := len(moments[1].mean)):
        raise ValueError(
            f"The number of columns of y is {rows.n_outputs}, and was {n_before} in earlier calls."
        )
    if own and moments:
        own = moments if keeps_units else (moments[0] + own[0], moments[1] + own[1])
    if own:
        _warn_of_tiny_columns(own, rows.X_dtype, loss)
    return _in_units_of(own, rows, held_out, loss, given)


def hold_out(data: Data, fraction: float, loss: Loss, rng: RandomState) -> Data:
    """The same data, of which some rows are held out. The units are those of the others.

    Parameters
    ----------
    data : Data
        Without held-out rows.
    fraction : float
        The share to hold out.
    loss : Loss
    rng : RandomState
        Chooses the rows.

    Returns
    -------
    Data
    """
    raw = data.rows.in_units(Units.raw(data.n_inputs, data.n_outputs)).in_dtype(np.float64)
    rows, held_out = _split(raw, fraction, rng)
    moments = _moments(rows, loss) if data.moments else None
    return _in_units_of(moments, rows, held_out, loss, data.given)


# Checks -----------------------------------------------------------------------------------------


@contextmanager
def _checking() -> Iterator[None]:
    """A context for scikit-learn's checks, which look for NaN by sums that may overflow.

    Raises
    ------
    ValueError
        If a number is an integer of Python that no float can hold.
    """
    try:
        with unwarned():
            yield
    except OverflowError as error:
        raise ValueError(f"A number is too large for float64 ({error}).") from error


def _checked(estimator: Regressor, given: Given, *, reset: bool) -> Rows:
    """Rows of X as float32 or float64, y as float64, and the weights in X's dtype."""
    if is_dask(given.X):
        return checked_collections(estimator, *given, reset=reset)
    with _checking():
        X, y = validate_data(
            estimator,
            given.X,
            given.y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=FLOATS,
            reset=reset,
        )
    if sp.issparse(y):
        raise TypeError("y is sparse: pass y.toarray().")
    if y.dtype.kind in "mM":
        raise ValueError("y has dates or times: make them numbers, such as days since a date.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    y = y.astype(np.float64, copy=False)
    refuse_targets(estimator.loss, float(y.min()), "y")
    sample_weight = given.sample_weight
    if sample_weight is not None:
        with _checking():
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=X.dtype, ensure_non_negative=True
            )
        if not sample_weight.any():
            raise ValueError("All rows have a sample_weight of 0: there is nothing to fit.")
        with unwarned():
            refuse_extreme_weights(float(sample_weight.sum(dtype=np.float64)))
    return Rows(X, y.reshape(X.shape[0], -1), sample_weight)


def given_validation(X_val: Any, y_val: Any, sample_weight_val: Any) -> Given | None:
    """The validation rows that the user passed to `fit`, or None.

    Raises
    ------
    ValueError
        If the user passed only a part of them.
    """
    if X_val is None and y_val is None and sample_weight_val is None:
        return None
    if X_val is None and y_val is None:
        raise ValueError("sample_weight_val is provided, but X_val and y_val were not provided.")
    if y_val is None:
        raise ValueError("X_val is provided, but y_val was not provided.")
    if X_val is None:
        raise ValueError("y_val is provided, but X_val was not provided.")
    return Given(X_val, y_val, sample_weight_val)


def _checked_validation(estimator: Regressor, validation: Given, rows: Rows) -> Rows:
    """The checked validation rows, which have the same columns as those of the training."""
    if is_dask(validation.X):
        held_out = checked_collections(estimator, *validation, reset=False)
    else:
        held_out = _checked_validation_arrays(estimator, validation, rows.X_dtype)
    if held_out.n_outputs != rows.n_outputs:
        raise ValueError(f"y_val has {held_out.n_outputs} columns, and y has {rows.n_outputs}.")
    if held_out.n_rows < 2:
        raise ValueError(f"X_val has {held_out.n_rows} rows of a weight above 0, and needs 2.")
    return held_out


def _checked_validation_arrays(estimator: Regressor, validation: Given, dtype: DTypeLike) -> Rows:
    X_val, y_val, sample_weight = validation
    given = X_val
    with _checking():
        X_val = check_array(X_val, input_name="X_val", accept_sparse="csr", dtype=dtype)
        validate_data(estimator, given, reset=False, skip_check_array=True)  # names and number
        y_val = check_array(y_val, input_name="y_val", ensure_2d=False, dtype=np.float64)
    check_consistent_length(X_val, y_val)
    y_val = y_val.reshape(len(y_val), -1)
    refuse_targets(estimator.loss, float(y_val.min()), "y_val")
    if sample_weight is not None:
        with _checking():
            sample_weight = _check_sample_weight(
                sample_weight, X_val, dtype=dtype, ensure_non_negative=True
            )
    return Rows(X_val, y_val, sample_weight)


def checked_inputs(estimator: Regressor, X: MatrixLike) -> MatrixLike:
    """Check the X of a prediction, and return it in float32 or float64.

    An array that needs no conversion skips scikit-learn's checks. For a single row they take
    longer than the prediction.
    """
    if (
        type(X) is np.ndarray
        and X.dtype in FLOATS
        and X.ndim == 2
        and len(X) > 0
        and X.shape[1] == getattr(estimator, "n_features_in_", None)
        and not hasattr(estimator, "feature_names_in_")
    ):
        with unwarned():
            if np.isfinite(X.sum()):
                return X
    with _checking():
        X = validate_data(estimator, X, accept_sparse="csr", dtype=FLOATS, reset=False)
    n_inputs = len(estimator.weights_[0]) - 1  # as set before the first fit, too
    if X.shape[1] != n_inputs:
        raise ValueError(f"X has {X.shape[1]} features, but the weights are for {n_inputs}.")
    return X


def checked_weights(
    weights: Sequence[FloatArray], n_inputs: int | None, n_outputs: int | None
) -> list[FloatArray]:
    """Weights as a list of matrices, from each layer to the next.

    Parameters
    ----------
    weights : sequence of array-like of shape (n_in + 1, n_out)
    n_inputs, n_outputs : int or None
        Those of an earlier fit, if there was one.
    """
    arrays = [check_array(W, dtype=FLOATS, input_name="weights_") for W in weights]
    shapes = [W.shape for W in arrays]
    fit = all(after[0] == before[1] + 1 for before, after in pairwise(shapes))
    if not shapes or shapes[0][0] < 2 or not fit:
        raise ValueError(
            "weights_ must be a matrix of shape (n_in + 1, n_out) for each layer, bias row first, "
            f"with as many n_in as the one before has n_out; got the shapes {shapes}."
        )
    ends = shapes[0][0] - 1, shapes[-1][1]
    for found, expected, what in zip(
        ends, (n_inputs, n_outputs), ("inputs", "outputs"), strict=True
    ):
        if expected is not None and found != expected:
            raise ValueError(f"weights_ have {found} {what}, but the earlier fit has {expected}.")
    return arrays


def checked_quantiles(quantiles: ArrayLike) -> FloatArray:
    """Numbers between 0 and 1, as a vector."""
    q = np.asarray(quantiles, dtype=np.float64)
    if q.ndim != 1 or not ((q > 0) & (q < 1)).all():
        raise ValueError(f"quantiles must be a sequence of numbers between 0 and 1, got {q}.")
    return q


# The split, and the units -----------------------------------------------------------------------


def _split(rows: Rows, fraction: float, rng: RandomState) -> tuple[Rows, Rows]:
    """The rows to train on, and the held-out rows."""
    train, held_out = rows.split(fraction, rng)
    if held_out.n_rows < 2:
        raise ValueError(
            f"early_stopping holds out {held_out.n_rows} of {rows.n_rows} rows, and needs 2: "
            "raise validation_fraction, or set early_stopping=False."
        )
    return train, held_out


def _moments(rows: Rows, loss: Loss) -> tuple[Moments, Moments]:
    """The moments of the inputs and of the targets. A robust loss has robust target moments."""
    inputs, targets = rows.moments()
    return inputs, rows.robust_target_moments(loss.center) if loss.is_robust else targets


def _warn_of_tiny_columns(moments: tuple[Moments, Moments], dtype: DTypeLike, loss: Loss) -> None:
    """Warn of columns that vary, but by so little that they count as constant."""
    inputs, targets = moments
    tiny = np.flatnonzero((inputs.std > 0) & ~Scaling.of(inputs, dtype).varies)
    if tiny.size:
        some = ", ".join(map(str, tiny[:5])) + (", ..." if tiny.size > 5 else "")
        instead = ", or convert X to float64" if np.dtype(dtype) == np.float32 else ""
        warn(
            f"Columns of X (numbers {some}) vary by so little, with a standard deviation of "
            f"{inputs.std[tiny].max():.2g} at most, that weights in {np.dtype(dtype)} would "
            f"overflow. They count as constant: multiply them by a large number{instead}.",
            UserWarning,
        )
    constant = (targets.std > 0) & ~Scaling.of(targets, np.float64).varies
    if loss.out_activation == "identity" and constant.any():
        warn(
            f"y varies by so little, with a standard deviation of {targets.std[constant].max():.2g}"
            ", that it counts as constant: multiply it by a large number.",
            UserWarning,
        )


def _in_units_of(
    moments: tuple[Moments, Moments] | None,
    rows: Rows,
    held_out: Rows | None,
    loss: Loss,
    given: Given,
) -> Data:
    """The data of raw rows, as z-scores with these moments. Without moments they stay raw."""
    dtype = rows.X_dtype
    units = _units(moments, loss, dtype) if moments else rows.units
    rows = rows.in_units(units).in_dtype(dtype)
    held_out = held_out and held_out.in_units(units).in_dtype(dtype)
    return Data(rows, held_out, moments, dtype, given)


def _units(moments: tuple[Moments, Moments], loss: Loss, dtype: DTypeLike) -> Units:
    """The units of z-scores with these moments.

    The targets stay raw if the prediction is not linear in the output layer.
    """
    for name, m in zip("Xy", moments, strict=True):
        with unwarned():
            in_dtype = np.array([m.mean, m.std]).astype(dtype if name == "X" else np.float64)
        if not np.isfinite(in_dtype).all():
            raise ValueError(f"The values of {name} are too large to standardise: rescale them.")
    inputs = Scaling.of(moments[0], dtype)
    if loss.out_activation != "identity":
        return Units(inputs, Scaling.identity(len(moments[1].mean)))
    outputs = Scaling.of(moments[1], np.float64)
    return Units(inputs, replace(outputs, limit=FARTHEST_OUTLIER) if loss.is_robust else outputs)
