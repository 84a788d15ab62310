"""The documentation has every public name."""

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
