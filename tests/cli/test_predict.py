"""``sklearn-mlp predict``."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

import sklearn_mlp
from sklearn_mlp.cli import main
from tests.cli.running import LINEAR, a_table, check_error, german


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
@pytest.mark.slow
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
        "note: 'size' has no number in 1 row, such as 'large': taken as missing",
        "note: 'town' has a new category in 2 rows, such as 'Atlantis': taken as unknown",
        "note: 'sold' has no date in 1 row, such as 'soon': taken as missing",
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


@pytest.mark.nightly
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
