"""What is on an X server's screen, read from the file in the format of xwd(1) that Xvfb keeps of it (`-fbdir`)."""

from __future__ import annotations

import collections
import pathlib
import struct
import time

Color = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


def pixels(folder: pathlib.Path) -> tuple[bytes, int, int]:
    """The screen as rows of red, green and blue, its width and its height."""
    data = (folder / "Xvfb_screen0").read_bytes()
    # XWDFile.h: 25 words of the header, big-endian; then the window's name and the colour map, of 12 bytes an entry.
    header = struct.unpack(">25I", data[:100])
    size, width, height, order, bits, line, colors = (header[i] for i in (0, 4, 5, 7, 11, 12, 19))
    assert (bits, order) == (32, 0), (
        f"{bits} bits a pixel, byte order {order}: only blue, green, red, unused is read here"
    )
    start = size + 12 * colors
    rows = (data[start + y * line : start + y * line + 4 * width] for y in range(height))
    picture = bytearray(3 * width * height)
    raw = b"".join(rows)
    picture[0::3], picture[1::3], picture[2::3] = raw[2::4], raw[1::4], raw[0::4]
    return bytes(picture), width, height


def colors(picture: bytes) -> collections.Counter[Color]:
    """How many pixels have each colour."""
    return collections.Counter(zip(picture[0::3], picture[1::3], picture[2::3], strict=True))


def until_drawn(folder: pathlib.Path, enough: int, seconds: float = 30) -> bytes:
    """The first picture with at least so many colours."""
    end = time.monotonic() + seconds
    while True:
        picture, _width, _height = pixels(folder)
        found = len(set(colors(picture)))
        if found >= enough:
            return picture
        assert time.monotonic() < end, f"{found} colours on the screen after {seconds} s"
        time.sleep(0.2)
