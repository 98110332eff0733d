"""Conformance suite of the HYP bitstream: properties, mutations and streams."""
