"""HybridPrompt: encode, decode, inspect and compare HYP video."""

__version__ = "0.1.0"
