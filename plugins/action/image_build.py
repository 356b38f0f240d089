# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build on the controller: works out the spec, asks the host what is missing, sends only the contexts it needs."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from collections.abc import Iterator

from ansible.plugins.action import ActionBase
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec, from_dict, to_dict
from ansible_collections.gpu_fleet.containers.plugins.modules.image_build import ARGUMENTS
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.context import read_context, write_archive
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.options import spec_from_options

MODULE = "gpu_fleet.containers.image_build"
_PASSED_ON = ("engine", "engine_url", "cache_dir", "events")


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            ARGUMENTS,
            mutually_exclusive=[("name", "images")],
            required_one_of=[("name", "images")],
            required_by={"name": "context"},
        )
        try:
            return self._stage(options, task_vars or {})
        except FleetError as error:
            return {"failed": True, "msg": str(error), "errors": [error.to_dict()]}

    def _stage(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        if options["images"] is None:
            specs = [spec_from_options(options, self._loader.get_basedir())]
        else:
            specs = [from_dict(dict(entry)) for entry in options["images"]]
        arguments = {key: options[key] for key in _PASSED_ON if options[key]}
        images = [to_dict(spec) for spec in specs]
        with self._in_check_mode():
            asked = self._call({**arguments, "images": images}, task_vars)
        if asked.get("failed") or self._task.check_mode:
            return asked
        if not asked["changed"] and all(spec.pull_policy != "always" for spec in specs):
            return asked
        needed = {entry["key"] for entry in asked["images"] if entry["context_needed"]}
        # With `pull: always` only the pull itself shows whether it has to be built.
        needed |= {spec.key for spec in specs if spec.build and spec.pull_policy == "always"}
        for spec, image in zip(specs, images, strict=True):
            if spec.key in needed:
                image["context_archive"] = self._send_context(spec)
        return self._call({**arguments, "images": images}, task_vars)

    def _call(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)

    @contextlib.contextmanager
    def _in_check_mode(self) -> Iterator[None]:
        # The module's check mode is the question «what is missing?»; `_execute_module` takes it from the task.
        before = self._task.check_mode
        self._task.check_mode = True
        try:
            yield
        finally:
            self._task.check_mode = before

    def _send_context(self, spec: ImageSpec) -> str:
        """Path on the host of the context's archive; it goes with the task's temporary directory."""
        in_context = "" if spec.containerfile_text else spec.containerfile
        extra = {spec.containerfile: spec.containerfile_text} if spec.containerfile_text else {}
        shell = self._connection._shell
        if not shell.tmpdir:
            self._make_tmp_path()
        with tempfile.NamedTemporaryFile(prefix="gpu-fleet-context-", suffix=".tar") as local:
            write_archive(read_context(spec.context, in_context, spec.key), local.name, extra)
            remote = shell.join_path(shell.tmpdir, os.path.basename(local.name))
            self._transfer_file(local.name, remote)
        self._fixup_perms2([shell.tmpdir, remote], execute=False)
        return remote
