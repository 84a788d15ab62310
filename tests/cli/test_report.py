"""``sklearn-mlp report``."""

import re

import pandas as pd
import pytest

from sklearn_mlp.cli import main
from tests.cli.running import TARGET, reported


@pytest.mark.slow
def test_a_model_is_described(diabetes: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--folds", "2", "--save", "m.skops"]
    assert main(["diabetes.csv", "--target", TARGET, "--hidden", "3", *more]) == 0
    of_fit = capsys.readouterr().out

    assert main(["report", "m.skops"]) == 0

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 79
    for group in ("cross-validated", "held out"):
        for model in ("this network", "a linear model", "the mean"):
            assert reported(out, group, model) == reported(of_fit, group, model)
    text = " ".join(out.split())
    assert "m.skops, which predicts 'progression'" in text
    assert "on 442 rows of diabetes.csv" in text
    assert re.search(r"noise 5\d\.", text)
    assert re.search(r"parameters 37, of which the data determine [\d.]+", text)
    assert re.search(r"error bars of all parameters; .* by calibration", text)
    shares = re.findall(r"(\d+\.\d)%  ?#*$", out, re.M)
    assert len(shares) == 10
    assert shares == sorted(shares, key=float, reverse=True)
    assert sum(map(float, shares)) == pytest.approx(100, abs=1)
