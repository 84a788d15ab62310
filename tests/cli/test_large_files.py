"""Several files as one table, and files that are read in blocks."""

import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler

from sklearn_mlp.cli import blocks, main
from sklearn_mlp.cli import meter as of_meter
from sklearn_mlp.cli.blocks import LazyTable
from sklearn_mlp.cli.files import find_files
from sklearn_mlp.distributed import compute
from tests.cli.running import (
    LINEAR,
    QUICK,
    TARGET,
    became,
    check_error,
    reported,
    write_file,
)


def in_three_files(table: pd.DataFrame, suffix: str = ".csv") -> None:
    """The table as part_0, part_1 and part_2."""
    for i, rows in enumerate(np.array_split(np.arange(len(table)), 3)):
        part, path = table.iloc[rows], f"part_{i}{suffix}"
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.slow
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
@pytest.mark.slow
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
    assert re.search(r"^reading 1 of 3 +\[[#.]{16}\]  .* left", captured.err, re.M)
    assert re.search(r"^training +\[[#.]{16}\]  .* left", captured.err, re.M)
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
    assert model[-1].posterior_n_samples_ == model.about_["n_rows"] == 400
    assert "m.joblib, fitted to all 400 rows" in text


@pytest.mark.nightly
@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize(("disk_share", "n_bytes"), [(0.5, 500), (0.0, 3000)])
def test_a_large_file_has_its_scores_from_rows_that_were_held_out(
    disk_share: float,
    n_bytes: int,
    diabetes: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", n_bytes)  # some of 500 hold no row out
    monkeypatch.setattr(blocks, "DISK_SHARE", disk_share)
    arguments = ["diabetes.csv", "--target", TARGET, *LINEAR, "--save", "m.joblib"]
    assert main([*arguments, "--no-refit"]) == 0
    of_some = capsys.readouterr().out
    assert main(arguments) == 0
    of_all = capsys.readouterr().out
    assert main(["report", "m.joblib"]) == 0
    of_report = capsys.readouterr().out

    table = LazyTable.of(find_files(["diabetes.csv"], Path()), Path())
    train, test = (pd.concat(compute(part.tasks)) for part in table.split(TARGET, 0.2, 0))
    X, y = train.drop(columns=TARGET), train[TARGET]
    linear = BayesianRidge().fit(StandardScaler().fit(X).transform(X), y)
    scaled = StandardScaler().fit(X).transform(test.drop(columns=TARGET))
    mean, std = linear.predict(scaled, return_std=True)
    expected = [
        r2_score(test[TARGET], mean),
        root_mean_squared_error(test[TARGET], mean),
        norm.logpdf(test[TARGET], mean, std).mean(),
        100 * (np.abs(test[TARGET] - mean) < 1.96 * std).mean(),
    ]
    for out in (of_some, of_all, of_report):
        assert f"held out, {len(test)} rows" in out
        assert reported(out, "held out") == pytest.approx(expected, rel=0.03)
        assert reported(out, "held out") == reported(of_some, "held out")
        linear_model = reported(out, "held out", "a linear model")
        assert linear_model == pytest.approx(expected, rel=0.03)
        r2, rmse, _, _ = reported(out, "held out", "the mean")
        assert rmse == pytest.approx(np.sqrt(np.mean((test[TARGET] - y.mean()) ** 2)), rel=0.01)
        assert abs(r2) < 0.05
    assert "scored on held-out rows, without cross-validation" in " ".join(of_all.split())
    assert joblib.load("m.joblib")[-1].posterior_n_samples_ == 442


@pytest.mark.usefixtures("in_blocks")
def test_large_files_may_have_columns_of_all_kinds(
    mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mixed.csv", "--target", "price", *LINEAR, "--save", "m.joblib"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    kinds = became(captured.out)
    assert kinds["numbers"] == "size, new, used"
    assert kinds["dates"] == "sold (written year-month-day; also year, month, weekday)"
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
@pytest.mark.slow
def test_an_outlier_in_a_large_file_is_named_with_its_row(
    diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    diabetes.loc[401, "bmi"] = 1e12
    diabetes.to_csv("a.csv", index=False)

    assert main(["a.csv", "--target", TARGET, *QUICK]) == 0
    assert "column 'bmi' is 1e+12 in row 402" in capsys.readouterr().err


@pytest.mark.nightly
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
