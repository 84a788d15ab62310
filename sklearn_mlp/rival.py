"""A rival by first order, where second order was short of rows or of units.

With P parameters and n rows, a step of second order costs n P² multiplications, and a pass of first
order n P. With many columns a few units have many parameters already. Then second-order training
begins on hardly more rows than there are parameters, and may end in a poor minimum; or it cannot
afford as many units as the data determine.

So another network is trained there by :class:`~sklearn_mlp.solvers.HeldOutDescent`, which takes a
fraction of the time. It is taken if it is clearly better on the rows that it held out. The other
network has seen these rows, so its errors are those by leaving out each of them.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._typing import FloatArray
from ._warnings import warn
from .monitor import Monitor
from .noise import Residuals, gain_and_error
from .objective import Predictions
from .rows import Rows
from .training import Fit, Plan, train

MOST_PASSES = 4_000_000
"""The rival sees about so many rows in all, """

LEAST_EPOCHS = 10
"""but each of them so many times, if it needs to."""

LEAST_ERRORS = 2.0
"""By how much the rival must lower the squared error, in standard errors of the difference."""


def most_epochs(n_rows: int) -> int:
    """How many epochs a rival has."""
    return max(LEAST_EPOCHS, MOST_PASSES // n_rows)


def best_of_rivals(fitted: Fit, monitor_of: Callable[[Plan], Monitor]) -> Fit:
    """The fit, or that of its rival if this is clearly better.

    Parameters
    ----------
    fitted : Fit
    monitor_of : callable
        From the plan of another training to its monitor.
    """
    if fitted.plan.rival is None or not fitted.trained.is_short or fitted.is_cut_short:
        return fitted
    plan = fitted.plan.rival()
    monitor = monitor_of(plan)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rival = Fit(plan, monitor, train(plan, monitor))
            if rival.is_cut_short:
                raise KeyboardInterrupt
            is_better = _is_better(rival, fitted)
    except KeyboardInterrupt:
        warn("Training was interrupted; the best model so far is kept.", UserWarning)
        fitted.monitor.interrupted = True
        return fitted
    if not is_better:
        return fitted
    has_all_epochs = plan.rule.max_iter == fitted.plan.rule.max_iter
    for warning in caught:
        if has_all_epochs or warning.category is not ConvergenceWarning:
            warn(str(warning.message), warning.category)
    return rival._replace(trained=replace(rival.trained, tried=_tried(rival, fitted)))


def _is_better(rival: Fit, fitted: Fit) -> bool:
    """Whether the squared error of the rival is clearly lower on the rows that it held out."""
    held_out = rival.plan.data.held_out
    assert held_out is not None
    units = fitted.plan.data.units
    rows = held_out.in_units(units).in_dtype(np.float64)
    objective, posterior = (
        fitted.plan.objective(fitted.monitor.network, rows),
        fitted.trained.posterior,
    )
    assert posterior is not None
    before = Residuals.of(posterior, objective, rows)
    after = _errors(rival, held_out.at_hand())[before.positions]
    after *= rival.plan.data.units.outputs.scale / units.outputs.scale
    squares, new_squares = ((errors**2).sum(axis=1) for errors in (before.errors, after))
    fall, uncertainty = gain_and_error(squares, new_squares, before.rows.weights_of_rows())
    return fall > LEAST_ERRORS * uncertainty


def _errors(fitted: Fit, rows: Rows) -> FloatArray:
    """The errors at rows that were not trained on, in the units of training."""
    network = fitted.monitor.network or fitted.plan.network
    prediction = rows.gather(Predictions(network, network.layers(fitted.trained.w)))
    errors: FloatArray = prediction.astype(np.float64) - rows.whole().targets.T
    return errors


def _tried(rival: Fit, fitted: Fit) -> list[dict[str, Any]] | None:
    """The networks that were tried, of which the rival is taken."""
    before = fitted.trained.tried
    if before is None:
        return None
    taken = {
        "hidden_layer_sizes": rival.plan.network.layer_sizes[1:-1],
        "n_rows": rival.plan.data.rows.n_rows,
        "log_evidence": np.nan,
        "leave_one_out": np.nan,
        "n_effective_parameters": np.nan,
        "share": 1.0,
    }
    return [*({**one, "share": 0.0} for one in before), taken]
