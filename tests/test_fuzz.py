"""Some random inputs of ``benchmarks fuzz``, and what counts as a failure there."""

import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fuzz
from sklearn_mlp import SigmoidMLPRegressor


@pytest.mark.slow
def test_random_inputs_end_with_predictions_or_a_plain_error() -> None:
    tally, failures, _ = fuzz.run(range(150), seed=1)
    assert failures == {}
    assert tally.total() == 150
    text = fuzz.as_text(tally, failures)
    assert "All: 150" in text
    assert "fit, frame" in text


def test_a_case_follows_from_its_number(tmp_path: Path) -> None:
    first, again, other = (fuzz.run_case(number, 0, tmp_path) for number in (7, 7, 8))
    assert first == again
    assert first.notes != other.notes


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (KeyError("a"), "KeyError"),
        (RuntimeWarning("overflow"), "RuntimeWarning"),
        (ValueError("raised elsewhere"), "raised elsewhere"),
    ],
)
def test_other_errors_are_failures(
    error: Exception, cause: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(case: fuzz.Case) -> str:
        raise error

    monkeypatch.setattr(fuzz, "WAYS", {"fit": (1.0, fail)})
    _, failures, _ = fuzz.run([0], seed=0)
    assert cause in next(iter(failures))


def test_errors_that_are_raised_on_purpose_are_none() -> None:
    with pytest.raises(ValueError) as refused:
        SigmoidMLPRegressor(solver="lm", loss="pinball").fit([[0.0]], [0.0])
    assert fuzz.cause_of(refused.value) == ""


@pytest.mark.slow
def test_changed_inputs_and_long_cases_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.zeros(3)
    with pytest.raises(fuzz.FaultError, match="X is modified"), fuzz.unmodified(X=X):
        X[0] = 1
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    with pytest.raises(fuzz.TooLongError), fuzz.time_limit():
        time.sleep(5)


@pytest.mark.nightly
def test_warnings_are_as_before() -> None:
    before = warnings.filters[:]
    fuzz.run(range(3), seed=2)
    assert warnings.filters == before
