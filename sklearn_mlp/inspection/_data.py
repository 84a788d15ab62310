"""Data as displays use them: columns by name, checked vectors and matrices, checked options."""

from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from .._typing import FloatArray, IntArray, MatrixLike


class Table(NamedTuple):
    """The inputs of an estimator by columns, in any container.

    Attributes
    ----------
    X : {array, sparse matrix, data frame} of shape (n_samples, n_columns)
    names : list of str or None
        The names of the columns, where they have any.
    """

    X: Any
    names: list[str] | None

    @classmethod
    def of(cls, X: MatrixLike, estimator: Any) -> Self:
        """The inputs, with their own column names or those that the estimator was fitted with."""
        if issparse(X):
            X = X.tocsr()
        elif not hasattr(X, "shape"):
            X = np.asarray(X)
        if len(X.shape) != 2:
            raise ValueError(f"X must have two dimensions, got {len(X.shape)}.")
        names = getattr(X, "columns", getattr(estimator, "feature_names_in_", None))
        return cls(X, None if names is None else [str(name) for name in names])

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return int(self.X.shape[1])

    def position(self, feature: int | str) -> int:
        """The position of a column."""
        if isinstance(feature, str):
            if self.names is None:
                raise ValueError(
                    f"X has no column names, so feature={feature!r} cannot be found: "
                    f"use its position, 0 to {self.n_columns - 1}."
                )
            if feature not in self.names:
                known = ", ".join(map(repr, self.names[:20]))
                more = ", ..." if len(self.names) > 20 else ""
                raise ValueError(f"X has no column {feature!r}; it has {known}{more}.")
            return self.names.index(feature)
        if not -self.n_columns <= feature < self.n_columns:
            raise ValueError(f"feature must be 0 to {self.n_columns - 1}, got {feature}.")
        return feature % self.n_columns

    def column(self, j: int) -> NDArray[Any]:
        """The values of a column."""
        if issparse(self.X):
            return np.ravel(self.X[:, [j]].toarray())
        return np.ravel(_safe_indexing(self.X, j, axis=1))

    def label(self, j: int) -> str:
        """The name of a column, by default as scikit-learn would name it."""
        if self.names is not None:
            return self.names[j]
        return "x" if self.n_columns == 1 else f"x{j}"

    def of_one_column(self, values: FloatArray) -> Any:
        """Other values for the only column, in the same kind of container."""
        if hasattr(self.X, "columns"):
            return type(self.X)({self.X.columns[0]: values})
        dtype = self.X.dtype if self.X.dtype.kind == "f" else None
        return values.astype(dtype).reshape(-1, 1)


def varies(values: NDArray[Any]) -> bool:
    """Whether not all values are the same."""
    return pd.Series(values).nunique(dropna=False) > 1


def vector(what: str, values: ArrayLike, *, allow_nan: bool = False) -> FloatArray:
    """One or more numbers as floats."""
    try:
        vector = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers.") from error
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{what} must have shape (n_samples,), got {vector.shape}.")
    if np.isinf(vector).any() or (np.isnan(vector).any() and not allow_nan):
        raise ValueError(f"{what} must be finite.")
    return vector


def matrix(what: str, values: ArrayLike) -> FloatArray:
    """Numbers in two dimensions as floats."""
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"{what} must have shape (n_samples, n_features), got {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{what} must be finite.")
    return matrix


def one_output(what: str, values: ArrayLike, output: int | None) -> NDArray[Any]:
    """The column of one output. A single output need not be chosen."""
    y = np.asarray(values)
    if y.ndim == 2 and output is None and y.shape[1] > 1:
        raise ValueError(
            f"{what} has {y.shape[1]} outputs: choose one of them, output=0 to {y.shape[1] - 1}."
        )
    y = y.reshape(-1, 1) if y.ndim == 1 else y
    if y.ndim != 2:
        raise ValueError(f"{what} must have one or two dimensions, got {y.ndim}.")
    output = output or 0
    if not -y.shape[1] <= output < y.shape[1]:
        raise ValueError(f"output={output} was asked for, and {what} has {y.shape[1]}.")
    return y[:, output]


def name_of_target(y: Any, output: int | None) -> str | None:
    """The name of a column of a data frame, or of one of several."""
    if hasattr(y, "columns"):
        return str(y.columns[output or 0])
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else None


def thinned(rows: IntArray, most: int | None) -> IntArray:
    """At most so many of the rows, evenly spaced."""
    if most is None or rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).round().astype(np.intp)]


def check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise an error unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{what} must be one of {', '.join(choices)}, got {value!r}.")


def check_most(what: str, value: int | None) -> None:
    """Raise an error unless a maximum is at least 1, or None."""
    if value is not None and value < 1:
        raise ValueError(f"{what} must be at least 1, or None, got {value!r}.")
