from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.summary import MOST_RELEVANT, number, parameters_in_words

from .helpers import fitted

random = np.random.default_rng(0)
X = pd.DataFrame(random.normal(size=(80, 3)), columns=["age", "bmi", "pulse"])
y = 3 * X["bmi"] - X["age"] + random.normal(size=80)


def summary_of(model: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 80
    return lines


def test_a_summary_says_what_the_attributes_do(capsys: pytest.CaptureFixture[str]) -> None:
    model = fitted(SigmoidMLPRegressor((3,), random_state=0), X, y)
    network, evidence, noise, parameters, posterior, _, *inputs = summary_of(model, capsys)
    assert network.startswith("network         3 hidden units; solver lm, ")
    assert evidence.split()[-1] == number(model.log_marginal_likelihood_)
    assert noise.split()[1] == number(float(model.noise_std_))
    assert parameters.endswith(
        f"16, of which the data determine {number(model.n_effective_parameters_, 3)}"
    )
    assert posterior == "posterior       of all parameters, from 80 rows"
    assert [line.split()[0] for line in inputs] == ["bmi", "age", "pulse"]
    assert inputs[0].split()[1] == f"{model.feature_importances_[1]:.1%}"


def test_a_summary_says_what_was_tried(capsys: pytest.CaptureFixture[str]) -> None:
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    lines = summary_of(model, capsys)
    start = next(i for i, line in enumerate(lines) if line.startswith("tried"))
    tried = {one["hidden_layer_sizes"] for one in model.architectures_}
    rows = [line.split() for line in lines[start + 1 : start + 1 + len(tried)]]
    for units, n_rows, evidence, share in rows:
        sizes = () if units == "none" else (int(units),)
        of_units = [one for one in model.architectures_ if one["hidden_layer_sizes"] == sizes]
        assert int(n_rows) == 80
        assert evidence == number(max(one["log_evidence"] for one in of_units))
        assert share == f"{sum(one['share'] for one in of_units):.0%}"


@pytest.mark.parametrize(("loss", "words"), [("poisson", "the mean"), ("gamma", "squared mean")])
def test_the_noise_of_counts_and_amounts_is_their_dispersion(
    loss: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = 1 + random.poisson(np.exp(1 + 0.5 * X["bmi"]))
    model = fitted(SigmoidMLPRegressor((2,), loss=loss, solver="lm", random_state=0), X, counts)
    noise = next(line for line in summary_of(model, capsys) if line.startswith("noise"))
    assert f"variance {number(float(model.dispersion_))} times the" in noise
    assert noise.endswith(words)


def test_without_a_posterior_the_loss_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    model = fitted(SigmoidMLPRegressor((3,), loss="pinball", random_state=0), X, y)
    assert summary_of(model, capsys)[1:] == [
        f"loss            {number(model.loss_)} (pinball)",
        "parameters      16; there is no posterior",
    ]


def test_each_output_has_its_noise(capsys: pytest.CaptureFixture[str]) -> None:
    model = fitted(SigmoidMLPRegressor((), random_state=0), X, np.column_stack([y, 9 * X["age"]]))
    noise = next(line for line in summary_of(model, capsys) if line.startswith("noise"))
    assert ", ".join(number(std) for std in np.ravel(model.noise_std_)) in noise


def test_of_many_inputs_the_most_relevant_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    wide = random.normal(size=(60, MOST_RELEVANT + 2))
    lines = summary_of(fitted(SigmoidMLPRegressor((), random_state=0), wide, wide[:, 7]), capsys)
    assert lines[-1].split()[:3] == ["and", "2", "more"]
    assert [line.split()[0] for line in lines if "####" in line] == ["x7"]


def test_an_unfitted_network_has_no_summary() -> None:
    with pytest.raises(NotFittedError):
        SigmoidMLPRegressor().summary()


def test_a_summary_of_an_ensemble_has_a_line_for_each_member(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = SigmoidMLPEnsembleRegressor(SigmoidMLPRegressor((3,)), n_estimators=3, random_state=0)
    ensemble, *members, noise, _, first, _, _ = summary_of(fitted(model, X, y), capsys)
    assert ensemble.endswith("the mean of 3 fits")
    assert [line.split()[-8:-6] for line in members] == [[f"{i}:", "3"] for i in (1, 2, 3)]
    assert noise.split()[1] == number(float(model.noise_std_))
    assert first.split() == ["bmi", f"{model.feature_importances_[1]:.1%}", *first.split()[2:]]


def test_members_without_error_bars_have_a_summary_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = SigmoidMLPEnsembleRegressor(Ridge(), n_estimators=2).fit(X, y)
    assert summary_of(model, capsys) == [
        "ensemble        the mean of 2 fits",
        "members         1: Ridge",
        "                2: Ridge",
    ]


def test_no_more_parameters_are_determined_than_there_are() -> None:
    # Units without effect are left out of a mean after their parameters have been counted.
    network = SimpleNamespace(weights_=[np.zeros((3, 2)), np.zeros((3, 1))])
    network.n_effective_parameters_ = 9.2
    assert parameters_in_words(network) == "9, all of which the data determine"
    network.n_effective_parameters_ = 8.25
    assert parameters_in_words(network) == "9, of which the data determine 8.25"
