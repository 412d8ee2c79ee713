"""Every data set that `semiuhpe prepare` knows, by name. What is known of one stands beside its importer."""

from __future__ import annotations

from semiuhpe.sources import (
    aflw,
    aflw2000,
    aflw2000_subset,
    aflw_faces,
    biwi,
    boxes_csv,
    cocohead,
    crowdhuman,
    dad3dheads,
    directmhp,
    helmet_workers,
    mtfl,
    openimages,
    packed,
    photos,
    pointing04,
    pts68,
    scut_head_import,
    w300lp,
    widerface,
    wild_directions,
    wild_val,
    wildhead,
)
from semiuhpe.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        aflw.DATA_SET,
        aflw2000.DATA_SET,
        aflw2000_subset.DATA_SET,
        aflw_faces.DATA_SET,
        biwi.DATA_SET,
        boxes_csv.DATA_SET,
        cocohead.DATA_SET,
        crowdhuman.DATA_SET,
        dad3dheads.DATA_SET,
        directmhp.AGORA,
        directmhp.PANOPTIC,
        helmet_workers.DATA_SET,
        mtfl.DATA_SET,
        openimages.DATA_SET,
        packed.HUGGINGFACE,
        packed.WEBDATASET,
        photos.DATA_SET,
        pointing04.DATA_SET,
        pts68.DATA_SET,
        scut_head_import.DATA_SET,
        w300lp.DATA_SET,
        widerface.DATA_SET,
        wild_directions.DATA_SET,
        wild_val.DATA_SET,
        wildhead.DATA_SET,
    )
}
"""Name → data set."""
