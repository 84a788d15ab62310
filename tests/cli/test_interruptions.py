"""Ctrl-C at any time."""

from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import main
from sklearn_mlp.cli.models import load
from sklearn_mlp.monitor import Monitor
from tests.cli.running import QUICK, TARGET, article_rmse


def interrupt_at(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """Press Ctrl-C once, after so many iterations of all fits together."""
    record = Monitor.record
    n_recorded = 0

    def record_and_interrupt(self: Monitor, *args: Any) -> None:
        nonlocal n_recorded
        record(self, *args)
        n_recorded += 1
        if n_recorded == iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "record", record_and_interrupt)


def test_an_interrupted_article_goes_on_with_the_weights_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(monkeypatch, 20)

    assert main([]) == 130

    captured = capsys.readouterr()
    assert "Training was interrupted after 20 iterations" in captured.out
    assert captured.err == ""
    article_rmse(captured.out)


def test_an_interrupted_fit_is_saved_and_reported_on(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(monkeypatch, 2)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 130

    captured = capsys.readouterr()
    assert captured.err.startswith("warning: Training was interrupted after 2 iterations")
    assert captured.err.count("\n") == 1
    assert "held out, 89 rows" in captured.out
    assert "cross-validated" not in captured.out
    assert load(Path("m.skops"))[-1].n_iter_ == 2


@pytest.mark.parametrize(
    ("n_iterations", "missing", "n_rows"),
    [
        (3 + 2, "the saved model is fitted without the held-out rows", 353),
        (3 + 3 + 2, "without cross-validation", 442),
    ],
    ids=["refit", "cross-validation"],
)
def test_an_interruption_after_the_first_fit_leaves_the_model_and_its_scores(
    n_iterations: int,
    missing: str,
    n_rows: int,
    diabetes: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    linear = SigmoidMLPRegressor._fit

    def quietly(self: SigmoidMLPRegressor, *args: Any) -> Any:
        if self.hidden_layer_sizes == ():  # of the linear model nobody counts the iterations
            with monkeypatch.context() as context:
                context.setattr(Monitor, "record", record)
                return linear(self, *args)
        return linear(self, *args)

    record = Monitor.record
    monkeypatch.setattr(SigmoidMLPRegressor, "_fit", quietly)
    interrupt_at(monkeypatch, n_iterations)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 130

    captured = capsys.readouterr()
    assert captured.err == f"warning: interrupted: {missing}\n"
    assert "held out, 89 rows" in captured.out
    assert "cross-validated" not in captured.out
    assert load(Path("m.skops"))[-1].n_iter_ == 3
    assert load(Path("m.skops")).about_["n_rows"] == n_rows
    text = " ".join(captured.out.split())
    assert ("fitted to all 442 rows" if n_rows == 442 else "without the held-out rows") in text


@pytest.mark.parametrize("n_rows", [353, 442])
def test_an_interruption_before_the_next_fit_has_begun_leaves_the_last_model(
    n_rows: int,
    diabetes: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit, sizes = SigmoidMLPRegressor.fit, []

    def fit_and_interrupt(self: SigmoidMLPRegressor, X: Any, y: Any) -> Any:
        sizes.append(len(X))
        if sizes[-1] != 353 and n_rows in sizes[:-1]:
            raise KeyboardInterrupt
        return fit(self, X, y)

    monkeypatch.setattr(SigmoidMLPRegressor, "fit", fit_and_interrupt)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 130

    assert capsys.readouterr().err.startswith("warning: interrupted: ")
    assert load(Path("m.skops")).about_["n_rows"] == n_rows


def test_an_interruption_before_there_is_a_model_ends_the_program(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fit(*args: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(SigmoidMLPRegressor, "fit", fit)
    Path("m.skops").write_text("old")

    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 130

    assert capsys.readouterr().err == "interrupted\n"
    assert Path("m.skops").read_text() == "old"
