"""Vectors as base64 of little-endian float32, which most embedding APIs can send and take."""

import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

from tsuji.core.errors import UpstreamProtocolError


def pack(vector: Sequence[float] | str) -> str:
    """As base64; one that came so stays as it is. Raises UpstreamProtocolError for numbers beyond float32."""
    if isinstance(vector, str):
        return vector
    try:
        return b2a_base64(struct.pack(f"<{len(vector)}f", *vector), newline=False).decode()
    except (struct.error, OverflowError) as error:
        raise UpstreamProtocolError(f"a vector of the provider's does not fit into float32: {error}") from None


def unpack(vector: Sequence[float] | str) -> Sequence[float]:
    """As numbers; those that came so stay as they are. Raises UpstreamProtocolError for what is no such base64."""
    if not isinstance(vector, str):
        return vector
    try:
        data = a2b_base64(vector)
        return struct.unpack(f"<{len(data) // 4}f", data)
    except (ValueError, struct.error) as error:
        raise UpstreamProtocolError(f"a vector of the provider's is no base64 of float32: {error}") from None
