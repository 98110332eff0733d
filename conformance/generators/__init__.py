"""Deterministic makers of models and streams for tests and for the conformance suite."""
