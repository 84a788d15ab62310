"""SigmoidMLPRegressor: scikit-learn's interface to the network and its solvers."""

import copy
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Self, overload

import numpy as np
import scipy.sparse as sp
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import (
    Tags,
    _safe_indexing,
    check_array,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ._typing import FloatArray, MatrixLike
from .activations import ACTIVATIONS, OUTPUT_ACTIVATIONS, Activation
from .callbacks import CallbackSupportMixin, Task, begin_fit, restore
from .evidence import (
    SMALL_WEIGHTS,
    STARTS,
    EvidenceMaximization,
    Posterior,
    posterior_under_penalty,
    precisions_by_layer,
    predictive_std,
    relevances,
)
from .losses import LOSSES, Loss, SquaredError, make_loss
from .monitor import Monitor
from .network import Network, Workspace
from .objective import GeneralObjective, Objective
from .rows import Block, Rows
from .solvers import (
    LBFGS,
    Adam,
    GradientDescent,
    LevenbergMarquardt,
    MinibatchSolver,
    Solver,
    StochasticGradientDescent,
)
from .standardize import Moments, Scaling, Units, change_units

AUTO_LM_COST = 4e9
"""``solver="auto"`` is "lm" where P² (n_samples + P) is less, with P parameters."""

AUTO_LBFGS_ROWS = 10_000
"""Otherwise it is "lbfgs" up to so many rows, "adam" above."""


IN_PARTS = ("adam", "sgd", "gd")
"""The solvers that need not see all rows at once."""


def _can_learn_in_parts(estimator: "SigmoidMLPRegressor") -> bool:
    if estimator.solver not in ("auto", *IN_PARTS):
        raise AttributeError(
            f"partial_fit is for the solvers 'adam', 'sgd', 'gd' and 'auto', "
            f"not for solver={estimator.solver!r}, which needs all rows at once."
        )
    return True


class _LeftOff(NamedTuple):
    """What :meth:`SigmoidMLPRegressor.partial_fit` needs to go on where it left off."""

    solver: Solver
    rng: RandomState
    moments: tuple[Moments, Moments] | None
    n_stalled: int


class SigmoidMLPRegressor(CallbackSupportMixin, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Multi-layer perceptron regressor.

    A fully connected network with a linear output, trained on half the mean squared error (or
    another `loss`) plus a penalty on the coefficients. Inputs and targets may be in any units:
    z-scores of both are taken inside and folded back into the weights (see `standardize`).

    Parameters have the names and meanings of scikit-learn's
    :class:`~sklearn.neural_network.MLPRegressor`, and its settings are accepted as they are:
    ``SigmoidMLPRegressor(**MLPRegressor(...).get_params())``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(50,)
        Number of units in each hidden layer; ``()`` is linear regression.
    activation : {"sigmoid", "logistic", "tanh", "relu", "softplus", "identity"}, \
default="sigmoid"
        Activation of the hidden layers; "logistic" is another name for "sigmoid".
    loss : {"squared_error", "huber", "poisson", "pinball"}, default="squared_error"
        What is minimised:

        - "squared_error", half of it: predicts the mean;
        - "huber", half the squared error of small errors and the absolute error of those beyond
          `huber_delta`: predicts the mean of what is left of y without its outliers;
        - "poisson", half the deviance of Poisson's distribution: predicts the mean of counts
          or frequencies, `y` being at least 0, as the exponential of the network's output;
        - "pinball": predicts the `quantile` of y.

        All but "squared_error" leave out what rests on Gaussian noise: the evidence
        (``solver="lm"`` then needs a number as `alpha`), `return_std`, and the attributes that
        only "lm" gives.
    solver : {"auto", "lm", "lbfgs", "adam", "sgd", "gd"}, default="auto"
        How it is minimised:

        - "lm", Levenberg-Marquardt: Gauss-Newton steps over all rows, to the optimum;
        - "lbfgs", a quasi-Newton method over all rows;
        - "adam" and "sgd", stochastic descent by minibatches;
        - "gd", the article's descent, one step an epoch over all rows;
        - "auto", with P parameters: "lm" where P² (n_samples + P) is up to 4e9, which keeps a
          fit to seconds; else "lbfgs" up to 10,000 rows and "adam" above. Never "lm" where it
          does not take the `loss`.

        "lm" does not take the "pinball" loss, which has no curvature. "lbfgs" needs a continuous
        gradient, and minimises it rounded within a distance from its kink that shrinks from 0.1
        to 0.0001, in the units of the targets that `standardize` says.
    alpha : "auto" or float, default="auto"
        Strength of the penalty ``alpha / (2 n_samples) * sum(coefs ** 2)``. "auto" has it set
        by the evidence under "lm", group by group, and is 1e-4 otherwise.
    batch_size : "auto" or int, default="auto"
        Rows in a minibatch of "adam" and "sgd". "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of "sgd": constant; falling as
        ``learning_rate_init / (samples seen + 1) ** power_t``; or divided by 5 whenever the
        loss (the validation score, under `early_stopping`) has stalled.
    learning_rate_init : float, default=0.001
        Step size of "adam", "sgd" and "gd".
    power_t : float, default=0.5
        Exponent of the "invscaling" schedule.
    max_iter : int, default=200
        Most iterations: epochs of "adam", "sgd" and "gd".
    shuffle : bool, default=True
        Whether minibatches are drawn anew in each epoch.
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the rows held out by `early_stopping`, and the minibatches.
        Pass an int for the same result at each call.
    tol : float, default=1e-4
        "lbfgs" stops when no component of the gradient is larger; "lm", to which the last mile
        comes cheap, when none is larger than a ten-thousandth of it, or with ``alpha="auto"``
        when the evidence has settled. The other solvers stop when the loss (the validation
        score) has not improved by `tol` for `n_iter_no_change` epochs.
    verbose : bool, default=False
        Print the progress, the RMSE in the units of y: a line for each of the first iterations,
        then for every tenth, hundredth and so on, with the time that is left if there are to be
        `max_iter`.
    warm_start : bool, default=False
        Start from the current `weights_` where there are any. They may be the last fit's, or
        set by hand before the first.
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether it is Nesterov's.
    early_stopping : bool, default=False
        Hold rows out, stop when their score no longer improves, and keep the weights that
        scored best. The score is R²; for the "pinball" loss it is D², the share of it that is
        explained (:func:`~sklearn.metrics.d2_pinball_score`), and for "huber" that of the
        absolute error.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out, if :meth:`fit` is given no `X_val`.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of "adam"'s means of the gradient and of its square.
    epsilon : float, default=1e-8
        Keeps "adam"'s division finite.
    n_iter_no_change : int, default=10
        Epochs without improvement that are borne.
    max_fun : int, default=15000
        Most evaluations of the loss by "lbfgs".
    n_init : int, default=1
        Train from so many random starts and keep the best: by the score on held-out rows
        under `early_stopping`, else by the evidence under "lm", else by the loss.
    standardize : bool, default=True
        Train on z-scores of X and y. Predictions then do not depend on the units of either;
        `alpha`, `tol` and the loss are in units of the standard deviation of y. Under
        :meth:`partial_fit` the z-scores are those of all rows seen so far. The "huber" and
        "pinball" losses have the targets in units that outliers do not change, of 1.4826
        times the median distance from the median (under :meth:`partial_fit`, that of each call,
        pooled). The "poisson" loss has them as they are: `alpha` and `tol` weigh the more, the
        smaller they are.
    huber_delta : float, default=1.35
        The error from which on the "huber" loss is linear, in the units of the targets that
        `standardize` says, which are about their standard deviation without the outliers. The
        smaller, the less outliers weigh.
    quantile : float, default=0.5
        What the "pinball" loss is to predict, between 0 and 1.

    Attributes
    ----------
    weights_ : list of ndarray of shape (n_in + 1, n_out)
        The matrix of each layer, bias row first, acting on raw X and giving raw y.
    coefs_ : list of ndarray of shape (n_in, n_out)
        ``weights_[l][1:]``.
    intercepts_ : list of ndarray of shape (n_out,)
        ``weights_[l][0]``.
    solver_ : str
        The solver that was used.
    loss_ : float
        The loss at the last iteration.
    best_loss_ : float or None
        The lowest loss; None under `early_stopping`.
    loss_curve_ : list of float
        The loss at each iteration.
    validation_scores_ : list of float or None
        The score of the rows held out at each iteration; None without `early_stopping`.
    validation_loss_curve_ : list of float or None
        The loss on those rows, less the penalty, in the units of `loss_curve_`.
    best_validation_score_ : float or None
        The best of the `validation_scores_`.
    n_iter_ : int
        Iterations of the last call of :meth:`fit`, or of all calls of :meth:`partial_fit`.
    t_ : int
        Rows seen, counting every epoch.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
    out_activation_ : str
        "identity", or "exp" for the "poisson" loss.
    noise_std_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise, in the units of y. Only after "lm" on the squared
        error, as are the next.
    alpha_ : dict of str to float or ndarray
        The precision of the prior of each group of weights, by the name of its layer.
    log_marginal_likelihood_ : float
        The log evidence: of the density of y, by Laplace's approximation.
    n_effective_parameters_ : float
        How many parameters the data determine.
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        How far each input moves the predictions, summing to one: the root mean square, over
        the training rows, of their derivative by it, both in units of their deviation. What
        does not matter, the precisions in `alpha_` take out of the network.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Only where all feature names of X are strings.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : scikit-learn's own.

    Notes
    -----
    With rows weighted by s (1 by default), the loss is

        L = 1/(2 Σs) Σᵢ sᵢ ‖ŷᵢ - yᵢ‖²  +  alpha/(2 Σs) ‖coefs‖².

    Other losses have in the place of ½ ‖ŷ - y‖² the sum over the outputs of, with e = ŷ - y,

        huber      ½ e² up to δ in size, and δ (abs(e) - δ/2) from there
        poisson    ŷ - y log ŷ + y log y - y,    ŷ = exp(z) of the network's output z
        pinball    max((1 - q) e, -q e)

    Arithmetic has the dtype of X: float32 data are trained on in float32.

    References
    ----------
    D. J. C. MacKay (1992). "A practical Bayesian framework for backpropagation networks".
    Neural Computation 4(3), 448-472.

    F. D. Foresee & M. T. Hagan (1997). "Gauss-Newton approximation to Bayesian learning".
    International Conference on Neural Networks, 1930-1935.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mlp import SigmoidMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = SigmoidMLPRegressor(hidden_layer_sizes=(5,), random_state=0)
    >>> print(f"{model.fit(X_train, y_train).score(X_test, y_test):.1f}")
    0.3
    >>> y_pred, y_std = model.predict(X_test, return_std=True)
    >>> print(f"{(abs(y_test - y_pred) < 1.96 * y_std).mean():.2f} of the targets are within 95 %")
    0.9...
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions(set(LOSSES))],
        "solver": [StrOptions({"auto", "lm", "lbfgs", "adam", "sgd", "gd"})],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "standardize": ["boolean"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    n_iter_: int
    t_: int
    loss_curve_: list[float]
    _left_off: _LeftOff

    def __init__(
        self,
        hidden_layer_sizes: int | tuple[int, ...] = (50,),
        activation: str = "sigmoid",
        *,
        loss: str = "squared_error",
        solver: str = "auto",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15_000,
        n_init: int = 1,
        standardize: bool = True,
        huber_delta: float = 1.35,
        quantile: float = 0.5,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_init = n_init
        self.standardize = standardize
        self.huber_delta = huber_delta
        self.quantile = quantile

    # Fitting ----------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Sparse data are densified a block of rows at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            An integer weight is as good as that many copies of the row.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows by which `early_stopping` decides, in place of rows of X that it would hold
            out. A :class:`~sklearn.pipeline.Pipeline` transforms them as it does X if it is
            told to: ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
        sample_weight_val : array-like of shape (n_val,), default=None

        Returns
        -------
        self : SigmoidMLPRegressor

        Raises
        ------
        ValueError
            If the data are not finite numbers of matching shapes, if y is negative where the
            `loss` is "poisson", if the `solver` does not take the `loss`, if only one of `X_val`
            and `y_val` is given, or they are without `early_stopping`, or if training diverges;
            the estimator is then what it was before.
        """
        validation = self._given_validation(X_val, y_val, sample_weight_val)
        with self._unchanged_on_error():
            return self._fit(
                X, y, sample_weight, validation, go_on=self.warm_start, one_epoch=False
            )

    def _given_validation(
        self, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> tuple[Any, Any, Any] | None:
        """What decides when to stop, if it was given, and makes sense."""
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None and y_val is None:
            raise ValueError(
                "sample_weight_val is provided, but X_val and y_val were not provided."
            )
        if y_val is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X_val is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        if not self.early_stopping:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time early_stopping is "
                "False: set early_stopping=True."
            )
        return X_val, y_val, sample_weight_val

    @available_if(_can_learn_in_parts)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Go on training for one epoch over some rows, with "adam" (also "auto"), "sgd" or "gd".

        The solver goes on where it left off: its moments, its momentum, its learning rate.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : SigmoidMLPRegressor

        Raises
        ------
        ValueError
            As :meth:`fit`; also if `early_stopping` is set.
        """
        if self.early_stopping:
            raise ValueError(
                "partial_fit sees its rows once and holds none of them out: "
                "set early_stopping=False, or call fit."
            )
        with self._unchanged_on_error():
            return self._fit(X, y, sample_weight, go_on=True, one_epoch=True)

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Leave the estimator as it was if fitting it raises."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            restore(self, before)
            raise

    def _fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        validation: tuple[Any, Any, Any] | None = None,
        *,
        go_on: bool,
        one_epoch: bool,
    ) -> Self:
        """Train from random weights or go on from `weights_`; for `max_iter` epochs or one."""
        self._refuse_solver_without_loss()
        loss = self._make_loss()
        given = (X, y, sample_weight)
        go_on = go_on and hasattr(self, "weights_")
        resumed = getattr(self, "_left_off", None) if go_on and one_epoch else None
        seen_before = go_on and hasattr(self, "n_features_in_")
        X, y, sample_weight = self._validate(X, y, sample_weight, reset=not seen_before)
        network = Network([X.shape[1], *self._hidden_sizes(), y.shape[1]], self.activation)
        rng = copy.deepcopy(resumed.rng) if resumed else check_random_state(self.random_state)

        # The rows to train on and those to hold out, in z-scores.
        if validation is None:
            rows, held_out = self._split(Rows(X, y, sample_weight), rng)
        else:
            rows, held_out = Rows(X, y, sample_weight), self._validation_rows(validation, X, y)
        moments = rows.moments() if self.standardize else None
        if moments and loss.is_robust:
            moments = (moments[0], rows.robust_target_moments(loss.center))
        if moments and resumed and resumed.moments:
            moments = (resumed.moments[0] + moments[0], resumed.moments[1] + moments[1])
        name = self._solver_name(network, rows.n_rows, one_epoch)
        dtype = np.float64 if name == "lm" else X.dtype
        units = _units(network, moments, X.dtype, loss)
        rows = rows.in_units(units, dtype)
        held_out = held_out and held_out.in_units(units, dtype)

        # What to minimise, where from, how, and who watches.
        objective = _make_objective(network, rows, self._penalty(name), loss)
        max_iter, n_init = (1, 1) if one_epoch else (self.max_iter, self.n_init)
        solver = self._make_solver(name, rows.n_rows, max_iter, rng)
        if resumed and isinstance(solver, MinibatchSolver):
            solver.resume(resumed.solver)
        n_parts = max_iter if not isinstance(solver, EvidenceMaximization) else len(STARTS) + 1
        task = self._begin_task(given, rows, n_parts if n_init == 1 else n_init, one_epoch)
        monitor = self._make_monitor(
            solver, objective, held_out, loss, max_iter, task, X.dtype, name
        )
        if go_on:
            n_stalled = resumed.n_stalled if resumed else None
            if resumed and not isinstance(solver, MinibatchSolver):
                n_stalled = 0  # "gd" has no rate to lower, and would stand still
            monitor.resume(getattr(self, "loss_curve_", []), n_stalled)

        start = partial(
            self._starting_weights, network, units, rng,
            second_order=name == "lm", bias=_output_bias(loss, rows),
        )  # fmt: skip
        if n_init == 1:
            w = start(go_on=go_on).astype(dtype)
            w, posterior = self._minimize(solver, objective, w, monitor)
        else:
            best: Monitor | None = None
            enough = False
            for i in range(n_init):
                attempt = monitor.fork("start", f"start {i + 1} of {n_init}", n_parts)
                solver = solver if i == 0 else self._make_solver(name, rows.n_rows, max_iter, rng)
                first = start(go_on=go_on and i == 0).astype(dtype)
                try:
                    found = self._minimize(solver, objective, first, attempt)
                except KeyboardInterrupt:
                    if best is None:
                        raise
                    attempt.end_attempt(first)
                    _warn_of_interruption(best)
                    break
                if best is None or _is_better(attempt, found[1], best, posterior):
                    best, (w, posterior) = attempt, found
                enough = attempt.end_attempt(found[0])
                if attempt.interrupted or enough:
                    break
            assert best is not None
            monitor.adopt(best)
            monitor.stopped |= enough
        monitor.close()
        if not (monitor.converged or monitor.interrupted or monitor.stopped or one_epoch):
            warnings.warn(
                f"{name} has not converged in {monitor.n_iter} iterations (loss "
                f"{monitor.loss_curve[-1]:.5g}): raise max_iter"
                + (" and max_fun." if name == "lbfgs" else ", or tol."),
                ConvergenceWarning,
                stacklevel=5,
            )

        self.weights_ = _in_raw_units(network, w, units, X.dtype)
        self.solver_ = name
        self.loss_curve_ = monitor.loss_curve
        self.loss_ = monitor.loss_curve[-1]
        self.best_loss_ = None if held_out else monitor.best_loss
        self.validation_scores_ = monitor.validation_scores if held_out else None
        self.validation_loss_curve_ = monitor.validation_loss_curve if held_out else None
        self.best_validation_score_ = monitor.best_score if held_out else None
        self.n_iter_ = monitor.n_iter + (self.n_iter_ if resumed else 0)
        self.t_ = monitor.n_iter * rows.n_rows + (getattr(self, "t_", 0) if go_on else 0)
        self.n_outputs_ = y.shape[1]
        self.n_layers_ = len(network.layer_sizes)
        self.out_activation_ = loss.out_activation
        if name in IN_PARTS:
            self._left_off = _LeftOff(solver, rng, moments, monitor.n_stalled)
        else:
            self.__dict__.pop("_left_off", None)
        self._set_posterior(posterior, objective)
        if task is not None:
            task.end(dict)  # the estimator as it is
        return self

    def _begin_task(
        self, given: tuple[Any, Any, Any], rows: Rows, max_subtasks: int, one_epoch: bool
    ) -> Task | None:
        """Tell the callbacks that training begins, on what was given less what is held out."""

        @cache
        def trained_on() -> list[Any]:
            if rows.index is None:
                return list(given)
            data = [part.tocsr() if sp.issparse(part) else part for part in given]
            return [
                part if np.ndim(part) == 0 else _safe_indexing(part, rows.index) for part in data
            ]

        def metadata() -> dict[str, Any] | None:
            sample_weight = trained_on()[2]
            return None if sample_weight is None else {"sample_weight": sample_weight}

        data = {"X": lambda: trained_on()[0], "y": lambda: trained_on()[1], "metadata": metadata}
        task_name = "partial-fit" if one_epoch else "fit"
        task = begin_fit(self, data, max_subtasks, task_name=task_name)
        if task is not None:
            self._forget_posterior()  # the models that callbacks are shown have none yet
            self.__dict__.pop("_left_off", None)  # nor where another fit left off
        return task

    def _make_loss(self) -> Loss:
        return make_loss(self.loss, huber_delta=self.huber_delta, quantile=self.quantile)

    def _refuse_solver_without_loss(self) -> None:
        """Raise if the solver does not take the loss."""
        if self.solver == "lm" and self.loss == "pinball":
            raise ValueError(
                "solver='lm' needs a loss that curves, and loss='pinball' does not: "
                "take solver='lbfgs', 'adam', 'sgd', 'gd' or 'auto'."
            )
        if self.solver == "lm" and self.loss != "squared_error" and self.alpha == "auto":
            raise ValueError(
                "solver='lm' with alpha='auto' sets the penalty by the evidence, which is known "
                f"for loss='squared_error' only: for loss={self.loss!r} set alpha to a number, or "
                "take solver='lbfgs', 'adam', 'sgd', 'gd' or 'auto'."
            )

    def _penalty(self, solver_name: str) -> float:
        """`alpha` as a number; nought where the evidence sets it."""
        if self.alpha != "auto":
            return float(self.alpha)
        return 0.0 if solver_name == "lm" else 1e-4

    def _set_posterior(self, posterior: Posterior | None, objective: Objective) -> None:
        """Set the attributes that only second-order training gives, or remove stale ones."""
        self._forget_posterior()
        if posterior is None:
            return
        units = objective.rows.units
        noise = units.outputs.scale / np.sqrt(posterior.beta)
        self.noise_std_ = float(noise[0]) if len(noise) == 1 else noise
        self.alpha_ = precisions_by_layer(objective.network, posterior)
        # The density of y in its own units.
        log_units = float(np.log(units.outputs.scale).sum())
        self.log_marginal_likelihood_ = posterior.log_evidence - posterior.n * log_units
        self.n_effective_parameters_ = float(posterior.gamma_of_output.sum())
        self.feature_importances_ = relevances(objective, posterior.w)
        self._posterior = (posterior, units)

    def _forget_posterior(self) -> None:
        names = ("noise_std_", "alpha_", "log_marginal_likelihood_", "n_effective_parameters_")
        for name in (*names, "feature_importances_", "_posterior"):
            self.__dict__.pop(name, None)

    def _validate(
        self, X: MatrixLike, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[MatrixLike, FloatArray, FloatArray | None]:
        """X in float32 or float64, y as float64 (n_samples, n_outputs), the weights like X."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' requires non-negative y.")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=X.dtype, ensure_non_negative=True
            )
            if not sample_weight.any():
                raise ValueError("All rows have a sample_weight of 0: there is nothing to fit.")
        return X, y.astype(np.float64, copy=False).reshape(X.shape[0], -1), sample_weight

    def _validation_rows(
        self, validation: tuple[Any, Any, Any], X: MatrixLike, y: FloatArray
    ) -> Rows:
        """The rows that were given to `fit` to decide when to stop, with the columns of X and y."""
        X_val, y_val, sample_weight = validation
        validate_data(self, X_val, reset=False, skip_check_array=True)  # names and number
        X_val = check_array(X_val, input_name="X_val", accept_sparse="csr", dtype=X.dtype)
        y_val = check_array(y_val, input_name="y_val", ensure_2d=False, dtype=np.float64)
        check_consistent_length(X_val, y_val)
        y_val = y_val.reshape(len(y_val), -1)
        if self.loss == "poisson" and (y_val < 0).any():
            raise ValueError("loss='poisson' requires non-negative y_val.")
        if y_val.shape[1] != y.shape[1]:
            raise ValueError(f"y_val has {y_val.shape[1]} columns, and y has {y.shape[1]}.")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X_val, dtype=X.dtype, ensure_non_negative=True
            )
        rows = Rows(X_val, y_val, sample_weight)
        if rows.n_rows < 2:
            raise ValueError(f"X_val has {rows.n_rows} rows of a weight above 0, and needs 2.")
        return rows

    def _validate_inputs(self, X: MatrixLike) -> MatrixLike:
        """X in float32 or float64.

        An array that would pass scikit-learn's checks as it is does not take their way round,
        which for a single row is longer than the prediction.
        """
        if (
            type(X) is np.ndarray
            and X.dtype in (np.float64, np.float32)
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and not hasattr(self, "feature_names_in_")
        ):
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(X.sum()):
                    return X
        return validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False
        )

    def _hidden_sizes(self) -> list[int]:
        """The number of units in each hidden layer."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim > 1 or (sizes.size and (sizes.dtype.kind not in "iu" or sizes.min() < 1)):
            raise ValueError(
                "hidden_layer_sizes must be one or several integers of at least 1, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

    def _split(self, rows: Rows, rng: RandomState) -> tuple[Rows, Rows | None]:
        """The rows to train on, and those that `early_stopping` holds out."""
        if not self.early_stopping:
            return rows, None
        train, held_out = train_test_split(
            np.arange(rows.n_rows), test_size=self.validation_fraction, random_state=rng
        )
        if len(held_out) < 2:
            raise ValueError(
                f"early_stopping holds out {len(held_out)} of {rows.n_rows} rows, and needs 2: "
                "raise validation_fraction, or set early_stopping=False."
            )
        return rows.take(train), rows.take(held_out)

    def _starting_weights(
        self,
        network: Network,
        units: Units,
        rng: RandomState,
        *,
        go_on: bool,
        second_order: bool,
        bias: FloatArray | float,
    ) -> FloatArray:
        """A flat vector in `units`: random, or what `weights_` are in these units."""
        if not go_on:
            gain = SMALL_WEIGHTS if second_order else 1.0
            layers = network.layers(network.initial_weights(rng, gain))
            layers[-1][0] += bias
            layers = change_units(layers, units, units)  # constant inputs are ignored
        elif [W.shape for W in self.weights_] == network.shapes:
            raw = Units.raw(network.layer_sizes[0], network.layer_sizes[-1])
            layers = change_units(self.weights_, raw, units)
        else:
            raise ValueError(
                f"The weights to go on from have shapes {[W.shape for W in self.weights_]}, but "
                f"these data and hidden_layer_sizes need {network.shapes}: set "
                "warm_start=False, or call fit in place of partial_fit."
            )
        return np.concatenate([W.ravel() for W in layers])

    def _solver_name(self, network: Network, n_rows: int, one_epoch: bool) -> str:
        if self.solver != "auto":
            return self.solver
        n_parameters = network.n_parameters
        if one_epoch:
            return "adam"
        takes_lm = self.loss == "squared_error" or (self.loss != "pinball" and self.alpha != "auto")
        if takes_lm and n_parameters**2 * (n_rows + n_parameters) <= AUTO_LM_COST:
            return "lm"
        return "lbfgs" if n_rows <= AUTO_LBFGS_ROWS else "adam"

    def _make_solver(self, name: str, n_rows: int, max_iter: int, rng: RandomState) -> Solver:
        if name == "lm" and self.alpha == "auto":
            return EvidenceMaximization(max_iter, rng)
        if name == "lm":
            return LevenbergMarquardt(max_iter, tol=1e-4 * self.tol)
        if name == "lbfgs":
            return LBFGS(max_iter=max_iter, max_fun=self.max_fun, tol=self.tol)
        if name == "gd":
            return GradientDescent(self.learning_rate_init, max_iter)
        minibatches: dict[str, Any] = {
            "learning_rate_init": self.learning_rate_init,
            "batch_size": min(200 if self.batch_size == "auto" else self.batch_size, n_rows),
            "max_iter": max_iter,
            "rng": rng if self.shuffle else None,
        }
        if name == "adam":
            return Adam(self.beta_1, self.beta_2, self.epsilon, **minibatches)
        return StochasticGradientDescent(
            self.learning_rate,
            self.power_t,
            self.momentum,
            self.nesterovs_momentum,
            **minibatches,
        )

    def _make_monitor(
        self,
        solver: Solver,
        objective: Objective,
        held_out: Rows | None,
        loss: Loss,
        max_iter: int,
        task: Task | None,
        dtype: Any,
        solver_name: str,
    ) -> Monitor:
        network, units = objective.network, objective.rows.units

        def rmse(w: FloatArray, loss: float) -> float:
            error = np.sqrt(objective.mean_squared_error(w, loss))
            return float(error * units.outputs.scale[0])

        def fitted(monitor: Monitor, w: FloatArray) -> dict[str, Any]:
            return {
                "weights_": _in_raw_units(network, w, units, dtype),
                "solver_": solver_name,
                "t_": monitor.n_iter * objective.rows.n_rows,
                "loss_curve_": list(monitor.loss_curve),
                "loss_": monitor.loss_curve[-1],
                "best_loss_": None if held_out else monitor.best_loss,
                "validation_scores_": list(monitor.validation_scores) if held_out else None,
                "validation_loss_curve_": (
                    list(monitor.validation_loss_curve) if held_out else None
                ),
                "best_validation_score_": monitor.best_score if held_out else None,
                "n_iter_": monitor.n_iter,
                "n_layers_": len(network.layer_sizes),
                "n_outputs_": network.layer_sizes[-1],
                "out_activation_": loss.out_activation,
            }

        one_output = network.layer_sizes[-1] == 1
        return Monitor(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=partial(_score_and_loss, network, held_out, loss) if held_out else None,
            score_name="D²" if loss.is_robust else "R²",
            rmse=rmse if one_output and objective.is_least_squares else None,
            verbose=bool(self.verbose),
            advice=solver.advice,
            max_iter=max_iter,
            task=task,
            fitted=fitted,
        )

    def _minimize(
        self, solver: Solver, objective: Objective, w: FloatArray, monitor: Monitor
    ) -> tuple[FloatArray, Posterior | None]:
        """Train; the best weights if held-out rows choose them, or after an interruption."""
        stages = _stages(solver, objective)
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                for stage in stages:
                    monitor.converged = False
                    w = solver.minimize(stage, w, monitor)  # the monitor refuses NaN and inf
                    if not monitor.converged or monitor.finished:
                        break
        except KeyboardInterrupt:
            if monitor.best_weights is None:
                raise
            _warn_of_interruption(monitor)
        if monitor.best_weights is not None and (monitor.early_stopping or monitor.interrupted):
            w = monitor.best_weights
        elif len(stages) > 1:
            monitor.restate(objective.value_and_gradient(w)[0])
        if isinstance(solver, EvidenceMaximization):
            return solver.posterior.w, solver.posterior
        if isinstance(solver, LevenbergMarquardt) and objective.is_least_squares:
            return w, posterior_under_penalty(objective, w)
        return w, None

    # Using what was fitted --------------------------------------------------------------

    @overload
    def predict(self, X: MatrixLike, return_std: Literal[False] = ...) -> FloatArray: ...
    @overload
    def predict(
        self, X: MatrixLike, return_std: Literal[True]
    ) -> tuple[FloatArray, FloatArray]: ...
    def predict(
        self, X: MatrixLike, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Predict the target of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Also return the standard deviation of a new observation, after training by "lm" on
            the squared error: the noise, and how unsure the weights are, by Laplace's
            approximation.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the same shape
            Only if `return_std`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            If X has other columns than the X of :meth:`fit`, or if `return_std` is asked for
            after training by a solver, or on a loss, that has no posterior.
        """
        check_is_fitted(self)
        if return_std and not hasattr(self, "_posterior"):
            solver = getattr(self, "solver_", self.solver)
            other = "" if self.loss == "squared_error" else f" on loss={self.loss!r}"
            wanted = " on loss='squared_error'" if other else ""
            raise ValueError(
                f"return_std needs a model trained{wanted} by solver='lm', and this one was by "
                f"{solver!r}{other}, which knows no posterior."
            )
        X = self._validate_inputs(X)
        dtype = np.result_type(X, self.weights_[0])
        network = Network([X.shape[1], *(W.shape[1] for W in self.weights_)], self.activation)
        nothing = np.empty((X.shape[0], 0))
        rows = Rows(X, nothing, dtype=dtype)
        y = _predict(network, self.weights_, rows, self._out_activation)
        if not return_std:
            return y.ravel() if y.shape[1] == 1 else y
        posterior, units = self._posterior
        rows = Rows(X, nothing, units=Units(units.inputs, Scaling.identity(0)))
        std = (units.outputs.scale * predictive_std(network, posterior, rows)).astype(dtype)
        return (y.ravel(), std.ravel()) if y.shape[1] == 1 else (y, std)

    def input_gradient(self, X: MatrixLike) -> FloatArray:
        """The derivative of each prediction by each input, from the backward pass.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            In units of y per unit of each column of X.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            If X has other columns than the X of :meth:`fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> X = np.random.default_rng(0).normal(size=(50, 2))
        >>> model = SigmoidMLPRegressor((), random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
        >>> model.input_gradient(X[:1]).round(3)
        array([[ 3., -1.]])
        """
        check_is_fitted(self)
        X = self._validate_inputs(X)
        n_outputs = self.weights_[-1].shape[1]
        network = Network([X.shape[1], *(W.shape[1] for W in self.weights_)], self.activation)
        rows = Rows(X, np.empty((X.shape[0], 0)), dtype=np.result_type(X, self.weights_[0]))
        gradient = np.empty((X.shape[0], n_outputs, X.shape[1]), rows.dtype)

        def differentiate(block: Block) -> None:
            assert block.start is not None
            n_rows = block.inputs.shape[1]
            workspace = Workspace(network.layer_sizes, n_rows, rows.dtype)
            network.forward(self.weights_, block.inputs, workspace)
            D = network.input_gradient(self.weights_, block.inputs, workspace)
            slope = np.empty_like(workspace.prediction)
            self._out_activation.value(workspace.prediction)
            self._out_activation.slope(workspace.prediction, slope)
            D *= slope[:, np.newaxis]
            gradient[block.start : block.start + n_rows] = D.transpose(2, 0, 1)

        with np.errstate(over="ignore"):
            for _ in rows.map(differentiate, network.floats_per_row + X.shape[1] * n_outputs):
                pass
        return gradient[:, 0] if n_outputs == 1 else gradient

    @property
    def _out_activation(self) -> Activation:
        """What makes a prediction of what the output layer gives."""
        name = getattr(self, "out_activation_", None) or self._make_loss().out_activation
        return OUTPUT_ACTIVATIONS[name]

    @property
    def coefs_(self) -> list[FloatArray]:
        """The coefficients of each layer, views of `weights_` of shape (n_in, n_out)."""
        return [W[1:] for W in self.weights_]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """The biases of each layer, views of `weights_` of shape (n_out,)."""
        return [W[0] for W in self.weights_]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags


def _units(
    network: Network, moments: tuple[Moments, Moments] | None, dtype: Any, loss: Loss
) -> Units:
    """z-scores by the moments of the inputs and the targets; without them, raw.

    The targets stay raw where their units are no change of the output layer's weights.
    """
    if moments is None:
        return Units.raw(network.layer_sizes[0], network.layer_sizes[-1])
    for name, m in zip("Xy", moments, strict=True):
        if not (np.isfinite(m.mean).all() and np.isfinite(m.std).all()):
            raise ValueError(f"The values of {name} are too large to standardise: rescale them.")
    inputs = Scaling.of(moments[0], dtype)
    if loss.out_activation != "identity":
        return Units(inputs, Scaling.identity(network.layer_sizes[-1]))
    return Units(inputs, Scaling.of(moments[1], np.float64))


def _make_objective(network: Network, rows: Rows, alpha: float, loss: Loss) -> Objective:
    """What to minimise; the squared error has a class of its own, which does more."""
    if isinstance(loss, SquaredError):
        return Objective(network, rows, alpha)
    return GeneralObjective(network, rows, alpha, loss)


def _output_bias(loss: Loss, rows: Rows) -> FloatArray | float:
    """What to add to the first biases of the output, so that predictions have the targets' mean.

    z-scores need nothing: theirs is 0.
    """
    if loss.out_activation == "identity":
        return 0.0
    mean = rows.moments()[1].mean
    return np.log(np.where(mean > 0, mean, 1))


def _in_raw_units(network: Network, w: FloatArray, units: Units, dtype: Any) -> list[FloatArray]:
    """The layers of ``w`` as they act on raw X and give raw y."""
    raw = Units.raw(network.layer_sizes[0], network.layer_sizes[-1])
    with np.errstate(over="ignore"):
        weights = [W.astype(dtype) for W in change_units(network.layers(w), units, raw)]
    if not all(np.isfinite(W).all() for W in weights):
        raise ValueError(
            f"The weights that act on the raw data overflow {np.dtype(dtype)}: "
            "bring the columns of X and y nearer to a scale of 1."
        )
    return weights


def _stages(solver: Solver, objective: Objective) -> list[Objective]:
    """What to minimise in turn: solvers that magnify rounding start from what has none."""
    if not isinstance(solver, (LBFGS, LevenbergMarquardt)):
        return [objective]
    coarse = objective.coarse()
    last = [] if coarse is objective else [objective.stages()[-1]]
    return [*coarse.stages(), *last]


def _predict(
    network: Network,
    weights: list[FloatArray],
    rows: Rows,
    out_activation: Activation,
) -> FloatArray:
    """The predictions for all rows, of shape (n_rows, n_outputs)."""
    y = np.empty((rows.n_rows, network.layer_sizes[-1]), rows.dtype)
    workspaces = threading.local()

    def predict(block: Block) -> None:
        assert block.start is not None
        n_rows = block.inputs.shape[1]
        workspace = getattr(workspaces, "last", None)
        if workspace is None or workspace.n_rows != n_rows:
            workspaces.last = workspace = Workspace(network.layer_sizes, n_rows, rows.dtype)
        prediction = network.forward(weights, block.inputs, workspace)
        out_activation.value(prediction)
        y[block.start : block.start + n_rows] = prediction.T

    with np.errstate(over="ignore"):
        for _ in rows.map(predict, sum(network.layer_sizes)):
            pass
    return y


def _warn_of_interruption(monitor: Monitor) -> None:
    """Say that training ends here, and note it."""
    warnings.warn(
        f"Training was interrupted after {monitor.n_iter} iterations; "
        "the best weights so far are kept.",
        UserWarning,
        stacklevel=7,
    )
    monitor.interrupted = True


def _is_better(
    attempt: Monitor, posterior: Posterior | None, monitor: Monitor, kept: Posterior | None
) -> bool:
    """Whether an attempt beats the one that is kept: by held-out rows, by evidence, by loss."""
    if monitor.early_stopping:
        return attempt.best_score > monitor.best_score
    if posterior is not None and kept is not None:
        return posterior.log_evidence > kept.log_evidence
    return attempt.loss_curve[-1] < monitor.loss_curve[-1]


def _score_and_loss(network: Network, rows: Rows, loss: Loss, w: FloatArray) -> tuple[float, float]:
    """The score of the predictions for all rows, and their loss without the penalty.

    R², or D² of the quantile that a robust loss looks for.
    """
    whole = rows.whole()
    z = _predict(network, network.layers(w), rows, OUTPUT_ACTIVATIONS["identity"])
    losses = loss.value(z, whole.targets.T).sum(axis=1)
    mean_loss = float(np.average(losses, weights=whole.weights))
    y = z.copy()
    OUTPUT_ACTIVATIONS[loss.out_activation].value(y)
    if not np.isfinite(y).all():  # an exponential may overflow where the rows trained on do not
        return -np.inf, mean_loss
    score = partial(d2_pinball_score, alpha=loss.center) if loss.is_robust else r2_score
    return float(score(whole.targets.T, y, sample_weight=whole.weights)), mean_loss
