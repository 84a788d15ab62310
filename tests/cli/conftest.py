"""What the tests of the command line start from."""

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.pipeline import Pipeline

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import blocks, files, main
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.models import load
from tests.cli.running import LINEAR, TARGET


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(of_meter, "FIRST_LINE", 600.0)  # however slow the machine


@pytest.fixture
def diabetes() -> pd.DataFrame:
    """scikit-learn's diabetes set in its own units, also as diabetes.csv."""
    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": TARGET})
    table.to_csv("diabetes.csv", index=False)
    return table


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Numbers, text, truth values and identifiers with gaps, also as mixed.csv."""
    rng = np.random.default_rng(0)
    n = 120
    table = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "new": rng.choice([True, False], n),
            "used": pd.Series(rng.choice([True, False], n), dtype=object),
            "town": rng.permutation([f"town {i % 20}" for i in range(n)]),
            "sold": pd.date_range("2023-01-01", periods=n, freq="5D"),
            "id": [f"no. {i}" for i in range(n)],
            "nothing": np.nan,
        }
    )
    table["price"] = 3 * table["size"] + 5 * (table["colour"] == "red") - 2 * table["new"]
    table.loc[:9, "size"] = np.nan
    table.loc[10:19, "colour"] = None
    table.loc[20:29, "used"] = None
    table.to_csv("mixed.csv")
    return table


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("training has begun")

    monkeypatch.setattr(SigmoidMLPRegressor, "fit", fit)


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any file is too large for the memory."""
    monkeypatch.setattr(files, "memory", lambda: 0)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3000)


@pytest.fixture
def saved(mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> Pipeline:
    """A model of mixed.csv, in m.skops."""
    more = ["--folds", "0", "--save", "m.skops"]
    assert main(["mixed.csv", "--target", "price", *LINEAR, *more]) == 0
    capsys.readouterr()
    return load(Path("m.skops"))
