"""Standard regression sets beside the peers: RMSE, log-likelihood and seconds a fit.

One default model, inputs as they are, no tuning. The data are not part of the project: give
the folder that has a folder for each set with ``data.txt`` and, as row and column numbers,
``index_features.txt``, ``index_target.txt``, ``index_train_K.txt`` and ``index_test_K.txt``
for each split K, as Hernández-Lobato & Adams (2015) published them.

    python -m benchmarks.uci FOLDER [--sets yacht energy concrete] [--splits 20]
"""

import argparse
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp import SigmoidMLPEnsembleRegressor


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and the target."""
    data = np.loadtxt(folder / "data.txt")
    features, target = (
        np.atleast_1d(np.loadtxt(folder / f"index_{name}.txt", dtype=float)).astype(int)
        for name in ("features", "target")
    )
    return data[:, features], data[:, target[0]]


def split(folder: Path, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The training and the test rows of split k."""
    train, test = (
        np.loadtxt(folder / f"index_{part}_{k}.txt").astype(int) for part in ("train", "test")
    )
    return train, test


def peers(n_features: int) -> dict[str, Any]:
    """What a user would reach for, behind a StandardScaler for inputs and target."""
    kernel = ConstantKernel() * RBF(np.ones(n_features)) + WhiteKernel(0.1)
    models = {
        "MLPRegressor": MLPRegressor(random_state=0),
        "MLPRegressor, lbfgs": MLPRegressor(solver="lbfgs", random_state=0),
        "GaussianProcessRegressor": GaussianProcessRegressor(kernel),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    }
    return {
        name: TransformedTargetRegressor(
            make_pipeline(StandardScaler(), model), transformer=StandardScaler()
        )
        for name, model in models.items()
    }


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=["yacht", "energy", "concrete"])
    parser.add_argument("--splits", type=int, default=20)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        folder = arguments.folder / name
        X, y = load(folder)
        results: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for k in range(arguments.splits):
            train, test = split(folder, k)
            start = time.perf_counter()
            model = SigmoidMLPEnsembleRegressor(random_state=k).fit(X[train], y[train])
            seconds = time.perf_counter() - start
            members = [m.predict(X[test], return_std=True) for m in model.estimators_]
            densities = np.array([norm(mean, std).logpdf(y[test]) for mean, std in members])
            for (mean, std), density in zip(members, densities, strict=True):
                inside = np.mean(np.abs(y[test] - mean) < 1.96 * std)
                row = (rmse(mean - y[test]), density.mean(), inside, seconds / len(members))
                results["SigmoidMLPRegressor"].append(row)
            mean, std = model.predict(X[test], return_std=True)
            mixture = (logsumexp(densities, axis=0) - np.log(len(members))).mean()
            inside = np.mean(np.abs(y[test] - mean) < 1.96 * std)
            results["ensemble of 5"].append((rmse(mean - y[test]), mixture, inside, seconds))
            for peer, estimator in peers(X.shape[1]).items():
                start = time.perf_counter()
                estimator.fit(X[train], y[train])
                seconds = time.perf_counter() - start
                error = estimator.predict(X[test]) - y[test]
                results[peer].append((rmse(error), np.nan, np.nan, seconds))
                if peer == "GaussianProcessRegressor":
                    scaler, gp = estimator.regressor_[0], estimator.regressor_[1]
                    mean, std = gp.predict(scaler.transform(X[test]), return_std=True)
                    scale = estimator.transformer_.scale_[0]
                    density = norm(estimator.predict(X[test]), std * scale).logpdf(y[test]).mean()
                    inside = np.mean(np.abs(error) < 1.96 * std * scale)
                    results[peer][-1] = (rmse(error), density, inside, seconds)
        print(f"{name}: {arguments.splits} splits, means")
        print(f"    {'':<26} {'RMSE':>8} {'log-lik.':>9} {'within 95 %':>12} {'s a fit':>8}")
        for model_name, rows in results.items():
            error, density, inside, seconds = np.mean(rows, axis=0)
            print(f"    {model_name:<26} {error:8.3f} {density:9.3f} {inside:12.3f} {seconds:8.2f}")
        print(flush=True)


if __name__ == "__main__":
    main()
