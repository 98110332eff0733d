"""Executable pseudo-code of the specification: plain Python integers, in the order of the
clauses."""
