"""SigmoidMLPEnsembleRegressor: networks from several starts, and the mixture that they predict.

The error of a network has many minima, and training ends in one near the initial weights. The
M members of an ensemble differ only in their initial weights. Member m predicts ŷ_m with the
standard deviation σ_m. The mixture of their predictive distributions, with equal weights, has

    ŷ  = 1/M Σ_m ŷ_m
    σ² = 1/M Σ_m σ_m²  +  1/M Σ_m (ŷ_m - ŷ)²

(the law of total variance; Lakshminarayanan et al., 2017): the mean of the members' variances,
plus the variance of their means.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from numbers import Integral
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
from joblib.parallel import get_active_backend
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
from .data import checked_quantiles
from .distributed import answers, check_columns, is_dask, without_names
from .mixture import Mixture
from .regressor import SigmoidMLPRegressor
from .summary import say_summary_of_ensemble


class SigmoidMLPEnsembleRegressor(
    CallbackSupportMixin, MetaEstimatorMixin, RegressorMixin, BaseEstimator
):
    """Average of several networks that differ in their random start.

    Each member is trained on all the rows. The ensemble predicts the mean of the members'
    predictions. Its squared error is never more than the mean of the members' squared errors.
    Its error bars combine the members' own error bars with their disagreement.

    Parameters
    ----------
    estimator : estimator object, default=None
        The members are clones of it. None means ``SigmoidMLPRegressor()``, where each member is
        itself the mean of several networks if its width is found (see its `hidden_layer_sizes`).
        It can be any regressor; `return_std` needs one whose `predict` has that argument.
    n_estimators : int, default=5
        Number of members.
    n_jobs : int or None, default=None
        Number of members to train at the same time. None means 1 unless in a
        :func:`joblib.parallel_config` context; -1 means all processors. The result does not
        depend on it.
    random_state : int, RandomState instance or None, default=None
        Draws the `random_state` of each member, which replaces that of `estimator`. Pass an
        int for the same result at each call.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members. They are fitted on arrays, and know no feature names.
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        The mean of the members' importances. Defined only if the members have them.
    noise_std_ : float or ndarray of shape (`n_outputs_`,)
        The root mean square of the members' noise, in the units of y. Defined only if the
        members have it.
    n_outputs_ : int
        Number of outputs.
    n_features_in_ : int
        Number of features seen during :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Defined only if X has feature names that are all strings.

    See Also
    --------
    SigmoidMLPRegressor : The member. Its `n_init` keeps the best of several starts, and by
        default it is already a weighted mean of several networks where its width is found.
    sklearn.ensemble.BaggingRegressor : Members that are trained on different rows.

    Notes
    -----
    If member m of M predicts ŷ_m with the standard deviation σ_m, the mixture has

        ŷ = 1/M Σ_m ŷ_m,    σ² = 1/M Σ_m σ_m² + 1/M Σ_m (ŷ_m - ŷ)².

    An interruption from the keyboard ends the training of the present member, which warns and
    keeps its best weights. The other members are trained as usual.

    Callbacks are told about the fit of the ensemble and of each member. Callbacks that
    scikit-learn propagates, such as its progress bar, are also told about the iterations of the
    members. A callback can end the training of a member, but not of the remaining members.

    With metadata routing enabled, request sample weights for the ensemble with
    ``set_fit_request(sample_weight=True)``. The ensemble passes them to each member.

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
    >>> print(f"{model.fit(X_train, y_train).score(X_test, y_test):.2f}")
    0.38
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
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
            Sparse data and Dask collections only if the members accept them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Several outputs only if the members accept them.
        sample_weight : array-like of shape (n_samples,), default=None
            Passed to each member.

        Returns
        -------
        self : SigmoidMLPEnsembleRegressor

        Raises
        ------
        ValueError
            If the data are not finite numbers of matching shapes, if the members accept no
            `sample_weight`, or if the fit of a member fails. The ensemble then stays as it was.
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
            delayed(_fit_member)(member, X, y, weights, task and task.member(i))
            for i, member in enumerate(members)
        )
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        if task is not None:
            task.end(dict)  # the estimator as it is
        return self

    def _validate(self, X: MatrixLike, y: Any) -> tuple[MatrixLike, FloatArray]:
        """X as float32 or float64, and y, as a vector if there is a single output."""
        if is_dask(X):
            _refuse_nested_dask()
            check_columns(self, X, reset=True)
            return without_names(X), y  # each member checks the partitions
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
        """The estimator that the members are clones of."""
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
        X : {array-like, sparse matrix, Dask array or DataFrame} of shape (n_samples, n_features)
        return_std : bool, default=False
            Also return the standard deviation of a new observation under the mixture of the
            members' predictive distributions, in the units of y. The members must have error
            bars: networks trained on the squared error do.

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
            If X has other columns than the X of :meth:`fit`, or with `return_std` if the
            members have no error bars.
        """
        check_is_fitted(self)
        X = self._checked_inputs(X)
        wanted = {"return_std": True} if return_std else {}
        mean: Any = 0.0
        root_sum: Any = 0.0  # √(Σ σ² + Σ (ŷ - mean)²) of the members so far
        for n_members, member in enumerate(self.estimators_, 1):
            _refuse_unknown(wanted, member, member.predict)
            prediction = member.predict(X, **wanted)
            y, std = prediction if return_std else (prediction, 0.0)
            # Add one member (Chan, Golub & LeVeque, 1983), without squaring any value.
            step = y.astype(np.float64) - mean
            mean = mean + step / n_members
            if return_std:
                spread = np.sqrt(1 - 1 / n_members) * step
                root_sum = np.hypot(np.hypot(root_sum, std), spread)
        dtype = np.result_type(y.dtype, np.float32)
        if not return_std:
            return mean.astype(dtype, copy=False)
        return (
            mean.astype(dtype, copy=False),
            (root_sum / np.sqrt(n_members)).astype(dtype, copy=False),
        )

    def predict_quantiles(
        self, X: MatrixLike, quantiles: ArrayLike = (0.05, 0.5, 0.95)
    ) -> FloatArray:
        """Predict quantiles of the mixture of the members' predictive distributions.

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

        Notes
        -----
        The distribution of a member that is no SigmoidMLPRegressor is taken as Gaussian.
        """
        check_is_fitted(self)
        q = checked_quantiles(quantiles)
        if is_dask(X):
            return answers(self, "predict_quantiles", X, (len(q), *self._shape), quantiles=q)
        X = self._checked_inputs(X)
        mixtures = [_mixture_of(member, X) for member in self.estimators_]
        found = Mixture.of_equals(mixtures).quantiles(q)
        found = found.astype(np.result_type(X.dtype, np.float32), copy=False)
        return found[:, :, 0] if found.shape[2] == 1 else found

    def predict_noise_std(self, X: MatrixLike) -> FloatArray:
        """The standard deviation of the noise at each row.

        It is the root mean square over the members, which must have ``predict_noise_std``.

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
        AttributeError
            If the members have no ``predict_noise_std``.
        """
        check_is_fitted(self)
        if is_dask(X):
            return answers(self, "predict_noise_std", X, self._shape)
        X = self._checked_inputs(X)
        each = [member.predict_noise_std(X) for member in self.estimators_]
        std: FloatArray = np.sqrt(np.mean(np.square(each), axis=0))
        return std

    def summary(self) -> None:
        """Print what the fit has found.

        The networks of the members, the noise, and the relevance of each input. What needs error
        bars is left out if there are none.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2))
        >>> y = 3 * X[:, 0] - X[:, 1] + rng.normal(size=200)
        >>> member = SigmoidMLPRegressor((), alpha=0.1, random_state=0)
        >>> SigmoidMLPEnsembleRegressor(member, n_estimators=2).fit(X, y).summary()
        ensemble        the mean of 2 fits
        members         1: no hidden units; solver lm, 1 iteration
                        2: no hidden units; solver lm, 1 iteration
        noise           0.9990 (standard deviation)
        inputs          by relevance, how far they move the predictions (total 100 %):
                        x0                               76.5%  ##################
                        x1                               23.5%  #####
        """
        check_is_fitted(self)
        say_summary_of_ensemble(print, self)

    @property
    def _shape(self) -> tuple[int, ...]:
        """The shape of the prediction for one row: () for a single output."""
        return () if self.n_outputs_ == 1 else (self.n_outputs_,)

    def _checked_inputs(self, X: MatrixLike) -> MatrixLike:
        if is_dask(X):
            check_columns(self, X, reset=False)
            return without_names(X)  # the members are fitted on arrays
        return validate_data(
            self,
            X,
            accept_sparse="csr" if get_tags(self).input_tags.sparse else False,
            dtype=(np.float64, np.float32),
            reset=False,
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
        """The fitted members. Raises AttributeError before the fit, so that `hasattr` is False."""
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
    """Fit one member, in this process or in a worker, and return it."""
    if task is None:
        return member.fit(X, y, **weights)
    with task.around(member):
        task.begin()
        member.fit(X, y, **weights)
    task.end()
    return member


def _mixture_of(member: Any, X: MatrixLike) -> Mixture:
    """The predictive distribution of a member."""
    if isinstance(member, SigmoidMLPRegressor):
        model = member._for_error_bars("predict_quantiles")
        if model.power:
            raise ValueError(
                "predict_quantiles of an ensemble is for loss='squared_error': with "
                f"loss={member.loss!r} take that of a single SigmoidMLPRegressor."
            )
        return model.mixture(X)
    _refuse_unknown({"return_std": True}, member, member.predict)
    mean, std = (a.reshape(len(a), -1, 1) for a in member.predict(X, return_std=True))
    return Mixture(np.ones(1), mean, std)


def _refuse_nested_dask() -> None:
    """Raise if the members would be tasks of Dask that wait for other tasks of Dask."""
    if type(get_active_backend()[0]).__name__ == "DaskDistributedBackend":
        raise ValueError(
            "The rows are in Dask collections, which a fit already spreads over the cluster: fit "
            "the ensemble outside of joblib.parallel_config('dask')."
        )


def _refuse_unknown(arguments: dict[str, Any], member: Any, method: Callable[..., Any]) -> None:
    """Raise if a member's method does not take these arguments."""
    parameters = signature(method).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return  # such as a pipeline, which passes them on or raises its own error
    for name in arguments:
        if name not in parameters:
            raise ValueError(
                f"{name} needs members that accept it, and {type(member).__name__}'s "
                f"{method.__name__} does not."
            )
