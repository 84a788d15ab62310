"""Multi-layer perceptron regression for scikit-learn, written by hand in NumPy."""

from .ensemble import SigmoidMLPEnsembleRegressor
from .regressor import SigmoidMLPRegressor

__version__ = "0.1.0"
__all__ = ["SigmoidMLPEnsembleRegressor", "SigmoidMLPRegressor"]
