"""What the two evaluators of the encoder's perceptual distance share: numpy for decisions, torch for fitting.

The distance is that of unit features of an analysis network (docs/decisions/0012).
"""

WEIGHTS = "measure.safetensors"
"""File of the network, among the installed models."""
FEATURE_WEIGHT = 0.596
"""Of the squared distance of unit features."""
SCALE_INDEX = 20
"""The prompt_scale_index that the network is asked for."""
NORM_FLOOR = 1e-6
"""Added to the squared norm of a feature vector before it divides."""
