# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller content and secrets on the host: written under their hash, removed when nobody names them.

<state_dir>/files/<sha256>          a file or a directory, readable, never changed once there
<state_dir>/secrets/<host>/<name>   one secret for one container user, readable by that user alone
<state_dir>/key                     the key of the secrets' fingerprints
"""

from __future__ import annotations

import contextlib
import os
import secrets as random_source
import shutil
import tarfile
import tempfile
import typing as t

from .._errors import EngineError, InputError, make_room
from .config import STAGED, ContainerConfig, SecretFile
from .resolve import as_bytes

_KEY_BYTES = 32


@contextlib.contextmanager
def writing(state_dir: str) -> t.Iterator[None]:
    """What the system says about the state directory (full, read-only, no rights), with its place and what to do."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"the state directory cannot be written: {error.strerror or error}",
            error.filename if isinstance(error.filename, str) else state_dir,
            f"{make_room(error)} ({state_dir}), or choose another with container_state_dir.",
        ) from error


def fingerprint_key(state_dir: str, create: bool) -> bytes:
    """The host's key for secret fingerprints; a throw-away one when there is none and none may be made."""
    path = os.path.join(state_dir, "key")
    try:
        with open(path, "rb") as file:
            key = file.read()
        if len(key) == _KEY_BYTES:
            return key
        raise InputError(f"{path} is damaged", mend="Remove it; services with secrets will be made anew.")
    except FileNotFoundError:
        pass
    key = random_source.token_bytes(_KEY_BYTES)
    if create:
        os.makedirs(state_dir, mode=0o755, exist_ok=True)
        try:
            _write(path, key, 0o600, first=True)
        except FileExistsError:
            # Another inventory host on this machine made it meanwhile; both must use the same.
            return fingerprint_key(state_dir, create)
    return key


GiveAway = t.Callable[[str, int, int], None]
"""(path, uid, gid): make a file belong to a user of containers, numbered as they see it."""


def _write(
    path: str,
    content: bytes,
    mode: int,
    uid: int = -1,
    gid: int = -1,
    first: bool = False,
    give_away: GiveAway | None = None,
) -> None:
    """Write atomically: a reader sees all of it or nothing, and never with a wider mode.

    first: raise FileExistsError instead of replacing what is there.
    give_away: what changes the owner where this user cannot.
    """
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if uid >= 0 and os.geteuid() == 0:
                os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
        # Only then in its place: who was killed in between must not take it for finished.
        if give_away is not None and uid >= 0 and os.geteuid() != 0:
            give_away(temporary, uid, gid)
        if first:
            os.link(temporary, path)
            os.unlink(temporary)
        else:
            os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def missing_files(state_dir: str, configs: t.Iterable[ContainerConfig]) -> list[str]:
    """Hashes of staged content that `configs` need and the host does not have."""
    needed = {
        mount.source[len(STAGED) :] for config in configs for mount in config.mounts if mount.source.startswith(STAGED)
    }
    return sorted(sha for sha in needed if not os.path.lexists(_file_path(state_dir, sha)))


def _file_path(state_dir: str, sha: str) -> str:
    return os.path.join(state_dir, "files", sha)


def unpack_files(state_dir: str, archive: str) -> None:
    """Take over a tar whose top-level entries are named by their content hash."""
    folder = os.path.join(state_dir, "files")
    os.makedirs(folder, mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state_dir, prefix=".files-") as temporary:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _refuse_outside(members)
            # Newer Pythons filter by default and would refuse a link that a staged directory may well hold.
            tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            tar.extractall(temporary, members=members)
        for name in sorted(os.listdir(temporary)):
            _take_over(os.path.join(temporary, name), os.path.join(folder, name))


def _take_over(source: str, target: str) -> None:
    if os.path.lexists(target):
        return
    try:
        os.rename(source, target)
    except OSError:
        # Another inventory host on this machine staged the same directory meanwhile.
        if not os.path.lexists(target):
            raise


def _refuse_outside(members: t.Sequence[tarfile.TarInfo]) -> None:
    """Nothing may be written above the folder: not by a name, a hard link, or through a link of the archive itself."""
    links = {os.path.normpath(member.name) for member in members if member.issym()}
    for member in members:
        name = os.path.normpath(member.name)
        parents = {name[:index] for index, letter in enumerate(name) if letter == "/"}
        hard_link = os.path.normpath(member.linkname) if member.islnk() else ""
        if (
            name.startswith("/")
            or name.split("/")[0] == ".."
            or hard_link.startswith("/")
            or hard_link.split("/")[0] == ".."
            or hard_link in links
            or parents & links
            or not (member.isfile() or member.isdir() or member.issym() or member.islnk())
        ):
            raise InputError(f"the archive of staged files holds {member.name!r}, which leaves its folder")


def secret_path(state_dir: str, host: str, secret: SecretFile) -> str:
    """Where a secret lies. Its source, as `resolve.py` left it, tells value and owner."""
    return os.path.join(state_dir, "secrets", host, secret.source.replace("/", "_"))


def write_secrets(
    state_dir: str,
    host: str,
    configs: t.Iterable[ContainerConfig],
    values: t.Mapping[str, str | bytes],
    give_away: GiveAway | None = None,
) -> None:
    """Write the secrets of these containers; `values` is by source without the fingerprint.

    give_away: `Engine.give_away`, needed where this user is not root.
    """
    folder = os.path.join(state_dir, "secrets", host)
    wanted = {secret_path(state_dir, host, secret): (secret, config) for config in configs for secret in config.secrets}
    if not wanted:
        return
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(os.path.join(state_dir, "secrets"), 0o711)
    os.chmod(folder, 0o700)
    for path, (secret, config) in wanted.items():
        if not os.path.exists(path):
            value = values[secret.source.partition("#")[0]]
            uid, gid = secret.uid, secret.gid
            if config.userns_mode.startswith("keep-id") and os.geteuid() != 0:
                uid, gid = kept_ids(uid, gid, config.userns_mode, os.getuid(), os.getgid())
            _write(path, as_bytes(value), secret.mode, uid, gid, give_away=give_away)


def kept_ids(uid: int, gid: int, userns_mode: str, own_uid: int, own_gid: int) -> tuple[int, int]:
    """A container's ids with ``keep-id[:uid=…,gid=…]`` as a rootless container without it has them.

    There the user is root; here the user has another id, and those below it move up by one (podman-run(1), --userns).
    """
    options = dict(option.partition("=")[::2] for option in userns_mode.partition(":")[2].split(",") if option)

    def moved(number: int, own: int) -> int:
        return 0 if number == own else number + (number < own)

    return moved(uid, int(options.get("uid") or own_uid)), moved(gid, int(options.get("gid") or own_gid))


def bind_sources(state_dir: str, host: str, config: ContainerConfig) -> dict[str, str]:
    """Host path of everything staged that this container mounts."""
    result = {
        mount.source: _file_path(state_dir, mount.source[len(STAGED) :])
        for mount in config.mounts
        if mount.source.startswith(STAGED)
    }
    result.update({secret.source: secret_path(state_dir, host, secret) for secret in config.secrets})
    return result


def is_lost(state_dir: str, host: str, config: ContainerConfig) -> bool:
    """Whether anything staged that this container mounts is not on the host.

    A running container keeps an empty directory or a deleted file in its place, and gets the new one with its next start.
    """
    return not all(map(os.path.lexists, bind_sources(state_dir, host, config).values()))


def remove_unused_secrets(state_dir: str, host: str, used: t.Iterable[ContainerConfig]) -> None:
    """Remove secret files of this host that no container names any more."""
    folder = os.path.join(state_dir, "secrets", host)
    keep = {secret_path(state_dir, host, secret) for config in used for secret in config.secrets}
    try:
        there = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in there:
        path = os.path.join(folder, name)
        if path not in keep:
            os.unlink(path)


def remove_host(state_dir: str, host: str) -> None:
    """Remove what is staged for one host alone (its secrets); shared content stays for others."""
    folder = os.path.join(state_dir, "secrets", host)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise EngineError(f"cannot remove {folder}: {error.strerror}") from error
