"""``sklearn-mlp report``: what a saved model is."""

import argparse
from typing import TYPE_CHECKING

import numpy as np

from ..summary import count, line, number
from . import models
from .meter import Meter
from .report import (
    say_columns,
    say_gaps,
    say_network,
    say_relevance,
    say_scores,
)

if TYPE_CHECKING:
    from ..regressor import SigmoidMLPRegressor


def run(arguments: argparse.Namespace, meter: Meter) -> int:
    """Describe the model that the arguments name. Returns the exit code."""
    model = models.load(arguments.model)
    about, say = model.about_, meter.say
    files = about["files"]
    more = f" and {count(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    line(say, "model", f"{arguments.model}, which predicts {about['target']!r}")
    line(
        say,
        "trained",
        f"{about['date']}, on {count(about['n_rows'], 'row')} of {files[0]}{more}; "
        f"sklearn-mlp {about['version']}",
    )
    if about.get("is_refitted"):
        line(say, "", "the scores below are of fits without the rows that they score")
    say_columns(say, model[0].columns)
    say_gaps(say, model)
    say_network(say, model, about["target"])
    line(say, "error bars", _error_bars(model[-1]))
    if about["scores"]:  # not interrupted before there were any
        say()
        say_scores(say, about["scores"])
    say()
    say_relevance(say, model)
    return 0


def _error_bars(network: "SigmoidMLPRegressor") -> str:
    """Which parameters are uncertain in the error bars, and how they were calibrated."""
    kind, posterior = network.posterior_kind_, network._model.posterior
    members = getattr(posterior, "members", [posterior])
    factors = [float(np.ravel(getattr(m, "posterior", m).calibration)[0]) for m in members]
    widened = float(np.sqrt(max(factors)))
    text = f"{number(widened, 3)} times as wide" if widened > 1.005 else "no wider"
    return f"of {kind}; {text} by calibration with left-out rows"
