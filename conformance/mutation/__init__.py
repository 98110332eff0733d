"""Mutated bitstreams, each with the error that a decoder has to report."""
