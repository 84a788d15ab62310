"""SigmoidMLPEnsembleRegressor: several starts of one network, and the mixture they predict.

The error of a network has many minima, and training ends in the one near its first weights.
M members that differ in nothing but those say for each input what they make of it, ŷ_m with
standard deviation σ_m. The equally weighted mixture of their predictive distributions has

    ŷ  = 1/M Σ_m ŷ_m
    σ² = 1/M Σ_m σ_m²  +  1/M Σ_m (ŷ_m - ŷ)²

(the law of total variance; Lakshminarayanan et al., 2017): what the members think that they
do not know, and what they do not agree on.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from numbers import Integral
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, _fit_context, clone
from sklearn.ensemble._base import _set_random_states
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ._documentation import DOCUMENTATION_OF_CLASS
from ._typing import FloatArray, MatrixLike
from .callbacks import CallbackSupportMixin, Task, begin_fit, restore
from .regressor import SigmoidMLPRegressor


class SigmoidMLPEnsembleRegressor(
    CallbackSupportMixin, MetaEstimatorMixin, RegressorMixin, BaseEstimator
):
    """Average of several networks that differ in their random start.

    Each member is trained on all the rows. The ensemble predicts the mean of the members'
    predictions, whose squared error is never more than the mean of theirs, and says how sure
    it is by the members' own error bars together with how far the members disagree.

    Parameters
    ----------
    estimator : estimator object, default=None
        What the members are clones of. None is ``SigmoidMLPRegressor()``. Any regressor will
        do, and `return_std` needs one whose own `predict` knows it.
    n_estimators : int, default=5
        Number of members.
    n_jobs : int or None, default=None
        Members to train at a time. None is 1 unless in a :func:`joblib.parallel_config`
        context, -1 all processors. The result is the same whatever it is.
    random_state : int, RandomState instance or None, default=None
        From it the `random_state` of each member is drawn, in place of the one that
        `estimator` was given. Pass an int for the same result at each call.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members. They have seen arrays, and know no feature names.
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        The mean of the members'. Only where they have them.
    noise_std_ : float or ndarray of shape (`n_outputs_`,)
        The root mean square of the members'. Only where they have one.
    n_outputs_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Only where all feature names of X are strings.

    See Also
    --------
    SigmoidMLPRegressor : One network; its `n_init` keeps the best of several starts.
    sklearn.ensemble.BaggingRegressor : Members that differ in the rows that they see.

    Notes
    -----
    With means ŷ_m and standard deviations σ_m of the M members, the mixture has

        ŷ = 1/M Σ_m ŷ_m,    σ² = 1/M Σ_m σ_m² + 1/M Σ_m (ŷ_m - ŷ)².

    An interruption from the keyboard ends the training of the member that it reaches, with
    the warning and the weights that it would have alone.

    Callbacks are told of the ensemble's fit and of each member's, and those that scikit-learn
    propagates, such as its progress bar, of what goes on in the members too. They can end the
    training of a member, not of those that are left.

    With metadata routing enabled, sample weights are requested of the ensemble itself, by
    ``set_fit_request(sample_weight=True)``, and it hands them to each member.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles", Advances in Neural Information Processing
    Systems 30, 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> member = SigmoidMLPRegressor(hidden_layer_sizes=(5,), alpha=10.0)
    >>> model = SigmoidMLPEnsembleRegressor(member, n_estimators=3, random_state=0)
    >>> model.fit(X_train, y_train).score(X_test, y_test)  # doctest: +ELLIPSIS
    0.3...
    >>> y_mean, y_std = model.predict(X_test, return_std=True)
    >>> bool(y_std.min() > 0)
    True
    """

    _doc_link_module = "sklearn_mlp"
    _doc_link_template = DOCUMENTATION_OF_CLASS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    estimators_: list[Any]

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 5,
        *,
        n_jobs: int | None = None,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)  # the member's parameters are its own
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the members to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Sparse only where the members take sparse data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Several outputs only where the members have them.
        sample_weight : array-like of shape (n_samples,), default=None
            Passed to each member.

        Returns
        -------
        self : SigmoidMLPEnsembleRegressor

        Raises
        ------
        ValueError
            If the data are not finite numbers of matching shapes, if the members take no
            `sample_weight`, or if fitting any of them fails; the ensemble is then what it was
            before.
        """
        before = self.__dict__.copy()
        try:
            return self._fit(X, y, sample_weight)
        except BaseException:
            restore(self, before)
            raise

    def _fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None) -> Self:
        given = {"X": X, "y": y}
        X, y = self._validate(X, y)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        rng = check_random_state(self.random_state)
        members = [clone(self._member()) for _ in range(self.n_estimators)]
        for member in members:
            _set_random_states(member, rng)
            _refuse_unknown(weights, member, member.fit)
        data = {**given, "metadata": weights or None}
        task = begin_fit(self, data, len(members), sequential_subtasks=False)
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_member)(member, X, y, weights, task and task.part("member", task_id=i))
            for i, member in enumerate(members)
        )
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        if task is not None:
            task.end(dict)  # the estimator as it is
        return self

    def _validate(self, X: MatrixLike, y: Any) -> tuple[MatrixLike, FloatArray]:
        """X in float32 or float64, and y; a single output as a vector."""
        tags = get_tags(self)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr" if tags.input_tags.sparse else False,
            multi_output=tags.target_tags.multi_output,
            y_numeric=True,
            dtype=(np.float64, np.float32),
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _member(self) -> Any:
        """What the members are clones of."""
        return SigmoidMLPRegressor() if self.estimator is None else self.estimator

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
            Also return the standard deviation of a new observation under the mixture of the
            members' predictive distributions, where the members have one: networks trained
            by "lm" do.

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
            If X has other columns than the X of :meth:`fit`, or if `return_std` is asked of
            members that know no standard deviation.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse="csr" if get_tags(self).input_tags.sparse else False,
            dtype=(np.float64, np.float32),
            reset=False,
        )
        wanted = {"return_std": True} if return_std else {}
        mean: Any = 0.0
        root_sum: Any = 0.0  # √(Σ σ² + Σ (ŷ - mean)²) of the members so far
        for n_members, member in enumerate(self.estimators_, 1):
            _refuse_unknown(wanted, member, member.predict)
            prediction = member.predict(X, **wanted)
            y, std = prediction if return_std else (prediction, 0.0)
            # One member more (Chan, Golub & LeVeque, 1983), and no value is ever squared.
            step = y.astype(np.float64) - mean
            mean = mean + step / n_members
            if return_std:
                spread = np.sqrt(1 - 1 / n_members) * step
                root_sum = np.hypot(np.hypot(root_sum, std), spread)
        dtype = np.result_type(y, np.float32)
        if not return_std:
            return mean.astype(dtype, copy=False)
        return (
            mean.astype(dtype, copy=False),
            (root_sum / np.sqrt(n_members)).astype(dtype, copy=False),
        )

    @property
    def feature_importances_(self) -> FloatArray:
        """How much each input matters, the mean over the members."""
        return np.mean([member.feature_importances_ for member in self._fitted()], axis=0)

    @property
    def noise_std_(self) -> float | FloatArray:
        """The standard deviation of the noise, the root mean square over the members."""
        squares = np.square([member.noise_std_ for member in self._fitted()])
        noise = np.sqrt(squares.mean(axis=0))
        return float(noise) if noise.ndim == 0 else noise

    def _fitted(self) -> list[Any]:
        """The members; an AttributeError, so that `hasattr` is False, before there are any."""
        if not hasattr(self, "estimators_"):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet.")
        return self.estimators_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        member = get_tags(self._member())
        tags.input_tags.sparse = member.input_tags.sparse
        tags.target_tags.multi_output = member.target_tags.multi_output
        tags.target_tags.single_output = member.target_tags.single_output
        return tags


def _fit_member(
    member: Any, X: MatrixLike, y: FloatArray, weights: dict[str, ArrayLike], task: Task | None
) -> Any:
    """Fit one member, here or in a worker that sends it back."""
    if task is None:
        return member.fit(X, y, **weights)
    with task.around(member):
        task.begin()
        member.fit(X, y, **weights)
    task.end()
    return member


def _refuse_unknown(arguments: dict[str, Any], member: Any, method: Callable[..., Any]) -> None:
    """Raise if a member's method does not take these arguments."""
    parameters = signature(method).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return  # a pipeline, say: it passes them on, or says itself that it does not
    for name in arguments:
        if name not in parameters:
            raise ValueError(
                f"{name} needs members that know it, and {type(member).__name__}'s "
                f"{method.__name__} does not."
            )
