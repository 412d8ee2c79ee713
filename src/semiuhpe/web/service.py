"""What every server of this package does with an upload: decode it apart, estimate one at a time, let a few wait."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from semiuhpe.web import api
from semiuhpe.web.api import Limits, Refusal
from semiuhpe.web.decoding import Decoders
from semiuhpe.web.identities import Identities, Moment


class PictureService:
    """Estimates and previews of uploads, for any number of threads.

    estimator: from (H, W, 3) uint8 RGB to HeadPoses; called by one thread at a time. `close` ends the processes that decode.
    """

    def __init__(self, estimator: api.Estimate, limits: Limits) -> None:
        self.estimator, self.limits = estimator, limits
        self.decoders = Decoders(limits.decode_seconds)
        self._identities = Identities()
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many uploads are being decoded, estimated, or wait for it."""
        return self._inside

    def estimate(
        self, body: bytes, conventions: Sequence[str] = ("300w-lp",), *, moment: Moment | None = None
    ) -> dict[str, Any]:
        """`api.estimate` of an upload; with identities if it is a frame of a stream, which `moment` says. Raises
        Refusal, also where too many wait already."""
        with self._place():
            picture = api.read_picture(body, self.limits, self.decoders)
            with self._turn:
                return api.estimate(picture, self._at(moment), conventions)

    def _at(self, moment: Moment | None) -> api.Estimate:
        if moment is None:
            return self.estimator
        return lambda picture: self._identities(moment, self.estimator(picture))

    def preview(self, body: bytes) -> bytes:
        """`api.preview` of an upload. Raises Refusal, also where too many wait already."""
        with self._place():
            return api.preview(api.read_picture(body, self.limits, self.decoders))

    def close(self) -> None:
        """End the processes that decode, whatever they are doing."""
        self.decoders.close()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        with self._counting:
            if self._inside > self.limits.waiting:
                raise Refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many pictures at once; try again in a moment"
                )
            self._inside += 1
        try:
            yield
        finally:
            with self._counting:
                self._inside -= 1
