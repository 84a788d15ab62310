"""Models that were saved by this version and those before it still load, and predict the same."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.exceptions import InconsistentVersionWarning

from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES
from tests.models.make import HERE, predicted

MODELS = sorted(HERE.glob("*.skops"))


def test_there_are_models_of_each_kind() -> None:
    assert len(MODELS) >= 7


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_saved_model_predicts_what_it_did(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = skops.io.load(path, trusted=SKOPS_TRUSTED_TYPES)
    expected = json.loads(path.with_suffix(".json").read_text())
    for found, saved in zip(predicted(model), expected, strict=True):
        np.testing.assert_allclose(found, saved, rtol=1e-6, atol=1e-9)
