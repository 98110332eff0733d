"""What the two evaluators of the encoder's measure share: numpy for decisions, torch for fitting and training.

The measure is a squared distance of unit features of a network at 1/4, 1/8 and 1/16 of the size, times a weight for
each feature (docs/decisions/0012, 0017). The network is the analysis network of a generator, trained on.
"""

WEIGHTS = "measure.safetensors"
"""File of the network, among the installed models."""
WEIGHT = "difference.{level}"
"""Names of the weights of features (C,), by level 0 to 2: differences of unit features are multiplied by them."""
SCALE_INDEX = 20
"""The prompt_scale_index that the network is asked for."""
NORM_FLOOR = 1e-6
"""Added to the squared norm of a feature vector before it divides."""
