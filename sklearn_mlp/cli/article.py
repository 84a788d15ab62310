"""The article from end to end: its data set, its network, and how far its error falls."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error

from .._typing import FloatArray
from ..datasets import make_hyperplane
from ..regressor import SigmoidMLPRegressor
from ..summary import number
from .errors import InputError
from .meter import Meter
from .models import check_writable
from .session import INTERRUPTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARTICLE_RMSE = 0.0514
"""Where the article's training levels off."""

N_SHOWN = 12
"""So many iterations are shown at most."""


def run(plot: Path | None, meter: Meter) -> int:
    """Generate the article's data, train its network, and compare. Returns the exit code."""
    if plot is not None:
        _check_plot(plot)
    table = make_hyperplane(random_state=0)
    X, y = table.drop(columns="value"), table["value"]
    X_new, y_new = make_hyperplane(random_state=1, return_X_y=True)
    model = SigmoidMLPRegressor(5, random_state=0)
    losses: list[float] = []
    with meter.training(losses.append), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        meter.say(f"The article's data set: {len(X):,} rows, {X.shape[1]} inputs, no noise.")
        meter.say("Its network: 5 hidden units.")
        meter.begin("training", 1.0)
        model.fit(X, y)
    meter.stop()
    y_hat = model.predict(X)

    print("\nThe fall of the error, the lowest so far of several starts:\n")
    print(f"{'iteration':>12}{'RMSE':>14}")
    rmse = np.sqrt(2 * np.minimum.accumulate(losses)) * y.std()
    for i in _worth_showing(len(rmse)):
        print(f"{i:>12}{number(rmse[i - 1]):>14}")
    is_interrupted = False
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            print(f"not converged in {model.max_iter} iterations")
        elif issubclass(warning.category, UserWarning):
            print(warning.message)
            is_interrupted |= str(warning.message).startswith(INTERRUPTED)
    print("\nThe first rows:\n")
    print(table.assign(predicted=y_hat).head(5).to_string())
    found = root_mean_squared_error(y, y_hat)
    of_new = root_mean_squared_error(y_new, model.predict(pd.DataFrame(X_new, columns=X.columns)))
    print(f"\nRMSE of the article's own training:  {ARTICLE_RMSE}")
    print(f"RMSE of this network:                {found:.3g} ({_smaller(found)})")
    print(f"RMSE on {len(y_new):,} fresh rows:          {of_new:.3g}")
    if plot is not None:
        article_figure(model, y.to_numpy(), y_hat).savefig(plot)
        print(f"figure: {plot}")
    print("\nTrain on your own data:  sklearn-mlp fit DATA.csv --target COLUMN")
    return 130 if is_interrupted else 0


def _smaller(rmse: float) -> str:
    return f"{number(ARTICLE_RMSE / rmse, 3)} times smaller" if rmse else "exact"


def _worth_showing(n: int) -> list[int]:
    """The first and the last of n iterations, and some between, the further apart the later."""
    return sorted({round(i) for i in np.geomspace(1, n, N_SHOWN)})


def _check_plot(path: Path) -> None:
    """Raise an error if no figure can be drawn there."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise InputError('--plot needs matplotlib: pip install "sklearn-mlp[plot]"') from None
    check_writable(path, "--plot")
    if path.suffix[1:].lower() not in FigureCanvasBase.get_supported_filetypes():
        raise InputError(f"--plot: {str(path)!r} should end in .png, .pdf or .svg")


def article_figure(model: SigmoidMLPRegressor, y: FloatArray, y_hat: FloatArray) -> "Figure":
    """Draw the RMSE at each iteration, and the predicted against the true values."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(10, 4.5), dpi=120, layout="constrained")
    training, predictions = figure.subplots(1, 2)

    rmse = np.sqrt(2 * np.asarray(model.loss_curve_)) * y.std()
    training.semilogy(np.arange(1, rmse.size + 1), rmse, label="this network")
    plateau = f"the article's plateau, {ARTICLE_RMSE}"
    training.axhline(ARTICLE_RMSE, linestyle="--", color="C3", label=plateau)
    training.set(xlabel="iteration", ylabel="RMSE", title="Training")
    training.legend()

    predictions.axline((y[0], y[0]), slope=1, color="0.7", label="predicted = true")
    predictions.plot(y, y_hat, ".", markersize=2, rasterized=True, label="rows")
    predictions.set(xlabel="true value", ylabel="predicted value", title="Predictions")
    predictions.set_aspect("equal")
    predictions.legend()
    return figure
