# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password files with bcrypt, the one hash that CNCF's registry takes (distribution, configuration.md: auth.htpasswd).

The hash comes from the C library's libcrypt (libxcrypt on Debian, Ubuntu, Fedora and SUSE), which every host has for its
own logins: Python's module `crypt` is gone since 3.13, and no package has to be installed.
"""

from __future__ import annotations

import ctypes
import hmac
import os

from .._errors import EngineError

LONGEST = 72
"""Bytes of a password; bcrypt reads no further, and says nothing of it."""

COST = 5
"""Of htpasswd -B as well. The registry hashes at every request, several for each layer: 10 takes 0.1 to 0.4 s each time."""

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
_PREFIX = b"$2b$"


def line(username: str, password: str, found: str) -> str:
    """The one line of a password file. found: the file's text now; a line that already says so stays, with its salt."""
    for each in found.splitlines():
        name, _colon, hashed = each.partition(":")
        if name == username and hashed.startswith("$2") and _same(password, hashed):
            return f"{each}\n"
    return f"{username}:{_hash(password)}\n"


def _same(password: str, hashed: str) -> bool:
    return hmac.compare_digest(_crypt(password, hashed.encode()), hashed.encode())


def _hash(password: str) -> str:
    library = _load()
    salt = library.crypt_gensalt(_PREFIX, ctypes.c_ulong(COST), os.urandom(16), 16)
    hashed = _crypt(password, salt) if salt else b"*"
    if not hashed.startswith(_PREFIX):
        raise EngineError("the C library's libcrypt has no bcrypt", "libcrypt", "Use a distribution with libxcrypt.")
    return hashed.decode()


def _crypt(password: str, setting: bytes) -> bytes:
    """What crypt(3) answers; it begins with an asterisk, or is nothing, when it failed."""
    return _load().crypt(password.encode(), setting) or b"*"


def _load() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            library.crypt.restype = library.crypt_gensalt.restype = ctypes.c_char_p
            return library
        except (OSError, AttributeError):
            continue
    raise EngineError("the C library's libcrypt is missing", "libcrypt", "Use a distribution with libxcrypt.")
