"""The other libraries, each as a function that trains the same network on the same rows.

The network is fully connected with sigmoid hidden layers and a linear output, and learns the mean
squared error, without a penalty. The data come as z-scores: no peer spends time on taking them.
MLPRegressor draws its own first weights; all others start from those of :func:`first_weights`.
A library that is not installed is left out, with a line that says so.

It has no command: time_to_target.py and others import it.
"""

import importlib
import importlib.util
import itertools
import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.optimize import least_squares
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.network import Network, Workspace
from sklearn_mlp.rows import Rows

LARGEST_JACOBIAN = 1 << 26
"""Numbers in a Jacobian (512 MB) up to which the peers of "lm" run: they hold several at once."""

Train = Callable[[int, int], np.ndarray]
"""Train for so many iterations from the start of this seed; the predictions for the same rows."""

Hidden = tuple[int, ...]
Weights = list[Any]
"""The matrix (n_in + 1, n_out) of each layer, bias row first."""


def first_order(
    X: np.ndarray, y: np.ndarray, hidden: Hidden, *, batch: int, learning_rate: float
) -> dict[str, Train]:
    """Adam; an iteration is an epoch of minibatches, shuffled anew."""
    settings: dict[str, Any] = {"batch": batch, "learning_rate": learning_rate}
    trains = {"MLPRegressor adam": estimator_adam(MLPRegressor, X, y, hidden, **settings)}
    if available("torch"):
        trains["PyTorch Adam"] = torch_adam(X, y, hidden, **settings)
    if available("optax"):
        trains["JAX Adam"] = jax_adam(X, y, hidden, **settings)
    return trains


def full_batch(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> dict[str, Train]:
    """L-BFGS with ten pairs in memory, to no tolerance where the library lets it be set."""
    trains = {"MLPRegressor lbfgs": estimator_lbfgs(MLPRegressor, X, y, hidden)}
    if available("torch"):
        trains["PyTorch LBFGS"] = torch_lbfgs(X, y, hidden)
    if available("optax"):
        trains["JAX L-BFGS"] = jax_lbfgs(X, y, hidden)
    return trains


def levenberg_marquardt(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> dict[str, Train]:
    """Levenberg-Marquardt, in float64; nothing where the Jacobian is too large for memory."""
    trains: dict[str, Train] = {}
    if too_large(X, hidden):
        return trains
    X, y = X.astype(np.float64), y.astype(np.float64)
    if available("optimistix"):
        trains["optimistix LM"] = optimistix_lm(X, y, hidden)
    if available("torch_levenberg_marquardt"):
        trains["torch-levenberg-marquardt"] = torch_lm(X, y, hidden)
    trains["scipy least_squares"] = scipy_lm(X, y, hidden)
    return trains


def adam_steps(
    X: np.ndarray, y: np.ndarray, hidden: Hidden, batch: int, epochs: int
) -> dict[str, Callable[[], object]]:
    """A whole run of each, ours too, with an L2 penalty: in PyTorch and JAX as weight decay."""
    settings: dict[str, Any] = {"batch": batch, "learning_rate": 1e-3, "alpha": 1e-4}
    trains = {
        "ours": estimator_adam(SigmoidMLPRegressor, X, y, hidden, **settings),
        "MLPRegressor": estimator_adam(MLPRegressor, X, y, hidden, **settings),
    }
    if available("torch"):
        trains["PyTorch"] = torch_adam(X, y, hidden, **settings)
    if available("optax"):
        trains["JAX"] = jax_adam(X, y, hidden, **settings)
    return {name: partial(train, epochs, 0) for name, train in trains.items()}


def lm_steps(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> dict[str, Callable[[], object]]:
    """One iteration of each peer, always the same one, in float64.

    It is made of the errors at a trial point and the decision on it, the Jacobian of one accepted
    point, and one damped step. All that comes before is made once and not timed.
    """
    steps: dict[str, Callable[[], object]] = {}
    if too_large(X, hidden):
        return steps
    X, y = X.astype(np.float64), y.astype(np.float64)
    if available("optimistix"):
        steps["optimistix LM"] = optimistix_step(X, y, hidden)
    if available("torch_levenberg_marquardt"):
        steps["torch-levenberg-marquardt"] = torch_step(X, y, hidden)
    steps["scipy least_squares"] = scipy_step(X, y, hidden)
    return steps


@cache
def available(module: str) -> bool:
    """Whether the module is installed; if not, a line says so, once."""
    if importlib.util.find_spec(module) is not None:
        return True
    print(f"{module} is not installed (pip install 'sklearn-mlp[bench]'): left out.", flush=True)
    return False


def set_threads(n: int) -> None:
    """How many threads PyTorch and JAX may take.

    XLA reads its settings once, so that JAX must not have been imported before. Its factorizations
    are SciPy's LAPACK, which threadpoolctl limits as it does NumPy.
    """
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch").set_num_threads(n)
    if "jax" not in sys.modules:
        os.environ["NPROC"] = str(n)
        if n == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()


def too_large(X: np.ndarray, hidden: Hidden) -> bool:
    """Whether a Jacobian is beyond what the peers should be given."""
    return len(X) * Network([X.shape[1], *hidden, 1], "sigmoid").n_parameters > LARGEST_JACOBIAN


def first_weights(X: np.ndarray, hidden: Hidden, seed: int) -> list[np.ndarray]:
    """Uniform between ±1/√n_in, as torch.nn.Linear draws them, in the dtype of X."""
    rng = np.random.default_rng(seed)
    sizes = itertools.pairwise([X.shape[1], *hidden, 1])
    return [
        rng.uniform(-(n_in**-0.5), n_in**-0.5, (n_in + 1, n_out)).astype(X.dtype)
        for n_in, n_out in sizes
    ]


def estimator(kind: Any, X: np.ndarray, y: np.ndarray, **settings: Any) -> Train:
    """MLPRegressor or SigmoidMLPRegressor, to go on to the last iteration if its solver lets it."""

    def train(iterations: int, seed: int) -> np.ndarray:
        model = kind(max_iter=iterations, random_state=seed, **settings)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            return model.fit(X, y).predict(X)

    return train


def estimator_adam(
    kind: Any,
    X: np.ndarray,
    y: np.ndarray,
    hidden: Hidden,
    *,
    batch: int,
    learning_rate: float,
    alpha: float = 0.0,
) -> Train:
    """Adam of either estimator."""
    return estimator(
        kind,
        X,
        y,
        hidden_layer_sizes=hidden,
        activation="logistic",
        solver="adam",
        alpha=alpha,
        batch_size=batch,
        learning_rate_init=learning_rate,
        tol=0.0,
        n_iter_no_change=10**9,
    )


def estimator_lbfgs(kind: Any, X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    """L-BFGS of either; MLPRegressor's also stops when a step wins less than 2e-9 of the loss."""
    return estimator(
        kind,
        X,
        y,
        hidden_layer_sizes=hidden,
        activation="logistic",
        solver="lbfgs",
        alpha=0.0,
        tol=0.0,
        max_fun=10**9,
    )


def torch_model(X: np.ndarray, hidden: Hidden, seed: int) -> Any:
    import torch

    layers: list[torch.nn.Module] = []
    for W in first_weights(X, hidden, seed):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, len(W) - 1, W.shape[1])
        linear.bias.data = torch.from_numpy(W[0].copy())
        linear.weight.data = torch.from_numpy(W[1:].T.copy())
        layers += [linear, torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers[:-1])


def torch_predictions(model: Any, inputs: Any) -> np.ndarray:
    import torch

    with torch.no_grad():
        return model(inputs)[:, 0].numpy()


def torch_adam(
    X: np.ndarray,
    y: np.ndarray,
    hidden: Hidden,
    *,
    batch: int,
    learning_rate: float,
    alpha: float = 0.0,
) -> Train:
    """The usual PyTorch training loop, eager."""
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]

    def train(epochs: int, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        model = torch_model(X, hidden, seed)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=learning_rate, weight_decay=alpha / batch
        )
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(batch):
                optimizer.zero_grad()
                loss = 0.5 * torch.nn.functional.mse_loss(model(inputs[rows]), targets[rows])
                loss.backward()
                optimizer.step()
        return torch_predictions(model, inputs)

    return train


def torch_lbfgs(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]

    def train(iterations: int, seed: int) -> np.ndarray:
        model = torch_model(X, hidden, seed)
        optimizer = torch.optim.LBFGS(
            model.parameters(),
            max_iter=iterations,
            max_eval=10**9,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Any:
            optimizer.zero_grad()
            loss = 0.5 * torch.nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)
        return torch_predictions(model, inputs)

    return train


def torch_lm_module(model: Any, **damping: float) -> Any:
    """With Cholesky factorization, the fastest of its three; all else as it comes."""
    from torch_levenberg_marquardt.damping import StandardDampingStrategy
    from torch_levenberg_marquardt.training import LevenbergMarquardtModule

    logging.getLogger("torch_levenberg_marquardt").setLevel(logging.ERROR)
    return LevenbergMarquardtModule(
        model, damping_strategy=StandardDampingStrategy(**damping), solve_method="cholesky"
    )


def torch_lm(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]

    def train(iterations: int, seed: int) -> np.ndarray:
        model = torch_model(X, hidden, seed)
        module = torch_lm_module(model)
        for _ in range(iterations):
            stop = module.training_step(inputs, targets)[2]
            if stop:
                break
        return torch_predictions(model, inputs)

    return train


def torch_step(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Callable[[], object]:
    """Damped enough for the first trial of a step to be accepted."""
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    module = torch_lm_module(torch_model(X, hidden, 0), starting_value=1.0)
    start = module.flat_params.clone()

    def step() -> None:
        module.flat_params.copy_(start)
        module.backup_parameters()
        module.damping_strategy.reset()
        module.training_step(inputs, targets)

    step()
    return step


def jax_for(dtype: np.dtype[Any]) -> Any:
    """JAX, with float64 switched on where it is wanted: from then on, everywhere."""
    import jax

    if dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    return jax


def jax_network(w: Weights, X: Any) -> Any:
    import jax

    for W in w[:-1]:
        X = jax.nn.sigmoid(W[0] + X @ W[1:])
    return (w[-1][0] + X @ w[-1][1:])[:, 0]


def jax_loss(w: Weights, X: Any, y: Any) -> Any:
    return 0.5 * ((jax_network(w, X) - y) ** 2).mean()


def jax_adam(
    X: np.ndarray,
    y: np.ndarray,
    hidden: Hidden,
    *,
    batch: int,
    learning_rate: float,
    alpha: float = 0.0,
) -> Train:
    """A compiled call an epoch, of whole minibatches.

    The order of the rows is drawn by NumPy: XLA's own permutation, a sort, takes ten times as long.
    """
    jax = jax_for(X.dtype)
    import optax

    inputs, targets = jax.numpy.asarray(X), jax.numpy.asarray(y)
    rule = optax.adam(learning_rate)
    if alpha:
        rule = optax.chain(optax.add_decayed_weights(alpha / batch), rule)
    n_batches = len(X) // batch

    @partial(jax.jit, donate_argnums=0)
    def epoch(state: Any, order: Any, X: Any, y: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            w, moments = state
            gradient = jax.grad(jax_loss)(w, X[rows], y[rows])
            change, moments = rule.update(gradient, moments, w)
            return (optax.apply_updates(w, change), moments), None

        return jax.lax.scan(step, state, order)[0]

    predict = jax.jit(jax_network)

    def train(epochs: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        w = [jax.numpy.asarray(W) for W in first_weights(X, hidden, seed)]
        state = w, rule.init(w)
        for _ in range(epochs):
            order = rng.permutation(len(X))[: n_batches * batch].reshape(n_batches, batch)
            state = epoch(state, order, inputs, targets)
        return np.asarray(predict(state[0], inputs))

    return train


def jax_lbfgs(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    """optax.lbfgs with its line search, all iterations in one compiled call."""
    jax = jax_for(X.dtype)
    import optax

    inputs, targets = jax.numpy.asarray(X), jax.numpy.asarray(y)
    rule = optax.lbfgs(memory_size=10)

    @jax.jit
    def run(iterations: int, w: Weights, X: Any, y: Any) -> Any:
        def loss(w: Weights) -> Any:
            return jax_loss(w, X, y)

        def step(_: int, state: Any) -> Any:
            w, memory = state
            value, gradient = optax.value_and_grad_from_state(loss)(w, state=memory)
            change, memory = rule.update(
                gradient, memory, w, value=value, grad=gradient, value_fn=loss
            )
            return optax.apply_updates(w, change), memory

        w, _ = jax.lax.fori_loop(0, iterations, step, (w, rule.init(w)))
        return jax_network(w, X)

    def train(iterations: int, seed: int) -> np.ndarray:
        return np.asarray(run(iterations, first_weights(X, hidden, seed), inputs, targets))

    return train


class Optimistix:
    """Levenberg-Marquardt of optimistix by steps of its solver, compiled.

    A step is taken by the normal equations and Cholesky factorization. The Jacobian is given as
    that of each row by itself, in reverse: left to itself, optimistix takes a forward pass over all
    rows for each parameter, and a step takes 3 to 17 times as long.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.jax = jax = jax_for(X.dtype)
        import equinox
        import lineax
        import optimistix

        self.partition, self.combine = equinox.partition, equinox.combine
        self.is_array = equinox.is_array
        self.data = jax.numpy.asarray(X), jax.numpy.asarray(y)
        self.solver = optimistix.LevenbergMarquardt(
            rtol=1e-15, atol=1e-15, linear_solver=lineax.Normal(lineax.Cholesky())
        )

        @jax.custom_jvp
        def predict(w: Weights, X: Any) -> Any:
            return jax_network(w, X)

        @predict.defjvp
        def predict_jvp(primals: Any, tangents: Any) -> Any:
            w, X = primals
            J = jax.vmap(jax.grad(lambda w, x: jax_network(w, x[None])[0]), (None, 0))(w, X)
            along = (jax.numpy.tensordot(J_l, V, 2) for J_l, V in zip(J, tangents[0], strict=True))
            return jax_network(w, X), sum(along)

        def errors(w: Weights, data: Any) -> Any:
            return predict(w, data[0]) - data[1], None

        self.errors = errors
        self.run = jax.jit(self._run)

    def start(self, w: Weights, data: Any) -> tuple[Any, Any]:
        """The state before the first step: its arrays, and the rest."""
        shape = self.jax.eval_shape(lambda w: self.errors(w, data)[0], w)
        state = self.solver.init(self.errors, w, data, {}, shape, None, frozenset())
        return self.partition(state, self.is_array)

    def step(self, w: Weights, arrays: Any, rest: Any, data: Any) -> Any:
        """The weights and arrays after a step, and whether it was the last."""
        state = self.combine(arrays, rest)
        w, state, _ = self.solver.step(self.errors, w, data, {}, state, frozenset())
        done, _ = self.solver.terminate(self.errors, w, data, {}, state, frozenset())
        return w, self.partition(state, self.is_array)[0], done

    def _run(self, iterations: int, w: Weights, data: Any) -> Any:
        """The predictions after so many steps."""
        arrays, rest = self.start(w, data)

        def more(carry: Any) -> Any:
            i, _, _, done = carry
            return (i < iterations) & ~done

        def go(carry: Any) -> Any:
            i, w, arrays, _ = carry
            return i + 1, *self.step(w, arrays, rest, data)

        _, w, _, _ = self.jax.lax.while_loop(more, go, (0, w, arrays, False))
        return jax_network(w, data[0])


def optimistix_lm(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    problem = Optimistix(X, y)

    def train(iterations: int, seed: int) -> np.ndarray:
        # Its first step only evaluates the start.
        return np.asarray(problem.run(iterations + 1, first_weights(X, hidden, seed), problem.data))

    return train


def optimistix_step(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Callable[[], object]:
    """The third step: the first evaluates the start, the second is the first to try a point."""
    problem = Optimistix(X, y)
    w = [problem.jax.numpy.asarray(W) for W in first_weights(X, hidden, 0)]
    arrays, rest = problem.start(w, problem.data)
    step = problem.jax.jit(lambda w, arrays, data: problem.step(w, arrays, rest, data)[:2])
    for _ in range(2):
        w, arrays = step(w, arrays, problem.data)
    return lambda: problem.jax.block_until_ready(step(w, arrays, problem.data))


class ScipyProblem:
    """The errors and their Jacobian by our own network, written out by hand."""

    def __init__(self, X: np.ndarray, y: np.ndarray, hidden: Hidden) -> None:
        self.network = Network([X.shape[1], *hidden, 1], "sigmoid")
        self.block = Rows(X, y[:, np.newaxis]).whole()
        self.workspace = Workspace(self.network.layer_sizes, len(X), X.dtype)

    def predictions(self, w: np.ndarray) -> np.ndarray:
        """For each row, shape (n_rows,)."""
        layers = self.network.layers(w)
        return self.network.forward(layers, self.block.inputs, self.workspace)[0]

    def errors(self, w: np.ndarray) -> np.ndarray:
        """Of the predictions, shape (n_rows,)."""
        return self.predictions(w) - self.block.targets[0]

    def jacobian(self, w: np.ndarray) -> np.ndarray:
        """Of the errors, shape (n_rows, n_parameters)."""
        self.predictions(w)
        layers = self.network.layers(w)
        return self.network.jacobian(layers, self.block.inputs, self.workspace)[0].T


def scipy_search(
    errors: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    w: np.ndarray,
    evaluations: int,
) -> np.ndarray:
    """The weights that "trf" comes to in so many evaluations of the errors."""
    return least_squares(
        errors,
        w,
        jacobian,
        method="trf",
        tr_solver="exact",
        ftol=None,
        xtol=None,
        gtol=1e-15,
        max_nfev=evaluations,
    ).x


def scipy_lm(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Train:
    problem = ScipyProblem(X, y, hidden)

    def train(iterations: int, seed: int) -> np.ndarray:
        w = np.concatenate([W.ravel() for W in first_weights(X, hidden, seed)])
        # One more evaluation than steps, for the start.
        w = scipy_search(problem.errors, problem.jacobian, w, iterations + 1)
        return problem.predictions(w)

    return train


def scipy_step(X: np.ndarray, y: np.ndarray, hidden: Hidden) -> Callable[[], object]:
    """The first step, with the errors and the Jacobian of the start known beforehand."""
    problem = ScipyProblem(X, y, hidden)
    start = np.concatenate([W.ravel() for W in first_weights(X, hidden, 0)])
    errors_at_start, jacobian_at_start = problem.errors(start), problem.jacobian(start)

    def errors(w: np.ndarray) -> np.ndarray:
        return errors_at_start if np.array_equal(w, start) else problem.errors(w)

    def jacobian(w: np.ndarray) -> np.ndarray:
        return jacobian_at_start if np.array_equal(w, start) else problem.jacobian(w)

    return partial(scipy_search, errors, jacobian, start, 2)
