# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program builds with BuildKit on Docker, and how it is called.

Docker's API alone cannot: a build with BuildKit is a session between the daemon and a client, which Docker's own program
is. It is asked of every program that there is, for one without a builder may be the first on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from .._errors import EngineError
from .._lines import run_lines
from .docker_url import Tls

_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/Applications/Docker.app/Contents/Resources/bin")
"""Where Docker's program lies besides PATH, which `become` and launchd cut short."""

_TAKEN_OUT = re.compile(r"(DOCKER_(?!CONFIG$|SSH)|BUILDX_|BUILDKIT_)")
"""What would send the build elsewhere: the engine is the inventory's business (`docker_url.py`)."""

_NEEDS = (
    (re.compile(r"^RUN\b.*\s--(mount|network|security)\b", re.I | re.M), "RUN --mount"),
    (re.compile(r"^(COPY|ADD)\b.*\s--(chmod|link|parents|exclude)\b", re.I | re.M), "COPY --chmod"),
    (re.compile(r"^(RUN|COPY|ADD)\b.*[^<]<<-?[\"']?[A-Za-z_]", re.I | re.M), "here-documents"),
)
"""What Docker's first builder cannot (Dockerfile reference, each under its name)."""

_NOISE = re.compile(r"#\d+ (sha256:|DONE |CACHED|transferring |\.\.\.$)")
"""What BuildKit prints of steps beside what they say."""


@dataclass(frozen=True)
class Client:
    """A docker program that can build with BuildKit."""

    program: str
    buildx: bool
    """By the plugin buildx; otherwise it is of 18.09 to 20.10, whose own `build` can."""


class Build(t.NamedTuple):
    """One build, as `Engine.build_image` takes it."""

    context: str
    containerfile: str
    tags: t.Sequence[str]
    arguments: t.Mapping[str, str]
    labels: t.Mapping[str, str]
    target: str
    platform: str
    secrets: t.Mapping[str, str]
    """Id → file with the value."""


class Place(t.NamedTuple):
    """The engine that builds."""

    url: str
    tls: Tls | None = None


def run(client: Client, place: Place, build: Build, on_line: t.Callable[[str], None] | None, path: str) -> str:
    """Build; the image's id. Raises EngineError with the last lines. path: what is built, for messages."""
    with tempfile.TemporaryDirectory(prefix="gpu-fleet-build-") as folder:
        id_file = os.path.join(folder, "id")
        try:
            status, last = run_lines(command(client, place, build, id_file), on_line, environment(client, os.environ))
        except OSError as error:
            raise EngineError(f"docker could not be run: {error.strerror}", path=client.program) from error
        if status:
            words = "\n".join(line for line in last if not _NOISE.match(line))
            raise EngineError(f"docker build failed:\n{words}", path=path)
        return _text(id_file).strip()


def refuse_old_builder(containerfile: str, secrets: t.Mapping[str, str], path: str) -> None:
    """Raise EngineError where the build wants what Docker's first builder, that of the API, cannot."""
    needed = "build secrets" if secrets else needs_buildkit(_text(containerfile))
    if needed:
        raise EngineError(
            f"the build needs BuildKit ({needed}), and no docker program here can build with it",
            path,
            "Install buildx (docker-buildx-plugin of Docker's packages, docker-buildx of Debian 13 and Ubuntu), or name a "
            "program that has it with docker_cli.",
        )


def needs_buildkit(containerfile: str) -> str:
    """The first thing in a Containerfile's text that Docker's first builder cannot; empty when it can build it."""
    text = re.sub(r"\\[ \t]*\n", " ", containerfile)
    return next((words for pattern, words in _NEEDS if pattern.search(text)), "")


def find_client(named: str = "", ask: t.Callable[[t.Sequence[str]], str | None] | None = None) -> Client | None:
    """The program to build with, one with buildx before one of old; None when there is none.

    named: the user's choice, which then has to do: raises EngineError when it cannot build with BuildKit.
    ask: runs a command; its output, or None when it failed.
    """
    ask = ask or _ask
    programs = [named] if named else candidates(os.environ.get("PATH", ""))
    for program in programs:
        if ask([program, "buildx", "version"]) is not None:
            return Client(program, True)
    for program in programs:
        found = re.search(r"version (\d+)\.(\d+)", ask([program, "--version"]) or "")
        # docker/cli: `build` speaks with BuildKit since 18.09, and from 23.0 on through buildx alone.
        if found and (18, 9) <= (int(found[1]), int(found[2])) < (23, 0):
            return Client(program, False)
    if named:
        raise EngineError(
            f"{named} cannot build with BuildKit: it has no buildx", "docker_cli", "Name another, or leave it empty."
        )
    return None


def candidates(path: str) -> list[str]:
    """All docker programs there are, each once."""
    found: dict[str, str] = {}
    for folder in [*path.split(os.pathsep), *_FOLDERS]:
        program = shutil.which("docker", path=folder) if folder else None
        # A snap sees neither /run nor the /tmp of others: no context and no secret of ours.
        if program and "/snap/" not in f"{program}{os.path.realpath(program)}/":
            found.setdefault(os.path.realpath(program), program)
    return list(found.values())


def command(client: Client, place: Place, build: Build, id_file: str) -> list[str]:
    """The argv of one build. Values of secrets stand nowhere in it: anybody may read it."""
    words = [client.program, "--host", place.url, *_tls(place.tls)]
    # The builder that is the engine itself: another one would keep the image to itself.
    words += ["buildx", "build", "--builder=default"] if client.buildx else ["build"]
    words += ["--progress=plain", f"--iidfile={id_file}", f"--file={os.path.join(build.context, build.containerfile)}"]
    for tag in build.tags:
        words += ["--tag", tag]
    for name, value in sorted(build.arguments.items()):
        words += ["--build-arg", f"{name}={value}"]
    for name, value in sorted(build.labels.items()):
        words += ["--label", f"{name}={value}"]
    for name, path in sorted(build.secrets.items()):
        words += ["--secret", f"id={name},src={path}"]
    words += ["--target", build.target] if build.target else []
    words += ["--platform", build.platform] if build.platform else []
    return [*words, build.context]


def environment(client: Client, given: t.Mapping[str, str]) -> dict[str, str]:
    """The environment of a build: messages in English, no other engine, no attestations beside the image."""
    kept = {name: value for name, value in given.items() if not _TAKEN_OUT.match(name)}
    # With an attestation an image becomes an index of two, which older engines cannot load (docker/buildx#1509).
    ours = {"LC_ALL": "C", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    return {**kept, **ours, **({} if client.buildx else {"DOCKER_BUILDKIT": "1"})}


def _tls(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    words = ["--tlsverify" if tls.verify else "--tls"]
    for option, path in (("--tlscacert", tls.ca), ("--tlscert", tls.cert), ("--tlskey", tls.key)):
        words += [option, path] if path else []
    return words


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError as error:
        raise EngineError(f"cannot be read: {error.strerror}", path) from error


def _ask(argv: t.Sequence[str]) -> str | None:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
