"""Call a module's `main` here, with arguments as Ansible sends them, and take what it prints."""

from __future__ import annotations

import contextlib
import io
import json
import typing as t

from ansible.module_utils.testing import patch_module_args


def call(module: t.Any, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    """The module's JSON; `rc` is its exit status."""
    printed = io.StringIO()
    with patch_module_args({**arguments, "_ansible_check_mode": check}), contextlib.redirect_stdout(printed):
        try:
            module.main()
        except SystemExit as end:
            return {**json.loads(printed.getvalue()), "rc": end.code}
    raise AssertionError("a module ends with exit_json or fail_json")
