"""What becomes of the columns of a table."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.preprocessing import TargetEncoder

from sklearn_mlp.columns import (
    DATE,
    FEW,
    LEFT_OUT,
    MANY,
    MOST_ONE_HOT,
    NUMBER,
    Column,
    TableEncoder,
    columns_of,
)
from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES

N = 60
RNG = np.random.default_rng(0)
DAYS = pd.Series(pd.date_range("2024-01-30", periods=N, freq="20D"))


def column_of(values: Any, name: str = "x", **options: Any) -> Column:
    """What becomes of a column with these values."""
    return columns_of(pd.DataFrame({name: values}), **options)[0]


def texts(n_different: int, n: int = N) -> list[str]:
    return [f"k{i % n_different}" for i in range(n)]


# What a column is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("x", RNG.normal(size=N), NUMBER),
        ("x", [*map(str, RNG.normal(size=N - 1)), "n.d."], NUMBER),
        ("x", [True, False, None] * 20, NUMBER),
        ("x", ["True", "FALSE", None] * 20, NUMBER),
        ("x", pd.array([1, 2, None] * 20, dtype="Int64"), NUMBER),
        ("time", range(N), NUMBER),
        ("width", range(N), NUMBER),
        ("x", DAYS, DATE),
        ("x", DAYS.dt.date, DATE),
        ("x", DAYS.dt.tz_localize("Europe/Berlin"), DATE),
        ("x", texts(2), FEW),
        ("x", texts(MOST_ONE_HOT), FEW),
        ("x", texts(MOST_ONE_HOT + 1), MANY),
        ("x", pd.Categorical(texts(3)), FEW),
        ("x", ["only", None] * 30, FEW),
        ("x", [None] * N, LEFT_OUT),
        ("x", ["same"] * N, LEFT_OUT),
        ("x", [3.0] * N, LEFT_OUT),
        ("x", texts(N), LEFT_OUT),
        ("Unnamed: 0", range(N), LEFT_OUT),
        ("customer_id", RNG.permutation(N), LEFT_OUT),
        ("Order no.", RNG.permutation(N), LEFT_OUT),
        ("piano", RNG.permutation(N), NUMBER),
        ("PassengerId", range(N), LEFT_OUT),
        ("Lfd. Nr.", range(N), LEFT_OUT),
        ("customer_id", RNG.integers(0, 9, N), NUMBER),
        ("humid", range(N), NUMBER),
        ("id", RNG.normal(size=N), NUMBER),
    ],
)
def test_a_column_is_what_a_person_takes_it_for(name: str, values: Any, role: str) -> None:
    assert column_of(values, name).role == role


@pytest.mark.parametrize(
    "written",
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y", "%d.%m.%y", "%d.%m.%Y %H:%M", "%m/%d/%Y",
     "%d/%m/%Y", "%d-%b-%Y", "%b %d, %Y"],
)  # fmt: skip
def test_dates_are_read_as_they_are_written(written: str) -> None:
    values = DAYS.dt.strftime(written)
    column = column_of(values)

    encoder = TableEncoder([column]).fit(values.to_frame("x"), np.zeros(N))

    days = (DAYS - pd.Timestamp("1970-01-01")).dt.days
    assert column.parts == ("year", "month", "weekday")
    expected = np.column_stack([days, DAYS.dt.year, DAYS.dt.month, DAYS.dt.day_of_week])
    assert_array_equal(encoder.transform(values.to_frame("x")), expected)


def test_dates_beyond_the_reach_of_nanoseconds_have_their_days() -> None:
    values = pd.Series(np.array(["1500-01-01", "9999-12-31"] * 20, "M8[s]"))
    encoder = TableEncoder([column_of(values)]).fit(values.to_frame("x"), np.zeros(40))
    days = encoder.transform(values.to_frame("x"))[:2, 0]
    first = np.datetime64("1970-01-01")
    assert_array_equal(days, (np.array(["1500-01-01", "9999-12-31"], "M8[D]") - first).astype(int))


def test_a_day_that_could_be_a_month_is_read_as_the_user_writes_numbers() -> None:
    ambiguous = ["01/02/2024", "03/04/2024", "05/06/2024"] * 20

    assert column_of(ambiguous).format == "%m/%d/%Y"
    assert column_of(ambiguous, day_first=True).format == "%d/%m/%Y"


def test_hours_count_where_they_vary() -> None:
    column = column_of(pd.date_range("2024-01-01", periods=N, freq="7min").astype(str))

    assert (column.role, column.parts) == (DATE, ("hour",))


def test_values_that_do_not_belong_are_counted() -> None:
    few = ["1.5"] * 38 + ["2", "n.d."]

    assert column_of(few).why == "'n.d.' is no number: taken as missing"
    assert column_of(few * 2).why == "2 values like 'n.d.' are no numbers: taken as missing"
    assert column_of(["1.5"] * 36 + ["n.d."] * 4).role == FEW
    dates = [*DAYS.dt.strftime("%Y-%m-%d"), "unknown"]
    assert column_of(dates).why == "written year-month-day; 'unknown' is no date: taken as missing"


def test_the_user_has_the_last_word() -> None:
    table = pd.DataFrame(
        {"id": range(N), "code": RNG.integers(0, 4, N), "a": texts(2), "d": DAYS.astype(str)}
    )

    columns = columns_of(table, numeric=["id", "d"], categorical=["code"], drop=["a"])

    assert [c.role for c in columns] == [NUMBER, FEW, LEFT_OUT, DATE]
    assert (columns[2].why, columns[3].parts) == ("as you asked", ())
    assert column_of(texts(2), numeric=["x"]).why == "no value of it is a number"


# The matrix ---------------------------------------------------------------------------------


def encoder_of(table: pd.DataFrame, y: Any = None, **options: Any) -> TableEncoder:
    y = np.zeros(len(table)) if y is None else y
    return TableEncoder(columns_of(table, **options), random_state=0).fit(table, y)


def test_gaps_are_filled_with_the_median_and_marked() -> None:
    table = pd.DataFrame({"x": [1.0, np.nan, 2.0, 6.0], "z": [1.0, 2.0, 3.0, 4.0]})

    encoder = encoder_of(table)

    expected = [[1, 1, 0], [2, 2, 1], [2, 3, 0], [6, 4, 0]]
    assert_array_equal(encoder.transform(table), expected)
    assert encoder.origins_ == ["x", "z", "x"]
    new = table.assign(z=np.nan)  # it had none in training
    assert_array_equal(encoder.transform(new)[:, 1], 2.5)


def test_missing_is_a_category_and_a_new_one_is_none() -> None:
    table = pd.DataFrame({"x": ["a", "b", None, "a"]})

    encoder = encoder_of(table)

    assert encoder.transform(table).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert encoder.transform(pd.DataFrame({"x": ["new"]})).tolist() == [[0, 0, 0]]


def test_many_categories_are_encoded_by_their_mean_targets() -> None:
    table, y = pd.DataFrame({"x": texts(12)}), RNG.normal(size=N)
    encoder = encoder_of(table, y)

    reference = TargetEncoder(target_type="continuous").fit(table[["x"]], y)

    assert_allclose(encoder.transform(table), reference.transform(table[["x"]]))
    assert_allclose(encoder.transform(pd.DataFrame({"x": ["new"]})), y.mean())


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_targets_near_the_end_of_the_numbers_encode_categories(size: float) -> None:
    table, y = pd.DataFrame({"x": texts(12)}), RNG.normal(size=N)
    encoder = TableEncoder(columns_of(table), random_state=0)

    expected = encoder.fit_transform(table, y) / np.abs(y).max()

    assert_allclose(encoder.fit_transform(table, y * size), expected)


def test_a_row_does_not_see_its_own_target_in_training() -> None:
    table, y = pd.DataFrame({"x": texts(12)}), RNG.normal(size=N)
    encoder = TableEncoder(columns_of(table), random_state=0)
    before = encoder.fit_transform(table, y)
    assert_array_equal(clone(encoder).fit_transform(table, y), before)

    changed = y.copy()
    changed[7] += 100

    after = encoder.fit_transform(table, changed)
    assert after[7] == before[7]
    assert (after != before).any()


def test_categories_of_numbers_are_the_same_however_they_are_written() -> None:
    table = pd.DataFrame({"x": [1, 2, 1, 2]})
    encoder = encoder_of(table, categorical=["x"])

    for values in ([1.0, 2.0, 1.0, 2.0], ["1", "2", "1.0", "2.00"], [1, 2, 1, 2]):
        assert_array_equal(encoder.transform(pd.DataFrame({"x": values})), encoder.transform(table))


def test_values_that_mean_nothing_are_named() -> None:
    table = pd.DataFrame({"n": [1.0, 2.0, 3.0], "c": list("aba"), "d": DAYS[:3].astype(str)})
    encoder = encoder_of(table)
    assert encoder.unusable(table) == {}

    new = pd.DataFrame(
        {"n": ["1", "?", None], "c": ["a", "b", "z"], "d": ["x", None, "2024-01-01"]}
    )

    found = {name: values.to_dict() for name, values in encoder.unusable(new).items()}
    assert found == {"n": {1: "?"}, "c": {2: "z"}, "d": {0: "x"}}


def test_other_columns_are_ignored() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "same": 1, "c": list("aba")})
    encoder = encoder_of(table)

    new = table.drop(columns="same").assign(more="z")[["c", "more", "x"]]

    assert_array_equal(encoder.transform(new), encoder.transform(table))


def test_a_stranger_may_load_the_encoder() -> None:
    table = pd.DataFrame(
        {"n": [1.0, np.nan] * 30, "d": DAYS, "few": texts(3), "many": texts(20), "id": texts(N)}
    )
    encoder = encoder_of(table, RNG.normal(size=N))

    file = skops.io.dumps(encoder)

    assert set(skops.io.get_untrusted_types(data=file)) <= set(SKOPS_TRUSTED_TYPES)
    loaded = skops.io.loads(file, trusted=SKOPS_TRUSTED_TYPES)
    assert_array_equal(loaded.transform(table), encoder.transform(table))
