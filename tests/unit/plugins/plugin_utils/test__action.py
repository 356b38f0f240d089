from __future__ import annotations

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.template import trust_as_template

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError, FleetErrors, InputError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._action import (
    failed,
    host_variables,
    plain,
    run,
)


class Lookalike:
    """Not a str, but says what it holds, as a vaulted value does."""

    def __str__(self):
        return "decrypted"


def test_plain_values_are_exactly_plain():
    value = plain({trust_as_template("key"): [trust_as_template("text"), 1, 1.5, True, None, (2,), Lookalike()]})
    assert value == {"key": ["text", 1, 1.5, True, None, [2], "decrypted"]}
    assert {type(key) for key in value} == {str}
    assert [type(entry) for entry in value["key"]] == [str, int, float, bool, type(None), list, str]


def test_only_named_variables_are_looked_at():
    class Variables(dict):
        def __getitem__(self, key):
            assert key != "other"
            return super().__getitem__(key)

    assert host_variables({"a": Variables(one=1, other=2)}, "a", ["one", "two"]) == {"one": 1}


def test_a_variable_that_cannot_be_templated_is_told_by_name():
    class Variables(dict):
        def __getitem__(self, key):
            raise AnsibleUndefinedVariable("'vault_token' is undefined")

    with pytest.raises(InputError) as raised:
        host_variables({"pc2": Variables(container_secrets=1)}, "pc2", ["container_secrets"])
    assert str(raised.value).startswith("pc2: container_secrets: cannot be worked out: 'vault_token' is undefined")


def test_one_error_stands_as_it_is():
    assert failed(InputError("it is wrong", "a.yml:1:2", "Mend it.")) == {
        "failed": True,
        "changed": False,
        "msg": "a.yml:1:2: it is wrong. Mend it.",
    }


def test_several_errors_are_a_numbered_list():
    errors = FleetErrors([FleetError("one"), FleetError("two", "there")])
    assert failed(errors)["msg"] == "2 errors; nothing was changed:\n1. one\n2. there: two"
    assert failed(FleetErrors([FleetError("x")] * 10))["msg"].splitlines()[1] == " 1. x"


def test_other_exceptions_are_bugs_and_go_on():
    def step():
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(step)
    assert run(lambda: {"changed": False}) == {"changed": False}
