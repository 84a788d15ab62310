"""The mean and its noise in turn: train, estimate the noise, train anew on weighted rows.

A row whose noise has the variance σ²(x) says as much of the mean as its precision 1/σ²(x). So rows
are weighted by it, 1 on average, and the mean is trained anew from the start. Its errors say more
of the noise, and so on until the noise no longer moves (see :mod:`~sklearn_mlp.noise`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from .hindsight import Hindsight
from .monitor import Monitor
from .noise import LEAST_ROWS, Estimate, Residuals, differ, has_risen, is_better, weighted
from .solvers.log_variance import estimate
from .training import Plan, Trained, train

MOST_ROUNDS = 2
"""The most times that the mean is trained anew."""

SETTLED = 0.2
"""A noise whose log variance moves by less, in the root mean square over the rows, has settled."""


class Fit(NamedTuple):
    """A mean, how it was trained, and its noise."""

    plan: Plan
    monitor: Monitor
    trained: Trained


def fit(plan: Plan, monitor: Monitor, monitor_of: Callable[[Plan], Monitor]) -> Fit:
    """Train the mean and, if it varies, the noise.

    Parameters
    ----------
    plan : Plan
        Its `noise_kind` says whether the noise varies, or may.
    monitor : Monitor
        Of the first training.
    monitor_of : callable
        From the plan of another training to its monitor.

    Returns
    -------
    Fit
        The last training, or the first if the noise is constant. With "auto" also the first if
        the weights have made its leave-one-out errors larger for sure: what looks like noise may
        be what the network cannot follow, and then its rows should not count less.
    """
    first = Fit(plan, monitor, train(plan, monitor))
    if plan.noise_kind == "constant" or _is_cut_short(first):
        return first
    few, in_hindsight = plan.rows.total_weight < LEAST_ROWS, plan.rule.name != "lm"
    if plan.noise_kind == "auto" and (few or in_hindsight):
        return first  # in hindsight the posterior's own noise has been chosen, or will be
    residuals = _residuals(first, plan)
    found = estimate(residuals)
    if found is None or not _is_taken(plan, found, residuals, residuals):
        return first
    fitted, s, noise = first, residuals.rows.weights_of_rows(), found.noise
    for _ in range(MOST_ROUNDS):
        fitted = _anew(plan, found, monitor_of)
        if _is_cut_short(fitted):
            return fitted
        after = _residuals(fitted, plan)
        again = estimate(after)
        if again is None:
            return first
        settled = differ(again.variance, found.variance, s) < SETTLED
        found = again
        if settled:
            break
    if not _is_taken(plan, found, after, residuals):
        return first
    if plan.noise_kind == "auto" and has_risen(after.errors, residuals.errors, s):
        noise = replace(noise, log_weights=0.0)  # the rows are not weighted
        return first._replace(trained=replace(first.trained, noise=noise))
    return fitted


def _is_cut_short(fitted: Fit) -> bool:
    """Whether a callback or the user has ended the training."""
    return fitted.monitor.stopped or fitted.monitor.interrupted


def _residuals(fitted: Fit, first: Plan) -> Residuals:
    """What a mean leaves at each row, with the weights that the rows had before any noise."""
    plan, monitor, trained = fitted
    objective, posterior = plan.objective(monitor.network), trained.posterior
    if plan.rule.name == "lm":
        assert posterior is not None
        return Residuals.of(posterior, objective, first.rows)
    hindsight = Hindsight(objective, trained.w, plan.data.held_out, plan.noise)
    if posterior is None:
        posterior = hindsight.posterior()
    return hindsight.residuals(posterior, first.rows, first.data.held_out)


def _is_taken(plan: Plan, found: Estimate, now: Residuals, before: Residuals) -> bool:
    """Whether it is asked for, or better than constant noise by the rows themselves."""
    if plan.noise_kind == "varying":
        return True
    new, old = now.log_density(found.left_out), before.log_density(None)
    return is_better(new, old, before.rows.weights_of_rows())


def _anew(plan: Plan, found: Estimate, monitor_of: Callable[[Plan], Monitor]) -> Fit:
    """Train the mean anew, on rows that are weighted by the precision of their noise."""
    data, noise = plan.data, found.noise
    held_out = data.held_out and weighted(data.held_out, noise)
    data = replace(data, rows=weighted(plan.rows, noise), held_out=held_out)
    again = replace(plan, data=data, noise=noise)
    monitor = monitor_of(again)
    return Fit(again, monitor, train(again, monitor))
