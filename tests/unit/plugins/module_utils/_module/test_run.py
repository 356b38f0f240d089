"""The one place that turns errors into failed results; bugs keep their traceback."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.doc_fragments import engine, engine_tls
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetErrors, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE, ENGINE_TLS
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.run import run_module


class Exit(BaseException):
    pass


class Module:
    def exit_json(self, **result):
        self.result = ("ok", result)
        raise Exit

    def fail_json(self, **result):
        self.result = ("failed", result)
        raise Exit


def outcome(function):
    module = Module()
    with pytest.raises(Exit):
        run_module(module, function)
    return module.result


def test_a_result():
    assert outcome(lambda _module: {"x": 1}) == ("ok", {"x": 1, "changed": False})


def test_a_failed_result_keeps_what_it_holds():
    assert outcome(lambda _module: {"failed": True, "msg": "no", "changed": True}) == (
        "failed",
        {"msg": "no", "changed": True},
    )


def test_an_error():
    def function(_module):
        raise InputError("is wrong", "groups/a.yml:1", "Mend it.")

    assert outcome(function) == ("failed", {"msg": "groups/a.yml:1: is wrong. Mend it."})


def test_several_errors_are_a_numbered_list():
    def function(_module):
        raise FleetErrors([InputError("one"), InputError("two")])

    # Some of what was asked may have been done before, so nothing is said about that.
    assert outcome(function) == ("failed", {"msg": "2 errors:\n1. one\n2. two"})


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_module(Module(), lambda _module: 1 / 0)


@pytest.mark.parametrize(("fragment", "arguments"), [(engine, ENGINE), (engine_tls, ENGINE_TLS)])
def test_a_fragment_mirrors_its_arguments(fragment, arguments):
    def plain(options, names):
        return {
            name: {key: plain(value, ("options",)) if key in names else value for key, value in option.items()
                   if key not in ("description", "no_log")}
            for name, option in options.items()
        }  # fmt: skip

    documented = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION.replace("suboptions", "options"))["options"]
    assert plain(documented, ("options",)) == plain(arguments, ("options",))
