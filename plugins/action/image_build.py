# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build on the controller: works out the spec, asks the host what is missing, sends only the contexts it needs."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec, from_dict, to_dict
from ansible_collections.gpu_fleet.containers.plugins.modules.image_build import ARGUMENTS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import (
    acting_host,
    host_variables,
    plain,
    run,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._events import (
    ask,
    remote_folder,
    run_with_events,
    send_file,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._fleet.secrets import SHORTEST
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._handover import (
    REGISTRY_VARIABLES,
    registry_logins,
    secret_values,
)
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.options import spec_from_options
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import check_unchanged

MODULE = "gpu_fleet.containers.image_build"
_PASSED_ON = ("engine", "engine_url", "engine_tls", "cache_dir", "docker_cli")
_TIMEOUT = 4 * 3600.0
"""Seconds for all images of a call: pulls of GPU bases take many gigabytes."""

# Ids of intermediate layers and containers, which the builders print after every step; of BuildKit also how far each
# transfer is and the ids of its own steps.
_NOISE = re.compile(
    r"\s*(-+> |Removing intermediate container |[0-9a-f]{64}$"
    r"|#\d+ (sha256:|DONE |\.\.\.$|transferring |resolve |extracting |exporting |writing |naming |\[internal\]))"
)

display = Display()


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(
            ARGUMENTS,
            mutually_exclusive=[("name", "images")],
            required_one_of=[("name", "images")],
            required_by={"name": "context"},
        )
        result.update(run(lambda: self._stage(plain(options), task_vars or {})))
        return result

    def _stage(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        if options["images"] is None:
            specs = [spec_from_options(options, self._loader.get_basedir())]
        else:
            specs = [from_dict(entry) for entry in options["images"]]
        arguments = {key: options[key] for key in _PASSED_ON if options[key]}
        arguments["images"] = [to_dict(spec) for spec in specs]
        asked = ask(self, MODULE, arguments, task_vars)
        if asked.get("failed") or self._task.check_mode:
            return asked
        pulling = [spec for spec in specs if spec.pull_policy == "always"]
        if not asked["changed"] and not pulling:
            return asked
        # Where the base is asked for anew, only the pull itself shows whether there is something to build.
        needed = {entry["key"] for entry in asked["images"] if entry["context_needed"]}
        needed |= {spec.key for spec in pulling if spec.build}
        with remote_folder(self) as folder:
            arguments["secret_values"] = self._secret_values(
                [spec for spec in specs if spec.key in needed], options, task_vars
            )
            for spec, image in zip(specs, arguments["images"], strict=True):
                if spec.key in needed:
                    image["context_archive"] = self._send_context(spec, folder)
            host = acting_host(self, task_vars)
            arguments["registries"] = [*options["registries"], *_logins(host, specs, task_vars)]
            return run_with_events(self, MODULE, arguments, task_vars, _TIMEOUT, lambda event: _display(host, event))

    def _secret_values(
        self, specs: t.Iterable[ImageSpec], options: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, str]:
        """Source key → value, of the secrets that these builds read."""
        wanted = {source for spec in specs for source in spec.secrets.values()}
        sources = {key: source for key, source in options["secrets"].items() if key in wanted}
        if options["images"] is None:
            sources = {key: on_controller(key, source, self._loader.get_basedir()) for key, source in sources.items()}
        variables = plain(self._templar.template(task_vars.get("container_secrets", {})))
        values = secret_values(sources, variables)
        for key, value in values.items():
            if len(value.strip()) < SHORTEST:
                raise InputError(
                    f"the secret's value has fewer than {SHORTEST} characters",
                    f"secrets.{key}",
                    "Ansible would blank such a short word in all it prints.",
                )
        return values

    def _send_context(self, spec: ImageSpec, folder: str) -> str:
        """Path on the host of the context's archive, in `folder`."""
        extra = {spec.containerfile: spec.containerfile_text} if spec.containerfile_text else {}
        with tempfile.NamedTemporaryFile(prefix="gpu-fleet-context-", suffix=".tar") as local:
            write_archive(read_context(spec.context, spec.containerfile, spec.key), local.name, extra)
            check_unchanged(spec)
            return send_file(self, local.name, folder, os.path.basename(local.name))


def _logins(host: str, specs: t.Iterable[ImageSpec], task_vars: dict[str, t.Any]) -> list[dict[str, str]]:
    """What the host needs to pull these images or their bases from its `container_registry`."""
    hostvars = task_vars.get("hostvars", {})
    if host not in hostvars:  # delegated to what is no inventory host
        return []
    references = [reference for spec in specs for reference in (spec.bases if spec.build else (spec.repository,))]
    return registry_logins(host, host_variables(hostvars, host, REGISTRY_VARIABLES), references)


def on_controller(name: str, source: t.Any, base_dir: str) -> dict[str, str]:
    """A by-hand secret as a plan has it: its file by an absolute path. Raises InputError."""
    known = isinstance(source, dict) and len(source) == 1 and set(source) <= {"variable", "file"}
    if not known or not all(isinstance(value, str) for value in source.values()):
        raise InputError("is not understood", f"secrets.{name}", "Write {variable: NAME} or {file: PATH}.")
    return {key: os.path.join(base_dir, value) if key == "file" else value for key, value in source.items()}


def _display(host: str, event: dict[str, t.Any]) -> None:
    text = show(host, event)
    if text:
        display.display(text)


def show(host: str, event: dict[str, t.Any]) -> str:
    """One line for one event: ``mainpc | build ai-system/agent: STEP 2/5: RUN …``; empty for what tells a reader nothing."""
    line = event.get("line", "")
    if "line" in event and (not line.strip() or _NOISE.match(line)):
        return ""
    image = event["image"].removeprefix("localhost/")
    if event["event"] == "build":
        image = image.rpartition(":")[0]
    return f"{host} | {event['event']} {image}: {line}" if line else f"{host} | {event['event']} {image}"
