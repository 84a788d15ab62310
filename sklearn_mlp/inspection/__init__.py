"""Displays, in scikit-learn's sense, of what a regressor has learnt and how it was trained."""

from .activation import ActivationDisplay
from .coverage import CoverageDisplay
from .loss_curve import LossCurveDisplay
from .loss_surface import LossSurfaceDisplay
from .network import NetworkDisplay
from .prediction_interval import PredictionIntervalDisplay
from .sensitivity import SensitivityDisplay

__all__ = [
    "ActivationDisplay",
    "CoverageDisplay",
    "LossCurveDisplay",
    "LossSurfaceDisplay",
    "NetworkDisplay",
    "PredictionIntervalDisplay",
    "SensitivityDisplay",
]
