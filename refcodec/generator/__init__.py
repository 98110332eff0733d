"""The generator of profile core: from a prompt to latents, stage 1, stage 2 and the generated picture.

    model = load_model(path)                                    or bundled(1, digest)
    latents = decode_prompt(model, prompt, q, width, height)    sizes of the latent grid
    picture = generate(model, latents.values, q)                a refcodec.picture.Picture on the 16-grid

The other direction, for encoders: `encode_prompt`, `estimate_bits`.
"""

from refcodec.generator.generation import assemble_planes, dequantise, generate
from refcodec.generator.model import GeneratorModel, bundled, load_model
from refcodec.generator.prompt import Latents, decode_prompt, encode_prompt, estimate_bits

__all__ = [
    "GeneratorModel",
    "Latents",
    "assemble_planes",
    "bundled",
    "decode_prompt",
    "dequantise",
    "encode_prompt",
    "estimate_bits",
    "generate",
    "load_model",
]
