"""The documentation has every public name, and its modules do nothing when they are imported."""

import runpy
import sys
from pathlib import Path

import pytest

import sklearn_mlp
import sklearn_mlp.datasets
import sklearn_mlp.inspection
import sklearn_mlp.interop

API = Path(__file__).parent.parent / "docs" / "api.rst"
NAMES = [
    *sklearn_mlp.__all__,
    *sklearn_mlp.datasets.__all__,
    *sklearn_mlp.inspection.__all__,
    *sklearn_mlp.interop.__all__,
]


@pytest.mark.parametrize("name", NAMES)
def test_the_api_reference_lists_every_public_name(name: str) -> None:
    words = API.read_text(encoding="utf-8").replace("`", " ").split()
    assert name in words, f"list {name} in docs/api.rst"


def test_the_script_of_the_house_sales_writes_only_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest", "sold.csv"])
    script = str(API.with_name("sold.py"))
    runpy.run_path(script, run_name="sold")
    assert list(tmp_path.iterdir()) == []
    runpy.run_path(script, run_name="__main__")
    assert len(Path("sold.csv").read_text().splitlines()) == 651
