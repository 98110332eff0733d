"""Normative constants as text, and the tools that made them."""
