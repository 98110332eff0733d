"""The functions on samples that prediction and deblocking call: the one place that chooses them.

Compiled, they are those on vectors; as plain Python and under bounds checking (NO_VECTORS) those on
single samples. Both give the same samples.
"""

from __future__ import annotations

from typing import Any

from refcodec.avc import block_kernels, edge_kernels, vector_blocks, vector_edges
from refcodec.vectors import NO_VECTORS

_blocks: Any = block_kernels if NO_VECTORS else vector_blocks

luma_block = _blocks.luma_block
chroma_block = _blocks.chroma_block
copy_area = _blocks.copy_area
mean_area = _blocks.mean_area
weight_area = _blocks.weight_area
weight_block = _blocks.weight_block
weight_blocks = _blocks.weight_blocks

_edges: Any = edge_kernels if NO_VECTORS else vector_edges

luma_edge = _edges.luma_edge
chroma_edges = _edges.chroma_edges
