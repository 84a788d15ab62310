"""``sklearn-mlp`` without arguments, which runs the article."""

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import article, main
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.article import ARTICLE_RMSE, article_figure
from sklearn_mlp.datasets import make_hyperplane
from tests.cli.running import article_rmse, check_error, run_as_a_program


@pytest.mark.slow
def test_the_article_runs_from_end_to_end(tmp_path: Path) -> None:
    output = run_as_a_program(folder=tmp_path)

    lines = output.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 79
    start = lines.index(f"{'iteration':>12}{'RMSE':>14}")
    fall = np.array([line.split() for line in lines[start + 1 : lines.index("", start)]], float)
    assert fall[0, 0] == 1
    assert (np.diff(fall[:, 1]) <= 0).all()
    (header,) = [i for i, line in enumerate(lines) if line.endswith("predicted")]
    head = np.array([line.split() for line in lines[header + 1 : header + 6]], float)
    table = make_hyperplane(random_state=0).head(5)
    np.testing.assert_allclose(head[:, 1:6], table, atol=1e-6)
    np.testing.assert_allclose(head[:, 6], table["value"], atol=0.005)
    article, rmse = article_rmse(output)
    assert article == 0.0514
    assert rmse < article / 50
    assert list(tmp_path.iterdir()) == []


def test_training_follows_loading_in_the_line_of_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(of_meter, "FIRST_LINE", 0.01)
    monkeypatch.setattr(of_meter, "LINES", 0.01)
    table = make_hyperplane(100, random_state=0)
    monkeypatch.setattr(
        article,
        "make_hyperplane",
        lambda **options: (
            (table.drop(columns="value"), table["value"]) if options.get("return_X_y") else table
        ),
    )

    assert main([]) == 0

    steps = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert "training" in steps
    assert set(steps[steps.index("training") :]) == {"training"}


@pytest.mark.nightly
def test_the_figure_is_drawn_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "other.svg"

    assert main(["--plot", str(path)]) == 0

    assert f"figure: {path}" in capsys.readouterr().out
    assert "<svg" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_the_figure_shows_the_training_and_the_predictions() -> None:
    X, y = make_hyperplane(200, random_state=0, return_X_y=True)
    model = SigmoidMLPRegressor(3, solver="lbfgs", alpha=0, tol=0.01, random_state=0).fit(X, y)
    y_hat = model.predict(X)

    figure = article_figure(model, y, y_hat)

    assert isinstance(figure, Figure)
    training, predictions = figure.axes
    assert (training.get_xlabel(), training.get_ylabel()) == ("iteration", "RMSE")
    assert training.get_yscale() == "log"
    rmse, plateau = training.lines
    assert np.asarray(rmse.get_ydata())[-1] == pytest.approx(
        np.sqrt(2 * model.loss_curve_[-1]) * y.std(), rel=1e-12
    )
    np.testing.assert_array_equal(rmse.get_xdata(), np.arange(1, model.n_iter_ + 1))
    assert plateau.get_linestyle() == "--"
    np.testing.assert_array_equal(plateau.get_ydata(), ARTICLE_RMSE)
    labels = (predictions.get_xlabel(), predictions.get_ylabel())
    assert labels == ("true value", "predicted value")
    (points,) = [line for line in predictions.lines if line.get_label() == "rows"]
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([y, y_hat]))


def test_a_figure_needs_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)

    check_error(["--plot", "f.png"], 'pip install "sklearn-mlp[plot]"', capsys)
