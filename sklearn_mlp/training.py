"""Train a network: choose the rule and the start, make one or several attempts, keep the best."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score
from sklearn.utils import check_random_state

from ._lazy import lazy
from ._typing import FloatArray, Regressor
from ._warnings import warn
from .committee import PATIENCE, WIDTHS, Climb, Member, MixturePosterior, rungs
from .curvature import step_cost
from .data import Data
from .growth import (
    MOST_MEMORY,
    Growth,
    Sample,
    fits_into_memory,
    is_in_reach,
    memory_of_a_step,
    rows_to_begin_with,
)
from .hindsight import Hindsight
from .losses import DEVIANCES, Loss
from .memory import available_memory
from .model import mean_r2, relevances, shares
from .monitor import Attempts, Monitor
from .network import Network, PartialNetwork
from .noise import VaryingNoise
from .objective import LossAndSquares, Objective, Predictions
from .posterior import LaplacePosterior, Posterior
from .rows import Rows
from .solvers import (
    LBFGS,
    Adam,
    EvidenceMaximization,
    GradientDescent,
    HeldOutContinuation,
    HeldOutDescent,
    LevenbergMarquardt,
    MinibatchSolver,
    Solver,
    StochasticGradientDescent,
)
from .solvers import held_out as held_out_rule
from .solvers.ascent import linear_posterior
from .solvers.evidence import MORE_PROBABLE, SMALL_WEIGHTS, STARTS
from .standardize import Moments, Units, change_units
from .streams import ObjectiveAfter, Stream, begun

FEW_FREE_ROWS = 0.02
"""Training warns if a smaller share of the rows is left to estimate the noise from."""

AUTO_LM_COST = 4e9
"""``solver="auto"`` is "lm" if a step costs at most this: see :func:`step_cost`."""

FEW_ROWS_COST = 5e8
"""Where a step over all rows costs more than AUTO_LM_COST, training under the evidence begins with
so many rows that it costs this."""

LADDER_COST = 2e9
"""The ladder is climbed on so many rows that a step of its second network costs no more, """

LADDER_ROWS = 3_000
"""and not on all of them if they are more than this."""

AUTO_LBFGS_ROWS = 10_000
"""Otherwise ``solver="auto"`` is "lbfgs" up to this many rows, and "adam" above. With
``alpha="auto"`` it is "adam" for fewer rows too, and some are held out (:func:`_holds_out`)."""

AMPLE_ROWS = 5
"""So many rows for each parameter are enough to begin with: of the network that is given, or of the
second one of the ladder."""

AUTO_HIDDEN = (50,)
"""``hidden_layer_sizes="auto"`` where no evidence finds the width."""

AUTO_ALPHA = 1e-4
"""The value of ``alpha="auto"`` if neither the evidence nor held-out rows set the penalty."""

AUTO_BATCH_SIZE = 200
"""The value of ``batch_size="auto"``. If there are fewer rows, it is their number."""

FIRST_ORDER = ("adam", "sgd", "gd")
"""The solvers that use only the gradient."""

IN_PARTS = ("lm", *FIRST_ORDER)
"""The solvers that :meth:`SigmoidMLPRegressor.partial_fit` can use."""


# Where training begins --------------------------------------------------------------------------


class LeftOff(NamedTuple):
    """The state from which :meth:`SigmoidMLPRegressor.partial_fit` continues.

    After "lm" it has a summary of the rows so far.
    """

    solver: Solver
    rng: RandomState
    moments: tuple[Moments, Moments] | None
    n_stalled: int
    stream: Stream | None = None


@dataclass(frozen=True)
class Start:
    """The start of training: random weights, given weights, or the end of an earlier partial_fit.

    Attributes
    ----------
    weights : list of arrays of shape (n_in + 1, n_out), or None
        Given weights, which act on raw data. None means random weights.
    loss_curve : list of float
        The losses of the training that led to these weights.
    n_iter, t : int
        The iterations of earlier calls, and the rows that they saw. Training adds to both.
    left_off : LeftOff or None
        The state at the end of an earlier call of partial_fit.
    one_epoch : bool
        Whether training is one epoch over a part of the data.
    """

    weights: list[FloatArray] | None = None
    loss_curve: list[float] = field(default_factory=list)
    n_iter: int = 0
    t: int = 0
    left_off: LeftOff | None = None
    one_epoch: bool = False

    @classmethod
    def of(cls, estimator: Regressor, *, one_epoch: bool) -> "Start":
        """The start from the weights of an estimator, or from random ones if it has none."""
        if not hasattr(estimator, "weights_"):
            return cls(one_epoch=one_epoch)
        left_off = getattr(estimator, "_left_off", None) if one_epoch else None
        return cls(
            weights=estimator.weights_,
            loss_curve=list(getattr(estimator, "loss_curve_", [])),
            n_iter=estimator.n_iter_ if left_off else 0,
            t=getattr(estimator, "t_", 0),
            left_off=left_off,
            one_epoch=one_epoch,
        )

    @property
    def moments(self) -> tuple[Moments, Moments] | None:
        """The moments of the data of earlier calls."""
        return self.left_off.moments if self.left_off else None

    @property
    def stream(self) -> Stream | None:
        """The summary of the rows of earlier calls by "lm"."""
        return self.left_off.stream if self.left_off else None

    @property
    def keeps_units(self) -> bool:
        """Whether the units are those of the summary of earlier rows."""
        return self.stream is not None and self.stream.seen is not None

    def random_state(self, random_state: int | RandomState | None) -> RandomState:
        """The random state of the earlier call, or a new one."""
        if self.left_off:
            return copy.deepcopy(self.left_off.rng)
        return check_random_state(random_state)

    def resume(self, solver: Solver, monitor: Monitor) -> None:
        """Give the solver and the monitor their earlier state."""
        n_stalled = None
        if self.left_off and isinstance(solver, MinibatchSolver):
            solver.resume(self.left_off.solver)
            n_stalled = self.left_off.n_stalled
        elif self.left_off:
            n_stalled = 0  # "gd" cannot lower its rate, and would make no step
        if self.weights is not None:
            monitor.resume(self.loss_curve, n_stalled)


# How a network is trained -----------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """How a network is trained.

    Attributes
    ----------
    name : {"lm", "lbfgs", "adam", "sgd", "gd"}
    alpha : float
        Strength of the penalty; 0 if the evidence or held-out rows set it.
    max_iter : int
        Largest number of iterations or epochs.
    n_init : int
        Number of random starts.
    by_evidence : bool
        Whether the evidence sets the penalties.
    make_solver : callable
        Maps a random state to a new solver.
    n_first : int
        The number of rows to begin with.
    networks : tuple of Network
        Those to try, if none is given.
    known : tuple of Member
        What an earlier training of them has found on the same rows with other weights.
    held_out : float
        The share of the rows to hold out, if these set the penalty; else 0.
    """

    name: str
    alpha: float
    max_iter: int
    n_init: int
    by_evidence: bool
    make_solver: Callable[[RandomState], Solver]
    n_first: int
    networks: tuple[Network, ...] = ()
    known: tuple[Member, ...] = ()
    held_out: float = 0.0

    @property
    def n_parts(self) -> int | None:
        """The most tasks in training from one start: iterations, rounds, or ascents."""
        if self.networks:
            return None
        if self.held_out:
            return len(held_out_rule.STRENGTHS) + 1
        return len(STARTS) + 2 if self.by_evidence else self.max_iter

    @property
    def gain(self) -> float:
        """The gain of the initial weights."""
        return SMALL_WEIGHTS if self.name == "lm" or self.held_out else 1.0


def choose_rule(
    estimator: Regressor,
    network: Network,
    n_rows: int,
    *,
    one_epoch: bool,
    goes_on: bool = False,
    networks: tuple[Network, ...] = (),
) -> Rule:
    """The rule for these parameters and this size of the problem.

    Parameters
    ----------
    estimator : SigmoidMLPRegressor
    network : Network
        The network, where it is given.
    n_rows : int
    one_epoch : bool
        Whether training is one epoch over a part of the data.
    goes_on : bool, default=False
        Whether training continues from given weights, and so cannot begin on some of the rows.
    networks : tuple of Network
        Those to try, where none is given.
    """
    on_all_rows = goes_on or one_epoch or estimator.early_stopping
    name = solver_name(estimator, network, n_rows, one_epoch=one_epoch, on_all_rows=on_all_rows)
    name = "lm" if networks else name
    if _holds_out(estimator, name, n_rows, network) and not one_epoch:
        return rule_by_held_out_rows(estimator, n_rows, estimator.max_iter, goes_on=goes_on)
    max_iter = 1 if one_epoch and name != "lm" else estimator.max_iter
    by_evidence = name == "lm" and estimator.alpha == "auto"
    if estimator.alpha != "auto":
        alpha = float(estimator.alpha)
    else:
        alpha = 0.0 if by_evidence else AUTO_ALPHA
    make = partial(make_solver, estimator, name, n_rows, max_iter)
    n_init = 1 if one_epoch else estimator.n_init
    n_first = n_rows
    if networks:
        n_first = _rows_of_ladder(n_rows, *networks[:2])
    elif by_evidence and not on_all_rows and is_in_reach(n_rows, network):
        cost = step_cost(n_rows, network.n_parameters, network.layer_sizes[-1])
        if cost > AUTO_LM_COST:
            n_first = rows_to_begin_with(n_rows, network, FEW_ROWS_COST)
    return Rule(name, alpha, max_iter, n_init, by_evidence, make, n_first, networks)


def rule_by_held_out_rows(
    estimator: Regressor, n_rows: int, max_iter: int, *, goes_on: bool = False
) -> Rule:
    """The rule of first-order training whose penalty held-out rows set."""
    kind = HeldOutContinuation if goes_on else HeldOutDescent
    make = partial(make_held_out_solver, kind, estimator, n_rows, max_iter)
    n_init, held_out = estimator.n_init, held_out_rule.HELD_OUT
    return Rule("adam", 0.0, max_iter, n_init, False, make, n_rows, held_out=held_out)


def choose_networks(
    estimator: Regressor, data: Data, start: Start
) -> tuple[Network, tuple[Network, ...]]:
    """The network to train, and those to try if it is not given.

    They are tried where the evidence sets the penalty. Otherwise "auto" is AUTO_HIDDEN, or what
    given weights have.
    """
    hidden: Any = estimator.hidden_layer_sizes
    first, last, activation = data.n_inputs, data.n_outputs, estimator.activation
    if not isinstance(hidden, str):
        return Network([first, *hidden_sizes(hidden), last], activation), ()
    if start.weights is not None:
        between = [W.shape[1] for W in start.weights[:-1]]
        return Network([first, *between, last], activation), ()
    fixed = Network([first, *AUTO_HIDDEN, last], activation)
    by_evidence = (
        estimator.solver in ("auto", "lm")
        and estimator.loss in DEVIANCES
        and estimator.alpha == "auto"
        and not (start.one_epoch or estimator.early_stopping)
    )
    n_rows = data.rows.n_rows
    narrowest, second = (Network([first, width, last], activation) for width in WIDTHS[:2])
    if not by_evidence or (estimator.solver == "auto" and not is_in_reach(n_rows, narrowest)):
        return fixed, ()
    return fixed, tuple(rungs(first, last, activation, _rows_of_ladder(n_rows, narrowest, second)))


def _rows_of_ladder(n_rows: int, narrowest: Network, second: Network) -> int:
    """The number of rows with which the climb of the ladder begins."""
    cheap = step_cost(n_rows, second.n_parameters, second.layer_sizes[-1]) <= LADDER_COST
    if (cheap and n_rows <= LADDER_ROWS) or not is_in_reach(n_rows, narrowest):
        return n_rows
    return rows_to_begin_with(n_rows, second, LADDER_COST)


def hidden_sizes(sizes: Any) -> list[int]:
    """The number of units in each hidden layer."""
    array = np.atleast_1d(np.asarray(sizes))
    if array.ndim > 1 or (array.size and (array.dtype.kind not in "iu" or array.min() < 1)):
        raise ValueError(
            f"hidden_layer_sizes must be one or several integers of at least 1, got {sizes!r}."
        )
    return [int(size) for size in array]


def solver_name(
    estimator: Regressor, network: Network, n_rows: int, *, one_epoch: bool, on_all_rows: bool
) -> str:
    """The name of the solver. It replaces "auto" by a choice."""
    if estimator.solver != "auto":
        return estimator.solver
    if one_epoch:
        return "adam"
    cost = step_cost(n_rows, network.n_parameters, network.layer_sizes[-1])
    loss = estimator.loss
    takes_lm = loss in DEVIANCES or (loss != "pinball" and estimator.alpha != "auto")
    begins_on_few = loss in DEVIANCES and estimator.alpha == "auto" and not on_all_rows
    cheap = cost <= AUTO_LM_COST and fits_into_memory(n_rows, network)
    if takes_lm and (cheap or (begins_on_few and is_in_reach(n_rows, network))):
        return "lm"
    return "lbfgs" if n_rows <= AUTO_LBFGS_ROWS else "adam"


def _holds_out(estimator: Regressor, name: str, n_rows: int, network: Network) -> bool:
    """Whether held-out rows set the penalty: if nothing else does, and there are enough rows.

    Other losses with more rows than parameters hardly need a penalty, and "lbfgs" finds their
    minimum.
    """
    unset = estimator.solver == "auto" and estimator.alpha == "auto" and name != "lm"
    unset = unset and not estimator.early_stopping
    needed = estimator.loss == "squared_error" or network.n_parameters > n_rows
    return unset and needed and n_rows >= held_out_rule.LEAST_ROWS


def make_solver(
    estimator: Regressor, name: str, n_rows: int, max_iter: int, rng: RandomState
) -> Solver:
    """A solver with the estimator's parameters."""
    e = estimator
    if name == "lm" and e.alpha == "auto":
        return EvidenceMaximization(max_iter, rng)
    if name == "lm":
        return LevenbergMarquardt(max_iter, tol=1e-4 * e.tol)
    if name == "lbfgs":
        return LBFGS(max_iter=max_iter, max_fun=e.max_fun, tol=e.tol)
    if name == "gd":
        return GradientDescent(e.learning_rate_init, max_iter)
    batch_size = AUTO_BATCH_SIZE if e.batch_size == "auto" else int(e.batch_size)
    minibatches: dict[str, Any] = {
        "learning_rate_init": e.learning_rate_init,
        "batch_size": min(batch_size, n_rows),
        "max_iter": max_iter,
        "rng": rng if e.shuffle else None,
    }
    if name == "adam":
        return Adam(e.beta_1, e.beta_2, e.epsilon, **minibatches)
    return StochasticGradientDescent(
        e.learning_rate, e.power_t, e.momentum, e.nesterovs_momentum, **minibatches
    )


def make_held_out_solver(
    kind: type[HeldOutDescent],
    estimator: Regressor,
    n_rows: int,
    max_iter: int,
    rng: RandomState,
) -> Solver:
    """The solver whose penalty held-out rows set."""
    e = estimator
    n_rows = int((1 - held_out_rule.HELD_OUT) * n_rows)
    largest = max(1, min(held_out_rule.BATCH_SIZE, n_rows // held_out_rule.LEAST_BATCHES))
    batch_size = largest if e.batch_size == "auto" else int(e.batch_size)
    return kind(
        held_out_rule.FASTER * e.learning_rate_init,
        min(batch_size, n_rows),
        max_iter,
        rng if e.shuffle else None,
        e.beta_1,
        e.beta_2,
        e.epsilon,
    )


def refuse_solver_without_loss(solver: str, loss: str, alpha: float | str) -> None:
    """Raise ValueError if the solver does not support the loss."""
    if solver == "lm" and loss == "pinball":
        raise ValueError(
            "solver='lm' needs a loss that curves, and loss='pinball' does not: "
            "take solver='lbfgs', 'adam', 'sgd', 'gd' or 'auto'."
        )
    if solver == "lm" and loss not in DEVIANCES and alpha == "auto":
        raise ValueError(
            "solver='lm' with alpha='auto' sets the penalty by the evidence, which needs "
            f"one of the losses {', '.join(DEVIANCES)}: for loss={loss!r} set alpha to a number, "
            "or take solver='lbfgs', 'adam', 'sgd', 'gd' or 'auto'."
        )


def refuse_lm_without_memory(rule: Rule, network: Network, n_rows: int) -> None:
    """Raise a MemoryError if the matrices of "lm" are larger than the memory that is available."""
    if rule.name != "lm" or rule.networks:
        return
    needed, available = memory_of_a_step(n_rows, network), available_memory()
    if needed > available:
        raise MemoryError(
            f"A step of solver='lm' over {n_rows:,} rows and {network.n_parameters:,} parameters "
            f"needs about {needed / 1e9:,.1f} GB, and {available / 1e9:,.1f} GB are available: "
            "take solver='auto' or 'adam', or fewer units."
        )


# Training ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The network to train, its data, its loss, the rule, and the start.

    It also says whether the noise is "constant", "varying", or "auto", and has the noise that the
    rows are weighted by, if any. And it makes the plan of a rival, if there may be one, or is such
    a plan: see :mod:`~sklearn_mlp.rival`.
    """

    network: Network
    data: Data
    loss: Loss
    rule: Rule
    start: Start
    rng: RandomState
    noise_kind: str = "constant"
    noise: VaryingNoise | None = None
    rival: "Callable[[], Plan] | None" = None
    is_rival: bool = False

    def objective(self, network: Network | None = None, rows: Rows | None = None) -> Objective:
        """The objective that training minimises, by default of the network over all rows."""
        return Objective(
            network or self.network, rows or self.rows, self.rule.alpha, self.loss, self.noise
        )

    def in_words(self) -> str:
        """The method, and why it was chosen."""
        rule, n_rows = self.rule, self.data.rows.n_rows
        begin = f", beginning on {rule.n_first:,} of the rows" if rule.n_first < n_rows else ""
        if rule.networks:
            return f"lm: the evidence sets the penalty of networks that are tried in turn{begin}"
        if rule.by_evidence:
            return f"lm: a step is affordable, and the evidence sets the penalty{begin}"
        step = f"a step of lm over {n_rows:,} rows and {self.network.n_parameters:,} parameters"
        if rule.name == "lm":
            return f"lm: {step} is affordable"
        fits = fits_into_memory(n_rows, self.network)
        why = f"{step} is too expensive"
        if self.loss.power is None:
            why = "the loss has no evidence"
        elif not fits:
            why = f"the matrices of {step} would take more than {MOST_MEMORY}"
        then = ", so held-out rows set the penalty" if rule.held_out else ""
        from_given = self.start.weights is not None and rule.held_out
        then += ", and training goes on from the given weights" if from_given else ""
        if self.loss.is_quadratic and not fits:
            then += "; the error bars will be those of the last layer"
        return f"{rule.name}: {why}{then}"

    @lazy
    def rows(self) -> Rows:
        """The rows to train on. In second-order training their order does not matter."""
        in_order = self.rule.name != "lm" or self.noise is not None
        return self.data.rows if in_order else self.data.rows.in_order()

    @property
    def is_small(self) -> bool:
        """Whether the work on all rows fits into the memory that is kept from pass to pass."""
        rows = self.data.rows
        return rows.n_rows * self.network.floats_per_row <= rows.budget.kept

    def sample(self) -> Sample:
        """The rows to begin with, and those of the further levels."""
        return Sample(self.rows, self.rule.n_first, self.rng)

    def first_weights(self, attempt: int = 0) -> FloatArray:
        """The first weights of an attempt, as a flat vector. Only attempt 0 uses given weights."""
        units = self.data.units
        if self.start.weights is None or attempt > 0:
            w = self.network.initial_weights(self.rng, self.rule.gain, units.inputs.varies)
            layers = self.network.layers(w)
            layers[-1][0] += _output_bias(self.loss, self.data.rows)
            if not isinstance(self.network, PartialNetwork):
                layers = change_units(layers, units, units)  # constant inputs are ignored
        else:
            layers = _in_units(self.start.weights, self.network, units)
        return np.concatenate([W.ravel() for W in layers]).astype(self.data.rows.dtype)


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes
    ----------
    w : array of shape (n_parameters,)
        The weights, in the units of the data.
    posterior : Posterior or None
        Their posterior, if the solver knows it or if it costs little.
    relevances : array of shape (n_features,) or None
        How much each input matters, summing to one. None if there is no posterior.
    left_off : LeftOff or None
        The state from which partial_fit goes on.
    tried : list of dict or None
        The networks that were tried, where the architecture was not given.
    hindsight : Hindsight or None
        What the posterior is computed from when it is asked for.
    noise : VaryingNoise or None
        The noise, if it varies.
    is_short : bool
        Whether second-order training could not afford what the data may need: enough rows to begin
        with, or more units.
    """

    w: FloatArray
    posterior: Posterior | None = None
    relevances: FloatArray | None = None
    left_off: LeftOff | None = None
    tried: list[dict[str, Any]] | None = None
    hindsight: Hindsight | None = None
    noise: VaryingNoise | None = None
    is_short: bool = False


class Fit(NamedTuple):
    """What was trained, how, and with what result."""

    plan: Plan
    monitor: Monitor
    trained: Trained

    @property
    def is_cut_short(self) -> bool:
        """Whether a callback or the user has ended the training."""
        return self.monitor.stopped or self.monitor.interrupted


def may_have_a_rival(estimator: Regressor, plan: Plan) -> bool:
    """Whether the user leaves the solver open, and second order begins on some of the rows."""
    rule, n_rows = plan.rule, plan.data.rows.n_rows
    is_open = estimator.solver == "auto" and rule.by_evidence and plan.loss.is_quadratic
    return is_open and rule.n_first < n_rows and n_rows >= held_out_rule.LEAST_ROWS


def train(plan: Plan, monitor: Monitor) -> Trained:
    """Train from each start and keep the best, by held-out rows, by the evidence, or by the loss.

    If training has not converged, it warns. If it is interrupted from the keyboard, it warns and
    keeps the best weights so far.

    Parameters
    ----------
    plan : Plan
    monitor : Monitor
        Receives the history of the best attempt.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If training diverges, or if the given weights do not have the shapes of the network.
    """
    return _climb(plan, monitor) if plan.rule.networks else _train(plan, monitor)


def _train(plan: Plan, monitor: Monitor) -> Trained:
    """Train one network."""
    rule, sample = plan.rule, plan.sample()
    if rule.name == "lm" and plan.start.one_epoch:
        return _train_on_stream(plan, monitor)
    objective = plan.objective(rows=sample.first)
    solver = rule.make_solver(plan.rng)
    plan.start.resume(solver, monitor)
    if rule.n_init == 1:
        w, posterior = _minimize(solver, objective, plan.first_weights(), monitor)
    else:
        w, posterior = _best_of_several(plan, solver, objective, monitor)
    if isinstance(solver, EvidenceMaximization) and not sample.is_all:
        posterior = _grown(plan, solver, sample, posterior, monitor)
        w = posterior.w
    monitor.close()
    if monitor.interrupted:
        _warn_of_interruption(monitor)
    elif not (monitor.converged or monitor.stopped or plan.start.one_epoch):
        _warn_of_no_convergence(rule.name, monitor)
    if posterior is not None and not rule.by_evidence:
        _warn_of_no_noise(posterior)
    deep = len(plan.network.shapes) > 2
    if isinstance(posterior, LaplacePosterior) and rule.by_evidence and deep and monitor.converged:
        _warn_of_a_constant(posterior, plan.objective())
    left_off = None
    if rule.name in FIRST_ORDER:
        left_off = LeftOff(solver, plan.rng, plan.data.moments, monitor.n_stalled)
    if posterior is None:
        return _in_hindsight(plan, w, monitor, left_off)
    importances = relevances(plan.objective(), posterior.w)
    is_short = _begins_on_few(sample, plan.network)
    return Trained(w, posterior, importances, left_off, noise=plan.noise, is_short=is_short)


def _begins_on_few(sample: Sample, network: Network) -> bool:
    """Whether training begins on some of the rows, and they are few for the parameters."""
    return not sample.is_all and sample.n_first < AMPLE_ROWS * network.n_parameters


def _in_hindsight(plan: Plan, w: FloatArray, monitor: Monitor, left_off: LeftOff | None) -> Trained:
    """Add the posterior if it costs little compared with the training, or else what it needs."""
    if not plan.loss.is_quadratic or plan.start.one_epoch:
        return Trained(w, None, None, left_off)
    chooses = plan.noise_kind == "auto"
    hindsight = Hindsight(plan.objective(), w, plan.data.held_out, plan.noise, chooses)
    if not hindsight.is_cheap(monitor.n_iter):
        later = hindsight.for_later()
        return Trained(w, None, None, left_off, hindsight=later, noise=plan.noise)
    posterior, noise = hindsight.result()
    return Trained(w, posterior, hindsight.relevances(), left_off, noise=noise)


def _train_on_stream(plan: Plan, monitor: Monitor) -> Trained:
    """Train on rows that come after others."""
    network, rule, before = plan.network, plan.rule, plan.start.stream
    solver = rule.make_solver(plan.rng)
    plan.start.resume(solver, monitor)
    w, objective = plan.first_weights(), ObjectiveAfter(network, plan.rows, None)
    if before is not None:
        objective = before.objective(network, plan.rows, w)
    if before is None or before.begins_anew(objective):
        first = w if before is None else plan.first_weights(attempt=1)
        _, posterior = _minimize(solver, plan.objective(rows=objective.rows), first, monitor)
        assert isinstance(posterior, LaplacePosterior)
        if before is not None:
            posterior = max(posterior, before.at(w, objective), key=lambda p: p.log_evidence)
        stream = begun(objective, posterior, objective.rows.n_rows)
    else:
        monitor.begin(w)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            stream = before.go_on(objective, plan.rows, w, monitor, rule.max_iter)
    monitor.close()
    if monitor.interrupted:
        _warn_of_interruption(monitor)
    left_off = LeftOff(solver, plan.rng, plan.data.moments, monitor.n_stalled, stream)
    relevant = shares(stream.squared_gradients)
    return Trained(stream.posterior.w, stream.posterior, relevant, left_off)


def _grown(
    plan: Plan,
    solver: EvidenceMaximization,
    sample: Sample,
    posterior: Posterior | None,
    monitor: Monitor,
) -> LaplacePosterior:
    """Train further on all rows, from the result on some of them."""
    assert isinstance(posterior, LaplacePosterior)
    if monitor.interrupted or monitor.stopped:
        return posterior
    member, growth = Member(plan.network, posterior, True), Growth(solver, sample, plan.objective)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        (member,) = growth.run([member], monitor, widen=False)
        n, w = sample.rows.total_weight, member.posterior.w
        monitor.restate(0.5 * float(plan.objective().errors(w).sum()) / n)
    monitor.converged = member.converged
    return member.posterior


def _climb(plan: Plan, monitor: Monitor) -> Trained:
    """Train the networks of a ladder, and take their mean."""
    solver = EvidenceMaximization(plan.rule.max_iter, plan.rng, PATIENCE, behind=np.inf)
    known = plan.rule.known
    sample = Sample(plan.rows, known[0].n_rows, plan.rng) if known else plan.sample()
    first = sample.first
    climb = Climb(
        solver,
        lambda network: plan.objective(network, first),
        lambda network: replace(plan, network=network).first_weights(attempt=1),
        may_be_linear=sample.is_all,
    )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        tried, growth = [], Growth(solver, sample, plan.objective)
        networks = plan.rule.networks
        members = growth.again(known, monitor) if known else climb.run(networks, monitor)
        if not (known or sample.is_all or monitor.interrupted or monitor.stopped):
            tried = [replace(member, share=0.0) for member in members]
            members = growth.run(members, monitor, widen=True)
        if not plan.loss.is_quadratic:
            members = [m.with_normalizer(plan.objective(m.network)) for m in members]
        tried += members
        network, posterior = MixturePosterior.of(members)
        objective = plan.objective(network)
        n = objective.rows.total_weight
        monitor.restate(0.5 * float(objective.errors(posterior.w).sum()) / n)
    monitor.network = network
    monitor.close()
    monitor.converged = sum(m.share for m in members if m.converged) >= 0.5
    if monitor.interrupted:
        _warn_of_interruption(monitor)
    elif not (monitor.converged or monitor.stopped):
        _warn_of_no_convergence("lm", monitor)
    return Trained(
        posterior.w,
        posterior,
        relevances(objective, posterior.w),
        None,
        [member.as_tried(plan.noise) for member in tried],
        noise=plan.noise,
        is_short=growth.is_short or _begins_on_few(sample, networks[:2][-1]),
    )


Minimum = tuple[FloatArray, Posterior | None]


def _best_of_several(plan: Plan, solver: Solver, objective: Objective, monitor: Monitor) -> Minimum:
    """Train from `n_init` starts."""
    attempts: Attempts[Minimum] = Attempts(monitor, _quality)
    n_init = plan.rule.n_init
    with attempts.until_interrupted():
        for i in range(n_init):
            attempt = attempts.begin("start", f"start {i + 1} of {n_init}", plan.rule.n_parts)
            solver = solver if i == 0 else plan.rule.make_solver(plan.rng)
            first = plan.first_weights(i)
            try:
                found = _minimize(solver, objective, first, attempt)
            except KeyboardInterrupt:
                attempts.end(attempt, None, first)
                raise
            attempts.end(attempt, found, found[0])
            if attempts.interrupted or attempts.enough:
                break
    return attempts.close()


def _quality(minimum: Minimum, monitor: Monitor) -> float:
    """The score on held-out rows if there are any, else the log evidence, else minus the loss."""
    if monitor.early_stopping:
        return monitor.best_score
    posterior = minimum[1]
    return -monitor.loss_curve[-1] if posterior is None else posterior.log_evidence


def _minimize(solver: Solver, objective: Objective, w: FloatArray, monitor: Monitor) -> Minimum:
    """Train; the best weights if held-out rows choose them, or after an interruption."""
    monitor.begin(w)
    stages = solver.stages(objective)
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for stage in stages:
                monitor.converged = False
                w = solver.minimize(stage, w, monitor)  # the monitor refuses NaN and inf
                if not monitor.converged or monitor.finished:
                    break
    except KeyboardInterrupt:
        if monitor.best_weights is None or monitor.interrupted:
            raise
        monitor.interrupted = True
    if monitor.best_weights is not None and (monitor.early_stopping or monitor.interrupted):
        w = monitor.best_weights
    elif len(stages) > 1:
        monitor.restate(objective.value_and_gradient(w)[0])
    posterior = solver.posterior(objective, w)
    return (w if posterior is None else posterior.w), posterior


def _output_bias(loss: Loss, rows: Rows) -> FloatArray | float:
    """The first biases of the output that give the first predictions the mean of the targets.

    For z-scores it is 0, their mean.
    """
    if loss.out_activation == "identity":
        return 0.0
    return loss.constant(rows.moments()[1].mean)


def _in_units(weights: list[FloatArray], network: Network, units: Units) -> list[FloatArray]:
    """Convert weights that act on raw data to `units`."""
    shapes = [W.shape for W in weights]
    if shapes != network.shapes:
        raise ValueError(
            f"The weights to go on from have shapes {shapes}, but these data and "
            f"hidden_layer_sizes need {network.shapes}: set warm_start=False, or call fit "
            "instead of partial_fit."
        )
    return change_units(weights, Units.raw(network.layer_sizes[0], network.layer_sizes[-1]), units)


# Scores and warnings ----------------------------------------------------------------------------


def score_and_loss(network: Network, rows: Rows, loss: Loss, w: FloatArray) -> tuple[float, float]:
    """The score of the predictions for all rows, and their loss without the penalty.

    The score is R². For a robust loss it is D², for the quantile that the loss predicts.
    """
    total, squares = rows.sum(LossAndSquares(network, w, loss))
    mean_loss = total / rows.total_weight
    if not np.isfinite(squares).all():  # exp can overflow on held-out rows
        return -np.inf, mean_loss
    if not loss.is_robust:
        return mean_r2(squares, rows.squared_deviations), mean_loss
    whole, prediction = rows.whole(), rows.gather(Predictions(network, network.layers(w)))
    score = d2_pinball_score(
        whole.targets.T, prediction, alpha=loss.center, sample_weight=whole.weights
    )
    return float(score), mean_loss


def _warn_of_no_noise(posterior: Posterior) -> None:
    """Warn if nearly all rows are fitted exactly, so that the noise is a guess."""
    n_rows = posterior.n * len(posterior.beta)
    if posterior.n > 1 and posterior.n_effective_parameters > (1 - FEW_FREE_ROWS) * n_rows:
        warn(
            "The network determines as many parameters as there are rows, which leaves nothing to "
            "estimate the noise from: noise_std_ and the error bars mean nothing. Raise alpha, or "
            "set alpha='auto', or take fewer units.",
            UserWarning,
        )


def _warn_of_a_constant(posterior: LaplacePosterior, objective: Objective) -> None:
    """Warn if no unit contributes to the predictions, although a line is more probable."""
    if not posterior.is_of_a_constant:
        return
    if linear_posterior(objective).log_evidence > posterior.log_evidence + MORE_PROBABLE:
        warn(
            "All units were switched off, so the prediction is a constant, though a linear "
            "function of the inputs is more probable: take fewer layers or units, or "
            "hidden_layer_sizes='auto'.",
            UserWarning,
        )


def _warn_of_interruption(monitor: Monitor) -> None:
    warn(
        f"Training was interrupted after {monitor.n_iter} iterations; "
        "the best weights so far are kept.",
        UserWarning,
    )


def _warn_of_no_convergence(name: str, monitor: Monitor) -> None:
    raise_what = "max_iter and max_fun." if name == "lbfgs" else "max_iter, or tol."
    warn(
        f"{name} has not converged in {monitor.n_iter} iterations (loss "
        f"{monitor.loss_curve[-1]:.5g}): raise {raise_what}",
        ConvergenceWarning,
    )
