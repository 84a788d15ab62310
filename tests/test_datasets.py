import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from sklearn_mlp.datasets import make_hyperplane


def test_the_table_has_the_articles_columns_and_function() -> None:
    table = make_hyperplane(random_state=0)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["a", "b", "c", "d", "value"]
    assert len(table) == 10_000
    inputs = table[["a", "b", "c", "d"]]
    assert inputs.min().min() >= 0
    assert inputs.max().max() < 1
    expected = expit(0.1 * table.a) + 0.4 * expit(table.b) - 0.2 * expit(table.c) + expit(table.d)
    np.testing.assert_allclose(table.value, expected, rtol=1e-15)


def test_arrays_hold_the_same_rows_as_the_table() -> None:
    table = make_hyperplane(50, noise=0.1, random_state=3)
    X, y = make_hyperplane(50, noise=0.1, random_state=3, return_X_y=True)
    np.testing.assert_array_equal(table.to_numpy(), np.column_stack([X, y]))


def test_noise_has_the_standard_deviation_asked_for() -> None:
    clean = make_hyperplane(random_state=0).value
    noisy = make_hyperplane(noise=0.5, random_state=0).value
    assert np.std(noisy - clean) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 1"),
        ({"noise": -1.0}, "noise must be"),
        ({"noise": np.nan}, "noise must be"),
        ({"noise": np.inf}, "noise must be"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        # The wrong arguments are what is tested.
        make_hyperplane(**arguments)  # type: ignore[call-overload]
