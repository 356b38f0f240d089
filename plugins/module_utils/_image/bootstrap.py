# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a base image's root file system from a distribution's mirror, where no registry can be reached.

`mmdebstrap` does the work. The archive is kept in the cache directory under the
digest of its recipe, so that it is made once per machine.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import tempfile
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._errors import EngineError, InputError
from .._lines import run_lines
from .._lock import locked
from .identity import architecture, recipe_digest
from .spec import Bootstrap

_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_DISTRIBUTIONS = ("debian", "ubuntu", "ubuntu-ports", "raspbian")

# Documentation is of no use in a base and a third of its size; the licences stay.
_SMALLER = (
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
)


@dataclass(frozen=True)
class Mirror:
    uri: str
    signed_by: str = ""
    """Keyring file, when the host's sources name one."""


def base_archive(
    recipe: Bootstrap, cache_dir: str, platform: str = "", on_line: t.Callable[[str], None] | None = None
) -> tuple[str, bool]:
    """Path of the recipe's root file system archive and whether it was made just now.

    Raises EngineError when the cache cannot be used, mmdebstrap is not there or fails, InputError when no mirror is known.
    """
    debian = architecture(platform)
    digest = recipe_digest(recipe, debian)
    path = os.path.join(cache_dir, f"base-{digest}.tar")
    # Two inventory hosts may be this one machine: the second waits and finds it made.
    with locked(f"{path}.lock"):
        if os.path.exists(path):
            return path, False
        _make(recipe, debian, path, on_line or (lambda line: None))
    return path, True


def _make(recipe: Bootstrap, debian: str, path: str, on_line: t.Callable[[str], None]) -> None:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EngineError(
            f"the base {recipe.suite} has to be made from a mirror, and mmdebstrap is not installed",
            mend="Run playbooks/prepare.yml with container_bootstrap: true, or «apt-get install mmdebstrap», on this host.",
        )
    mirror = Mirror(recipe.mirror, host_mirror().signed_by) if recipe.mirror else host_mirror()
    if not mirror.uri:
        raise InputError(
            "no mirror is known: this host's apt sources name none", mend="Give `mirror` in the bootstrap recipe."
        )
    if urlsplit(mirror.uri).username:
        # The sources stay in the image for later builds, so the password would as well.
        raise InputError("the mirror's address carries a password", mend="Put it into /etc/apt/auth.conf.d instead.")
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".base-", suffix=".tar")
    os.close(descriptor)
    try:
        argv = command(recipe, debian, temporary, program)
        status, lines = run_lines(argv, on_line, text=sources(mirror, recipe.suite))
        if status:
            raise EngineError(f"mmdebstrap ended with status {status}:\n" + "\n".join(lines))
        os.chmod(temporary, 0o644)
        os.rename(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def command(recipe: Bootstrap, debian: str, destination: str, program: str = "mmdebstrap") -> list[str]:
    """The argv that writes the archive; it reads the apt sources from its standard input."""
    argv = [program, "--format=tar", f"--variant={recipe.variant}", f"--architectures={debian}", *_SMALLER]
    if recipe.packages:
        argv.append(f"--include={','.join(sorted(set(recipe.packages)))}")
    return [*argv, recipe.suite, destination, "-"]


def sources(mirror: Mirror, suite: str) -> str:
    """One line for apt's sources.list. Ubuntu keeps most of what Debian calls main in universe."""
    components = "main universe" if "ubuntu" in mirror.uri else "main"
    options = f"[signed-by={mirror.signed_by}] " if mirror.signed_by else ""
    return f"deb {options}{mirror.uri} {suite} {components}\n"


def host_mirror(apt_dir: str = "/etc/apt") -> Mirror:
    """The distribution's own mirror in the host's apt sources; empty when there is none.

    Sources of other vendors also have a component «main», so an address that ends as
    the distributions' do goes first. Formats: sources.list(5), one-line and deb822.
    """
    pattern = os.path.join(apt_dir, "sources.list.d")
    found: list[Mirror] = []
    for path in [os.path.join(apt_dir, "sources.list"), *sorted(glob.glob(f"{pattern}/*.list"))]:
        found.extend(_from_lines(_read(path)))
    for path in sorted(glob.glob(f"{pattern}/*.sources")):
        found.extend(_from_deb822(_read(path)))
    usable = [mirror for mirror in map(_resolved, found) if mirror.uri.startswith(("http:", "https:"))]
    usable.sort(key=lambda mirror: urlsplit(mirror.uri).path.rstrip("/").rpartition("/")[2] not in _DISTRIBUTIONS)
    return usable[0] if usable else Mirror("")


def _resolved(mirror: Mirror) -> Mirror:
    """Cloud images name a file with the list of mirrors (apt-transport-mirror(1)): its first line."""
    if not mirror.uri.startswith("mirror+file:"):
        return mirror
    lines = _read(mirror.uri[len("mirror+file:") :]).split()
    return Mirror(lines[0] if lines else "", mirror.signed_by)


def _from_lines(text: str) -> t.Iterator[Mirror]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip())
        if match and "security" not in match["suite"] and "main" in match["components"].split():
            options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
            yield Mirror(match["uri"], options.get("signed-by", ""))


def _from_deb822(text: str) -> t.Iterator[Mirror]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        suites = fields.get("suites", "").split()
        usable = (
            "deb" in fields.get("types", "").split()
            and "main" in fields.get("components", "").split()
            and fields.get("enabled", "yes").lower() != "no"
            and any("security" not in suite for suite in suites)
        )
        if usable:
            signed_by = fields.get("signed-by", "")
            for uri in fields.get("uris", "").split()[:1]:
                # An embedded key (not a path) cannot be written on one line; apt's trusted keys then serve.
                yield Mirror(uri, signed_by if signed_by.startswith("/") and " " not in signed_by else "")


def _fields(stanza: str) -> dict[str, str]:
    """A deb822 stanza by lower-case field name; continuation lines joined by spaces, comments left out."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _colon, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the apt sources: {error}", path=path) from None
