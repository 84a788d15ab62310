"""SigmoidMLPRegressor: the scikit-learn estimator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import reweighting
from ._documentation import DOCUMENTATION_OF_CLASS
from ._typing import FloatArray, MatrixLike
from ._warnings import warn
from .activations import ACTIVATIONS
from .callbacks import CallbackSupportMixin, Task, begin_fit, restore
from .committee import units_of
from .data import (
    Given,
    checked_inputs,
    checked_quantiles,
    checked_weights,
    given_validation,
    hold_out,
    prepare,
)
from .distributed import answers, checked_collections, is_dask
from .growth import Sample
from .hindsight import Hindsight
from .losses import LOSSES, Loss, make_loss
from .model import Model
from .monitor import Monitor
from .overflow import unwarned
from .progress import Progress
from .rival import most_epochs, rows_of_rival
from .summary import in_words, say_summary
from .training import (
    FIRST_ORDER,
    IN_PARTS,
    LeftOff,
    Plan,
    Start,
    Trained,
    choose_networks,
    choose_rule,
    may_have_a_rival,
    refuse_lm_without_memory,
    refuse_solver_without_loss,
    rule_by_held_out_rows,
    score_and_loss,
)


def _can_learn_in_parts(estimator: "SigmoidMLPRegressor") -> bool:
    if estimator.solver not in ("auto", *IN_PARTS):
        raise AttributeError(
            f"partial_fit is for the solvers 'lm', 'adam', 'sgd', 'gd' and 'auto', "
            f"not for solver={estimator.solver!r}, which needs all rows at once."
        )
    if estimator.solver == "lm" and (estimator.loss, estimator.alpha) != ("squared_error", "auto"):
        raise AttributeError(
            "partial_fit with solver='lm' is for loss='squared_error' and alpha='auto': set these, "
            "or take solver='adam'."
        )
    return True


class SigmoidMLPRegressor(CallbackSupportMixin, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Multi-layer perceptron regressor.

    A fully connected network with a linear output layer. It minimises half the mean squared error
    (or another `loss`) plus a penalty on the coefficients. Inputs and targets can be in any units:
    the estimator trains on z-scores of both, and its weights act on raw data (see `standardize`).

    It is a drop-in replacement for scikit-learn's
    :class:`~sklearn.neural_network.MLPRegressor`. The parameters have the same names and
    meanings, and it accepts the same settings:
    ``SigmoidMLPRegressor(**MLPRegressor(...).get_params())``.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Number of units in each hidden layer. ``()`` is linear regression.

        With "auto" the width is found from the training rows where the evidence sets the penalty:
        with `alpha` "auto", the squared error, no `early_stopping`, and `solver` "lm", or "auto"
        with fewer than some 640 columns. Networks with one hidden layer of 3, 6, 12, 25, 50 and 100
        units are trained in turn, until wider ones are no better. If 12 units were tried, two
        hidden layers of 6 are too, and if 25 were, two of 10. The fitted network is the weighted
        mean of those with one hidden layer or, if that is clearly better, of those with two. It
        is one network with as many layers: `architectures_` says what was tried, and `weights_`
        has the shapes that were found. Up to some 2,000 rows a linear function is tried too, and
        taken if it is as good; then there is no hidden layer. On more rows of many columns, 50
        units are trained by "adam" too if `solver` is "auto", and taken if they are clearly better
        on held-out rows. Elsewhere "auto" is ``(50,)``. Under `warm_start` and :meth:`partial_fit`
        it keeps the shapes of `weights_`.
    activation : {"sigmoid", "logistic", "tanh", "relu", "softplus", "identity"}, \
default="sigmoid"
        Activation of the hidden layers. "logistic" is another name for "sigmoid".
    loss : {"squared_error", "huber", "poisson", "gamma", "pinball"}, default="squared_error"
        The loss to minimise:

        - "squared_error", half the squared error: predicts the mean;
        - "huber", half the squared error for small errors, and the absolute error for errors
          larger than `huber_delta`: predicts the mean, with little weight on outliers;
        - "poisson", half the deviance of the Poisson distribution: predicts the mean of counts or
          frequencies as the exponential of the network's output. `y` must be at least 0;
        - "gamma", half the deviance of the gamma distribution: predicts the mean of amounts whose
          scatter grows in proportion to them, such as costs or durations, as the exponential of the
          network's output. `y` must be above 0;
        - "pinball": predicts the `quantile` of y.

        The evidence and the error bars need the distribution of y. They exist for "squared_error",
        which assumes Gaussian noise, for "poisson", whose variance is the mean, and for "gamma",
        whose variance is `dispersion_` times the squared mean. With "huber" and "pinball"
        ``solver="lm"`` needs a number as `alpha` or does not apply, and `return_std` and the
        attributes of the posterior are not available.
    solver : {"auto", "lm", "lbfgs", "adam", "sgd", "gd"}, default="auto"
        The method that minimises it:

        - "lm", Levenberg-Marquardt: Gauss-Newton steps over all rows, to the optimum;
        - "lbfgs", a quasi-Newton method over all rows;
        - "adam" and "sgd", stochastic gradient descent by minibatches;
        - "gd", the article's gradient descent, with one step over all rows in each epoch;
        - "auto": "lm" if it supports the `loss` and the network is in reach; else, with `alpha`
          "auto", "adam" with a tenth of the rows held out (see `alpha`); else "lbfgs" up to
          10,000 rows, and "adam" above. Under the evidence networks of up to some 2,000
          parameters are in reach, with any number of rows: training begins on some of the rows,
          and goes on with more. So are all networks with fewer than some hundred rows. With a
          number as `alpha`, P² (n_samples + P) must be at most 4e9, with P parameters.
          Where "lm" begins on few rows for its parameters, or more units are too expensive, "adam"
          trains a rival with held-out rows, which is taken if it is clearly better on these.

        "lm" does not support the "pinball" loss, which has no curvature. "lbfgs" needs a
        continuous gradient. It minimises "pinball" with its kink rounded, over a width that
        shrinks from 0.1 to 0.0001 in the units of the targets (see `standardize`).
    alpha : "auto" or float, default="auto"
        Strength of the penalty ``alpha / (2 n_samples) * sum(coefs ** 2)``. With "auto" the
        evidence sets it under "lm", for each group of weights. Where `solver` "auto" is not "lm",
        held-out rows set it: a tenth of the rows, if there are at least 200. Training makes up to
        four rounds, the last two with a penalty, and continues from the best. It keeps the weights
        that predict the held-out rows best. Rounds after the first multiply each input by how
        much it has mattered. Under `warm_start` the rounds begin with the given weights, inputs
        are not weighed, and the given weights are kept if no round is better. In all other cases,
        such as `early_stopping` and :meth:`partial_fit`, it is 1e-4. After "lm" with ``alpha=0``
        the prior of the error bars is that of 1e-10.
    batch_size : "auto" or int, default="auto"
        Number of rows in a minibatch of "adam" and "sgd". "auto" is ``min(200, n_samples)``, and
        up to 50 where held-out rows set `alpha`.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of the learning rate of "sgd": it is constant; it falls as
        ``learning_rate_init / (samples seen + 1) ** power_t``; or it is divided by 5 whenever
        the loss (under `early_stopping`, the validation score) has stalled.
    learning_rate_init : float, default=0.001
        Step size of "adam", "sgd" and "gd". It is doubled where held-out rows set `alpha`.
    power_t : float, default=0.5
        Exponent of the "invscaling" schedule.
    max_iter : int, default=200
        Largest number of iterations. For "adam", "sgd" and "gd" these are epochs. "lm" with
        ``alpha="auto"`` makes several ascents of the evidence, with up to `max_iter` iterations
        each. Where held-out rows set `alpha`, it is the number for all rounds together.
    shuffle : bool, default=True
        Whether each epoch draws new minibatches.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, of the rows that are held out, and of the minibatches.
        Pass an int for the same result at each call.
    tol : float, default=1e-4
        "lbfgs" stops when no component of the gradient is larger than `tol`. "lm" stops when no
        component is larger than a ten-thousandth of `tol`, because its last steps cost little;
        with ``alpha="auto"`` it does not use `tol`, but stops when the evidence has not risen for
        a while, and keeps the weights of the highest evidence. The other solvers stop when
        the loss (under `early_stopping`, the validation score) has not improved by `tol` for
        `n_iter_no_change` epochs.
    verbose : bool, default=False
        Whether to print the progress, with the RMSE in the units of y: a line for each of the
        first ten iterations, then for every tenth up to 100, and so on. It includes the time that
        is left until `max_iter`. The first line says which method `solver` "auto" takes, and why.
    warm_start : bool, default=False
        Whether to start from the current `weights_`, if there are any. They can come from the
        last fit, or be set before the first.
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to hold rows out, stop when their score no longer improves, and keep the weights
        with the best score. The score is R². For the "pinball" loss it is D², the explained share
        of the loss (:func:`~sklearn.metrics.d2_pinball_score`). For "huber" it is D² of the
        absolute error.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out, if :meth:`fit` gets no `X_val`.
    beta_1 : float, default=0.9
        Decay rate of the running mean of the gradient in "adam".
    beta_2 : float, default=0.999
        Decay rate of the running mean of the squared gradient in "adam".
    epsilon : float, default=1e-8
        Keeps the division in "adam" finite.
    n_iter_no_change : int, default=10
        Training stops after more than this many epochs without improvement.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by "lbfgs".
    n_init : int, default=1
        Number of random starts. The best is kept: by the score on held-out rows if there
        are any, else by the evidence under "lm", else by the loss. Not used where
        ``hidden_layer_sizes="auto"`` finds the width, since that makes several starts anyway.
    standardize : bool, default=True
        Whether to train on z-scores of X and y. Predictions then do not depend on the units of
        either, and `alpha`, `tol` and the loss are in units of the standard deviation of y. Under
        :meth:`partial_fit` the z-scores are those of all rows so far. The "huber" and "pinball"
        losses measure the targets in a unit that does not depend on outliers: 1.4826 times the
        median distance from the median (under :meth:`partial_fit`, pooled over the calls). The
        "poisson" loss uses raw targets. The smaller they are, the stronger is the effect of
        `alpha` and `tol`.
    huber_delta : float, default=1.35
        The size of the error above which the "huber" loss is linear, in the units of the targets
        (see `standardize`). These are about the standard deviation of the targets without
        outliers. A smaller value gives outliers less weight.
    quantile : float, default=0.5
        The quantile that the "pinball" loss predicts, between 0 and 1.
    noise : {"auto", "constant", "varying"}, default="auto"
        Whether the noise has one level, or is a function of the inputs (homoscedastic and
        heteroscedastic in the words of statistics):

        - "constant": the standard deviation `noise_std_` everywhere;
        - "varying": a second, small network predicts the logarithm of the noise's variance from
          the inputs. Then the mean is trained further, once or twice, on rows that count more where
          the noise is less. The new mean is kept if its leave-one-out errors are no larger. With
          several outputs each has its own noise, and the weight of a row is the mean of what its
          outputs ask for;
        - "auto": "varying" where the log density of the rows, leaving out each row, is higher by
          more than twice its standard error. The mean is trained further only where the noise
          varies much. With fewer than 50 rows it is "constant". After other solvers than "lm", or
          with a number as `alpha`, the noise may vary, but the mean stays.

        Only the squared error has such noise: with another `loss`, and in :meth:`partial_fit`,
        "auto" is "constant". If rows are fitted to rounding, there is no noise to vary. For rows
        that stay in Dask collections, the noise is estimated from a random sample.

    Attributes
    ----------
    weights_ : list of ndarray of shape (n_in + 1, n_out)
        The matrix of each layer, bias row first. They act on raw X and give raw y.
    coefs_ : list of ndarray of shape (n_in, n_out)
        The coefficients of each layer, ``weights_[l][1:]``.
    intercepts_ : list of ndarray of shape (n_out,)
        The biases of each layer, ``weights_[l][0]``.
    solver_ : str
        The solver that was used.
    architectures_ : list of dict
        The networks that were trained to find the width, up to three for each start: at the
        highest evidence before and after each input gets a precision, and at the end. Exists
        only where ``hidden_layer_sizes="auto"`` finds the width. The keys are

        - "hidden_layer_sizes", which is ``()`` for the linear function;
        - "n_rows", the number of rows that it was trained on: training on many rows begins with
          some of them;
        - "log_evidence", the log density of the targets, and "leave_one_out", the same by leaving
          out each row, both for targets in the units of training (z-scores, see `standardize`);
        - "n_effective_parameters", the number of parameters that the data determine;
        - "share", the weight in the mean. The shares sum to one. Networks with another number of
          hidden layers than the mean have none.

        A network that was trained by "adam" and taken for its error on held-out rows comes last,
        with the share 1 and without these measures (NaN).
    loss_ : float
        The loss at the last iteration.
    best_loss_ : float or None
        The lowest loss; None if rows were held out.
    loss_curve_ : list of float
        The loss at each iteration. Where held-out rows set `alpha`, it is without the penalty.
    log_evidence_curve_ : list of float or None
        The highest log evidence so far, divided by the number of rows, at each iteration; NaN
        before its first estimate. The targets are in the units of training, as in
        `architectures_`. "lm" with ``alpha="auto"`` maximises this, and not the loss, which may
        rise while the penalty does. The weights of the highest evidence are kept. The last of
        the losses is that of the fitted network. None after other training.
    validation_scores_ : list of float or None
        The score on the held-out rows at each iteration; None if none were held out. Rows are
        held out under `early_stopping`, and where they set `alpha`.
    validation_loss_curve_ : list of float or None
        The loss on the held-out rows, without the penalty, in the units of `loss_curve_`.
    best_validation_score_ : float or None
        The best of the `validation_scores_`.
    n_iter_ : int
        Number of iterations of the last call of :meth:`fit`, or of all calls of
        :meth:`partial_fit`. Of several starts, ascents or rounds, this and `loss_curve_` are
        those of the best.
    t_ : int
        Number of rows seen, counted in every epoch.
    n_layers_ : int
        Number of layers, including input and output.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        "identity", or "exp" for the losses "poisson" and "gamma".
    noise_ : {"constant", "varying"}
        Whether the noise varies.
    noise_std_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise, in the units of y. The mean of several networks has the
        mean of their variances. If the noise varies, it is the root mean square over the training
        rows, and :meth:`predict_noise_std` gives it at each row. This attribute, `noise_` and the
        next six exist after :meth:`fit` on the squared error.
    dispersion_ : float or ndarray of shape (n_outputs,)
        The variance of y, divided by its mean ("poisson": 1) or by the square of its mean
        ("gamma"). Exists after :meth:`fit` with one of these losses, in place of `noise_std_` and
        `noise_`.
    posterior_kind_ : {"all parameters", "last layer"}
        Which parameters are uncertain in the error bars. After "lm" these are all. After the other
        solvers the posterior is computed around the weights that were found, with precisions that
        the evidence sets: at once if that takes less than about a tenth of the training, and else
        when it is first asked for. Until then the model refers to the rows of the training. With
        more than some thousand parameters in it, all layers but the last count as known. Then set
        `early_stopping`: the held-out rows calibrate the error bars.
    posterior_n_samples_ : float
        The number of rows that the error bars count, or the sum of their weights. Training that
        begins on some of the rows may end before all are used, if they are very many.
    alpha_ : dict of str to float or ndarray
        The precision of the prior of each group of weights. The keys name the layer, such as
        "coefs_[0]". The mean of several networks has the geometric mean of their precisions. The
        precision of weights that count as known is infinite.
    log_marginal_likelihood_ : float
        The log evidence, the log density of y, by Laplace's approximation. If each input has a
        precision, their costs are subtracted: up to 1 for each, and that of choosing the inputs
        that matter. Of several networks, that of the network with the largest share.
    n_effective_parameters_ : float
        The number of parameters that the data determine. Of several networks, the mean.
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        How far each input moves the predictions, summing to one. It is the root mean square, over
        the training rows, of the derivative of the prediction with respect to the input, both in
        units of their standard deviations. The precisions in `alpha_` remove inputs that do not
        matter.
    n_features_in_ : int
        Number of features seen during :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Defined only if X has feature names that are all strings.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : scikit-learn's own.

    Notes
    -----
    With rows of weight s (1 by default), the loss is ::

        L = 1/(2 Σs) Σᵢ sᵢ ‖ŷᵢ - yᵢ‖²  +  alpha/(2 Σs) ‖coefs‖².

    The other losses replace ½ ‖ŷ - y‖² by a sum over the outputs. With e = ŷ - y, its terms are ::

        huber      ½ e² if abs(e) is at most δ, otherwise δ (abs(e) - δ/2)
        poisson    ŷ - y log ŷ + y log y - y, where ŷ = exp(z) of the network's output z
        gamma      y/ŷ - 1 - log(y/ŷ), where ŷ = exp(z)
        pinball    max((1 - q) e, -q e)

    Where ``hidden_layer_sizes="auto"`` finds the width, the shares of the networks, all with the
    same number of hidden layers, are proportional to exp(merit / √(N/2)) for N rows, where the
    merit is the mean of the log evidence and the log leave-one-out density. With the shares p, the
    mean and its variance are ::

        ŷ = Σ p_m ŷ_m,    σ² = Σ p_m σ_m² + Σ p_m (ŷ_m - ŷ)².

    Training uses the dtype of X, except that "lm" always computes in float64, and training where
    held-out rows set `alpha` in float32, on z-scores.

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
    >>> model = SigmoidMLPRegressor(random_state=0)
    >>> print(f"{model.fit(X_train, y_train).score(X_test, y_test):.2f}")
    0.35
    >>> y_pred, y_std = model.predict(X_test, return_std=True)
    >>> print(f"{(abs(y_test - y_pred) < 1.96 * y_std).mean():.0%} are inside the 95 % intervals")
    94% are inside the 95 % intervals

    The networks behind it, in the order of their widths:

    >>> sorted({network["hidden_layer_sizes"] for network in model.architectures_})
    [(), (3,), (6,)]
    """

    _doc_link_module = "sklearn_mlp"
    _doc_link_template = DOCUMENTATION_OF_CLASS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": [
            StrOptions({"auto"}),
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
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
        "noise": [StrOptions({"auto", "constant", "varying"})],
    }

    n_iter_: int
    t_: int
    loss_curve_: list[float]
    _model: Model
    _left_off: LeftOff
    _hindsight: Hindsight | None

    def __init__(
        self,
        hidden_layer_sizes: int | tuple[int, ...] | str = "auto",
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
        noise: str = "auto",
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
        self.noise = noise

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
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
            The inputs, in any units. Sparse data are made dense a block of rows at a time. Dask
            collections stay where they are: see :doc:`/scaling_out`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, in any units. With a Dask collection X, also a Dask array, Series or
            DataFrame of the same partitions. The same holds for `sample_weight`.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows. An integer weight has the same effect as that many copies
            of the row. With ``alpha="auto"``, on the squared error, weights of a mean below 1 are
            scaled to a mean of 1: n rows count as n rows at least, also if the weights sum to 1.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation rows for `early_stopping`, which then holds no rows of X out. To have a
            :class:`~sklearn.pipeline.Pipeline` transform them as it transforms X, use
            ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            The targets of the validation rows.
        sample_weight_val : array-like of shape (n_val,), default=None
            The weights of the validation rows.

        Returns
        -------
        self : SigmoidMLPRegressor

        Raises
        ------
        ValueError
            If the data are not finite numbers of matching shapes (or partitions), if y is negative
            and the `loss` is "poisson", if the weights sum to less than 1e-100 or more than 1e100,
            if the `solver` does not support the `loss`, if only one of
            `X_val` and `y_val` is given, or if they are given without `early_stopping`. Also if
            training diverges, or a number overflows. The estimator then stays as it was.
        RuntimeError
            If a partition of a Dask collection cannot be computed, which the message names, or if
            the client of the cluster is closed during the fit. The estimator then stays as it was.
        """
        validation = given_validation(X_val, y_val, sample_weight_val)
        if validation and not self.early_stopping:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time early_stopping is "
                "False: set early_stopping=True."
            )
        return self._fit(Given(X, y, sample_weight), validation, self._start())

    @available_if(_can_learn_in_parts)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train further on new rows. Earlier rows need not be kept.

        With "adam" (also "auto"), "sgd" or "gd" a call is one epoch over its rows. The solver
        keeps its moments, its momentum and its learning rate from call to call. Rows may come
        again.

        With "lm" each call trains fully on its rows, and gives error bars. The rows of earlier
        calls are kept as a second-order expansion of their squared errors, of P² numbers for P
        parameters. Up to 5 P of the last rows, or 500, are kept as they are, because the
        expansion of few rows says little. Pass each row once: rows that come again count again.
        The z-scores are those of the rows before the first expansion.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs, in the same units at every call.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, in the same units at every call.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows.

        Returns
        -------
        self : SigmoidMLPRegressor

        Raises
        ------
        ValueError
            In the same cases as :meth:`fit`, and if `early_stopping` is set. Also with "lm" after
            :meth:`fit` or after another solver: nothing is known of their rows.

        Examples
        --------
        >>> from sklearn.datasets import make_friedman1
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> model = SigmoidMLPRegressor((5,), solver="lm", random_state=0)
        >>> for seed in range(10):
        ...     X, y = make_friedman1(200, noise=1.0, random_state=seed)
        ...     model = model.partial_fit(X, y)
        >>> model.posterior_n_samples_
        2000.0
        >>> print(f"{model.noise_std_:.1f}")
        1.0
        """
        if self.early_stopping:
            raise ValueError(
                "partial_fit sees its rows once and holds none of them out: "
                "set early_stopping=False, or call fit."
            )
        solver = getattr(self, "solver_", None)
        left_off = getattr(self, "_left_off", None)
        if self.solver == "lm" and solver and not (left_off and left_off.stream):
            raise ValueError(
                "partial_fit with solver='lm' goes on from what earlier calls of it know of their "
                f"rows, but {solver!r} has trained this model without that: call partial_fit on "
                "an unfitted copy (sklearn.base.clone), or fit with all rows."
            )
        if self.solver == "auto" and solver is not None and solver not in FIRST_ORDER:
            warn(
                f"partial_fit goes on with 'adam' from a model that {solver!r} has trained to its "
                "minimum. This can make the model worse, and removes its error bars. To keep both, "
                "call fit with all rows; or set solver='lm' or 'adam' and train by partial_fit "
                "alone.",
                UserWarning,
            )
        return self._fit(Given(X, y, sample_weight), None, Start.of(self, one_epoch=True))

    def _fit(self, given: Given, validation: Given | None, start: Start) -> Self:
        """Prepare the data, train, and set the fitted attributes."""
        with self._unchanged_on_error():
            plan = self._plan(given, validation, start)
            if self.verbose and self.solver == "auto" and not start.one_epoch:
                print(plan.in_words())
            task = self._begin_task(plan)
            monitor = self._monitor(plan, task)
            plan, monitor, trained = reweighting.fit(
                plan, monitor, lambda plan: self._monitor(plan, None)
            )
            for stale in ("_left_off", "_hindsight", "architectures_"):
                self.__dict__.pop(stale, None)
            self.__dict__.update(_fitted_attributes(plan, monitor, trained.w, trained))
            if self.verbose and (trained.tried or plan.is_rival):
                print(f"\nfitted: {in_words(self)}")
            if self.verbose and trained.noise is not None:
                weighted = plan.noise is not None
                with_weights = "are weighted by its precision" if weighted else "count alike"
                print(f"The noise varies with the inputs, and the rows {with_weights}.")
            if task is not None:
                task.end(dict)  # the estimator as it is
        return self

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Restore the estimator if the fit raises an error."""
        before = self.__dict__.copy()
        try:
            with unwarned():
                yield
        except BaseException:
            restore(self, before)
            raise

    def _start(self) -> Start:
        """Where :meth:`fit` begins."""
        return Start.of(self, one_epoch=False) if self.warm_start else Start()

    def _loss(self) -> Loss:
        return make_loss(self.loss, huber_delta=self.huber_delta, quantile=self.quantile)

    def _plan(self, given: Given, validation: Given | None, start: Start) -> Plan:
        """The network, the prepared data, and the rule that trains it."""
        refuse_solver_without_loss(self.solver, self.loss, self.alpha)
        noise_kind = self._noise_kind(one_epoch=start.one_epoch)
        loss, rng = self._loss(), start.random_state(self.random_state)
        is_first = start.weights is None or not hasattr(self, "n_features_in_")
        data = prepare(
            self, given, validation, loss=loss, rng=rng, is_first=is_first,
            moments=start.moments, keeps_units=start.keeps_units and self.solver == "lm",
            in_parts=start.one_epoch,
        )  # fmt: skip
        network, networks = choose_networks(self, data, start)
        rule = choose_rule(
            self, network, data.rows.n_rows, one_epoch=start.one_epoch,
            goes_on=start.weights is not None, networks=networks,
        )  # fmt: skip
        refuse_lm_without_memory(rule, network, data.rows.n_rows)
        if rule.held_out:
            data = hold_out(data, rule.held_out, loss, rng)
        if rule.name == "lm":  # whose products square the condition number
            data = data.in_dtype(np.float64)
        plan = Plan(network, data, loss, rule, start, rng, noise_kind)
        if may_have_a_rival(self, plan):
            plan = replace(plan, rival=partial(self._plan_of_rival, plan))
        return plan

    def _plan_of_rival(self, plan: Plan) -> Plan:
        """The plan to train the network by first order, with some of the rows held out."""
        n_rows = rows_of_rival(plan.data.rows.n_rows)
        rule = rule_by_held_out_rows(self, n_rows, min(self.max_iter, most_epochs(n_rows)))
        data = replace(plan.data, rows=Sample(plan.data.rows, n_rows, plan.rng).first)
        data = hold_out(data, rule.held_out, plan.loss, plan.rng)
        return replace(plan, data=data, rule=rule, is_rival=True)

    def _noise_kind(self, *, one_epoch: bool) -> str:
        """What `noise` means here. It is constant where no varying noise can be estimated."""
        if self.loss == "squared_error" and not one_epoch:
            return self.noise
        if self.noise == "varying" and one_epoch:
            raise ValueError(
                "noise='varying' needs all rows at once, and partial_fit sees them in parts: set "
                "noise='auto' or 'constant', or call fit."
            )
        if self.noise == "varying":
            raise ValueError(
                f"noise='varying' is for loss='squared_error', and not for loss={self.loss!r}: set "
                "noise='auto' or 'constant'."
            )
        return "constant"

    def _begin_task(self, plan: Plan) -> Task | None:
        """Tell the callbacks that training begins, and give them the rows without held-out rows."""

        def metadata() -> dict[str, Any] | None:
            sample_weight = plan.data.trained_on.sample_weight
            return None if sample_weight is None else {"sample_weight": sample_weight}

        data = {
            "X": lambda: plan.data.trained_on.X,
            "y": lambda: plan.data.trained_on.y,
            "metadata": metadata,
        }
        n_parts = plan.rule.n_parts if plan.rule.n_init == 1 else plan.rule.n_init
        task_name = "partial-fit" if plan.start.one_epoch else "fit"
        return begin_fit(self, data, n_parts, task_name=task_name)

    def _monitor(
        self, plan: Plan, task: Task | None, kind: Callable[..., Monitor] = Monitor
    ) -> Monitor:
        """The monitor of the training."""
        held_out, validation, progress = plan.data.held_out, None, None
        if held_out is not None:
            validation = partial(score_and_loss, plan.network, held_out, plan.loss)
        if self.verbose:
            score_name = "D²" if plan.loss.is_robust else "R²"
            progress = Progress(rmse=_rmse(plan), score_name=score_name, heading=_heading(plan))
        return kind(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=validation,
            progress=progress,
            max_iter=plan.rule.max_iter,
            advice=plan.rule.make_solver(plan.rng).advice,
            task=task,
            fitted=partial(_fitted_attributes, plan),
        )

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
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
        return_std : bool, default=False
            Also return the standard deviation of a new observation: the noise and the
            uncertainty of the weights together, by Laplace's approximation. It is available after
            :meth:`fit` on the squared error, by any solver. After other solvers than "lm" the
            first call may have to compute it, which can take some seconds: see `posterior_kind_`.
            With the "poisson" and "gamma" losses it is available after "lm". The logarithm of the
            mean is then normal.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, in the units of y. Of a Dask collection they are a Dask array, which
            is computed when it is asked for.
        std : ndarray of the same shape
            The standard deviations, in the units of y. Only if `return_std`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            If X has other columns than the X of :meth:`fit`, if a prediction is NaN because its
            terms overflow, or with `return_std` if the model has no error bars. The message says
            why.
        """
        check_is_fitted(self)
        model = self._for_error_bars("return_std") if return_std else self._model
        if is_dask(X):
            return self._predict_lazily(X, return_std)
        X = checked_inputs(self, X)
        y = model.predict(X)
        y = y.ravel() if y.shape[1] == 1 else y
        return (y, model.std(X).reshape(y.shape)) if return_std else y

    def _predict_lazily(self, X: Any, return_std: bool) -> Any:
        """The predictions for a Dask collection, as a Dask array."""
        outputs = self._model.shape
        if not return_std:
            return answers(self, "predict", X, outputs)
        both = answers(self, "predict", X, (2, *outputs), return_std=True)
        return both[:, 0], both[:, 1]

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R², the explained share of the variance of y; of several outputs, the mean.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            The weights of the rows.

        Returns
        -------
        float
            1 at best. A constant that predicts the mean of y has 0.
        """
        if not is_dask(X):
            return float(super().score(X, y, sample_weight))
        check_is_fitted(self)
        return self._model.r2(checked_collections(self, X, y, sample_weight, reset=False))

    def predict_quantiles(
        self, X: MatrixLike, quantiles: ArrayLike = (0.05, 0.5, 0.95)
    ) -> FloatArray:
        """Predict quantiles of the distribution of a new observation.

        The distribution is Gaussian. Where ``hidden_layer_sizes="auto"`` finds the width it is the
        mixture of the Gaussians of several networks, which need not be symmetric. With the
        "poisson" loss it is a negative binomial distribution, with "gamma" a gamma distribution,
        with the mean and the variance that the uncertain weights lead to.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
        quantiles : array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Numbers between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_quantiles, n_outputs)
            The quantiles, in the units of y. They do not cross.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            If a quantile is not between 0 and 1, or as in :meth:`predict` with `return_std`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 1))
        >>> y = X[:, 0] + rng.normal(size=200)
        >>> model = SigmoidMLPRegressor((), random_state=0).fit(X, y)
        >>> model.predict_quantiles([[0.0]], [0.1, 0.5, 0.9]).shape
        (1, 3)
        """
        q = checked_quantiles(quantiles)
        model = self._for_error_bars("predict_quantiles")
        if is_dask(X):
            return answers(self, "predict_quantiles", X, (len(q), *model.shape), quantiles=q)
        X = checked_inputs(self, X)
        found = model.quantiles(X, q).astype(model.predict(X[:1]).dtype, copy=False)
        return found[:, :, 0] if found.shape[2] == 1 else found

    def predict_noise_std(self, X: MatrixLike) -> FloatArray:
        """The standard deviation of the noise at each row.

        It is that of an observation around the true mean, without the uncertainty of the weights,
        which `return_std` of :meth:`predict` includes. If the noise is constant, it is
        `noise_std_` everywhere. With the "poisson" and "gamma" losses it follows from the
        prediction. Outside the range of the training rows, it is never larger or
        smaller than at one of them.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of y.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        ValueError
            As in :meth:`predict` with `return_std`.

        Examples
        --------
        The noise grows with x:

        >>> import numpy as np
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(0, 1, size=(500, 1))
        >>> y = X[:, 0] + (0.1 + X[:, 0]) * rng.normal(size=500)
        >>> model = SigmoidMLPRegressor(noise="varying", random_state=0).fit(X, y)
        >>> model.noise_
        'varying'
        >>> left, right = model.predict_noise_std([[0.1], [0.9]])  # 0.2 and 1.0 in truth
        >>> bool(right > 3 * left)
        True
        """
        model = self._for_error_bars("predict_noise_std")
        if is_dask(X):
            return answers(self, "predict_noise_std", X, model.shape)
        std = model.noise_std_at(checked_inputs(self, X))
        return std.ravel() if std.shape[1] == 1 else std

    def _for_error_bars(self, name: str) -> Model:
        """The fitted model with its posterior. Raises an error if it has none."""
        check_is_fitted(self)
        model = self._with_posterior()
        if model.posterior is None:
            raise ValueError(f"{name} needs a posterior. {self._why_no_posterior()}")
        return model

    def input_gradient(self, X: MatrixLike) -> FloatArray:
        """The derivative of each prediction with respect to each input.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            The derivatives, in units of y per unit of each column of X.

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
        if is_dask(X):
            shape = (*self._model.shape, self.n_features_in_)
            return answers(self, "input_gradient", X, shape)
        gradient = self._model.input_gradient(checked_inputs(self, X))
        return gradient[:, 0] if gradient.shape[1] == 1 else gradient

    def summary(self) -> None:
        """Print what the fit has found.

        The network and the architectures that were tried, the evidence, the noise (or the
        dispersion), how many parameters the data determine, which posterior there is, and the
        relevance of each input. What needs a posterior is left out if there is none.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2))
        >>> y = 3 * X[:, 0] - X[:, 1] + rng.normal(size=200)
        >>> SigmoidMLPRegressor((), alpha=0.1, random_state=0).fit(X, y).summary()
        network         no hidden units; solver lm, 1 iteration
        log evidence    -293.9
        noise           0.9990 (standard deviation)
        parameters      3, of which the data determine 3.00
        posterior       of all parameters, from 200 rows
        inputs          by relevance, how far they move the predictions (total 100 %):
                        x0                               76.5%  ##################
                        x1                               23.5%  #####
        """
        check_is_fitted(self)
        say_summary(print, self)

    @property
    def weights_(self) -> list[FloatArray]:
        """The matrix of each layer, bias row first, of shape (n_in + 1, n_out).

        Set them, before the first fit or later, to start from them under `warm_start`. Setting
        them raises a ValueError if they are not finite, do not lead from each layer to the next, or
        have other inputs and outputs than the earlier fit.
        """
        return self._of_model("weights_").weights

    @weights_.setter
    def weights_(self, weights: list[FloatArray]) -> None:
        n_outputs = self.n_outputs_ if hasattr(self, "n_features_in_") else None
        weights = checked_weights(weights, getattr(self, "n_features_in_", None), n_outputs)
        self._model = Model.of_weights(weights, self.activation, self._loss().out_activation)
        self._hindsight = None

    def _of_model(self, name: str) -> Model:
        """The fitted model. Raises AttributeError before the fit, so that `hasattr` is False."""
        if "_model" not in vars(self):
            raise AttributeError(f"{type(self).__name__} is not fitted, and has no {name}.")
        return self._model

    def _of_posterior(self, name: str) -> Model:
        """The fitted model. Raises AttributeError if it has no posterior."""
        self._of_model(name)
        model = self._with_posterior()
        if model.posterior is None:
            raise AttributeError(f"{name} needs a posterior. {self._why_no_posterior()}")
        return model

    def _with_posterior(self) -> Model:
        """The fitted model, with its posterior if it can have one."""
        if hindsight := vars(self).get("_hindsight"):
            with unwarned():
                (posterior, noise), importances = hindsight.result(), hindsight.relevances()
            if hindsight.may_be_too_narrow:
                warn(
                    "The error bars take all layers but the last as known, because the network "
                    "has too many parameters for more, and no rows were held out to show how far "
                    "they are: the error bars may be too narrow. Set early_stopping=True.",
                    UserWarning,
                )
            self._model = replace(
                self._model, posterior=posterior, relevances=importances, noise=noise
            )
            self._hindsight = None  # which lets go of the rows
        return self._model

    def _why_no_posterior(self) -> str:
        """Why there is none, and what to do."""
        if self.loss in ("poisson", "gamma"):
            return f"With loss={self.loss!r} only fit with solver='lm' computes it."
        if self.loss != "squared_error":
            return (
                f"That of loss={self.loss!r} is not known: call fit with loss='squared_error', or "
                "predict quantiles with loss='pinball'."
            )
        return (
            "It is computed by fit over all rows, and these weights are from elsewhere, as from "
            "partial_fit or from a callback: call fit, or partial_fit with solver='lm'."
        )

    def __getstate__(self) -> dict[str, Any]:
        if vars(self).get("_hindsight"):
            self._with_posterior()  # a copy does not take the rows along
        return super().__getstate__()

    @property
    def coefs_(self) -> list[FloatArray]:
        """The coefficients of each layer, views of `weights_` of shape (n_in, n_out)."""
        return [W[1:] for W in self.weights_]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """The biases of each layer, views of `weights_` of shape (n_out,)."""
        return [W[0] for W in self.weights_]

    @property
    def out_activation_(self) -> str:
        """The name of the function that turns the network's output into the prediction."""
        return self._of_model("out_activation_").link

    @property
    def posterior_kind_(self) -> str:
        """Which parameters are uncertain in the error bars: "all parameters", or "last layer"."""
        posterior = self._of_posterior("posterior_kind_").posterior
        assert posterior is not None
        return posterior.kind

    @property
    def posterior_n_samples_(self) -> float:
        """The number of rows that the error bars count, or the sum of their weights."""
        posterior = self._of_posterior("posterior_n_samples_").posterior
        assert posterior is not None
        return posterior.n

    @property
    def noise_std_(self) -> float | FloatArray:
        """The standard deviation of the noise, in the units of y."""
        return self._with_noise("noise_std_").noise_std

    @property
    def noise_(self) -> str:
        """Whether the noise is "constant" or "varying"."""
        return "constant" if self._with_noise("noise_").noise is None else "varying"

    @property
    def dispersion_(self) -> float | FloatArray:
        """The variance of y divided by its mean, or by the square of its mean."""
        model = self._of_posterior("dispersion_")
        if not model.power:
            raise AttributeError(
                "dispersion_ exists after training with loss='poisson' or 'gamma', and else "
                "noise_std_."
            )
        return model.dispersion

    def _with_noise(self, name: str) -> Model:
        """The fitted model. Raises AttributeError if its noise has no level of its own."""
        model = self._of_posterior(name)
        if model.power:
            raise AttributeError(
                f"{name} exists after training with loss='squared_error'. Here the noise depends "
                "on the prediction: see dispersion_ and predict_noise_std."
            )
        return model

    @property
    def alpha_(self) -> dict[str, float | FloatArray]:
        """The precision of the prior of each group of weights, under the name of its layer."""
        return self._of_posterior("alpha_").precisions

    @property
    def log_marginal_likelihood_(self) -> float:
        """The log evidence, the log density of y, by Laplace's approximation."""
        return self._of_posterior("log_marginal_likelihood_").log_marginal_likelihood

    @property
    def n_effective_parameters_(self) -> float:
        """The number of parameters that the data determine."""
        posterior = self._of_posterior("n_effective_parameters_").posterior
        assert posterior is not None
        return posterior.n_effective_parameters

    @property
    def feature_importances_(self) -> FloatArray:
        """How far each input moves the predictions, summing to one."""
        importances = self._of_posterior("feature_importances_").relevances
        assert importances is not None
        return importances

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self.loss in ("poisson", "gamma")
        return tags


def _fitted_attributes(
    plan: Plan,
    monitor: Monitor,
    w: FloatArray,
    trained: Trained | None = None,
) -> dict[str, Any]:
    """The fitted attributes for the weights ``w``, at the end of training or on the way."""
    found = Trained(w) if trained is None else trained
    network, data, watched = monitor.network or plan.network, plan.data, monitor.early_stopping
    link = plan.loss.out_activation
    model = Model.of_training(
        network, w, data.units, data.dtype, link, found.posterior, found.relevances, found.noise,
        plan.loss.power or 0,
    )  # fmt: skip
    attributes = {
        "_model": model,
        "solver_": plan.rule.name,
        "loss_curve_": list(monitor.loss_curve),
        "log_evidence_curve_": list(monitor.evidence_curve) if plan.rule.by_evidence else None,
        "loss_": monitor.loss_curve[-1],
        "best_loss_": None if watched else monitor.best_loss,
        "validation_scores_": list(monitor.validation_scores) if watched else None,
        "validation_loss_curve_": list(monitor.validation_loss_curve) if watched else None,
        "best_validation_score_": monitor.best_score if watched else None,
        "n_iter_": plan.start.n_iter + monitor.n_iter,
        "t_": plan.start.t + monitor.n_iter * data.rows.n_rows,
        "n_layers_": len(network.layer_sizes),
        "n_outputs_": data.n_outputs,
    }
    more = {
        "_left_off": found.left_off,
        "_hindsight": found.hindsight,
        "architectures_": found.tried,
    }
    return attributes | {name: value for name, value in more.items() if value is not None}


def _heading(plan: Plan) -> str:
    """What is printed before the progress."""
    held_out, rows = plan.data.held_out, plan.data.rows
    if plan.noise is not None:
        return "rows weighted by the precision of their noise"
    if held_out is None or not plan.rule.held_out:
        return ""
    held_out_rows = f"{held_out.n_rows:,} of {rows.n_rows + held_out.n_rows:,} rows are held out"
    if plan.is_rival:
        return f"{units_of(plan.network)} units by first order; {held_out_rows}"
    return held_out_rows


def _rmse(plan: Plan) -> Callable[[FloatArray, float], float] | None:
    """A function from weights and their loss to the RMSE in the units of y, or None."""
    if not plan.loss.is_quadratic or plan.network.layer_sizes[-1] > 1:
        return None
    objective, scale = plan.objective(), plan.data.units.outputs.scale[0]
    return lambda w, loss: float(np.sqrt(objective.mean_squared_error(w, loss)) * scale)
