"""Requests and replies: JSON objects, one in each ZeroMQ message.

A request is ``{"id": …, "op": "store", …arguments}``, optionally with ``within``: the
seconds its sender is going to wait. A reply is ``{"id": …, "ok": true, "result": {…}}``
or ``{"id": …, "ok": false, "error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

import json
import typing as t

Request = dict[str, t.Any]
Result = dict[str, t.Any]

MAX_BYTES = 1 << 20
LARGEST = (1 << 63) - 1


class Refused(Exception):
    """A request that cannot be answered, with a code that programs can tell apart."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_request(payload: bytes) -> Request:
    """Raises Refused for anything that is not an object with a text ``op``."""
    try:
        request = json.loads(payload)
    except (ValueError, RecursionError):
        raise Refused("bad_request", "the message is not JSON, or too deep") from None
    if not isinstance(request, dict) or not isinstance(request.get("op"), str):
        raise Refused("bad_request", 'the message is not an object with a text "op"')
    return request


def reply_ok(request_id: t.Any, result: Result) -> bytes:
    return json.dumps({"id": request_id, "ok": True, "result": result}).encode()


def reply_error(request_id: t.Any, refused: Refused) -> bytes:
    error = {"code": refused.code, "message": refused.message}
    return json.dumps({"id": request_id, "ok": False, "error": error}).encode()


def need(request: Request, key: str, kind: type | tuple[type, ...], default: t.Any = None) -> t.Any:
    """The argument `key` of the wanted type; Refused when it is missing (and has no default) or of another type."""
    value = request.get(key, default)
    if value is None:
        raise Refused("bad_request", f'"{key}" is missing')
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise Refused("bad_request", f'"{key}" is not of type {" or ".join(entry.__name__ for entry in kinds)}')
    if isinstance(value, str) and not value.isprintable():
        _check_text(key, value)
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Refused("bad_request", f'"{key}" is too large a number')
    return value


def _check_text(key: str, value: str) -> None:
    """JSON can spell halves of characters, which no file or database takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused("bad_request", f'"{key}" is no valid text') from None


def need_count(request: Request, key: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    value = need(request, key, int, default)
    if not 1 <= value <= most:
        raise Refused("bad_request", f'"{key}" is not between 1 and {most}')
    return value
