"""``sklearn-mlp fit``: the report, the options, the columns, rows that are odd."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import sklearn_mlp
from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import main
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.arguments import MAX_ITER, SOLVERS
from sklearn_mlp.cli.models import load
from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES
from tests.cli.running import LINEAR, QUICK, TARGET, became, reported, run_as_a_program


@pytest.mark.slow
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


@pytest.mark.slow
def test_fit_may_be_left_out(diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["diabetes.csv", "--target", TARGET, *QUICK]
    assert main(["fit", *more]) == 0
    of_fit = capsys.readouterr().out
    assert main(more) == 0
    assert capsys.readouterr().out == of_fit
    assert main(["--target", TARGET, "diabetes.csv", *QUICK]) == 0
    assert capsys.readouterr().out == of_fit


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_program_writes_a_model_that_any_process_can_load(
    diabetes: pd.DataFrame, tmp_path: Path
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, "--save", "model.skops", "--no-refit", *QUICK]
    output = run_as_a_program(*arguments, folder=tmp_path)

    assert "sklearn-mlp predict model.skops NEW.csv" in output
    model = skops.io.load("model.skops", trusted=SKOPS_TRUSTED_TYPES)
    assert isinstance(model, Pipeline)
    assert model[-1].hidden_layer_sizes == (2,)
    _, held_out = train_test_split(diabetes, test_size=0.2, random_state=0)
    r2 = r2_score(held_out[TARGET], model.predict(held_out))
    assert reported(output, "held out")[0] == pytest.approx(r2, abs=6e-4)


@pytest.mark.nightly
def test_a_model_is_saved_although_nobody_reads_the_report(diabetes: pd.DataFrame) -> None:
    package = Path(sklearn_mlp.__file__).parents[1]
    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.joblib", *QUICK]
    program = subprocess.Popen(
        [sys.executable, "-m", "sklearn_mlp", *arguments],
        env={**os.environ, "PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.readline()
    program.stdout.close()
    with program.stderr:
        assert b"rror" not in program.stderr.read()
    assert program.wait() == 0
    assert load(Path("m.joblib")).about_["scores"].keys() == {"held out", "cross-validated"}


def test_the_options_reach_the_regressor(diabetes: pd.DataFrame) -> None:
    options = "--hidden 4,3 --solver adam --max-iter 2 --test-size 0.5 --random-state 7 --folds 0"

    arguments = ["diabetes.csv", "--target", TARGET, "--save", "m.joblib", *options.split()]
    assert main(arguments) == 0

    regressor = joblib.load("m.joblib")[-1]
    assert [W.shape for W in regressor.coefs_] == [(10, 4), (4, 3), (3, 1)]
    assert (regressor.solver_, regressor.n_iter_, regressor.t_) == ("adam", 2, 2 * 442)
    assert regressor.random_state == 7


@pytest.mark.nightly
@pytest.mark.parametrize("refits", [True, False])
def test_the_saved_model_is_fitted_to_all_rows_and_scored_without(
    refits: bool, diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["diabetes.csv", "--target", TARGET, "--hidden", "0", "--folds", "3"]
    assert main(arguments) == 0
    without = capsys.readouterr().out
    assert main([*arguments, "--save", "m.joblib", *([] if refits else ["--no-refit"])]) == 0
    out = capsys.readouterr().out

    for group, n_rows in (("held out", 89), ("cross-validated", 353)):
        assert f"{group}, {n_rows} rows" in out
        for model in ("this network", "a linear model", "the mean"):
            assert reported(out, group, model) == reported(without, group, model)
    seen = diabetes if refits else train_test_split(diabetes, test_size=0.2, random_state=0)[0]
    X, y = seen.drop(columns=TARGET), seen[TARGET]
    expected = SigmoidMLPRegressor((), random_state=0).fit(X.to_numpy(float), y.to_numpy(float))
    model = joblib.load("m.joblib")
    assert model[-1].posterior_n_samples_ == model.about_["n_rows"] == len(seen)
    np.testing.assert_allclose(model.predict(X), expected.predict(X.to_numpy(float)), rtol=1e-9)
    text = " ".join(out.split())
    fitted = "m.joblib, fitted to all 442 rows; the scores are of fits without the rows that they"
    assert (fitted in text) == refits
    assert ("m.joblib, fitted without the held-out rows." in text) != refits
    assert main(["report", "m.joblib"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"on {len(seen)} rows of diabetes.csv" in text
    assert ("the scores below are of fits without the rows that they score" in text) == refits


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


@pytest.mark.slow
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
    assert re.search(r"^training +\[[#.]{16}\]  .* left", captured.err, re.M)
    assert re.search(r"^cross-validation 2 of 2 +\[[#.]{16}\]  .* left", captured.err, re.M)
    assert "left" not in captured.out.replace("left out", "")


@pytest.mark.slow
def test_all_kinds_of_columns_are_understood(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mixed.csv", "--target", "price", *LINEAR, "--save", "m.skops"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    kinds = became(captured.out)
    assert kinds["numbers"] == "size, new, used"
    assert kinds["dates"] == "sold (written year-month-day; also year, month, weekday)"
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
@pytest.mark.slow
def test_a_column_may_be_empty_in_a_fold(
    diabetes: pd.DataFrame, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    column = pd.Series([value] + [None] * 441, dtype=object)
    diabetes.assign(rare=column).to_csv("rare.csv", index=False)

    assert main(["rare.csv", "--target", TARGET, *QUICK]) == 0
    assert capsys.readouterr().err == ""


def test_gaps_are_spoken_of(diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    diabetes.loc[:41, "bmi"] = np.nan
    diabetes.loc[100:130, "s5"] = np.nan
    diabetes.to_csv("gaps.csv", index=False)

    assert main(["gaps.csv", "--target", TARGET, *QUICK, "--save", "m.skops"]) == 0
    of_fit = capsys.readouterr().out
    assert main(["report", "m.skops"]) == 0

    for out in (of_fit, capsys.readouterr().out):
        gaps = "gaps            bmi, s5: filled with the median, and marked"
        assert gaps in out.splitlines()


def test_the_command_that_uses_the_model_can_be_copied(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a model of the diabetes data in a long name.skops"
    assert main(["diabetes.csv", "--target", TARGET, *QUICK, "--save", name]) == 0

    command = capsys.readouterr().out.splitlines()[-1].strip()
    program, *arguments = shlex.split(command.replace("NEW.csv", "diabetes.csv"))
    assert program == "sklearn-mlp"
    assert main(arguments) == 0
    assert capsys.readouterr().out == (
        "PREDICTED.csv: 442 rows, with progression_predicted and progression_std\n"
    )


def test_rows_without_a_target_are_left_out(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[:41, TARGET] = np.nan
    diabetes.to_csv("gaps.csv", index=False)

    assert main(["gaps.csv", "--target", TARGET, *QUICK]) == 0

    out = capsys.readouterr().out
    assert re.search(r"^ +without 42 rows that have no target$", out, re.M)
    assert "400 rows" in out


@pytest.mark.slow
def test_thirteen_rows_are_enough(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.head(13).to_csv("thirteen.csv", index=False)

    assert main(["thirteen.csv", "--target", TARGET, *QUICK[:-2]]) == 0
    out = capsys.readouterr().out
    assert "10 to train on, 3 held out" in out
    assert "cross-validated, 10 rows" in out


@pytest.mark.parametrize("column", ["bmi", TARGET])
@pytest.mark.slow
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
@pytest.mark.slow
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
        for code in ("0  ", "2  ", "130", "143"):
            assert re.search(rf"^  {code}", out, re.M)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sklearn-mlp {sklearn_mlp.__version__}\n"
