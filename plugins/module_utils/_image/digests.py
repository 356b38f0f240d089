# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tag means in its registry now: skopeo is asked, which knows registries.conf, logins and certificates of its host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._engine.login import Login
from .._engine.reference import parse_reference
from .._errors import FleetError, raise_all
from .secret_files import secret_files

TIMEOUT = 60.0
"""Seconds for one reference."""
_AT_ONCE = 4

Run = t.Callable[[list[str]], tuple[int, bytes, bytes]]
"""argv → exit status, standard output, standard error"""

_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
_PREFIX = re.compile(
    r"^(?:Error [^\":]*(?:\"[^\"]*\")?: )?(?:(?:reading manifest \S+ in \S+|pinging container registry \S+): )?"
)
"""What skopeo says in front of the registry's words; the reference stands in our message already."""
_MENDS = (
    (
        re.compile(r"unauthorized|authentication required|denied|invalid username/password", re.I),
        "Correct name and password: container_registry and container_registry_password, or `skopeo login` on that host.",
    ),
    (re.compile(r"manifest unknown|not found|name unknown", re.I), "Correct the name or the tag where it is written."),
    (
        re.compile(r"x509|certificate", re.I),
        "Name its CA in container_registry, or put it into /etc/containers/certs.d of that host.",
    ),
    (
        re.compile(r"refused|no such host|timeout|timed out|unreachable|no route|EOF", re.I),
        "See whether the registry is up and that host reaches it. Write localhost/… for images of no registry.",
    ),
)


def digests(references: t.Sequence[str], logins: t.Sequence[Login], program: str, run: Run) -> dict[str, str]:
    """``sha256:…`` by reference (a tag without a digest), of the index where an image has several platforms.

    Raises FleetError, or FleetErrors with every reference that could not be asked for.
    """
    errors: list[FleetError] = []
    with contextlib.ExitStack() as stack:
        options = {login.address: stack.enter_context(_options(login)) for login in logins}

        def ask(reference: str) -> str:
            try:
                return _digest(reference, [program, "inspect", "--raw", *options.get(_domain(reference), ())], run)
            except FleetError as error:
                errors.append(error)
                return ""

        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found = dict(zip(references, pool.map(ask, references)))
    raise_all(sorted(errors, key=str))
    return found


def run_skopeo(words: list[str]) -> tuple[int, bytes, bytes]:
    """The `Run` of a real host."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return 124, b"", f"timed out: no answer within {TIMEOUT:g} s".encode()
    except OSError as error:
        raise FleetError(f"it could not be run: {error.strerror}", words[0]) from error
    return done.returncode, done.stdout, done.stderr


def _domain(reference: str) -> str:
    return parse_reference(reference).domain


def _digest(reference: str, words: list[str], run: Run) -> str:
    # The bytes as they are: a digest is of them, and of nothing that was read and written again.
    status, output, errors = run([*words, f"docker://{reference}"])
    if status:
        raise _refused(reference, errors.decode(errors="replace"))
    try:
        manifest = json.loads(output)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or "schemaVersion" not in manifest:
        raise FleetError("its registry answered with something that is no manifest", reference)
    return f"sha256:{hashlib.sha256(output).hexdigest()}"


@contextlib.contextmanager
def _options(login: Login) -> t.Iterator[list[str]]:
    """Neither the password nor the name is in the process list. Without a name, that host's own logins count."""
    given = {"auth": login.authfile} if login.username else {}
    with secret_files(given) as paths, tempfile.TemporaryDirectory(prefix="gpu-fleet-ca-") as folder:
        options = ["--authfile", paths["auth"]] if given else []
        if login.ca:
            with open(os.path.join(folder, "ca.crt"), "w", encoding="utf-8") as stream:
                stream.write(login.ca)
            options += ["--cert-dir", folder]
        yield options


def _refused(reference: str, said: str) -> FleetError:
    found = _MESSAGE.findall(said)
    words = found[-1].replace('\\"', '"') if found else said.strip() or "skopeo said nothing"
    mend = next((mend for pattern, mend in _MENDS if pattern.search(words)), "")
    return FleetError(f"its registry was asked and gave no digest: {_PREFIX.sub('', words)}", reference, mend)
