"""The page's server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.page_server import serving

from semiuhpe.web.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made
