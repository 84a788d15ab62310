"""
Several outputs
===============

A robot's arm has two joints, and their angles determine where its hand is. These are two outputs,
in different units and with different noise. One network learns both, and has a noise level and
error bars for each.
"""

# %%
# The arm
# -------
# The position in metres, and the height in millimetres, with the noise of their sensors.

import numpy as np

from sklearn_mlp import SigmoidMLPRegressor


def hand(angles, rng):
    """Where the hand is, measured."""
    shoulder, elbow = angles.T
    x = np.cos(shoulder) + 0.7 * np.cos(shoulder + elbow)
    height = 1_000 * (np.sin(shoulder) + 0.7 * np.sin(shoulder + elbow))
    return np.column_stack([x, height]) + rng.normal(size=(len(angles), 2)) * [0.02, 50]


rng = np.random.default_rng(0)
angles = rng.uniform([0, 0], [np.pi / 2, np.pi], size=(300, 2))
new_angles = rng.uniform([0, 0], [np.pi / 2, np.pi], size=(1_000, 2))
y, y_new = hand(angles, rng), hand(new_angles, rng)

model = SigmoidMLPRegressor(random_state=0).fit(angles, y)
noise_x, noise_height = model.noise_std_
print(f"noise {noise_x:.3f} m and {noise_height:.0f} mm, in truth 0.02 m and 50 mm")

# %%
# Predictions and intervals
# -------------------------

import matplotlib.pyplot as plt

from sklearn_mlp.inspection import PredictionIntervalDisplay

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for output, name in enumerate(["x, m", "height, mm"]):
    display = PredictionIntervalDisplay.from_estimator(
        model, new_angles[:100], y_new[:100], output=output, ax=axes[output]
    )
    axes[output].set(ylabel=name, xlabel="position of the arm, by prediction")
plt.show()

# %%
# Its derivatives
# ---------------
# ``input_gradient`` gives the derivative of each output with respect to each input: the Jacobian of
# the arm. A controller uses it to move the hand.

at = np.array([[np.pi / 4, np.pi / 2]])
np.set_printoptions(suppress=True)
model.input_gradient(at)[0].round(2)

# %%
# The true one, in m and mm per radian:

a, b = at[0]
np.array(
    [
        [-np.sin(a) - 0.7 * np.sin(a + b), -0.7 * np.sin(a + b)],
        [1_000 * (np.cos(a) + 0.7 * np.cos(a + b)), 700 * np.cos(a + b)],
    ]
).round(2)
