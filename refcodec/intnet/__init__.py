"""Exact integer networks (IntNet): model files, graphs, their bounds, and evaluators that agree bit for bit."""
