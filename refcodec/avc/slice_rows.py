"""Slice headers and reference picture lists as rows of a slice table."""

from __future__ import annotations

import numpy as np

from refcodec.avc import slice_table as columns
from refcodec.avc.reference_lists import ReferenceList
from refcodec.avc.scaling_matrices import ScalingMatrices
from refcodec.avc.slice_header import PredictionWeights, SliceHeader
from refcodec.avc.slice_table import EXPLICIT, IMPLICIT, UNWEIGHTED, B, P, SliceTable
from refcodec.avc.stored_picture import LONG_TERM
from refcodec.avc.weights import dist_scale_factors, implicit_weights


def grown(table: SliceTable) -> SliceTable:
    """Return a table with the rows of `table` and as many again."""
    rows = table.parameters.shape[0]
    bigger = SliceTable.allocate(2 * rows)
    for name in table.__dataclass_fields__:
        old, new = getattr(table, name), getattr(bigger, name)
        new[: old.shape[0]] = old
    return bigger


def set_scaling(table: SliceTable, scaling: ScalingMatrices) -> None:
    """Give the table the scaling matrices of the picture, which all of its slices share."""
    table.scaling4x4[0] = scaling.matrix4x4
    table.scaling8x8[0] = scaling.matrix8x8


def fill_row(
    table: SliceTable,
    index: int,
    header: SliceHeader,
    lists: tuple[ReferenceList, ReferenceList],
    order_count: int,
) -> None:
    """Write row `index` for the slice with `header` and reference picture `lists` of a picture with
    PicOrderCnt `order_count`."""
    picture, sequence = header.parameters, header.parameters.sequence
    row = [0] * columns.FIELDS
    row[columns.FIRST_MB] = row[columns.END_MB] = header.first_mb
    row[columns.SLICE_TYPE] = header.slice_type
    row[columns.NUM_REF_IDX_L0], row[columns.NUM_REF_IDX_L1] = header.num_ref_idx_active
    row[columns.CABAC_INIT_IDC] = header.cabac_init_idc
    row[columns.SLICE_QP] = header.qp
    row[columns.DIRECT_SPATIAL_MV_PRED] = header.direct_spatial_mv_pred
    row[columns.DIRECT_8X8_INFERENCE] = sequence["direct_8x8_inference_flag"]
    row[columns.TRANSFORM_8X8_MODE] = picture["transform_8x8_mode_flag"]
    row[columns.CONSTRAINED_INTRA_PRED] = picture["constrained_intra_pred_flag"]
    row[columns.CHROMA_QP_INDEX_OFFSET] = picture["chroma_qp_index_offset"]
    row[columns.SECOND_CHROMA_QP_INDEX_OFFSET] = picture["second_chroma_qp_index_offset"]
    row[columns.DISABLE_DEBLOCKING_FILTER_IDC] = header.disable_deblocking_filter_idc
    row[columns.FILTER_OFFSET_A] = header.filter_offset_a
    row[columns.FILTER_OFFSET_B] = header.filter_offset_b
    row[columns.WEIGHTED_PREDICTION] = _weighting(header)
    row[columns.CURRENT_POC] = order_count
    if header.weights is not None:
        row[columns.LUMA_LOG2_WEIGHT_DENOM] = header.weights.luma_log2_weight_denom
        row[columns.CHROMA_LOG2_WEIGHT_DENOM] = header.weights.chroma_log2_weight_denom
        _fill_weights(table, index, header.weights)
    if header.slice_type == B:
        colocated = lists[1][0]
        row[columns.COLOCATED_LONG_TERM] = colocated is not None and colocated.marking == LONG_TERM
    table.parameters[index] = row
    for number, pictures in enumerate(lists):
        _fill_list(table, index, number, pictures)
    if header.slice_type == B:
        sizes = len(lists[0]), len(lists[1])
        poc0, poc1 = (table.ref_poc[index, k, : sizes[k]] for k in range(2))
        long0, long1 = (table.ref_long_term[index, k, : sizes[k]] for k in range(2))
        if row[columns.WEIGHTED_PREDICTION] == IMPLICIT:
            table.implicit_weights[index] = implicit_weights(order_count, poc0, poc1, long0, long1)
        if not header.direct_spatial_mv_pred:
            table.dist_scale_factor[index] = dist_scale_factors(
                order_count, poc0, long0, int(poc1[0])
            )


def _weighting(header: SliceHeader) -> int:
    """(#avc.8.4.2.3) Return how the prediction of the slice is weighted."""
    if header.slice_type == P and header.parameters["weighted_pred_flag"]:
        return EXPLICIT
    if header.slice_type == B:
        return (UNWEIGHTED, EXPLICIT, IMPLICIT)[header.parameters["weighted_bipred_idc"]]
    return UNWEIGHTED


def _fill_list(table: SliceTable, index: int, number: int, pictures: ReferenceList) -> None:
    leases, identities = table.ref_slot[index, number], table.ref_picture[index, number]
    counts, long_terms = table.ref_poc[index, number], table.ref_long_term[index, number]
    leases[:] = identities[:] = -1
    for place, picture in enumerate(pictures):
        if picture is None:
            counts[place] = long_terms[place] = 0
            continue
        counts[place] = picture.order_count
        long_terms[place] = picture.marking == LONG_TERM
        if picture.existing:
            leases[place] = picture.lease_number
            identities[place] = picture.identity


def _fill_weights(table: SliceTable, index: int, weights: PredictionWeights) -> None:
    for number, rows in enumerate(weights.weights):
        if rows:
            table.weights[index, number, : len(rows)] = np.array(rows, np.int32)
