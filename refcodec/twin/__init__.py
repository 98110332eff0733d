"""The differentiable twin of the decoder, in torch: exact forward values, gradients through the rounding."""
