import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import joblib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import sklearn_mlp
from sklearn_mlp import SigmoidMLPRegressor, _lazy_tables, _tables
from sklearn_mlp.__main__ import ARTICLE_RMSE, _article_figure, main
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.monitor import Monitor

TARGET = "progression"
QUICK = ["--solver", "lbfgs", "--hidden", "2", "--max-iter", "3"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
            "id": [f"no. {i}" for i in range(n)],
            "nothing": np.nan,
        }
    )
    table["price"] = 3 * table["size"] + 5 * (table["colour"] == "red") - 2 * table["new"]
    table.loc[:9, "size"] = np.nan
    table.loc[10:19, "colour"] = None
    table.loc[20:29, "used"] = None
    table.to_csv("mixed.csv", index=False)
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
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def article_rmse(last_line: str) -> tuple[float, float, float]:
    """The RMSE, the article's and the factor between them."""
    match = re.fullmatch(r"RMSE (\S+), the article's (\S+): (\S+) times smaller", last_line)
    assert match
    rmse, article, factor = (float(number.replace(",", "")) for number in match.groups())
    return rmse, article, factor


def reported(output: str, row: str) -> tuple[float, float]:
    """R² and RMSE of a row of the report."""
    (line,) = [line for line in output.splitlines() if line.startswith(row)]
    numbers = re.findall(r"(?<!± )-?\d+\.\d+", line)
    return float(numbers[0]), float(numbers[1])


# The article --------------------------------------------------------------------------------


def test_the_article_runs_from_end_to_end(tmp_path: Path) -> None:
    lines = run_as_a_program(folder=tmp_path).splitlines()

    assert sum(line.startswith(" epoch ") for line in lines) >= 1
    assert sum(line.split()[:1] == ["10"] for line in lines) >= 1
    (header,) = [i for i, line in enumerate(lines) if line.endswith("y hat")]
    assert lines[header].split() == ["a", "b", "c", "d", "value", "y", "hat"]
    head = np.array([line.split() for line in lines[header + 1 : header + 11]], float)
    table = make_hyperplane(random_state=0).head(10)
    np.testing.assert_allclose(head[:, 1:6], table, atol=1e-6)
    np.testing.assert_allclose(head[:, 6], table["value"], atol=0.005)

    assert "figure: hyperplane.png" in lines
    assert (tmp_path / "hyperplane.png").read_bytes().startswith(b"\x89PNG\r\n")
    rmse, article, factor = article_rmse(lines[-1])
    assert article == 0.0514
    assert rmse < article / 50
    assert factor == pytest.approx(article / rmse, rel=0.01)


def test_the_figure_goes_where_it_is_asked_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "other.svg"

    assert main(["--figure", str(path)]) == 0

    assert f"figure: {path}" in capsys.readouterr().out
    assert "<svg" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_the_figure_shows_the_training_and_the_predictions() -> None:
    X, y = make_hyperplane(200, random_state=0, return_X_y=True)
    model = SigmoidMLPRegressor(3, solver="lbfgs", alpha=0, tol=0.01, random_state=0).fit(X, y)
    y_hat = model.predict(X)

    figure = _article_figure(model, y, y_hat)

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


def test_without_matplotlib_one_line_says_how_to_get_the_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert main([]) == 0

    captured = capsys.readouterr()
    assert captured.out.count('pip install "sklearn-mlp[plot]"') == 1
    assert captured.err == ""
    article_rmse(captured.out.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


# The user's data ----------------------------------------------------------------------------


def test_a_csv_file_is_reported_on(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diabetes.csv", "--target", TARGET, "--hidden", "0", "--solver", "lbfgs"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert "diabetes.csv: 442 rows, target 'progression'" in captured.out
    assert re.search(r"^features +10 \(\d+ numeric, \d+ categorical\)$", captured.out, re.M)
    assert "353 to train on, 89 held out" in captured.out
    assert "no hidden units, solver lbfgs" in captured.out
    assert "not converged" not in captured.out
    # What ordinary least squares is known to reach on this set.
    assert reported(captured.out, "cross-validated") == pytest.approx((0.5, 54), rel=0.1)
    assert reported(captured.out, "held out") == pytest.approx((0.33, 58.5), rel=0.1)
    assert "(mean ± std of 5 folds)" in captured.out


def test_the_program_writes_a_model_that_any_process_can_load(
    diabetes: pd.DataFrame, tmp_path: Path
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, "--save", "model.joblib", *QUICK]
    output = run_as_a_program(*arguments, folder=tmp_path)

    assert "model = joblib.load('model.joblib')" in output
    model = joblib.load("model.joblib")
    assert isinstance(model, Pipeline)
    assert model[-1].hidden_layer_sizes == (2,)
    _, held_out = train_test_split(diabetes, test_size=0.2, random_state=0)
    r2 = r2_score(held_out[TARGET], model.predict(held_out))
    assert reported(output, "held out")[0] == pytest.approx(r2, abs=6e-4)


def test_the_options_reach_the_regressor(diabetes: pd.DataFrame) -> None:
    options = "--hidden 4,3 --solver adam --max-iter 2 --test-size 0.5 --random-state 7"

    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.joblib", *options.split()]
    assert main(arguments) == 0

    regressor = joblib.load("m.joblib")[-1]
    assert [W.shape for W in regressor.coefs_] == [(10, 4), (4, 3), (3, 1)]
    assert (regressor.solver_, regressor.n_iter_, regressor.t_) == ("adam", 2, 2 * 221)
    assert regressor.random_state == 7


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
    assert captured.out.count("not converged in 3 iterations: raise --max-iter (6 of 6 fits)") == 1
    assert captured.err == ""


def test_text_truth_values_and_gaps_are_understood(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["mixed.csv", "--target", "price", "--hidden", "0", "--save", "m.joblib"]
    assert main(arguments) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert "5 (1 numeric, 4 categorical)" in captured.out
    assert reported(captured.out, "held out")[0] > 0.8
    new = pd.read_csv("mixed.csv").drop(columns=["nothing", "price"]).head(40)
    new.loc[35, "colour"] = "never seen"
    assert np.isfinite(joblib.load("m.joblib").predict(new)).all()


def test_a_column_of_identifiers_does_not_explode(mixed: pd.DataFrame) -> None:
    main(["mixed.csv", "--target", "price", "--save", "m.joblib", *QUICK])

    assert joblib.load("m.joblib")[-1].n_features_in_ < 20


def test_columns_without_values_are_dropped(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mixed.csv", "--target", "price", *QUICK]) == 0

    out = capsys.readouterr().out
    assert re.search(r"^dropped +1 column without values: 'nothing'$", out, re.M)


@pytest.mark.parametrize("value", [1.5, "text"])
def test_a_column_may_be_empty_in_a_fold(
    diabetes: pd.DataFrame, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    column = pd.Series([value] + [None] * 441, dtype=object)
    diabetes.assign(rare=column).to_csv("rare.csv", index=False)

    assert main(["rare.csv", "--target", TARGET, *QUICK]) == 0
    assert capsys.readouterr().err == ""


def test_rows_without_a_target_are_dropped(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[:41, TARGET] = np.nan
    diabetes.to_csv("gaps.csv", index=False)

    assert main(["gaps.csv", "--target", TARGET, *QUICK]) == 0

    out = capsys.readouterr().out
    assert re.search(r"^dropped +42 rows without a target$", out, re.M)
    assert "400 rows" in out


def test_thirteen_rows_are_enough(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.head(13).to_csv("thirteen.csv", index=False)

    assert main(["thirteen.csv", "--target", TARGET, *QUICK]) == 0
    assert "10 to train on, 3 held out" in capsys.readouterr().out


def test_help_names_the_program_and_says_which_model_is_saved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])

    assert exit_info.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("usage: python -m sklearn_mlp")
    assert "the model that was scored on the held-out rows (fitted without them)" in out


# Several files, and large ones --------------------------------------------------------------


def in_three_files(table: pd.DataFrame, suffix: str = ".csv") -> None:
    """The table as part_0, part_1 and part_2."""
    for i, rows in enumerate(np.array_split(np.arange(len(table)), 3)):
        part, path = table.iloc[rows], f"part_{i}{suffix}"
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path)


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any file is too large for the memory."""
    monkeypatch.setattr(_tables, "memory", lambda: 0)
    monkeypatch.setattr(_lazy_tables, "BLOCK_BYTES", 3000)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_several_files_are_reported_on_as_one(
    suffix: str, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    in_three_files(diabetes, suffix)
    more = ["--target", TARGET, "--save", "m.joblib", *QUICK]

    assert main(["diabetes.csv", *more]) == 0
    of_one = capsys.readouterr().out.splitlines()
    assert main([f"part_*{suffix}", *more]) == 0
    of_three = capsys.readouterr().out.splitlines()

    assert of_three[0] == f"data            part_0{suffix} and 2 more files: 442 rows, " + (
        "target 'progression'"
    )
    assert of_three[1:-1] == of_one[1:-1]
    assert of_three[-1].split()[-1] == f"model.predict(pandas.read_{suffix[1:]}('new{suffix}'))"


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_large_files_are_read_in_blocks(
    suffix: str, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[:41, TARGET] = np.nan
    in_three_files(diabetes.assign(nothing=np.nan), suffix)
    more = ["--target", TARGET, "--hidden", "0", "--solver", "lbfgs", "--save", "m.joblib"]

    assert main([*(f"part_{i}{suffix}" for i in range(3)), *more]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"part_0{suffix} and 2 more files, target 'progression'" in captured.out
    assert "42 rows without a target" in captured.out
    assert "1 column without values: 'nothing'" in captured.out
    (n_train, n_test) = re.findall(r"(\d+) to train on, (\d+) held out", captured.out)[0]
    assert int(n_train) + int(n_test) == 400
    assert re.search(
        r"^cross-validated +not done: the data are read in blocks$", captured.out, re.M
    )
    # What ordinary least squares is known to reach on this set.
    assert reported(captured.out, "held out") == pytest.approx((0.45, 56), rel=0.3)
    model = joblib.load("m.joblib")
    assert not model[-1].verbose
    assert r2_score(diabetes[TARGET][42:], model.predict(diabetes[42:])) == pytest.approx(
        0.5, abs=0.04
    )


@pytest.mark.usefixtures("in_blocks")
def test_large_files_may_have_text_truth_values_and_gaps(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["mixed.csv", "--target", "price", "--hidden", "0", "--save", "m.joblib"]
    assert main(arguments) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    assert "5 (1 numeric, 4 categorical)" in captured.out
    assert reported(captured.out, "held out")[0] > 0.8
    new = pd.read_csv("mixed.csv").drop(columns=["nothing", "price"]).head(40)
    new.loc[35, "colour"] = "never seen"
    from_parquet = new.convert_dtypes()  # other types, and another missing value
    predictions = joblib.load("m.joblib").predict(new)
    assert np.isfinite(predictions).all()
    np.testing.assert_allclose(joblib.load("m.joblib").predict(from_parquet), predictions)


@pytest.mark.usefixtures("in_blocks")
def test_files_are_read_again_where_the_disk_is_full(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, "--hidden", "0", "--solver", "lbfgs"]
    assert main(arguments) == 0
    kept = capsys.readouterr().out.splitlines()
    monkeypatch.setattr(_lazy_tables, "DISK_SHARE", 0.0)
    assert main(arguments) == 0
    read = capsys.readouterr().out.splitlines()

    full = "disk            too full to keep the encoded rows: each pass reads the files again"
    assert full in read
    assert full not in kept
    assert read[-2:] == kept[-2:]  # the errors


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("y\n1\n2\n", "no column besides the target 'y'"),
        ("x,y\n" + "1,cat\n" * 20, "the target 'y' is not numeric: it has values like 'cat'"),
        ("x,y\n" + "1,\n" * 20, "the target 'y' has no values in the first rows"),
        ("x,y\n" + ",1\n" * 20, "no column besides the target has any values"),
        ("x,y\n" + "1,2\n" * 9, "at least 10 are needed to train on and 2 to hold out"),
        ("x,y\n" + "1,2\n" * 20 + "1,inf\n", "the target 'y' has infinite values"),
    ],
)
def test_what_is_wrong_with_large_files_is_one_line(
    content: str, message: str, no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    check_error([write_file(content), "--target", "y"], message, capsys)


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

    assert main([]) == 0

    captured = capsys.readouterr()
    assert "Training was interrupted after 20 iterations" in captured.out
    assert captured.err == ""
    article_rmse(captured.out.splitlines()[-1])


def test_an_interrupted_cross_validation_ends_the_program(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(monkeypatch, 5)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupted_last_fit_is_reported_on(
    diabetes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(monkeypatch, 5 * 3 + 2)

    assert main(["diabetes.csv", "--target", TARGET, *QUICK]) == 0

    captured = capsys.readouterr()
    assert "Training was interrupted after 2 iterations" in captured.out
    assert "held out" in captured.out
    assert captured.err == ""


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
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "'data.csv' is not a CSV file"),
        ("name,y\nJosé,1\n".encode("latin-1"), "is not UTF-8 text"),
        ("x,y\n1,2\n3,4,5\n", "cannot be read as CSV"),
        ("x,y\n1,2,3\n3,4,5\n", "more fields than its header"),
        ('x,y\n1,"2\n3,4\n', "cannot be read as CSV"),
        ("y\n1\n2\n", "no column besides the target 'y'"),
        ("x,y\n" + ",1\n" * 20, "no column besides the target has any values"),
        ("x,y\n" + "1,cat\n" * 20, "the target 'y' is not numeric: it has values like 'cat'"),
        ("x,y\n" + "1,2\n" * 20 + "1,n.d.\n", "the target 'y' is not numeric: it has values like"),
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


@pytest.mark.usefixtures("no_training", "diabetes")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere.csv --target y", "there is no file 'nowhere.csv'"),
        ("diabetes.csv nowhere.csv --target y", "there is no file 'nowhere.csv'"),
        ("nowhere*.csv --target y", "no file has a name like 'nowhere*.csv'"),
        (". --target y", "'.' is a folder, not a CSV or Parquet file"),
        ("diabetes.csv", "which column is to be predicted? Add --target COLUMN"),
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
        ("diabetes.csv --target bmi --save ./diabetes.csv", "is the data file itself"),
        ("diabetes.csv --target bmi --hidden many", "integers such as 50 or 50,20, got 'many'"),
        ("diabetes.csv --target bmi --hidden 5,0", "integers such as 50 or 50,20, got '5,0'"),
        ("diabetes.csv --target bmi --max-iter 0", "an integer from 1, got '0'"),
        ("diabetes.csv --target bmi --max-iter 1.5", "an integer from 1, got '1.5'"),
        ("diabetes.csv --target bmi --random-state -1", "--random-state"),
        ("diabetes.csv --target bmi --random-state 4294967296", "random_state"),
        ("diabetes.csv --target bmi --solver newton", "invalid choice: 'newton'"),
        ("diabetes.csv --target bmi --figure f.png", "a figure of the article's run only"),
        ("--target bmi", "--target: DATA, the file to train on, is missing"),
        ("--hidden 5", "--hidden: DATA, the file to train on, is missing"),
        ("--figure no/f.png", "--figure: there is no folder 'no'"),
        ("--figure f.txt", "should end in .png, .pdf or .svg"),
        ("--unknown", "unrecognized arguments: --unknown"),
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

    check_error(["--figure", "f.png"], "'f.png' may not be written", capsys)


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
        (joblib, "dump", break_writing, "No space left on device"),
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

    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.joblib", *QUICK]
    check_error(arguments, message, capsys)
