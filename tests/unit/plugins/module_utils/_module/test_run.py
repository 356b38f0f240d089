"""The one place that turns errors into failed results; bugs keep their traceback."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.gpu_fleet.containers.plugins.doc_fragments.engine import ModuleDocFragment
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetErrors, InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._module.arguments import ENGINE
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

    kind, result = outcome(function)
    assert (kind, result["msg"]) == ("failed", "groups/a.yml:1: is wrong. Mend it.")
    assert result["errors"] == [{"message": "is wrong", "path": "groups/a.yml:1", "mend": "Mend it."}]


def test_several_errors_stay_several():
    def function(_module):
        raise FleetErrors([InputError("one"), InputError("two")])

    assert [each["message"] for each in outcome(function)[1]["errors"]] == ["one", "two"]


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_module(Module(), lambda _module: 1 / 0)


def test_the_fragment_mirrors_the_arguments():
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert {
        name: {key: value for key, value in option.items() if key != "description"}
        for name, option in documented.items()
    } == ENGINE
