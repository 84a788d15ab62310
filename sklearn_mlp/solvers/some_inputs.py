"""The posterior of a network that was trained with some of its inputs."""

from dataclasses import replace

import numpy as np

from .._typing import BoolArray
from ..curvature import FactorOfSome
from ..network import Network, PartialNetwork
from ..objective import Objective
from ..posterior import FLAT, LaplacePosterior, WeightGroups, choice_of_inputs
from .ascent import PRECISION_RANGE, on_rows_of


def posterior_of_whole(
    network: PartialNetwork, posterior: LaplacePosterior, objective: Objective
) -> LaplacePosterior:
    """The posterior of the whole network, in which the other inputs are dead.

    Parameters
    ----------
    network : PartialNetwork
    posterior : LaplacePosterior
    objective : Objective
        Of the network.
    """
    posterior = on_rows_of(objective, with_a_precision_for_each_input(network, posterior))
    return spread(network, posterior, objective.rows.units.inputs.varies)


def spread(
    network: PartialNetwork, posterior: LaplacePosterior, varies: BoolArray
) -> LaplacePosterior:
    """The posterior of the whole network, in which the other inputs are dead.

    Parameters
    ----------
    network : PartialNetwork
    posterior : LaplacePosterior
        That of its parameters, with a precision for each input.
    varies : array of bool of shape (n_features,)
        Which inputs vary.
    """
    groups = WeightGroups.by_layer(network.whole, per_input=True, varies=varies)
    own = np.unique(groups.labels[network.kept])
    own = own[own != FLAT]
    alpha, gamma = np.full(len(groups.names), PRECISION_RANGE[1]), np.zeros(len(groups.names))
    alpha[own], gamma[own] = posterior.alpha, posterior.gamma
    factor = FactorOfSome(posterior.factor, network.kept, groups.per_parameter(alpha))
    price = choice_of_inputs(gamma[groups.of_one_varying_input]) - posterior.choice_of_inputs
    return replace(
        posterior,
        w=network.spread(posterior.w),
        groups=groups,
        alpha=alpha,
        gamma=gamma,
        factor=factor,
        log_evidence=posterior.log_evidence - price,
    )


def with_a_precision_for_each_input(
    network: Network, posterior: LaplacePosterior
) -> LaplacePosterior:
    """The same precisions, one for each input. What follows from them is not computed anew."""
    groups = WeightGroups.by_layer(network, per_input=True)
    return replace(
        posterior, groups=groups, alpha=groups.carried_from(posterior.groups, posterior.alpha)
    )
