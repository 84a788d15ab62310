"""One step of Adam: MLPRegressor and PyTorch's eager loop against SigmoidMLPRegressor.

Each contender trains on the same rows, in as many epochs of equal minibatches, shuffled anew
in each epoch; the time of the whole fit is divided by the number of steps.

    python -m benchmarks.adam_step
"""

import argparse
import importlib
import importlib.util
import itertools
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.timing import interleaved, ratio
from sklearn_mlp import SigmoidMLPRegressor

SHAPES = [  # (inputs, hidden layers, batch size, batches in an epoch, epochs)
    (4, (5,), 32, 200, 10),
    (20, (50,), 200, 50, 10),
    (100, (256, 256), 256, 10, 4),
]


def torch_loop(
    X: np.ndarray, y: np.ndarray, hidden: tuple[int, ...], batch: int, epochs: int
) -> Callable[[], None]:
    """The usual PyTorch training loop, eager, with weight decay as an L2 penalty."""
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]

    def run() -> None:
        layers: list[torch.nn.Module] = []
        sizes = [X.shape[1], *hidden]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(n_in, n_out, dtype=inputs.dtype), torch.nn.Sigmoid()]
        layers.append(torch.nn.Linear(sizes[-1], 1, dtype=inputs.dtype))
        model = torch.nn.Sequential(*layers)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4 / batch)
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(batch):
                optimizer.zero_grad()
                loss = 0.5 * torch.nn.functional.mse_loss(model(inputs[rows]), targets[rows])
                loss.backward()
                optimizer.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    has_torch = importlib.util.find_spec("torch") is not None
    if has_torch:
        importlib.import_module("torch").set_num_threads(arguments.threads)
    else:
        print("PyTorch is not installed (pip install 'sklearn-mlp[bench]'): left out.")
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("Microseconds a step (median), and times as fast as each peer (median, range)")
    with threadpool_limits(arguments.threads):
        for n_in, hidden, batch, batches, epochs in SHAPES:
            for dtype in (np.float64, np.float32):
                rng = np.random.default_rng(0)
                X = rng.normal(size=(batch * batches, n_in)).astype(dtype)
                y = np.sin(X[:, 0])
                common: dict[str, Any] = {
                    "hidden_layer_sizes": hidden,
                    "activation": "logistic",
                    "solver": "adam",
                    "alpha": 1e-4,
                    "batch_size": batch,
                    "max_iter": epochs,
                    "tol": 0.0,
                    "n_iter_no_change": epochs,
                    "random_state": 0,
                }
                contenders: dict[str, Callable[[], object]] = {
                    "ours": partial(SigmoidMLPRegressor(**common).fit, X, y),
                    "MLPRegressor": partial(MLPRegressor(**common).fit, X, y),
                }
                if has_torch:
                    contenders["PyTorch"] = torch_loop(X, y, hidden, batch, epochs)
                seconds = interleaved(contenders, arguments.turns)
                shape = "-".join(map(str, (n_in, *hidden, 1)))
                print(f"{shape:>16} batch {batch:<4} {np.dtype(dtype).name}")
                for name, times in seconds.items():
                    step = 1e6 * np.median(times) / (batches * epochs)
                    against = "" if name == "ours" else ratio(times, seconds["ours"])
                    print(f"    {name:<14} {step:8.0f}  {against}", flush=True)


if __name__ == "__main__":
    main()
