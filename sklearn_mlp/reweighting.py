"""The mean and its noise: train, estimate the noise, and train again on weighted rows.

The noise is estimated from the leave-one-out errors of the mean (see :mod:`~sklearn_mlp.noise`). A
row whose noise has the variance σ²(x) has the precision 1/σ²(x). So rows are weighted by it, scaled
to 1 on average, and the mean is trained again. The networks of a ladder go on from where they are,
and a network that was given begins anew.

That is right if what looks like noise is noise. If the network cannot follow the function there,
the rows that are needed most count least, and errors grow. With the right noise, weighted least
squares have the smaller error, even in the unweighted mean square. So the new mean is kept only if
its leave-one-out errors are no larger.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

from ._warnings import Caught, held_back, warn, warn_again
from .committee import TRUSTED, MixturePosterior
from .hindsight import Hindsight
from .monitor import Monitor
from .noise import (
    LEAST_ROWS,
    Estimate,
    Residuals,
    differ,
    in_both,
    is_better,
    mean_square,
    weighted,
)
from .rival import best_fit
from .rows import one_blas_thread
from .solvers.log_variance import estimate
from .training import Fit, Plan, Trained, train

MOST_ROUNDS = 2
"""The largest number of times that the mean is trained again."""

LEAST_GAIN = 1.25
"""With "auto", the mean is trained again if weights may lower its variance by such a factor.

And if the evidence sets its penalty: a number as `alpha` says what is to be minimised. The most
that they can is the mean of the noise's variances times the mean of their inverses.
"""

SETTLED = 0.2
"""A noise whose log variance moves by less, in the root mean square over the rows, has settled."""


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
        The last training that has not made the leave-one-out errors larger, with its noise. If it
        is interrupted from the keyboard, the training before it.
    """
    with one_blas_thread() if plan.is_small else nullcontext():
        return _fit(plan, monitor, monitor_of)


def _fit(plan: Plan, monitor: Monitor, monitor_of: Callable[[Plan], Monitor]) -> Fit:
    best = best_fit(plan, monitor, monitor_of)
    plan = best.plan
    if plan.noise_kind == "constant" or best.is_cut_short:
        return best
    few, in_hindsight = plan.rows.total_weight < LEAST_ROWS, plan.rule.name != "lm"
    if plan.noise_kind == "auto" and (few or in_hindsight):
        return best  # in hindsight the posterior's own noise has been chosen, or will be
    try:
        for better in _with_noise(best, monitor_of):
            best = better
    except KeyboardInterrupt:
        warn("Training was interrupted; the best model so far is kept.", UserWarning)
    return best


def _with_noise(first: Fit, monitor_of: Callable[[Plan], Monitor]) -> Iterator[Fit]:
    """Better and better fits with noise that varies; none if it is constant."""
    plan, first = first.plan, _with_posterior(first)
    residuals = _residuals(first, plan)
    found = estimate(residuals)
    if found is None or not _is_taken(first, found, residuals):
        return
    noise = found.noise.without_weights()
    yield first._replace(trained=replace(first.trained, noise=noise))
    if not _are_weights_tried(plan, noise.mean_weight):
        return
    trained = first.trained
    del first  # of these only the best is needed, and each has a matrix over the weights
    for _ in range(MOST_ROUNDS):
        fitted, caught = _anew(plan, trained, found, monitor_of)
        if fitted.is_cut_short:
            warn_again(caught)
            return
        fitted = _with_posterior(fitted)
        after = _residuals(fitted, plan)
        again = estimate(after)
        if again is None or not _is_kept(fitted, after, again, residuals, found):
            return  # without its warnings
        warn_again(caught)
        noise = again.noise.weighted_as(found.noise)
        yield fitted._replace(trained=replace(fitted.trained, noise=noise))
        i, j = in_both(after, residuals)
        s = after.rows.weights_of_rows()[i]
        if differ(again.variance[i], found.variance[j], s) < SETTLED:
            return
        trained, residuals, found = fitted.trained, after, again


def _with_posterior(fitted: Fit) -> Fit:
    """The same, with the posterior that would be computed later."""
    trained = fitted.trained
    hindsight = trained.hindsight
    if hindsight is None:
        return fitted
    trained = replace(
        trained,
        posterior=hindsight.posterior(),
        relevances=hindsight.relevances(),
        hindsight=None,
    )
    return fitted._replace(trained=trained)


def _residuals(fitted: Fit, first: Plan) -> Residuals:
    """The residuals of a mean at each row, with the original weights of the rows."""
    plan, monitor, trained = fitted
    objective, posterior = plan.objective(monitor.network), trained.posterior
    assert posterior is not None
    if plan.rule.name == "lm":
        return Residuals.of(posterior, objective, first.rows)
    hindsight = Hindsight(objective, trained.w, plan.data.held_out, plan.noise)
    return hindsight.residuals(posterior, first.rows, first.data.held_out)


def _is_taken(fitted: Fit, found: Estimate, residuals: Residuals) -> bool:
    """Whether varying noise is asked for, or better than constant noise on these rows."""
    if fitted.plan.noise_kind == "varying":
        return True
    if _determined(fitted) > TRUSTED[1]:
        return False
    new, old = residuals.log_density(found.left_out), residuals.log_density(None)
    return is_better(new, old, residuals.rows.weights_of_rows())


def _are_weights_tried(plan: Plan, gain: float) -> bool:
    """Whether the mean is trained again, with weights that may lower its variance by a factor."""
    if plan.rows.total_weight < LEAST_ROWS:
        return False
    return plan.noise_kind == "varying" or (plan.rule.by_evidence and gain >= LEAST_GAIN)


def _is_kept(fitted: Fit, new: Residuals, now: Estimate, old: Residuals, before: Estimate) -> bool:
    """Whether a mean has no larger squared errors than that before it, and no lower density.

    And whether the leave-one-out errors can be trusted.
    """
    i, j = in_both(new, old)
    s = old.rows.weights_of_rows()[j]
    risen = mean_square(new.errors[i], s) / mean_square(old.errors[j], s)
    gain = new.log_density(now.left_out)[i] - old.log_density(before.left_out)[j]
    believed = _determined(fitted) <= TRUSTED[0]
    return believed and float(risen.mean()) <= 1 and float(s @ gain) >= 0


def _determined(fitted: Fit) -> float:
    """The parameters that the data determine, per row."""
    posterior = fitted.trained.posterior
    assert posterior is not None
    return posterior.n_effective_parameters / (posterior.n * len(posterior.beta))


def _anew(
    plan: Plan, before: Trained, found: Estimate, monitor_of: Callable[[Plan], Monitor]
) -> tuple[Fit, Caught]:
    """Train the mean on rows that are weighted by the precision of their noise; its warnings.

    The networks of a ladder go on from where they are.
    """
    data, noise, posterior, tried = plan.data, found.noise, before.posterior, before.tried
    held_out = data.held_out and weighted(data.held_out, noise)
    data = replace(data, rows=weighted(plan.rows, noise), held_out=held_out)
    known = posterior.members if isinstance(posterior, MixturePosterior) else ()
    again = replace(plan, data=data, rule=replace(plan.rule, known=known), noise=noise)
    monitor = monitor_of(again)
    with held_back() as caught:
        trained = train(again, monitor)
    if tried is not None and trained.tried is not None:
        left = [one for one in tried if not one["share"]]
        trained = replace(trained, tried=left + trained.tried)
    return Fit(again, monitor, trained), caught
