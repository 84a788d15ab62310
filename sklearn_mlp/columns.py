"""From the columns of a table to numbers: what each column is, and how it is encoded.

:func:`columns_of` looks at a table and decides what becomes of each of its columns, as a person
would. :class:`TableEncoder` then turns tables with these columns into matrices:

===============  ===============================================================================
number           as it is, gaps filled with the median; a column of ones where there was a gap
date             days since 1970, and the year, month, weekday and hour where they vary
few categories   a column of ones for each category (one-hot)
many categories  the mean target of each category, shrunk to that of all rows (target encoding)
left out         nothing: identifiers, constants, columns without values
===============  ===============================================================================
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, TargetEncoder
from sklearn.utils.validation import check_is_fitted

from ._typing import FloatArray

__all__ = ["Column", "TableEncoder", "columns_of"]

NUMBER, DATE, FEW, MANY, LEFT_OUT = (
    "number",
    "date",
    "few categories",
    "many categories",
    "left out",
)
"""The roles of columns."""

MOST_ONE_HOT = 10
"""Columns with more categories are target-encoded: many columns of ones have few rows each."""

MOST_ODD = 0.05
"""A column of numbers or dates may have so large a share of other values, which then count as
missing: "n.d.", "-", "<0.1"."""

DISTINCT = 0.9
"""Texts of which a larger share are different are identifiers or free text."""

N_FOLDS = 5
"""The folds of the target encoding."""

FEWEST_ROWS = 10
"""With fewer rows, nothing is concluded from values that are all different."""

NAMES_OF_IDENTIFIERS = re.compile(
    r"(?i:unnamed: *\d+|index|(.*[\s_.-])?(id|key|uuid|guid|n[or]\.?))|.*[a-z](Id|ID)"
)
"""Names of columns of whole numbers that identify rows, if these are all different."""

DATE_FORMATS = (
    "ISO8601",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y",
    "%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%y",
    "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%y", "%d-%m-%Y",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
"""How dates may be written. Where a column fits several, the first counts."""

IN_WORDS = (
    ("%d", "day"), ("%m", "month"), ("%Y", "year"), ("%y", "year"), ("%b", "month"),
    ("%B", "month"), (" %H:%M:%S", " with the time"), (" %H:%M", " with the time"),
    ("ISO8601", "year-month-day"),
)  # fmt: skip
"""The signs of these formats, and what they are for people."""

PARTS = ("year", "month", "weekday", "hour")
"""The parts of dates that may become columns of their own."""

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Column:
    """What becomes of a column.

    Attributes
    ----------
    name : str
    role : str
        NUMBER, DATE, FEW, MANY or LEFT_OUT.
    why : str
        What a person may want to know of it.
    format : str
        How dates are written; empty for values that are dates already.
    parts : tuple of str
        The parts of dates that vary.
    of_numbers : bool
        Whether categories are numbers: 1, 1.0 and "1" are then the same.
    """

    name: str
    role: str
    why: str = ""
    format: str = ""
    parts: tuple[str, ...] = ()
    of_numbers: bool = False


# What a column is -------------------------------------------------------------------------------


def columns_of(
    table: pd.DataFrame,
    *,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    day_first: bool = False,
) -> list[Column]:
    """Decide what becomes of each column.

    Parameters
    ----------
    table : DataFrame
        The features of the rows to train on, or a sample of them.
    drop, categorical, numeric : sequence of str
        Columns to leave out, and columns whose values are categories or numbers, whatever they
        look like.
    day_first : bool, default=False
        Whether 01/02/2024 is in February.

    Returns
    -------
    list of Column

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mlp.columns import columns_of
    >>> table = pd.DataFrame({"size": [1.5, 2.0, 3.0], "sold": ["01.02.2024", None, "03.02.2024"],
    ...                       "colour": ["red", "blue", "red"], "country": ["NL", "NL", "NL"]})
    >>> for column in columns_of(table):
    ...     print(f"{column.name}: {column.role}, {column.why}")
    size: number,
    sold: date, written day.month.year
    colour: few categories, 2 categories
    country: left out, the same in every row
    """
    found = []
    for name in table.columns:
        values = table[name]
        if name in drop:
            found.append(Column(name, LEFT_OUT, "as you asked"))
        elif name in categorical:
            found.append(_categories(name, values))
        elif name in numeric:
            found.append(_forced_numbers(name, values, day_first))
        else:
            found.append(_column_of(name, values, day_first))
    return found


def _column_of(name: str, values: pd.Series, day_first: bool) -> Column:
    present = values.dropna()
    if present.empty:
        return Column(name, LEFT_OUT, "no values")
    if present.nunique() == 1 and not values.isna().any():
        return Column(name, LEFT_OUT, "the same in every row")
    if _are_dates(present):
        return _dates(name, as_dates(present, ""), "", "")
    numbers = as_numbers(present)
    odd = present[numbers.isna()]
    if len(odd) <= MOST_ODD * len(present):
        if _is_identifier(name, numbers):
            return Column(name, LEFT_OUT, "an identifier: whole numbers, all different")
        return Column(name, NUMBER, _odd_ones(odd, "number"))
    if date_format := _format_of(present, day_first):
        dates = as_dates(present, date_format)
        odd = present[dates.isna()]
        why = "; ".join(filter(None, [f"written {_in_words(date_format)}", _odd_ones(odd, "date")]))
        return _dates(name, dates.dropna(), why, date_format)
    n_different = present.astype(str).nunique()
    if len(present) >= FEWEST_ROWS and n_different > DISTINCT * len(present):
        what = "all" if n_different == len(present) else f"{n_different / len(present):.0%}"
        return Column(name, LEFT_OUT, f"an identifier or free text: {what} different")
    return _categories(name, values)


def _are_dates(present: pd.Series) -> bool:
    """Whether values are dates by their type, and not texts."""
    if pd.api.types.is_datetime64_any_dtype(present):
        return True
    return pd.api.types.infer_dtype(present) in ("datetime", "datetime64", "date")


def _is_identifier(name: str, numbers: pd.Series) -> bool:
    """Whether numbers identify rows: by the name of the column, and because all are different."""
    if len(numbers) < FEWEST_ROWS or not NAMES_OF_IDENTIFIERS.fullmatch(str(name)):
        return False
    return bool(numbers.is_unique and (numbers % 1 == 0).all())


def _odd_ones(odd: pd.Series, what: str) -> str:
    """What to say of a few values that are not what the others are."""
    if odd.empty:
        return ""
    example = repr(str(odd.iloc[0])[:20])
    if len(odd) == 1:
        return f"{example} is no {what}: taken as missing"
    return f"{len(odd):,} values like {example} are no {what}s: taken as missing"


def _categories(name: str, values: pd.Series) -> Column:
    """A column of categories, of which missing values are one."""
    of_numbers = pd.api.types.is_numeric_dtype(values) and values.dtype != bool
    column = Column(name, FEW, of_numbers=bool(of_numbers))
    n_different = as_categories(values, column).dropna().nunique()
    column = replace(column, why="1 category" if n_different == 1 else f"{n_different} categories")
    return column if n_different <= MOST_ONE_HOT else replace(column, role=MANY)


def _forced_numbers(name: str, values: pd.Series, day_first: bool) -> Column:
    """A column of numbers because the user says so. Dates become days alone."""
    present = values.dropna()
    numbers = as_numbers(present)
    if numbers.notna().any():
        return Column(name, NUMBER, _odd_ones(present[numbers.isna()], "number"))
    is_typed = _are_dates(present)
    if is_typed or (date_format := _format_of(present, day_first)):
        return Column(name, DATE, "days", "" if is_typed else date_format)
    return Column(name, LEFT_OUT, "no value of it is a number")


def _dates(name: str, dates: pd.Series, why: str, date_format: str) -> Column:
    """A column of dates, with the parts that vary."""
    parts = _parts(dates)
    varying = tuple(part for part in PARTS if parts[part].nunique() > 1)
    return Column(name, DATE, why, date_format, varying)


def _format_of(present: pd.Series, day_first: bool) -> str:
    """How the dates are written, or nothing if they are not dates."""
    values = present.drop_duplicates()
    texts = values.astype(str).str.strip()
    if not texts.str.contains(r"\d").mean() >= 1 - MOST_ODD:
        return ""
    head = texts.head(200)
    for one in sorted(DATE_FORMATS, key=lambda f: day_first and f.startswith("%m")):
        if _share_of_dates(head, one) >= 1 - MOST_ODD and (
            _share_of_dates(texts, one) >= 1 - MOST_ODD
        ):
            return one
    return ""


def _in_words(date_format: str) -> str:
    """A format of dates for people who do not know its signs."""
    for sign, word in IN_WORDS:
        date_format = date_format.replace(sign, word)
    return date_format


def _share_of_dates(texts: pd.Series, date_format: str) -> float:
    return float(as_dates(texts, date_format).notna().mean())


def _median(values: FloatArray) -> float:
    """The median of the values that there are, and 0 if there are none."""
    present = values[~np.isnan(values)]
    return float(np.median(present)) if present.size else 0.0


def _squarable(y: FloatArray) -> FloatArray:
    """The targets, in units of the largest if their squares would overflow or vanish."""
    size = np.abs(y).max()
    return y if 1e-100 < size < 1e100 or size == 0 else y / size


# Its values -------------------------------------------------------------------------------------


def as_numbers(values: pd.Series) -> pd.Series:
    """The values as float64. What is no number is NaN."""
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(values.to_numpy(np.float64, na_value=np.nan), values.index)
    if _are_dates(values.dropna()):
        return pd.Series(np.nan, values.index)
    if pd.api.types.is_timedelta64_dtype(values):
        return values / pd.Timedelta(seconds=1)
    texts = values.astype(object).map(_truth_as_number, na_action="ignore")
    return pd.to_numeric(texts, errors="coerce").astype(np.float64)


def _truth_as_number(value: Any) -> Any:
    """1 for true, 0 for false, and other values as they are. Text without the spaces around it."""
    if isinstance(value, str):
        value = value.strip()
        return {"true": 1.0, "false": 0.0}.get(value.lower(), value)
    return float(value) if isinstance(value, bool | np.bool_) else value


def as_dates(values: pd.Series, date_format: str) -> pd.Series:
    """The values as dates without a time zone (UTC). What is no date is NaT."""
    if not pd.api.types.is_datetime64_any_dtype(values):
        texts = values.astype(object).map(lambda v: str(v).strip(), na_action="ignore")
        values = pd.to_datetime(texts, format=date_format or "ISO8601", errors="coerce", utc=True)
    return values.dt.tz_convert(None) if values.dt.tz is not None else values


def as_categories(values: pd.Series, column: Column) -> pd.Series:
    """The values as texts, and NaN where they are missing."""
    if column.of_numbers:
        numbers = as_numbers(values)
        texts = numbers.map(lambda v: f"{v:.15g}", na_action="ignore").astype(object)
    else:
        texts = values.astype(object).map(lambda v: str(v).strip(), na_action="ignore")
    return texts.where(values.notna(), np.nan)


def _parts(dates: pd.Series) -> dict[str, pd.Series]:
    of = dates.dt
    return {
        "days": (dates - pd.Timestamp(0).as_unit("s")) / DAY,  # of which there are enough
        "year": of.year,
        "month": of.month,
        "weekday": of.day_of_week,
        "hour": of.hour,
    }


# The encoder ------------------------------------------------------------------------------------


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turns a table with columns of all kinds into a matrix of numbers.

    Parameters
    ----------
    columns : list of Column
        What becomes of each column: see :func:`columns_of`. Other columns are ignored.
    random_state : int or None, default=None
        Of the folds of the target encoding. In training, the category of a row is encoded by the
        targets of other rows.

    Attributes
    ----------
    origins_ : list of str
        For each column of the matrix, the name of the column of the table that it comes from.
    medians_ : list of float
        Of the columns of numbers: what their gaps are filled with.
    with_gaps_ : list of int
        The columns of numbers that have a column of ones where they have gaps.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mlp.columns import TableEncoder, columns_of
    >>> table = pd.DataFrame({"size": [1.5, None, 3.0], "colour": ["red", "blue", "red"]})
    >>> TableEncoder(columns_of(table)).fit(table, [1.0, 2.0, 3.0]).transform(table)
    array([[1.5 , 0.  , 0.  , 1.  ],
           [2.25, 1.  , 1.  , 0.  ],
           [3.  , 0.  , 0.  , 1.  ]])
    """

    def __init__(self, columns: Sequence[Column], random_state: int | None = None) -> None:
        self.columns = columns
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Learn medians, categories and their mean targets.

        Parameters
        ----------
        X : DataFrame
        y : array-like of shape (n_samples,)

        Returns
        -------
        self : TableEncoder
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any) -> FloatArray:
        """Learn as :meth:`fit`, and encode the same rows.

        Parameters
        ----------
        X : DataFrame
        y : array-like of shape (n_samples,)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A target-encoded row has no part of its own target, unlike in :meth:`transform`.
        """
        self.one_hot_ = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.target_ = TargetEncoder(target_type="continuous")
        self.n_features_in_ = X.shape[1]
        blocks, self.origins_ = [], []
        names, numbers = self._numbers(X)
        if names:
            first = [i for i, name in enumerate(names) if name not in names[:i]]
            self.with_gaps_ = [i for i in first if np.isnan(numbers[:, i]).any()]
            self.medians_ = [_median(numbers[:, j]) for j in range(len(names))]
            blocks.append(self._without_gaps(numbers))
            self.origins_ += [*names, *(names[i] for i in self.with_gaps_)]
        names, texts = self._texts(X, FEW)
        if names:
            blocks.append(self.one_hot_.fit_transform(texts))
            for name, categories in zip(names, self.one_hot_.categories_, strict=True):
                self.origins_ += [name] * len(categories)
        names, texts = self._texts(X, MANY)
        if names:
            targets = _squarable(np.asarray(y))
            blocks.append(self._encoded_by_others(texts, targets))
            self.target_.fit(texts, targets)
            self.origins_ += names
        return np.hstack([np.empty((len(X), 0)), *blocks])

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame
            Columns that the encoder does not use may be missing, and others are ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self, "origins_")
        names, numbers = self._numbers(X)
        blocks = [self._without_gaps(numbers)] if names else []
        for role, encoder in ((FEW, self.one_hot_), (MANY, self.target_)):
            names, texts = self._texts(X, role)
            if names:
                blocks.append(encoder.transform(texts))
        return np.hstack([np.empty((len(X), 0)), *blocks])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The name of the column of the table for each column of the matrix.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "origins_")
        return np.asarray(self.origins_, dtype=object)

    @property
    def used(self) -> list[Column]:
        """The columns that are not left out."""
        return [column for column in self.columns if column.role != LEFT_OUT]

    def unusable(self, X: pd.DataFrame) -> dict[str, pd.Series]:
        """The values that have no meaning here: new categories, and what is no number or date.

        Parameters
        ----------
        X : DataFrame

        Returns
        -------
        dict of str to Series
            For each column that has some, these values.
        """
        check_is_fitted(self, "origins_")
        found = {}
        known = self._known_categories()
        for column in self.used:
            values = X[column.name]
            if column.role == NUMBER:
                bad = as_numbers(values).isna()
            elif column.role == DATE:
                bad = as_dates(values, column.format).isna()
            else:
                bad = ~as_categories(values, column).isin(known[column.name])
            if (bad := bad & values.notna()).any():
                found[column.name] = values[bad]
        return found

    def _known_categories(self) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for role, encoder in ((FEW, self.one_hot_), (MANY, self.target_)):
            names = [column.name for column in self.columns if column.role == role]
            known |= dict(zip(names, encoder.categories_, strict=True)) if names else {}
        return known

    def _encoded_by_others(self, texts: np.ndarray, y: FloatArray) -> FloatArray:
        """The mean targets of the categories in the other folds."""
        encoded = np.empty(texts.shape)
        folds = KFold(min(N_FOLDS, len(y)), shuffle=True, random_state=self.random_state)
        for rest, fold in folds.split(texts):
            of_others = clone(self.target_).fit(texts[rest], y[rest])
            encoded[fold] = of_others.transform(texts[fold])
        return encoded

    def _without_gaps(self, numbers: FloatArray) -> FloatArray:
        """The numbers with medians for gaps, and columns of ones where the gaps are."""
        gaps = np.isnan(numbers[:, self.with_gaps_])
        return np.hstack([np.where(np.isnan(numbers), self.medians_, numbers), gaps])

    def _numbers(self, X: pd.DataFrame) -> tuple[list[str], FloatArray]:
        """The columns of numbers, and those that dates become, with the names of their columns."""
        found: list[tuple[str, pd.Series]] = []
        for column in self.columns:
            if column.role == NUMBER:
                found.append((column.name, as_numbers(X[column.name])))
            elif column.role == DATE:
                parts = _parts(as_dates(X[column.name], column.format))
                found += [(column.name, parts[part]) for part in ("days", *column.parts)]
        matrix = np.empty((len(X), len(found)))
        for j, (_, values) in enumerate(found):
            matrix[:, j] = values
        return [name for name, _ in found], matrix

    def _texts(self, X: pd.DataFrame, role: str) -> tuple[list[str], np.ndarray]:
        """The columns of categories with this role, and their names."""
        columns = [column for column in self.columns if column.role == role]
        matrix = np.empty((len(X), len(columns)), dtype=object)
        for j, column in enumerate(columns):
            matrix[:, j] = as_categories(X[column.name], column)
        return [column.name for column in columns], matrix
