"""Single values that are so far from all others that they may be mistakes."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from .._typing import FloatArray
from ..columns import as_numbers
from ..overflow import unwarned

FAR = 1e4
"""A value is far from the others if its distance to the median is this many times the distance
below which 90 % of the values are."""

MOST = 3
"""So many values are named in each column."""


class Value(NamedTuple):
    """A value, and where it is."""

    value: float
    block: int
    row: int


class Outlier(NamedTuple):
    """A value far from all others in its column."""

    column: str
    value: Value
    low: float
    high: float


@dataclass(frozen=True)
class Ends:
    """The smallest and the largest values of each column of numbers, at most MOST of both.

    Attributes
    ----------
    of : dict of str to list of Value
    """

    of_columns: dict[str, list[Value]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: pd.DataFrame, block: int = 0) -> Self:
        """Those of a block of rows, whose index is their number."""
        found = {}
        for name in rows.columns:
            column = rows[name]
            if pd.api.types.is_numeric_dtype(column) and column.dtype != bool:
                found[name] = _ends(as_numbers(column), block)
        return cls(found)

    def __add__(self, other: Self) -> Self:
        names = self.of_columns | other.of_columns
        both = {
            name: [*self.of_columns.get(name, []), *other.of_columns.get(name, [])]
            for name in names
        }
        return type(self)({name: _only_ends(values) for name, values in both.items()})

    def far_from(self, sample: pd.DataFrame) -> list[Outlier]:
        """The values that are far from those of a sample of the rows."""
        found = []
        for name, values in self.of_columns.items():
            numbers = as_numbers(sample[name]).dropna().to_numpy()
            if len(numbers) < 10:
                continue
            with unwarned():
                median, reach, near = _reach(numbers)
            for value in values:
                if abs(value.value - median) > FAR * reach > 0:
                    found.append(Outlier(name, value, float(near.min()), float(near.max())))
        return found


def _ends(numbers: pd.Series, block: int) -> list[Value]:
    present = numbers[np.isfinite(numbers)]
    ends = pd.concat([present.nsmallest(MOST), present.nlargest(MOST)])
    ends = ends[~ends.index.duplicated()]
    return _only_ends([Value(float(v), block, int(i)) for i, v in ends.items()])


def _only_ends(values: list[Value]) -> list[Value]:
    """The smallest and the largest of these."""
    values = sorted(values)
    return values[:MOST] + values[MOST:][-MOST:]


def _reach(numbers: FloatArray) -> tuple[float, float, FloatArray]:
    """The median, the distance from it below which 90 % of the other values are, and these."""
    median = float(np.quantile(numbers, 0.5, method="inverted_cdf"))  # the mean of two may overflow
    distances = np.abs(numbers - median)
    apart: Any = distances[distances > 0]
    reach = float(np.quantile(apart, 0.9, method="lower")) if apart.size else 0.0
    return median, reach, numbers[distances <= reach]
