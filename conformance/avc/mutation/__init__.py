"""Damaged H.264 streams: what the decoder makes of them, compiled with and without bounds checking."""
