"""What ``python -m benchmarks many_tables`` makes of a table."""

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from benchmarks.many_tables import prepared

VALUES = np.random.default_rng(0).normal(size=40)


def test_a_table_becomes_numbers_and_a_split() -> None:
    table = pd.DataFrame(
        {
            "id": VALUES[::-1],
            "target": VALUES,
            "gaps": [np.nan, 1.0, 3.0, 2.0] * 10,
            "kind": ["b", "a"] * 20,
            "note": [f"text {i}" for i in range(40)],
            "same": 1,
        }
    )
    data = prepared("made", table, seed=0)
    assert data is not None
    assert_array_equal(data.y, VALUES)
    assert_array_equal(data.X[:4], [[2, 0, 1], [1, 1, 0], [3, 0, 1], [2, 1, 0]])
    ((train, test),) = data.splits
    assert len(test) == 10
    assert_array_equal(np.sort(np.append(train, test)), np.arange(40))


def test_rows_without_a_target_are_left_out() -> None:
    target = np.where(np.arange(40) % 8, VALUES, np.nan)
    data = prepared("made", pd.DataFrame({"target": target, "one": [0, 1] * 20}), seed=0)
    assert data is not None
    assert_array_equal(data.y, VALUES[np.arange(40) % 8 > 0])


def test_a_column_that_numbers_the_rows_or_has_few_values_is_no_target() -> None:
    table = pd.DataFrame({"year": np.arange(40), "count": [0, 1, 2, 3] * 10})
    assert prepared("made", table, seed=0) is None
