"""Tables of rows and columns: default models beside the peers, in error, error bars and seconds.

    python -m benchmarks tabular FOLDER [FOLDER ...] [--splits 5] [--models NAME ...]
                                 [--sets NAME ...] [--out results.json]

All models are fitted in turn to the same split, in one process, with one thread and with their
default settings. A peer that is not installed is left out, with a line that says so.

The log-likelihood, the CRPS (continuous ranked probability score) and the score of 95 % intervals
are of the predictive distribution: for our models the mixture of ``predict_quantiles``, for the
others a Gaussian. Of the last two lower is better.

The data are not part of the project. A FOLDER is one data set, or contains one folder for each. A
data set has one of two forms:

- ``data.txt`` and, as column and row numbers, ``index_features.txt``, ``index_target.txt``,
  ``index_train_K.txt`` and ``index_test_K.txt`` for each split K, as Hernández-Lobato and Adams
  (2015) published them;
- ``data.csv.gz``, without a header and with the target in the last column, and
  ``test_mask.csv.gz``, which has a column for each split and 1 for its test rows.
"""

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import peers, scores
from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp.mixture import Mixture

LARGEST_GP = 1_500
"""Rows up to which the Gaussian process is fitted: its time grows with their cube."""

OURS = ("SigmoidMLPRegressor", "SigmoidMLPEnsembleRegressor")

Split = tuple[np.ndarray, np.ndarray]
"""The numbers of the training rows, and of the test rows."""


class DataSet(NamedTuple):
    """A table, and the splits that were published with it."""

    name: str
    X: np.ndarray
    y: np.ndarray
    splits: list[Split]


def with_std(model: Any, X: np.ndarray) -> Mixture:
    """The distribution by `return_std`; the members' mixture, if it is our ensemble."""
    return scores.gaussian(*model.predict(X, return_std=True))


def with_mixture(model: Any, X: np.ndarray) -> Mixture:
    """The distribution of one of our models."""
    members = getattr(model, "estimators_", [model])
    return Mixture.of_equals([member._with_posterior().mixture(X) for member in members])


class Contender(NamedTuple):
    """A model to compare.

    Attributes
    ----------
    make : callable
        Maps a random state to a new estimator for raw X and y.
    distribution : callable or None
        Maps a fitted model and X to its predictive distribution. None if it has none.
    needs : str or None
        The optional library.
    largest : float
        Number of training rows up to which it is fitted.
    """

    make: Callable[[int], Any]
    distribution: Callable[[Any, np.ndarray], Mixture] | None = None
    needs: str | None = None
    largest: float = np.inf


def read(folder: Path) -> DataSet:
    """The data set of a folder, in either form."""
    return read_indexed(folder) if (folder / "data.txt").exists() else read_masked(folder)


def read_indexed(folder: Path) -> DataSet:
    """A data set with files of column and row numbers."""

    def index(name: str) -> np.ndarray:
        return np.loadtxt(folder / f"index_{name}.txt", ndmin=1).astype(int)

    data = np.loadtxt(folder / "data.txt", ndmin=2)
    splits = []
    for k in count():
        if not (folder / f"index_train_{k}.txt").exists():
            break
        splits.append((index(f"train_{k}"), index(f"test_{k}")))
    return DataSet(folder.name, data[:, index("features")], data[:, index("target")[0]], splits)


def read_masked(folder: Path) -> DataSet:
    """A data set with a mask of the test rows for each split."""
    data = pd.read_csv(folder / "data.csv.gz", header=None).to_numpy(np.float64)
    masks = pd.read_csv(folder / "test_mask.csv.gz", header=None).to_numpy().astype(bool)
    splits = [(np.flatnonzero(~test), np.flatnonzero(test)) for test in masks.T]
    return DataSet(folder.name, data[:, :-1], data[:, -1], splits)


def folders_of_sets(folders: Iterable[Path]) -> list[Path]:
    """Each folder that is a data set, and those inside the others."""

    def is_set(folder: Path) -> bool:
        return (folder / "data.txt").exists() or (folder / "data.csv.gz").exists()

    found = []
    for folder in folders:
        inside = [folder] if is_set(folder) else sorted(filter(is_set, folder.iterdir()))
        if not inside:
            raise FileNotFoundError(f"{folder} has neither data.txt nor data.csv.gz.")
        found += inside
    return found


def scaled(model: Any) -> TransformedTargetRegressor:
    """The model on z-scores of the inputs and of the target."""
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), model), transformer=StandardScaler()
    )


def gaussian_process(seed: int) -> Any:
    """A length scale for each input, and white noise."""

    class PerInput(GaussianProcessRegressor):
        def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
            self.kernel = ConstantKernel() * RBF(np.ones(X.shape[1])) + WhiteKernel(0.1)
            return super().fit(X, y)

    return make_pipeline(StandardScaler(), PerInput(normalize_y=True, random_state=seed))


def catboost(seed: int) -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        verbose=0, thread_count=1, allow_writing_files=False, random_state=seed
    )


def catboost_with_uncertainty(seed: int) -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        loss_function="RMSEWithUncertainty", verbose=0, thread_count=1, random_state=seed,
        allow_writing_files=False,
    )  # fmt: skip


def of_catboost(model: Any, X: np.ndarray) -> Mixture:
    """By its second output, the variance."""
    mean, variance = model.predict(X, prediction_type="RMSEWithUncertainty").T
    return scores.gaussian(mean, np.sqrt(variance))


def ngboost(seed: int) -> Any:
    from ngboost import NGBRegressor

    return NGBRegressor(verbose=False, random_state=seed)


def of_ngboost(model: Any, X: np.ndarray) -> Mixture:
    """By its Gaussian."""
    found = model.pred_dist(X)
    return scores.gaussian(found.loc, found.scale)


def realmlp(seed: int) -> Any:
    from pytabkit import RealMLP_TD_Regressor

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return RealMLP_TD_Regressor(device="cpu", n_threads=1, random_state=seed)


CONTENDERS = {
    "SigmoidMLPRegressor": Contender(lambda k: SigmoidMLPRegressor(random_state=k), with_mixture),
    "SigmoidMLPEnsembleRegressor": Contender(
        lambda k: SigmoidMLPEnsembleRegressor(random_state=k), with_mixture
    ),
    "constant noise": Contender(
        lambda k: SigmoidMLPRegressor(noise="constant", random_state=k), with_mixture
    ),
    "MLPRegressor-adam": Contender(lambda k: scaled(MLPRegressor(random_state=k))),
    "MLPRegressor-lbfgs": Contender(lambda k: scaled(MLPRegressor(solver="lbfgs", random_state=k))),
    "HistGradientBoosting": Contender(lambda k: HistGradientBoostingRegressor(random_state=k)),
    "CatBoost": Contender(catboost, needs="catboost"),
    "CatBoost, uncertainty": Contender(catboost_with_uncertainty, of_catboost, needs="catboost"),
    "NGBoost": Contender(ngboost, of_ngboost, needs="ngboost"),
    "RealMLP-TD": Contender(realmlp, needs="pytabkit"),
    "GaussianProcess": Contender(gaussian_process, with_std, largest=LARGEST_GP),
    "BayesianRidge": Contender(
        lambda k: make_pipeline(StandardScaler(), BayesianRidge()), with_std
    ),
}


def measure(contender: Contender, data: DataSet, k: int) -> dict[str, Any]:
    """Fit to split k. Errors are in standard deviations of the training targets."""
    train, test = data.splits[k]
    model, scale = contender.make(k), data.y[train].std()
    X_test, y_test = data.X[test], data.y[test]
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        start = time.perf_counter()
        model.fit(data.X[train], data.y[train])
        seconds = time.perf_counter() - start
        record: dict[str, Any] = {
            "rows": len(train),
            "columns": data.X.shape[1],
            "scale": float(scale),
            "seconds": seconds,
            "converged": not any(issubclass(w.category, ConvergenceWarning) for w in caught),
        }
        if contender.distribution is None:
            mean = np.ravel(model.predict(X_test))
        else:
            found = contender.distribution(model, X_test)
            mean = found.mean[:, 0] @ found.shares
            record["log_likelihood"] = float(scores.log_density(found, y_test).mean())
            record["crps"] = float(scores.crps(found, y_test).mean()) / scale
            score = scores.interval_score(found, y_test, 0.95)
            record["interval_score"] = float(score.mean()) / scale
            low, high = scores.interval(found, 0.95)
            record["coverage"] = float(np.mean((low <= y_test) & (y_test <= high)))
        record["rmse"] = float(np.sqrt(np.mean((mean - y_test) ** 2)) / scale)
    return record


def run_set(data: DataSet, names: Sequence[str], n_splits: int) -> list[dict[str, Any]]:
    """A record for each split and model."""
    records = []
    for k in range(min(n_splits, len(data.splits))):
        for name in names:
            contender = CONTENDERS[name]
            if len(data.splits[k][0]) <= contender.largest:
                record = measure(contender, data, k)
                records.append({"set": data.name, "split": k, "model": name, **record})
    return records


def table(records: list[dict[str, Any]]) -> str:
    """Of one set, a line for each model."""
    frame = pd.DataFrame(records)
    n_splits, n_rows, n_columns = frame["split"].nunique(), frame["rows"].max(), frame["columns"][0]
    lines = [
        f"{frame['set'][0]}: {n_rows} training rows x {n_columns}, splits: {n_splits}",
        f"    {'':<28}{'RMSE/dev.':>10}{'RMSE':>10}{'loglik/dev.':>12}{'log-lik.':>10}"
        f"{'CRPS/dev.':>10}{'interval':>9}{'in 95 %':>9}{'s a fit':>9}",
    ]
    for name, of_model in frame.groupby("model", sort=False):
        line = f"    {name:<28}{of_model['rmse'].mean():10.4f}"
        line += f"{(of_model['rmse'] * of_model['scale']).mean():10.4g}"
        if "log_likelihood" in of_model and of_model["log_likelihood"].notna().all():
            in_deviations = of_model["log_likelihood"] + np.log(of_model["scale"])
            line += f"{in_deviations.mean():12.3f}{of_model['log_likelihood'].mean():10.3f}"
            line += f"{of_model['crps'].mean():10.4f}{of_model['interval_score'].mean():9.3f}"
            line += f"{of_model['coverage'].mean():9.3f}"
        else:
            line += f"{'-':>12}{'-':>10}{'-':>10}{'-':>9}{'-':>9}"
        lines.append(f"{line}{of_model['seconds'].median():9.2f}")
    return "\n".join(lines)


def by_set(frame: pd.DataFrame, score: str) -> pd.DataFrame:
    """The mean of a score, with a row for each set and a column for each model."""
    if score not in frame:
        return pd.DataFrame()
    return frame.groupby(["set", "model"], sort=False)[score].mean().unstack()


def ranked(scores: pd.DataFrame) -> pd.Series:
    """The mean rank of each model over the sets, by a score of which the lowest is the best."""
    if scores.empty:
        return pd.Series(dtype=float)
    ranks = rankdata(scores, axis=1, nan_policy="omit")
    return pd.DataFrame(ranks, scores.index, scores.columns).mean()


def summary(records: list[dict[str, Any]]) -> str:
    """Over all sets: the RMSE over that of the best model, mean ranks, and fits without end.

    The ranks are by RMSE, log-likelihood and CRPS, of those models that have them.
    """
    frame = pd.DataFrame(records)
    errors = by_set(frame, "rmse")
    over_best = errors.div(errors.min(axis=1), axis=0)
    ranks = {name: ranked(by_set(frame, name)) for name in ("rmse", "crps")}
    ranks["log_likelihood"] = ranked(-by_set(frame, "log_likelihood"))
    lines = [
        f"    {'':<28}{'RMSE over':>14}{'mean rank by':>15}",
        f"    {'':<28}{'the best':>14}{'RMSE':>11}{'log-lik.':>10}{'CRPS':>8}{'sets':>6}",
    ]
    for name in errors:
        ratio = np.exp(np.log(over_best[name]).mean())
        sets = errors[name].count()
        line = f"    {name:<28}{ratio:14.3f}{ranks['rmse'][name]:11.2f}"
        for score, width in (("log_likelihood", 10), ("crps", 8)):
            rank = ranks[score].get(name, np.nan)
            line += f"{'-':>{width}}" if np.isnan(rank) else f"{rank:{width}.2f}"
        lines.append(f"{line}{sets:6d}")
    for name in OURS:
        converged = frame.loc[frame["model"] == name, "converged"]
        if len(converged):
            lines.append(
                f"{name}: {(~converged).sum()} of {len(converged)} fits with a ConvergenceWarning"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str], machine: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks tabular", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--splits", type=int, default=5, help="the first so many of each set")
    parser.add_argument("--models", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="all, by default")
    parser.add_argument("--out", type=Path, metavar="PATH", help="a JSON file for the results")
    given = parser.parse_args(arguments)
    peers.set_threads(1)
    names = [
        name
        for name in given.models
        if CONTENDERS[name].needs is None or peers.available(CONTENDERS[name].needs)
    ]
    records: list[dict[str, Any]] = []
    for folder in folders_of_sets(given.folders):
        if given.sets is None or folder.name in given.sets:
            found = run_set(read(folder), names, given.splits)
            print(f"\n{table(found)}", flush=True)
            records += found
            if given.out is not None:
                given.out.write_text(json.dumps({"machine": machine, "records": records}, indent=1))
    if records:
        print(f"\nAll sets\n{summary(records)}", flush=True)
