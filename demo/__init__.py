"""Demonstration: renders its own clip, runs the main job on it and writes a report."""
