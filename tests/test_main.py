"""The command line from end to end: ``sklearn-mlp``, which is ``python -m sklearn_mlp``."""

import gzip
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import sklearn_mlp
from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import blocks, files, main
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.arguments import MAX_ITER, SOLVERS
from sklearn_mlp.cli.article import ARTICLE_RMSE, article_figure
from sklearn_mlp.cli.errors import InputError
from sklearn_mlp.cli.models import load
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES
from sklearn_mlp.monitor import Monitor

TARGET = "progression"
QUICK = ["--solver", "lbfgs", "--hidden", "2", "--max-iter", "3", "--folds", "2"]
LINEAR = ["--hidden", "0", "--solver", "lbfgs"]


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


def run_as_a_program(*arguments: str, folder: Path) -> str:
    """Run ``python -m sklearn_mlp`` in a process of its own, and give what it prints."""
    package = Path(sklearn_mlp.__file__).parents[1]
    done = subprocess.run(
        # Older releases of matplotlib call pyparsing by names that are deprecated.
        [
            sys.executable,
            "-Werror",
            "-Wignore::DeprecationWarning",
            "-m",
            "sklearn_mlp",
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0
    assert all(line.endswith("left") or " left  iter" in line for line in done.stderr.splitlines())
    return done.stdout


def article_rmse(output: str) -> tuple[float, float]:
    """The RMSE of the article and that of this network."""
    found = re.findall(r"^RMSE of .*: +([\d.e+-]+)", output, re.M)
    assert len(found) == 2
    return float(found[0]), float(found[1])


def reported(output: str, group: str, model: str = "this network") -> list[float]:
    """R², RMSE, log density and coverage of a model in a group of rows."""
    lines = output.splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.startswith(f"{group}, ")]
    (line,) = [line for line in lines[first : first + 4] if line.startswith(f"  {model}")]
    numbers = re.findall(r"(?<!± )-?[\d,]+(?:\.\d+)?(?= ±|% ±)", line)
    return [float(number.replace(",", "")) for number in numbers]


def became(output: str) -> dict[str, str]:
    """What the report says of each kind of columns."""
    found: dict[str, str] = {}
    label = ""
    for line in output.split("\n\n")[0].splitlines():
        label = line[:16].strip() or label
        found[label] = f"{found.get(label, '')} {line[16:]}".strip()
    return found


# The article --------------------------------------------------------------------------------


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


# fit ----------------------------------------------------------------------------------------


def test_a_csv_file_is_reported_on(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "diabetes.csv", "--target", TARGET, *LINEAR]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= 79
    assert "diabetes.csv: 442 rows, target 'progression'" in captured.out
    assert became(captured.out)["numbers"] == "age, sex, bmi, bp, s1, s2, s3, s4, s5, s6"
    assert "353 to train on, 89 held out" in captured.out
    assert "no hidden units; solver lbfgs" in captured.out
    assert "not converged" not in captured.out
    # What ordinary least squares is known to reach on this set.
    for model in ("this network", "a linear model"):
        of_folds = reported(captured.out, "cross-validated", model)
        assert of_folds == pytest.approx([0.5, 54, -5.4, 95], rel=0.1)
        held_out = reported(captured.out, "held out", model)
        assert held_out == pytest.approx([0.33, 58.5, -5.5, 93], rel=0.1)
    r2, rmse, _, _ = reported(captured.out, "held out", "the mean")
    assert abs(r2) < 0.02
    assert rmse == pytest.approx(71.7, rel=0.01)
    s5 = re.search(r"^ +(s5|bmi) +(\d+\.\d)%", captured.out, re.M)
    assert s5, "the most relevant come first"


def test_fit_may_be_left_out(diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["diabetes.csv", "--target", TARGET, *QUICK]
    assert main(["fit", *more]) == 0
    of_fit = capsys.readouterr().out
    assert main(more) == 0
    assert capsys.readouterr().out == of_fit
    assert main(["--target", TARGET, "diabetes.csv", *QUICK]) == 0
    assert capsys.readouterr().out == of_fit


def test_the_rows_furthest_off_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    table = pd.DataFrame({"name": [f"case {i}" for i in range(80)], "x": x, "y": 2 * x})
    table["y"] += 0.1 * rng.normal(size=80)
    table.loc[30, "y"] += 3
    table.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", "y", *LINEAR]) == 0

    out = capsys.readouterr().out
    assert "The 5 rows furthest off, in units of their error bars (one deviation):" in out
    first = out.partition("off by\n")[2].splitlines()[0].split()
    assert first[:3] == ["31", "case", "30"]
    assert float(first[3]) == pytest.approx(table.loc[30, "y"], rel=1e-3)
    assert float(first[-1]) > 5


def test_the_program_writes_a_model_that_any_process_can_load(
    diabetes: pd.DataFrame, tmp_path: Path
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, "--save", "model.skops", *QUICK]
    output = run_as_a_program(*arguments, folder=tmp_path)

    assert "sklearn-mlp predict model.skops NEW.csv" in output
    model = skops.io.load("model.skops", trusted=SKOPS_TRUSTED_TYPES)
    assert isinstance(model, Pipeline)
    assert model[-1].hidden_layer_sizes == (2,)
    _, held_out = train_test_split(diabetes, test_size=0.2, random_state=0)
    r2 = r2_score(held_out[TARGET], model.predict(held_out))
    assert reported(output, "held out")[0] == pytest.approx(r2, abs=6e-4)


def test_the_options_reach_the_regressor(diabetes: pd.DataFrame) -> None:
    options = "--hidden 4,3 --solver adam --max-iter 2 --test-size 0.5 --random-state 7 --folds 0"

    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.joblib", *options.split()]
    assert main(arguments) == 0

    regressor = joblib.load("m.joblib")[-1]
    assert [W.shape for W in regressor.coefs_] == [(10, 4), (4, 3), (3, 1)]
    assert (regressor.solver_, regressor.n_iter_, regressor.t_) == ("adam", 2, 2 * 221)
    assert regressor.random_state == 7


def test_the_command_line_knows_the_defaults_of_the_regressor() -> None:
    regressor = SigmoidMLPRegressor()
    solvers = regressor._parameter_constraints["solver"][0].options

    assert sorted(solvers) == list(SOLVERS)
    assert (regressor.solver, regressor.max_iter) == ("auto", MAX_ITER)


def test_the_command_line_speaks_before_it_imports_what_takes_seconds() -> None:
    package = Path(sklearn_mlp.__file__).parents[1]
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, sklearn_mlp.cli as _; assert not {'sklearn', 'pandas'} & {*sys.modules}",
        ],
        env={**os.environ, "PYTHONPATH": str(package)},
        check=True,
    )


def test_the_same_command_prints_the_same_report(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = set()
    for _ in range(2):
        main(["diabetes.csv", "--target", TARGET, *QUICK])
        outputs.add(capsys.readouterr().out)

    assert len(outputs) == 1


def test_an_end_before_convergence_is_one_plain_line(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diabetes.csv", "--target", TARGET, *QUICK]) == 0

    captured = capsys.readouterr()
    text = " ".join(captured.out.split())
    assert text.count("not converged in 3 iterations: raise --max-iter (3 of 3 fits)") == 1
    assert captured.err == ""


def test_progress_is_shown_at_once(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(of_meter, "FIRST_LINE", 0.01)
    monkeypatch.setattr(of_meter, "LINES", 0.01)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK]) == 0

    captured = capsys.readouterr()
    assert re.search(r"^training +\[[#.]{20}\]  .* left", captured.err, re.M)
    assert re.search(r"^cross-validation 2 of 2 +\[[#.]{20}\]  .* left", captured.err, re.M)
    assert "left" not in captured.out.replace("left out", "")


def test_all_kinds_of_columns_are_understood(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mixed.csv", "--target", "price", *LINEAR, "--save", "m.skops"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    kinds = became(captured.out)
    assert kinds["numbers"] == "size, new, used"
    assert kinds["dates"] == "sold (written ISO8601; also year, month, weekday)"
    assert kinds["one-hot"] == "colour (3 categories)"
    assert kinds["target-encoded"] == "town (20 categories)"
    assert "Unnamed: 0 (an identifier: whole numbers, all different)" in kinds["left out"]
    assert "id (an identifier or free text: all different)" in kinds["left out"]
    assert "nothing (no values)" in kinds["left out"]
    assert reported(captured.out, "held out")[0] > 0.8


def test_the_user_overrules(mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--drop", "town,colour", "--categorical", "new", "--numeric", "Unnamed: 0"]
    assert main(["mixed.csv", "--target", "price", *QUICK, *options]) == 0

    kinds = became(capsys.readouterr().out)
    assert kinds["numbers"].startswith("Unnamed: 0, size, used")
    assert kinds["one-hot"] == "new (2 categories)"
    assert "town (as you asked)" in kinds["left out"]


@pytest.mark.parametrize("value", [1.5, "text"])
def test_a_column_may_be_empty_in_a_fold(
    diabetes: pd.DataFrame, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    column = pd.Series([value] + [None] * 441, dtype=object)
    diabetes.assign(rare=column).to_csv("rare.csv", index=False)

    assert main(["rare.csv", "--target", TARGET, *QUICK]) == 0
    assert capsys.readouterr().err == ""


def test_rows_without_a_target_are_left_out(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[:41, TARGET] = np.nan
    diabetes.to_csv("gaps.csv", index=False)

    assert main(["gaps.csv", "--target", TARGET, *QUICK]) == 0

    out = capsys.readouterr().out
    assert re.search(r"^ +without 42 rows that have no target$", out, re.M)
    assert "400 rows" in out


def test_thirteen_rows_are_enough(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.head(13).to_csv("thirteen.csv", index=False)

    assert main(["thirteen.csv", "--target", TARGET, *QUICK[:-2]]) == 0
    out = capsys.readouterr().out
    assert "10 to train on, 3 held out" in out
    assert "cross-validated, 10 rows" in out


@pytest.mark.parametrize("column", ["bmi", TARGET])
def test_an_outlier_is_named_with_its_row(
    column: str, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes[column] = diabetes[column].astype(float)
    diabetes.loc[16, column] = 1e12
    diabetes.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", TARGET, *QUICK]) == 0

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ")
    assert f"{column!r} is 1e+12 in row 17, and " in line


@pytest.mark.parametrize("size", [1e300, 1e-300, 1e160])
def test_targets_near_the_end_of_the_numbers_are_reported_on(
    size: float, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes[TARGET] *= size
    diabetes.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", TARGET, *LINEAR, "--folds", "2"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= 79
    assert reported(captured.out, "held out")[0] == pytest.approx(0.33, abs=0.02)


def test_one_target_of_1e300_is_no_traceback(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes[TARGET] = diabetes[TARGET].astype(float)
    diabetes.loc[3, TARGET] = 1e300
    diabetes.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", TARGET, *QUICK]) == 0
    assert "the target 'progression' is 1e+300 in row 4" in capsys.readouterr().err


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["fit", "--help"], ["predict", "--help"]):
        with pytest.raises(SystemExit) as exit_info:
            main(arguments)
        assert exit_info.value.code == 0
        out = capsys.readouterr().out
        assert out.startswith("usage: sklearn-mlp")
        for code in ("0  ", "2  ", "130"):
            assert re.search(rf"^  {code}", out, re.M)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sklearn-mlp {sklearn_mlp.__version__}\n"


# Files of all kinds -------------------------------------------------------------------------


def a_table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = rng.normal(size=n).round(3)
    days = pd.date_range("2024-01-01", periods=n, freq="3D")
    return pd.DataFrame(
        {"Tag": days, "Maß": x, "Gerät": rng.choice(["groß", "klein"], n), "y": 2 * x}
    )


def german(table: pd.DataFrame, path: str) -> None:
    table.assign(Tag=table["Tag"].dt.strftime("%d.%m.%Y")).to_csv(
        path, sep=";", decimal=",", encoding="cp1252", index=False
    )


WRITERS: dict[str, Callable[[pd.DataFrame, str], Any]] = {
    "a.csv": lambda t, p: t.to_csv(p, index=False),
    "german.csv": german,
    "tabs.tsv": lambda t, p: t.to_csv(p, sep="\t", index=False),
    "packed.csv.gz": lambda t, p: t.to_csv(p, index=False),
    "utf16.csv": lambda t, p: t.to_csv(p, index=False, encoding="utf-16"),
    "a.parquet": lambda t, p: t.to_parquet(p),
    "a.feather": lambda t, p: t.to_feather(p),
    "a.xlsx": lambda t, p: t.to_excel(p, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("large", [False, True])
def test_files_of_all_kinds_are_read(
    name: str, large: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = a_table()
    WRITERS[name](table, name)
    if large:
        monkeypatch.setattr(files, "memory", lambda: 0)
        monkeypatch.setattr(blocks, "BLOCK_BYTES", 700)

    assert main([name, "--target", "y", *LINEAR, "--save", "m.joblib", "--folds", "0"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert "read in blocks" in captured.out or not large or name == "a.xlsx"
    kinds = became(captured.out)
    assert kinds["numbers"] == "Maß"
    assert kinds["dates"].startswith("Tag (")
    assert kinds["one-hot"] == "Gerät (2 categories)"
    assert reported(captured.out, "held out")[0] > 0.999

    assert main(["predict", "m.joblib", name, "--out", "p.parquet"]) == 0
    found = pd.read_parquet("p.parquet")
    assert list(found)[-2:] == ["y_predicted", "y_std"]
    np.testing.assert_allclose(found["y_predicted"], table["y"], atol=0.02)
    np.testing.assert_array_equal(found["y"].astype(float), table["y"])


def test_the_standard_input_is_a_file(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def type_in(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    type_in(Path("diabetes.csv").read_bytes())
    assert main(["-", "--target", TARGET, *QUICK]) == 0
    assert "the standard input: 442 rows" in capsys.readouterr().out
    type_in(b"")
    check_error(["-", "--target", TARGET], "the standard input is empty", capsys)


# Several files, and large ones --------------------------------------------------------------


def in_three_files(table: pd.DataFrame, suffix: str = ".csv") -> None:
    """The table as part_0, part_1 and part_2."""
    for i, rows in enumerate(np.array_split(np.arange(len(table)), 3)):
        part, path = table.iloc[rows], f"part_{i}{suffix}"
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path)


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any file is too large for the memory."""
    monkeypatch.setattr(files, "memory", lambda: 0)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3000)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_several_files_are_reported_on_as_one(
    suffix: str, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    in_three_files(diabetes, suffix)
    more = ["--target", TARGET, *QUICK]

    assert main(["diabetes.csv", *more]) == 0
    of_one = capsys.readouterr().out.splitlines()
    assert main([f"part_*{suffix}", *more]) == 0
    of_three = capsys.readouterr().out.splitlines()

    first = f"part_0{suffix} and 2 more files: 442 rows, target 'progression'"
    assert of_three[0] == f"data            {first}"
    assert [line for line in of_three[1:] if " of 'part_" not in line] == [
        line for i, line in enumerate(of_one[1:]) if not is_of_a_row(of_one, i + 1)
    ]
    start = of_one.index(next(line for line in of_one if line.endswith("off by"))) + 1
    for ours, theirs in zip(of_one[start : start + 5], of_three[start : start + 5], strict=True):
        row, where, _, file = [*ours.split()[:1], *theirs.split()[:3]]
        i = int(re.findall(r"\d", file)[0])
        assert int(row) == int(where) + [0, 148, 295][i]


def is_of_a_row(lines: list[str], i: int) -> bool:
    """Whether a line is about a row of a single file."""
    start = lines.index(next(line for line in lines if line.endswith("off by")))
    return start < i <= start + 6


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_large_files_are_read_in_blocks(
    suffix: str,
    diabetes: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_meter, "FIRST_LINE", 0.01)
    monkeypatch.setattr(of_meter, "LINES", 0.01)
    diabetes.loc[:41, TARGET] = np.nan
    in_three_files(diabetes.assign(nothing=np.nan), suffix)
    more = ["--target", TARGET, *LINEAR, "--save", "m.joblib"]

    assert main([*(f"part_{i}{suffix}" for i in range(3)), *more]) == 0

    captured = capsys.readouterr()
    assert re.search(r"^reading 1 of 3 +\[[#.]{20}\]  .* left", captured.err, re.M)
    assert re.search(r"^training +\[[#.]{20}\]  .* left", captured.err, re.M)
    text = " ".join(captured.out.split())
    assert "part_0" in text
    assert "and 2 more files, target 'progression'" in text
    assert "without 42 rows that have no target" in text
    assert "nothing (no values)" in text
    assert "without cross-validation" in text
    (n_train, n_test) = re.findall(r"(\d+) to train on, (\d+) held out", captured.out)[0]
    assert int(n_train) + int(n_test) == 400
    # What ordinary least squares is known to reach on this set.
    assert reported(captured.out, "held out")[:2] == pytest.approx([0.45, 56], rel=0.3)
    linear = reported(captured.out, "held out", "a linear model")
    assert linear[:2] == pytest.approx(reported(captured.out, "held out")[:2], rel=0.05)
    furthest = captured.out.partition("off by\n")[2].splitlines()[0]
    where, of, file, value = furthest.split()[:4]
    row = int(re.findall(r"\d", file)[0]) and [0, 148, 295][int(re.findall(r"\d", file)[0])]
    assert of == "of"
    assert diabetes[TARGET][row + int(where) - 1] == float(value)
    model = joblib.load("m.joblib")
    assert r2_score(diabetes[TARGET][42:], model.predict(diabetes[42:])) == pytest.approx(
        0.5, abs=0.04
    )


@pytest.mark.usefixtures("in_blocks")
def test_large_files_may_have_columns_of_all_kinds(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mixed.csv", "--target", "price", *LINEAR, "--save", "m.joblib"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    kinds = became(captured.out)
    assert kinds["numbers"] == "size, new, used"
    assert kinds["dates"] == "sold (written ISO8601; also year, month, weekday)"
    assert kinds["one-hot"] == "colour (3 categories)"
    assert kinds["target-encoded"].startswith("town (")
    assert "nothing (no values)" in kinds["left out"]
    assert reported(captured.out, "held out")[0] > 0.8
    new = pd.read_csv("mixed.csv").drop(columns=["nothing", "price"]).head(40)
    new.loc[35, "colour"] = "never seen"
    from_parquet = new.convert_dtypes()  # other types, and another missing value
    predictions = joblib.load("m.joblib").predict(new)
    assert np.isfinite(predictions).all()
    np.testing.assert_allclose(joblib.load("m.joblib").predict(from_parquet), predictions)


@pytest.mark.usefixtures("in_blocks")
def test_an_outlier_in_a_large_file_is_named_with_its_row(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[401, "bmi"] = 1e12
    diabetes.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", TARGET, *QUICK]) == 0
    assert "column 'bmi' is 1e+12 in row 402" in capsys.readouterr().err


@pytest.mark.usefixtures("in_blocks")
def test_files_are_read_again_where_the_disk_is_full(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, *LINEAR]
    assert main(arguments) == 0
    kept = capsys.readouterr().out
    monkeypatch.setattr(blocks, "DISK_SHARE", 0.0)
    assert main(arguments) == 0
    read = capsys.readouterr().out

    full = "too full to keep the encoded rows: each pass reads the files again"
    assert full in " ".join(read.split())
    assert full not in " ".join(kept.split())
    assert reported(read, "held out") == reported(kept, "held out")


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("y\n1\n2\n", "no column besides the target 'y'"),
        ("x,y\n" + "1,cat\n" * 20, "the target 'y' is not numeric: it has values like 'cat'"),
        ("x,y\n" + "1,\n" * 20, "the target 'y' has no values in the first rows"),
        ("x,y\n" + ",1\n" * 20, "no column is left to predict 'y' from"),
        ("x,y\n" + "1,2\n" * 9, "at least 10 are needed to train on and 2 to hold out"),
        ("x,y\n" + "1,2\n" * 20 + "1,inf\n", "the target 'y' has infinite values"),
    ],
)
def test_what_is_wrong_with_large_files_is_one_line(
    content: str, message: str, no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    check_error([write_file(content), "--target", "y"], message, capsys)


# predict ------------------------------------------------------------------------------------


@pytest.fixture
def saved(mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> Pipeline:
    """A model of mixed.csv, in m.skops."""
    more = ["--folds", "0", "--save", "m.skops"]
    assert main(["mixed.csv", "--target", "price", *LINEAR, *more]) == 0
    capsys.readouterr()
    return load(Path("m.skops"))


def test_the_rows_are_kept_as_they_are_written(
    saved: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv("mixed.csv", dtype=str, keep_default_na=False)
    table = table.assign(zip="01067", free='a, "b"').iloc[::-1]
    table.drop(columns=["price", "nothing"]).to_csv("new.csv", index=False)

    assert main(["predict", "m.skops", "new.csv"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    found = pd.read_csv(io.StringIO(captured.out), dtype=str, keep_default_na=False)
    new = pd.read_csv("new.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found[list(new)], new)
    assert list(found) == [*new, "price_predicted", "price_std"]
    encoded = saved[0].transform(pd.read_csv("new.csv"))
    mean, std = saved[-1].predict(encoded, return_std=True)
    np.testing.assert_allclose(found["price_predicted"].astype(float), mean, rtol=1e-8)
    np.testing.assert_allclose(found["price_std"].astype(float), std, rtol=1e-8)


def test_several_files_are_predicted_in_parts(
    saved: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "m.skops", "mixed.csv"]) == 0
    whole = capsys.readouterr().out.splitlines()
    table = pd.read_csv("mixed.csv", dtype=str, keep_default_na=False)
    table[:50].to_csv("b_0.csv", index=False)
    table[50:].to_csv("b_1.csv", index=False)
    monkeypatch.setattr("sklearn_mlp.cli.predict.ROWS", 7)

    assert main(["predict", "m.skops", "b_*.csv"]) == 0

    found = capsys.readouterr().out.splitlines()
    assert [line.rsplit(",", 2)[0] for line in found] == [line.rsplit(",", 2)[0] for line in whole]
    ours, theirs = (
        np.array([line.split(",")[-2:] for line in t[1:]], float) for t in (found, whole)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_predictions_are_written_as_the_input_is(capsys: pytest.CaptureFixture[str]) -> None:
    german(a_table(), "german.csv")
    more = ["--folds", "0", "--save", "m.skops"]
    assert main(["german.csv", "--target", "y", *LINEAR, *more]) == 0
    assert main(["predict", "m.skops", "german.csv", "--out", "out.csv"]) == 0

    rows = Path("german.csv").read_text(encoding="cp1252").splitlines()
    found = Path("out.csv").read_text(encoding="cp1252").splitlines()
    assert found[0] == rows[0] + ";y_predicted;y_std"
    for row, new in zip(rows[1:], found[1:], strict=True):
        assert new.startswith(row + ";")
        assert re.fullmatch(r"-?\d+,\d+(e-\d+)?;\d+,\d+(e-\d+)?", new[len(row) + 1 :])


def test_new_numbers_are_read_as_those_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(500, 3000, 60).round(1)
    pd.DataFrame({"x": x, "y": 2 * x}).to_csv("a.csv", sep=";", decimal=",", index=False)
    more = ["--folds", "0", "--save", "m.skops"]
    assert main(["a.csv", "--target", "y", *LINEAR, *more]) == 0
    capsys.readouterr()
    Path("new.csv").write_text("x;note\n1.234;a\n2.000;b\n")  # they could be 1.2 and 2.0

    assert main(["predict", "m.skops", "new.csv"]) == 0

    rows = [line.split(";") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["1.234", "2.000"]
    found = [float(row[2].replace(",", ".")) for row in rows]
    assert found == pytest.approx([2468, 4000], rel=0.01)


@pytest.mark.parametrize("name", ["p.parquet", "p.feather", "p.xlsx", "p.tsv"])
def test_the_name_says_how_predictions_are_written(name: str, saved: Pipeline) -> None:
    assert main(["predict", "m.skops", "mixed.csv", "--out", name]) == 0

    read = {"p.parquet": pd.read_parquet, "p.feather": pd.read_feather, "p.xlsx": pd.read_excel}
    found = read.get(name, pd.read_csv)(name)
    assert len(found) == 120
    assert found["price_std"].gt(0).all()


def test_what_the_model_does_not_know_is_noted(
    saved: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    new = pd.read_csv("mixed.csv").astype({"size": object}).head(20)
    new.loc[12, "size"] = "large"
    new.loc[[3, 4], "town"] = "Atlantis"
    new.loc[5, "sold"] = "soon"
    new.assign(price_predicted=1).to_csv("new.csv", index=False)

    assert main(["predict", "m.skops", "new.csv"]) == 0

    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "note: 'size' is no number in 1 row, such as 'large': taken as missing",
        "note: 'town' is a new category in 2 rows, such as 'Atlantis': taken as unknown",
        "note: 'sold' is no date in 1 row, such as 'soon': taken as missing",
    ]
    assert captured.out.splitlines()[0].endswith(",price_predicted,price_predicted_,price_std")
    assert len(captured.out.splitlines()) == 21


def test_what_cannot_be_predicted_is_one_line(
    saved: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv("mixed.csv")
    table.drop(columns="size").rename(columns={"town": "Town"}).to_csv("new.csv", index=False)
    message = "'new.csv' has no column 'size', 'town', which the model needs"
    check_error(["predict", "m.skops", "new.csv"], message, capsys)
    table.drop(columns="town").assign(Town=1).to_csv("new.csv", index=False)
    check_error(["predict", "m.skops", "new.csv"], "did you mean 'Town'?", capsys)
    table.assign(size=np.inf).to_csv("new.csv", index=False)
    check_error(["predict", "m.skops", "new.csv", "--out", "p.csv"], "infinity", capsys)
    assert not Path("p.csv").exists()
    table.drop(columns="id").to_csv("new.csv", index=False)
    arguments = ["predict", "m.skops", "mixed.csv", "new.csv"]
    check_error(arguments, "'new.csv' has other columns than 'mixed.csv'", capsys)
    check_error(["predict", "no.skops", "new.csv"], "there is no model 'no.skops'", capsys)
    check_error(["predict", "mixed.csv", "new.csv"], "damaged or no skops file", capsys)
    check_error(["predict", "m.skops", "no.csv"], "there is no file 'no.csv'", capsys)
    table.head(0).to_csv("new.csv", index=False)
    check_error(["predict", "m.skops", "new.csv"], "'new.csv' has a header but no rows", capsys)
    for path in ("m.skops", "mixed.csv"):
        arguments = ["predict", "m.skops", "mixed.csv", "--out", path]
        check_error(arguments, f"--out: '{path}' is read by the same command", capsys)
    arguments = ["predict", "m.skops", "mixed.csv", "--out", "no/p.csv"]
    check_error(arguments, "--out: there is no folder 'no'", capsys)


def test_who_reads_the_predictions_may_stop(saved: Pipeline, tmp_path: Path) -> None:
    table = pd.read_csv("mixed.csv")
    pd.concat([table] * 200).to_csv("long.csv", index=False)
    package = Path(sklearn_mlp.__file__).parents[1]
    program = subprocess.Popen(
        [sys.executable, "-m", "sklearn_mlp", "predict", "m.skops", "long.csv"],
        env={**os.environ, "PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    with program.stdout, program.stderr:
        program.stdout.readline()
        program.stdout.close()
        err = program.stderr.read()
        assert program.wait() == 0
    assert b"Error" not in err
    assert b"error" not in err


# report -------------------------------------------------------------------------------------


def test_a_model_is_described(diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--folds", "2", "--save", "m.skops"]
    assert main(["diabetes.csv", "--target", TARGET, "--hidden", "3", *more]) == 0
    of_fit = capsys.readouterr().out

    assert main(["report", "m.skops"]) == 0

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 79
    for group in ("cross-validated", "held out"):
        for model in ("this network", "a linear model", "the mean"):
            assert reported(out, group, model) == reported(of_fit, group, model)
    text = " ".join(out.split())
    assert "m.skops, which predicts 'progression'" in text
    assert "on 353 rows of diabetes.csv" in text
    assert re.search(r"noise 5\d\.", text)
    assert re.search(r"parameters 37, of which the data determine [\d.]+", text)
    assert re.search(r"error bars of all parameters; .* by calibration", text)
    shares = re.findall(r"(\d+\.\d)%  ?#*$", out, re.M)
    assert len(shares) == 10
    assert shares == sorted(shares, key=float, reverse=True)
    assert sum(map(float, shares)) == pytest.approx(100, abs=1)


# Ctrl-C -------------------------------------------------------------------------------------


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


def test_an_interrupted_cross_validation_leaves_the_model_and_its_scores(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    interrupt_at(monkeypatch, 3 + 2)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 130

    captured = capsys.readouterr()
    assert captured.err == "warning: interrupted: without cross-validation\n"
    assert "held out, 89 rows" in captured.out
    assert "cross-validated" not in captured.out
    assert load(Path("m.skops"))[-1].n_iter_ == 3


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


# Errors -------------------------------------------------------------------------------------


def check_error(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr that starts with "error:", and exit code 2."""
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert message in err


def write_file(content: str | bytes) -> str:
    path = Path("data.csv")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "'data.csv' is empty"),
        ("x,y\n", "'data.csv' has a header but no rows"),
        (
            b"\x89PNG\r\n\x1a\n\xff\xfe\x00",
            "'data.csv' is not a CSV file: it looks like a PNG image",
        ),
        (b"PK\x03\x04\0", "it looks like a ZIP archive: unpack it"),
        (b"PAR1 and no more", "'data.csv' cannot be read as Parquet"),
        ("<html><body>\n", "it looks like HTML or XML: save the table as CSV"),
        ('{"x": 1}\n', "it looks like JSON: convert it to CSV"),
        ("x,y\n1,2\n3,4,5\n", "cannot be read as CSV"),
        ("x,y\n1,2,3\n3,4,5\n", "more fields than its header"),
        ('x,y\n1,"2\n3,4\n', "cannot be read as CSV"),
        ("y\n1\n2\n", "no column besides the target 'y'"),
        ("x,y\n" + ",1\n" * 20, "no column is left to predict 'y' from"),
        ("x,y\n" + "1,2\n" * 20, "no column is left to predict 'y' from"),
        ("x,y\n" + "1,cat\n" * 20, "the target 'y' is not numeric: it has values like 'cat'"),
        (
            "x,y\n" + "1,2\n" * 20 + "1,n.d.\n",
            "the target 'y' is not numeric: it has values like 'n.d.' in row 21",
        ),
        ("x,y\n" + "1,True\n" * 20, "the target 'y' is not numeric: it has values like 'True'"),
        ("x,y\n" + "1,2\n" * 20 + "1,inf\n", "the target 'y' has infinite values"),
        ("x,z,y\n" + "1,2,3\n" * 20 + "1,-inf,3\n", "infinite values in column 'z'"),
        ("x,y\n" + "1,\n" * 20, "too few rows"),
        ("x,y\n" + "1,2\n" * 12, "at least 10 are needed to train on and 2 to hold out"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    content: str | bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_error([write_file(content), "--target", "y"], message, capsys)


@pytest.mark.usefixtures("no_training")
def test_a_packed_file_that_is_damaged_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(gzip.compress(b"x,y\n" + b"1,2\n" * 50, mtime=0))
    content[10] = 7  # the beginning of a block of no known type
    check_error([write_file(bytes(content)), "--target", "y"], "'data.csv' is damaged", capsys)


@pytest.mark.usefixtures("no_training")
def test_a_file_that_the_memory_cannot_hold_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_csv(*args: Any, **options: Any) -> NoReturn:
        raise pd.errors.ParserError("Error tokenizing data. C error: out of memory")

    monkeypatch.setattr(pd, "read_csv", read_csv)
    message = "error: there is not enough memory: for 'data.csv'"
    check_error([write_file("x,y\n1,2\n"), "--target", "y"], message, capsys)


def test_damaged_types_of_an_arrow_file_are_one_line() -> None:
    class Schema:
        def empty_table(self) -> Any:
            return self

        def to_pandas(self) -> None:
            raise TypeError("data type 'float6w' not understood")

    with pytest.raises(InputError, match=r"'a.feather' cannot be read as .*: data type 'float6w'"):
        files.arrow_kinds(files.DataFile(Path("a.feather"), files.FileKind.FEATHER), Schema())


def test_integers_that_parquet_cannot_hold_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def to_parquet(*_: Any, **__: Any) -> None:  # as the newest releases do, of 10**400
        raise OverflowError("Python int too large to convert to C long")

    file = write_file("\n".join(["x,y", *(f"{i},{i}" for i in range(20))]))
    assert main(["fit", file, "--target", "y", "--save", "m.joblib"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(pd.DataFrame, "to_parquet", to_parquet)
    message = "'p.parquet' cannot hold integers of more than 64 bits"
    check_error(["predict", "m.joblib", file, "--out", "p.parquet"], message, capsys)
    assert not Path("p.parquet").exists()


@pytest.mark.usefixtures("no_training")
def test_an_empty_feather_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame({"x": [], "y": []}).to_feather("a.feather")
    check_error(["a.feather", "--target", "y"], "'a.feather' has a header but no rows", capsys)


@pytest.mark.usefixtures("no_training", "diabetes")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere.csv --target y", "there is no file 'nowhere.csv'"),
        ("diabetes.csv nowhere.csv --target y", "there is no file 'nowhere.csv'"),
        ("nowhere*.csv --target y", "no file has a name like 'nowhere*.csv'"),
        (". --target y", "'.' is a folder, not a file: name the files in it"),
        ("diabetes.csv", "the following arguments are required: --target"),
        ("fit --target bmi", "the following arguments are required: DATA"),
        ("predict m.skops", "the following arguments are required: DATA"),
        ("report", "the following arguments are required: MODEL"),
        ("diabetes.csv --target bmi --drop nothing", "--drop: there is no column 'nothing'"),
        ("diabetes.csv --target bmi --numeric age,Bp", "--numeric: there is no column 'Bp'; did"),
        ("diabetes.csv --target bmi --separator ab", "expected a character, 'tab' or 'space'"),
        ("diabetes.csv --target bmi --encoding klingon", "there is no encoding 'klingon'"),
        ("diabetes.csv --target bmi --encoding base64", "there is no encoding 'base64'"),
        ("diabetes.csv --target bmi --folds 1", "expected 0 or an integer from 2, got '1'"),
        ("diabetes.csv --target Progresion", "did you mean 'progression'?"),
        ("diabetes.csv --target zzz", "The columns are 'age', 'sex', 'bmi', 'bp', 's1'"),
        ("diabetes.csv --target bmi --test-size 0", "number between 0 and 1, got '0'"),
        ("diabetes.csv --target bmi --test-size 1", "number between 0 and 1, got '1'"),
        ("diabetes.csv --target bmi --test-size nan", "number between 0 and 1, got 'nan'"),
        ("diabetes.csv --target bmi --test-size half", "number between 0 and 1, got 'half'"),
        ("diabetes.csv --target bmi --test-size 0.99", "divides 442 into 4 and 438"),
        ("diabetes.csv --target bmi --test-size 0.001", "divides 442 into 441 and 1"),
        ("diabetes.csv --target bmi --save no/m.joblib", "--save: there is no folder 'no'"),
        ("diabetes.csv --target bmi --save .", "--save: '.' is a folder"),
        ("diabetes.csv --target bmi --save ./diabetes.csv", "is read by the same command"),
        ("diabetes.csv --target bmi --hidden many", "integers such as 50 or 50,20, got 'many'"),
        ("diabetes.csv --target bmi --hidden 5,0", "integers such as 50 or 50,20, got '5,0'"),
        ("diabetes.csv --target bmi --max-iter 0", "an integer from 1, got '0'"),
        ("diabetes.csv --target bmi --max-iter 1.5", "an integer from 1, got '1.5'"),
        ("diabetes.csv --target bmi --random-state -1", "--random-state"),
        ("diabetes.csv --target bmi --random-state 4294967296", "random_state"),
        ("diabetes.csv --target bmi --solver newton", "invalid choice: 'newton'"),
        ("diabetes.csv --target bmi --plot f.png", "unrecognized arguments: --plot"),
        ("--plot no/f.png", "--plot: there is no folder 'no'"),
        ("--plot f.txt", "should end in .png, .pdf or .svg"),
        ("diabetes.csv --target bmi --unknown", "unrecognized arguments: --unknown"),
    ],
)
def test_arguments_that_cannot_be_used_are_one_line(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_error(arguments.split(), message, capsys)


def test_a_folder_that_may_not_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    check_error(["--plot", "f.png"], "'f.png' may not be written", capsys)


def test_many_columns_are_not_all_listed(
    no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    header = ",".join(f"x{i}" for i in range(50))

    check_error(
        [write_file(header + "\n" + "1," * 49 + "1\n"), "--target", "y"], "and 30 more", capsys
    )


def break_training(self: SigmoidMLPRegressor, *args: Any) -> NoReturn:
    raise ValueError("Training diverged in epoch 3.\nScale the data.")


def break_writing(*args: Any) -> NoReturn:
    raise OSError("No space left on device")


@pytest.mark.usefixtures("diabetes")
@pytest.mark.parametrize(
    ("where", "name", "break_it", "message"),
    [
        (SigmoidMLPRegressor, "fit", break_training, "diverged in epoch 3. Scale the data."),
        (skops.io, "dump", break_writing, "No space left on device"),
    ],
)
def test_what_goes_wrong_later_is_one_line_too(
    where: Any,
    name: str,
    break_it: Callable[..., NoReturn],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(where, name, break_it)

    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.skops", *QUICK]
    check_error(arguments, message, capsys)
    assert [path.name for path in Path().iterdir()] == ["diabetes.csv"]
