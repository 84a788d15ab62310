"""Multi-layer perceptron regression for scikit-learn, written by hand in NumPy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ensemble import SigmoidMLPEnsembleRegressor
    from .regressor import SigmoidMLPRegressor

__version__ = "0.1.0"
__all__ = ["SigmoidMLPEnsembleRegressor", "SigmoidMLPRegressor"]

_MODULES = {"SigmoidMLPEnsembleRegressor": ".ensemble", "SigmoidMLPRegressor": ".regressor"}


if not TYPE_CHECKING:  # so that a type checker knows which names there are

    def __getattr__(name: str) -> Any:
        """Import an estimator when it is first asked for: the command line starts at once."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name], __name__), name)
        return value


def __dir__() -> list[str]:
    """The names of the package, also of what is not imported yet."""
    return sorted({*globals(), *__all__})
