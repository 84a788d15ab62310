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
