"""The types that skops must trust to load a fitted estimator.

Examples
--------
A skops file runs no code when it is loaded. Types that skops does not know are refused, unless
you say that you trust them:

>>> import skops.io
>>> from sklearn_mlp import SigmoidMLPRegressor
>>> from sklearn_mlp.interop import SKOPS_TRUSTED_TYPES
>>> model = SigmoidMLPRegressor((), random_state=0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
>>> file = skops.io.dumps(model)
>>> skops.io.loads(file, trusted=SKOPS_TRUSTED_TYPES).predict([[3.0]]).round(3)
array([3.])
"""

SKOPS_TRUSTED_TYPES = [
    # The estimators.
    "sklearn_mlp.ensemble.SigmoidMLPEnsembleRegressor",
    "sklearn_mlp.regressor.SigmoidMLPRegressor",
    # The encoder of tables, which the command line puts in front.
    "sklearn_mlp.columns.Column",
    "sklearn_mlp.columns.TableEncoder",
    # The fitted model: the units of training, and the posterior of the weights.
    "sklearn_mlp.committee.Member",
    "sklearn_mlp.committee.MixturePosterior",
    "sklearn_mlp.curvature.DenseFactor",
    "sklearn_mlp.curvature.FactorOfSome",
    "sklearn_mlp.curvature.RowFactor",
    "sklearn_mlp.last_layer.LastLayerPosterior",
    "sklearn_mlp.model.Model",
    "sklearn_mlp.network.Network",
    "sklearn_mlp.noise.LogVarianceNetwork",
    "sklearn_mlp.noise.VaryingNoise",
    "sklearn_mlp.posterior.Group",
    "sklearn_mlp.posterior.LaplacePosterior",
    "sklearn_mlp.posterior.WeightGroups",
    "sklearn_mlp.standardize.Scaling",
    "sklearn_mlp.standardize.Units",
    # The state of training, from which partial_fit continues.
    "sklearn_mlp.training.LeftOff",
    "sklearn_mlp.objective.GaussNewton",
    "sklearn_mlp.objective.Point",
    "sklearn_mlp.solvers.evidence.EvidenceMaximization",
    "sklearn_mlp.streams.KeptRows",
    "sklearn_mlp.streams.SeenRows",
    "sklearn_mlp.streams.Stream",
    "sklearn_mlp.solvers.adam.Adam",
    "sklearn_mlp.solvers.gradient_descent.GradientDescent",
    "sklearn_mlp.solvers.gradient_descent.StochasticGradientDescent",
    "sklearn_mlp.standardize.Moments",
]
"""The types of this package in a fitted estimator: the `trusted` argument of ``skops.io.load``.

They hold numbers and settings. None of them runs code when it is loaded.
"""
