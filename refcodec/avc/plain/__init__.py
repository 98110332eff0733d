"""Plain counterparts of the kernels: slow, and obviously what the standard says."""
