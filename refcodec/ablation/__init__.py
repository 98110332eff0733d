"""Experiments on the encoder: what fitting prompts gives, to keyframes and to what follows, and what settings give."""

from refcodec.ablation.running import Ablation, ClipResult, run_ablation
from refcodec.ablation.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "Ablation", "ClipResult", "Variant", "run_ablation"]
