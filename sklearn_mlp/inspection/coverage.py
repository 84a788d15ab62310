"""The nominal coverage of intervals against the share of observations that they hold.

A central interval of coverage c goes from the quantile (1 - c)/2 of the predictive distribution to
the quantile (1 + c)/2. Of n independent rows, as many are inside as a binomial distribution says,
if the predictive distribution is right (Kuleshov, Fenner & Ermon, 2018).
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, norm
from sklearn.utils import check_consistent_length

from .._typing import FloatArray, MatrixLike
from ._data import Table, one_output, vector
from ._drawing import BAND, DASHED, Display, Style, collection_style, legend, line_style
from ._estimators import Opened
from .prediction_interval import _knows_its_uncertainty, _mean_and_std

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

NOMINAL = np.round(np.linspace(0.05, 0.95, 19), 2)
"""The coverages that are looked at, unless others are asked for."""

EXPECTED = 0.95
"""The probability with which the points are inside the band if the intervals are right."""


class CoverageDisplay(Display):
    """Whether prediction intervals hold as many observations as they say.

    Points on the diagonal are right. Below it, the intervals are too narrow; above it, too wide.
    The band shows how far from the diagonal chance alone takes each point. Use
    :meth:`from_estimator` or :meth:`from_predictions` to create one. The parameters are stored as
    attributes.

    Parameters
    ----------
    nominal : array-like of shape (n_levels,)
        The coverages that the intervals should have, between 0 and 1.
    observed : array-like of shape (n_levels,)
        The shares of the observations that are inside.
    n_samples : int, default=None
        The number of observations. Without it, no band is drawn.
    name : str, default=None
        What the legend calls the model.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The observed coverages.
    diagonal_ : matplotlib Line2D
        Where they should be.
    band_ : matplotlib Collection or None
        Where 95 % of the points would be if the intervals were right.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    PredictionIntervalDisplay : The intervals themselves.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import CoverageDisplay
    >>> display = CoverageDisplay(nominal=[0.5, 0.9], observed=[0.4, 0.8], name="too narrow")
    >>> display.plot(ax=Figure().subplots()).line_.get_label()
    'too narrow'
    """

    line_: "Line2D"
    diagonal_: "Line2D"
    band_: "Collection | None"

    def __init__(
        self,
        *,
        nominal: ArrayLike,
        observed: ArrayLike,
        n_samples: int | None = None,
        name: str | None = None,
    ) -> None:
        self.nominal = nominal
        self.observed = observed
        self.n_samples = n_samples
        self.name = name

    def plot(
        self, ax: "Axes | None" = None, *, line_kwargs: Style = None, band_kwargs: Style = None
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Several displays can share one.
        line_kwargs, band_kwargs : dict, default=None
            Style of the line and of the band, passed on to matplotlib.

        Returns
        -------
        self : CoverageDisplay

        Raises
        ------
        ValueError
            If the arrays are not of one length, or not between 0 and 1.
        ImportError
            Without matplotlib.
        """
        nominal, observed = vector("nominal", self.nominal), vector("observed", self.observed)
        check_consistent_length(nominal, observed)
        if min(nominal.min(), observed.min()) < 0 or max(nominal.max(), observed.max()) > 1:
            raise ValueError("Coverages are numbers between 0 and 1.")
        ax = self._axes(ax)
        self.diagonal_ = ax.plot([0, 1], [0, 1], **line_style({**DASHED, "color": "0.5"}, None))[0]
        style = line_style({"marker": "o", "markersize": 4, "zorder": 3}, line_kwargs)
        self.line_ = ax.plot(nominal, observed, **style)[0]
        self.line_.set_label(self.name or "observed coverage")
        self.band_ = None
        if self.n_samples:
            level = np.linspace(0, 1, 101)
            low, high = binom.interval(EXPECTED, self.n_samples, level)
            style = collection_style({"color": "0.5", **BAND}, band_kwargs)
            self.band_ = ax.fill_between(
                level, low / self.n_samples, high / self.n_samples, **style
            )
            label = f"{100 * EXPECTED:g} % of points, if right"
            if label not in ax.get_legend_handles_labels()[1]:  # of a display before this
                self.band_.set_label(label)
        ax.set(
            xlabel="nominal coverage", ylabel="observed coverage",
            xlim=(0, 1), ylim=(0, 1), aspect="equal",
        )  # fmt: skip
        legend(ax)
        return self._drawn_on(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        *,
        output: int | None = None,
        nominal: ArrayLike = NOMINAL,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
    ) -> Self:
        """Count the observations in the intervals of a regressor.

        The intervals are between the quantiles of ``predict_quantiles`` where the regressor has
        it. Otherwise they are Gaussian, from ``predict(X, return_std=True)``.

        Parameters
        ----------
        estimator : estimator instance
            A fitted regressor with ``predict_quantiles``, or whose ``predict`` takes
            ``return_std``. It may be at the end of a pipeline or in a search.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows that the regressor was not trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The observations.
        output : int, default=None
            Which output of several.
        nominal : array-like of shape (n_levels,), default=0.05, 0.1, ..., 0.95
            The coverages to look at.
        name : str, default=None
            What the legend calls the model.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, band_kwargs : dict, default=None
            Style of the line and of the band, passed on to matplotlib.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted or does not say how sure it is, or if it has several
            outputs and `output` is not given.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.inspection import CoverageDisplay
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(400, 1))
        >>> y = X[:, 0] + rng.normal(size=400)
        >>> model = SigmoidMLPRegressor((), random_state=0).fit(X[:200], y[:200])
        >>> display = CoverageDisplay.from_estimator(
        ...     model, X[200:], y[200:], nominal=[0.5, 0.9], ax=Figure().subplots()
        ... )
        >>> np.round(display.observed, 1)
        array([0.5, 0.9])
        """
        cls._require_matplotlib("from_estimator")
        opened, table = Opened.of(estimator), Table.of(X, estimator)
        nominal, y_true = vector("nominal", nominal), vector("y", one_output("y", y, output))
        if hasattr(opened.estimator, "predict_quantiles") and not opened.target_transformers:
            limits = np.concatenate([(1 - nominal) / 2, (1 + nominal) / 2])
            q = opened.estimator.predict_quantiles(opened.reach(table.X), limits)
            q = np.column_stack([one_output("q", q_i, output) for q_i in q.swapaxes(0, 1)])
            low, high = np.split(q, 2, axis=1)
        else:
            mean, std = _mean_and_std(_knows_its_uncertainty(opened), table.X, output)
            low, high = _gaussian(nominal, mean, std)
        return cls._counted(y_true, low, high, nominal, name).plot(
            ax, line_kwargs=line_kwargs, band_kwargs=band_kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_std: ArrayLike,
        *,
        output: int | None = None,
        nominal: ArrayLike = NOMINAL,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        band_kwargs: Style = None,
    ) -> Self:
        """Count the observations in Gaussian intervals.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The observations.
        y_pred, y_std : array-like of the same shape
            Predicted means, and standard deviations of a new observation.
        output : int, default=None
            Which output of several.
        nominal : array-like of shape (n_levels,), default=0.05, 0.1, ..., 0.95
            The coverages to look at.
        name : str, default=None
            What the legend calls the model.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, band_kwargs : dict, default=None
            Style of the line and of the band, passed on to matplotlib.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        ValueError
            If the arrays are not numbers of one shape, or if there are several outputs and
            `output` is not given.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp.inspection import CoverageDisplay
        >>> display = CoverageDisplay.from_predictions(
        ...     y_true=[1.0, 2.5], y_pred=[1.1, 2.0], y_std=[0.2, 0.2], nominal=[0.5, 0.99],
        ...     ax=Figure().subplots(),
        ... )
        >>> display.observed
        array([0.5, 1. ])
        """
        cls._require_matplotlib("from_predictions")
        given = {"y_true": y_true, "y_pred": y_pred, "y_std": y_std}
        observed, mean, std = (
            vector(what, one_output(what, values, output)) for what, values in given.items()
        )
        check_consistent_length(observed, mean, std)
        levels = vector("nominal", nominal)
        low, high = _gaussian(levels, mean, std)
        return cls._counted(observed, low, high, levels, name).plot(
            ax, line_kwargs=line_kwargs, band_kwargs=band_kwargs
        )

    @classmethod
    def _counted(
        cls,
        y: FloatArray,
        low: FloatArray,
        high: FloatArray,
        nominal: FloatArray,
        name: str | None,
    ) -> Self:
        """The display of intervals with these limits, of shape (n_samples, n_levels)."""
        check_consistent_length(y, low)
        inside = (low <= y[:, np.newaxis]) & (y[:, np.newaxis] <= high)
        return cls(nominal=nominal, observed=inside.mean(axis=0), n_samples=len(y), name=name)


def _gaussian(
    nominal: FloatArray, mean: FloatArray, std: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The limits of the central intervals, each of shape (n_samples, n_levels)."""
    margin = np.outer(std, norm.ppf((1 + nominal) / 2))
    return mean[:, np.newaxis] - margin, mean[:, np.newaxis] + margin
