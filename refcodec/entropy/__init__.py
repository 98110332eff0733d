"""Entropy coding of prompts: range decoder and encoder, and the normative distribution tables."""
