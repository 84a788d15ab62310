"""The cells, the file and the summary of ``python -m benchmarks map``."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_friedman1

from benchmarks import __main__, map_report, problem_map
from benchmarks.map_report import draw, generate, is_behind, is_off, summary
from benchmarks.problem_map import HIDDEN, PROBLEMS, Cell, cost, make_data, measure

PEERS = ["Ridge", "MLPRegressor-adam", "MLPRegressor-lbfgs", "HistGradientBoosting"]


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "map", *arguments])
    __main__.main()


def made_up(**changes: Any) -> dict[str, Any]:
    """A cell in which all is well, but for the changes."""
    ours = {"r2": 0.9, "coverage": 0.95, "seconds": 2.0, "posterior": "all parameters"}
    names = {name: changes.pop(name) for name in list(changes) if name in {*ours, "error"}}
    cell = Cell("linear", 0.3, 50, 5, "auto")._asdict()
    peers = {
        "Ridge": {"r2": 0.8, "seconds": 0.5},
        "HistGradientBoosting": {"r2": 0.91, "seconds": 1},
    }
    return {**cell, "ours": {**ours, **names}, "peers": peers, "left_out": [], **changes}


# The problems -------------------------------------------------------------------------------


def test_friedman_is_that_of_scikit_learn() -> None:
    X, y = make_friedman1(100, n_features=7, noise=0, random_state=0)
    assert_allclose(PROBLEMS["friedman"](X, np.zeros(7)), y)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 20])
def test_the_target_has_a_deviation_of_one_and_the_noise_comes_on_top(
    problem: str, columns: int
) -> None:
    clean = make_data(Cell(problem, 0, 3_000, columns, "auto"))
    noisy = make_data(Cell(problem, 0.3, 3_000, columns, "auto"))
    assert clean.X.shape == (3_000, columns)
    assert clean.y_test.std() == pytest.approx(1)
    assert clean.y.std() == pytest.approx(1, rel=0.1)
    assert_array_equal(noisy.X, clean.X)
    assert (noisy.y - clean.y).std() == pytest.approx(0.3, rel=0.1)
    assert (noisy.y_test - clean.y_test).std() == pytest.approx(0.3, rel=0.1)


def test_more_training_rows_begin_with_fewer_and_have_the_same_test_rows() -> None:
    few, many = (make_data(Cell("step", 1, rows, 5, "auto")) for rows in (15, 50))
    assert_array_equal(many.X[:15], few.X)
    assert_array_equal(many.y[:15], few.y)
    assert_array_equal(many.y_test, few.y_test)


# The command --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_run_adds_nothing_and_a_run_that_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.json"
    arguments = ["--quick", "--problems", "linear", "--noises", "0.3", "--hidden", "auto"]
    arguments += ["--max-rows", "15", "--out", str(tmp_path)]

    run_command(monkeypatch, *arguments)
    first = path.read_text()
    written = json.loads(first)
    assert {"numpy", "scikit-learn"} <= set(written["machine"])
    assert [(c["rows"], c["columns"], c["hidden"]) for c in written["cells"]] == [
        (15, 1, "auto"),
        (15, 5, "auto"),
    ]
    for cell in written["cells"]:
        assert list(cell["peers"]) == PEERS
        assert cell["ours"]["r2"] > 0.7
        assert 0.5 < cell["ours"]["coverage"] <= 1
        assert (cell["ours"]["solver"], cell["left_out"]) == ("lm", [])
    assert "2 of 2" in capsys.readouterr().out

    with monkeypatch.context() as patched:
        patched.setattr(problem_map, "run_cell", measured_again)
        run_command(monkeypatch, *arguments)
    assert path.read_text() == first
    assert capsys.readouterr().out.lstrip().startswith("2 cells:")

    path.write_text(json.dumps({**written, "cells": written["cells"][1:]}))
    run_command(monkeypatch, *arguments)
    assert "1 of 1" in capsys.readouterr().out
    columns = [cell["columns"] for cell in json.loads(path.read_text())["cells"]]
    assert columns == [5, 1]


def measured_again(*arguments: Any) -> NoReturn:
    raise AssertionError("a cell that is there is measured again")


def test_above_its_limit_no_mlp_is_fitted_and_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.json"
    arguments = ["--quick", "--problems", "step", "--noises", "1", "--hidden", "5"]
    run_command(monkeypatch, *arguments, "--largest-mlp", "20", "--out", str(path))
    written = json.loads(path.read_text())
    (cell,) = written["cells"]
    assert written["limits"]["largest_mlp"] == 20
    assert list(cell["peers"]) == ["Ridge", "HistGradientBoosting"]
    assert cell["left_out"] == ["MLPRegressor-adam", "MLPRegressor-lbfgs"]
    assert cell["ours"]["layers"] == [5]
    assert "1 cells, from 50 rows, without MLPRegressor" in capsys.readouterr().out


def test_more_of_anything_costs_more() -> None:
    small = Cell("linear", 0, 500, 20, "5")
    larger = [small._replace(rows=501), small._replace(columns=21), small._replace(hidden="50")]
    assert all(cost(cell) > cost(small) for cell in larger)
    assert sorted(HIDDEN[1:], key=lambda hidden: cost(small._replace(hidden=hidden)))[0] == "5"


def test_a_fit_that_fails_is_recorded() -> None:
    class Broken:
        def fit(self, X: np.ndarray, y: np.ndarray) -> NoReturn:
            raise ValueError("no luck")

    record = measure(Broken(), make_data(Cell("linear", 0, 15, 1, "auto")))
    assert record["r2"] is None
    assert record["error"] == "ValueError: no luck"


# The report ---------------------------------------------------------------------------------


def test_a_cell_is_behind_by_more_than_the_tolerance_of_its_problem() -> None:
    assert not is_behind(made_up(r2=0.895))
    assert is_behind(made_up(r2=0.88))
    assert not is_behind(made_up(r2=0.88, problem="step"))
    assert is_behind(made_up(r2=0.85, problem="step"))
    assert is_behind(made_up(r2=None, error="ValueError: no luck"))


def test_coverage_is_off_only_where_there_is_noise_and_coverage() -> None:
    assert not is_off(made_up())
    assert is_off(made_up(coverage=0.87))
    assert is_off(made_up(coverage=0.995))
    assert not is_off(made_up(coverage=1.0, noise=0.0))
    assert not is_off(made_up(coverage=None))


def test_the_summary_counts_and_names_a_bad_cell() -> None:
    bad = made_up(r2=0.5, coverage=0.6, rows=500, columns=20)
    lines = summary([made_up(), bad, made_up(coverage=None)]).splitlines()
    assert lines[0] == "3 cells: 6 s in our fits, 4 s in those of all peers"
    named = "linear, noise 0.3, 500 x 20, auto: R² 0.500, HistGradientBoosting 0.910"
    assert lines[1].startswith("1 cells with an R² below")
    assert lines[2].strip().startswith(named)
    assert lines[3].startswith("1 of 2 cells with noise")
    assert lines[4].strip().startswith(named)
    assert len(lines) == 5


def test_the_pictures_and_the_section_show_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [
        made_up(),
        made_up(problem="step", noise=1.0, rows=15, coverage=None),
        made_up(problem="friedman", r2=None, error="ValueError: no luck"),
        made_up(hidden="50,20"),
        made_up(hidden="5", rows=500, coverage=0.7),
    ]
    monkeypatch.setattr(map_report, "IMAGES", tmp_path)
    monkeypatch.setattr(map_report, "SECTION", tmp_path / "map.txt")
    generate({"machine": {"cpus": 1}, "cells": cells})
    for name in ("map.png", "map_sizes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n")
    text = (tmp_path / "map.txt").read_text(encoding="utf-8")
    assert "Measured with cpus 1." in text
    assert "failed (ValueError: no luck)" in text
    assert ".. image:: images/map_sizes.png" in text
    assert draw(cells[:2], tmp_path, "small") == ["small.png"]
    assert draw([], tmp_path, "none") == []


def test_a_report_of_nothing_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, "--report", "--out", str(tmp_path))
    assert capsys.readouterr().out.lstrip().startswith("0 cells")
    assert list(tmp_path.iterdir()) == []
