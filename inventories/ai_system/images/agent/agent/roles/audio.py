"""Audio."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave

from ..message import Refused, Request, Result, need
from ..role import Role
from .language import sentences, words

RATE = 16000
WORDS_PER_SECOND = 2.5


class StreamingTTSAgent(Role):
    """Cuts text into the pieces in which speech would be streamed, and makes a test tone. It has no voice."""

    def op_plan(self, request: Request) -> Result:
        pieces = sentences(need(request, "text", str))
        return {
            "pieces": [{"text": piece, "seconds": round(len(words(piece)) / WORDS_PER_SECOND, 2)} for piece in pieces]
        }

    def op_speak(self, request: Request) -> Result:
        raise Refused("stand_in", "no voice is here: this service only stands in for one (see its README)")

    def op_tone(self, request: Request) -> Result:
        """A WAV file (16 bit, mono), in base64: proof that audio gets through."""
        hertz, seconds = need(request, "hertz", (int, float), 440), need(request, "seconds", (int, float), 0.5)
        if not (20 <= hertz <= RATE / 2 and 0 < seconds <= 5):
            raise Refused("bad_request", f'"hertz" goes from 20 to {RATE // 2}, "seconds" up to 5')
        return {"wav": base64.b64encode(tone(hertz, seconds)).decode(), "rate": RATE}


def tone(hertz: float, seconds: float) -> bytes:
    count = int(RATE * seconds)
    samples = (int(12000 * math.sin(2 * math.pi * hertz * index / RATE)) for index in range(count))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return buffer.getvalue()
