"""Files of all kinds, and the standard input."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sklearn_mlp.cli import blocks, files, main
from tests.cli.running import LINEAR, QUICK, TARGET, a_table, became, check_error, german, reported

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
@pytest.mark.slow
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


# Excel files with several sheets ---------------------------------------------------------------


@pytest.fixture
def book() -> pd.DataFrame:
    """A table in the second of three sheets of book.xlsx."""
    table = a_table()
    with pd.ExcelWriter("book.xlsx") as writer:
        pd.DataFrame({"About": ["this book"]}).to_excel(writer, sheet_name="Cover", index=False)
        table.to_excel(writer, sheet_name="2023", index=False)
        table.head(40).to_excel(writer, sheet_name="3", index=False)
    return table


@pytest.mark.parametrize(
    ("asked", "n_rows"), [("2023", 60), ("2", 60), ("3", 40)], ids=["name", "number", "both"]
)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.slow
def test_a_sheet_is_chosen_by_its_name_or_its_number(
    asked: str,
    n_rows: int,
    large: bool,
    book: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if large:
        monkeypatch.setattr(files, "MEMORY_SHARE", -1.0)
    sheet = ["--sheet", asked]
    more = [*LINEAR, "--save", "m.joblib", "--folds", "0"]

    assert main(["book.xlsx", "--target", "y", *sheet, *more]) == 0
    assert main(["predict", "m.joblib", "book.xlsx", *sheet, "--out", "p.csv"]) == 0

    captured = capsys.readouterr()
    assert captured.err == ""
    name = {60: "2023", 40: "3"}[n_rows]
    assert f"book.xlsx (sheet '{name}')" in captured.out
    assert "--sheet chooses another" not in captured.out
    np.testing.assert_allclose(pd.read_csv("p.csv")["y"], book["y"][:n_rows])


@pytest.mark.usefixtures("book")
def test_the_first_sheet_is_read_and_the_others_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = "there is no column 'y'. The columns are 'About'"
    assert main(["book.xlsx", "--target", "y"]) == 2

    captured = capsys.readouterr()
    assert message in captured.err
    text = "'Cover' is read, the first of 3 sheets of 'book.xlsx'. --sheet chooses another: "
    assert text + "'2023', '3'" in " ".join(captured.out.split())

    with pd.ExcelWriter("two.xlsx") as writer:
        a_table().to_excel(writer, sheet_name="new", index=False)
        a_table().to_excel(writer, sheet_name="old", index=False)
    assert main(["two.xlsx", "--target", "y", *LINEAR, "--folds", "0", "--save", "m.joblib"]) == 0
    assert "'new' is read, the first of 2 sheets" in capsys.readouterr().out
    assert main(["predict", "m.joblib", "two.xlsx"]) == 0
    captured = capsys.readouterr()
    assert captured.err == (
        "note: 'new' is read, the first of 2 sheets of 'two.xlsx'. --sheet chooses another: 'old'\n"
    )
    assert len(captured.out.splitlines()) == 61


@pytest.mark.usefixtures("book", "no_training")
def test_a_sheet_that_cannot_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for sheet in ("4", "0", "cover"):
        message = f"'book.xlsx' has no sheet '{sheet}'. Its sheets are 'Cover', '2023', '3'"
        check_error(["book.xlsx", "--target", "y", "--sheet", sheet], message, capsys)
    a_table().to_csv("a.csv", index=False)
    message = "--sheet is for Excel files, and 'a.csv' is none"
    check_error(["a.csv", "--target", "y", "--sheet", "1"], message, capsys)
    with pd.ExcelWriter("empty.xlsx") as writer:
        pd.DataFrame({"y": []}).to_excel(writer, sheet_name="none", index=False)
        a_table().to_excel(writer, sheet_name="all", index=False)
    message = "sheet 'none' of 'empty.xlsx' has a header but no rows"
    assert main(["empty.xlsx", "--target", "y"]) == 2
    assert message in capsys.readouterr().err
    Path("bad.xlsx").write_bytes(Path("book.xlsx").read_bytes().replace(b"worksheet", b"workshoot"))
    check_error(["bad.xlsx", "--target", "y"], "'bad.xlsx' cannot be read as Excel", capsys)


def test_times_with_a_zone_are_written_to_excel_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = pd.date_range("2024-03-30 12:00", periods=60, freq="7h", tz="Europe/Berlin")
    a_table().assign(Tag=times).to_parquet("a.parquet")
    more = [*LINEAR, "--folds", "0", "--save", "m.joblib"]
    assert main(["a.parquet", "--target", "y", *more]) == 0

    assert main(["predict", "m.joblib", "a.parquet", "--out", "p.xlsx"]) == 0

    found = pd.read_excel("p.xlsx")["Tag"].dt.round("s")
    assert found.tolist() == [time.replace(tzinfo=None) for time in times]
