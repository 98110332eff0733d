"""Conformance of the H.264 decoder: streams of other encoders, compared with libavcodec."""
