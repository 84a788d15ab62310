"""The readers of the data sets of ``python -m benchmarks tabular``."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.tabular import folders_of_sets, main, read

TABLE = np.array([[1.0, 2.0, 10.0], [3.0, 4.0, 20.0], [5.0, 6.0, 30.0], [7.0, 8.5, 40.0]])


def write_indexed(folder: Path) -> Path:
    """The target in the first column, and two splits."""
    folder.mkdir()
    np.savetxt(folder / "data.txt", TABLE[:, [2, 0, 1]])
    for name, index in {
        "features": [1, 2],
        "target": [0],
        "train_0": [0, 1, 3],
        "test_0": [2],
        "train_1": [1, 2],
        "test_1": [3, 0],
    }.items():
        np.savetxt(folder / f"index_{name}.txt", index)
    return folder


def write_masked(folder: Path, table: np.ndarray = TABLE) -> Path:
    """Two splits: every fourth row, and then the rows 0 and 3."""
    folder.mkdir()
    tests = np.arange(len(table)) % 4 == 2, np.isin(np.arange(len(table)) % 4, [0, 3])
    for name, values in {"data": table, "test_mask": np.transpose(tests).astype(int)}.items():
        with gzip.open(folder / f"{name}.csv.gz", "wt") as file:
            np.savetxt(file, values, delimiter=",", fmt="%.10g")
    return folder


@pytest.mark.parametrize("write", [write_indexed, write_masked])
def test_both_forms_are_read_alike(write: Callable[[Path], Path], tmp_path: Path) -> None:
    data = read(write(tmp_path / "small"))
    assert data.name == "small"
    assert_array_equal(data.X, TABLE[:, :2])
    assert_array_equal(data.y, TABLE[:, 2])
    trains, tests = zip(*data.splits, strict=True)
    assert [train.tolist() for train in trains] == [[0, 1, 3], [1, 2]]
    assert [sorted(test) for test in tests] == [[2], [0, 3]]


def test_a_folder_is_a_set_or_has_one_in_each_folder(tmp_path: Path) -> None:
    first, second = write_masked(tmp_path / "a"), write_indexed(tmp_path / "b")
    (tmp_path / "notes").mkdir()
    assert folders_of_sets([tmp_path]) == [first, second]
    assert folders_of_sets([second, first]) == [second, first]
    with pytest.raises(FileNotFoundError, match="notes has neither"):
        folders_of_sets([tmp_path / "notes"])


def test_the_records_of_a_perfect_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    write_masked(tmp_path / "line", np.column_stack([x, 3 * x[:, 0] + 100]))
    out = tmp_path / "out.json"
    models = ["BayesianRidge", "HistGradientBoosting"]
    main([str(tmp_path / "line"), "--models", *models, "--out", str(out)], {"cpus": 1})
    written = json.loads(out.read_text())
    records = [record for record in written["records"] if record["model"] == "BayesianRidge"]
    assert written["machine"] == {"cpus": 1}
    assert [record["split"] for record in records] == [0, 1]
    assert [record["rows"] for record in records] == [30, 20]
    assert all(record["rmse"] < 1e-6 for record in records)
    assert "line: 30 training rows x 2, splits: 2" in capsys.readouterr().out
