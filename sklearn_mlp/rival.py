"""A rival by first order, where second order was short of rows or of units.

With P parameters and n rows, a step of second order costs n P² multiplications, and a pass of first
order n P. With many columns a few units have many parameters already. Then second-order training
begins on hardly more rows than there are parameters, and may end in a poor minimum; or it cannot
afford as many units as the data determine.

So another network is trained there by :class:`~sklearn_mlp.solvers.HeldOutDescent`, which takes a
fraction of the time. It is taken if it is clearly better on the rows that it held out. The other
network has seen these rows, so its errors are those by leaving out each of them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._typing import FloatArray
from ._warnings import held_back, warn, warn_again
from .monitor import Monitor
from .noise import Residuals, gain_and_error
from .objective import Predictions
from .rows import Rows
from .training import Fit, Plan, train

MOST_PASSES = 4_000_000
"""The rival sees about so many rows in all, """

LEAST_EPOCHS = 10
"""but each of them so many times, if it needs to. Of more than 400,000 rows it sees some."""

LEAST_ERRORS = 2.0
"""By how much the rival must lower the squared error, in standard errors of the difference."""


def most_epochs(n_rows: int) -> int:
    """How many epochs a rival has."""
    return max(LEAST_EPOCHS, MOST_PASSES // n_rows)


def rows_of_rival(n_rows: int) -> int:
    """How many of the rows a rival is trained on, and judged by."""
    return min(n_rows, MOST_PASSES // LEAST_EPOCHS)


def best_fit(plan: Plan, monitor: Monitor, monitor_of: Callable[[Plan], Monitor]) -> Fit:
    """Train, and train a rival too if there is need of one. The better of both, with its warnings.

    Parameters
    ----------
    plan : Plan
    monitor : Monitor
    monitor_of : callable
        From the plan of a rival to its monitor.
    """
    if plan.rival is None:
        return Fit(plan, monitor, train(plan, monitor))
    with held_back() as caught:
        first = Fit(plan, monitor, train(plan, monitor))
    rival = None
    if first.trained.is_short and not first.is_cut_short:
        rival = _better_rival(first, plan.rival(), monitor_of)
    if rival is None:
        warn_again(caught)
    return rival or first


def _better_rival(first: Fit, plan: Plan, monitor_of: Callable[[Plan], Monitor]) -> Fit | None:
    """The rival if it is clearly better, with its warnings."""
    monitor = monitor_of(plan)
    try:
        with held_back() as caught:
            rival = Fit(plan, monitor, train(plan, monitor))
            if rival.is_cut_short:
                raise KeyboardInterrupt
            is_better = _is_better(rival, first)
    except KeyboardInterrupt:
        warn("Training was interrupted; the best model so far is kept.", UserWarning)
        first.monitor.interrupted = True
        return None
    except ValueError:  # it has diverged, which happens with a high learning_rate_init
        return None
    if not is_better:
        return None
    own_limit = plan.rule.max_iter < first.plan.rule.max_iter  # which the user cannot raise
    warn_again([w for w in caught if not (own_limit and w.category is ConvergenceWarning)])
    return rival._replace(trained=replace(rival.trained, tried=_tried(rival, first)))


def _is_better(rival: Fit, fitted: Fit) -> bool:
    """Whether the squared error of the rival is clearly lower on the rows that it held out.

    If the errors by leaving out cannot be trusted at any of them, those of the other network are
    as they are, which is in its favour.
    """
    held_out = rival.plan.data.held_out
    assert held_out is not None
    units = fitted.plan.data.units
    rows = held_out.in_units(units).in_dtype(np.float64)
    objective = fitted.plan.objective(fitted.monitor.network, rows)
    posterior = fitted.trained.posterior
    assert posterior is not None
    before = Residuals.of(posterior, objective, rows)
    after = _errors(rival, held_out.at_hand())
    after *= rival.plan.data.units.outputs.scale / units.outputs.scale
    if len(before.positions):
        errors, after, counted = before.errors, after[before.positions], before.rows
    else:
        counted = rows.at_hand()
        errors = _errors(fitted, counted)
    squares, new_squares = ((each**2).sum(axis=1) for each in (errors, after))
    fall, uncertainty = gain_and_error(squares, new_squares, counted.weights_of_rows())
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
