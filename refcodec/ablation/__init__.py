"""The experiment on joint supervision: how much fitting a prompt gives, to its keyframe and to what follows."""

from refcodec.ablation.running import Ablation, ClipResult, run_ablation
from refcodec.ablation.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "Ablation", "ClipResult", "Variant", "run_ablation"]
