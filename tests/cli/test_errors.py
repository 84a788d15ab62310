"""What cannot be used is one line of error."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow
import pytest
import skops.io

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.cli import files, main
from sklearn_mlp.cli.errors import InputError
from tests.cli.running import (
    LINEAR,
    QUICK,
    TARGET,
    check_error,
    write_file,
)


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


def test_a_damaged_column_name_of_an_arrow_file_is_one_line() -> None:
    schema = pyarrow.Table.from_pandas(pd.DataFrame({"x": [1.0]})).schema
    notes = schema.metadata[b"pandas"].replace(b'"name": "x"', b'"name": "O"')
    with pytest.raises(InputError, match=r"'a.feather' cannot be read as .*Column O"):
        files.arrow_kinds(
            files.DataFile(Path("a.feather"), files.FileKind.FEATHER),
            schema.with_metadata({b"pandas": notes}),
        )


def test_integers_that_parquet_cannot_hold_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def to_parquet(*_: Any, **__: Any) -> None:  # as the newest releases do, of 10**400
        raise OverflowError("Python int too large to convert to C long")

    file = write_file("\n".join(["x,y", *(f"{i},{i}" for i in range(20))]))
    assert main(["fit", file, "--target", "y", *LINEAR, "--save", "m.joblib"]) == 0
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
        ('diabetes.csv --target bmi --separator "', "has a meaning of its own in CSV files"),
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


def test_a_command_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    check_error(["prdict", "m.skops"], "there is no command and no file 'prdict'", capsys)


def test_a_column_in_other_case_is_the_one_that_is_meant(
    no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file("age,target\n1,2\n")
    check_error([path, "--target", "Target"], "did you mean 'target'? The", capsys)


def test_a_file_without_a_header_is_one_line(
    no_training: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file("0.5,a,2\n" * 20)
    check_error([path, "--target", "y"], "The first line has to name the columns", capsys)


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


def break_writing(*args: Any, **options: Any) -> NoReturn:
    raise OSError("No space left on device")


@pytest.mark.usefixtures("diabetes")
@pytest.mark.parametrize(
    ("where", "name", "break_it", "message"),
    [
        (SigmoidMLPRegressor, "fit", break_training, "diverged in epoch 3. Scale the data."),
        (skops.io, "dumps", break_writing, "No space left on device"),
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
