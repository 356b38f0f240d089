from __future__ import annotations

import json

import pytest
from agent.message import Refused, need, need_count, parse_request, reply_error, reply_ok
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_payload_is_a_request_or_refused(payload: bytes) -> None:
    try:
        request = parse_request(payload)
    except Refused as refused:
        assert refused.code == "bad_request"
    else:
        assert isinstance(request["op"], str)


@given(JSON, st.dictionaries(st.text(), JSON))
def test_replies_carry_the_id(request_id, result) -> None:
    assert json.loads(reply_ok(request_id, result)) == {"id": request_id, "ok": True, "result": result}
    error = json.loads(reply_error(request_id, Refused("code", "message")))
    assert error == {"id": request_id, "ok": False, "error": {"code": "code", "message": "message"}}


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        ({}, str, '"key" is missing'),
        ({"key": None}, str, '"key" is missing'),
        ({"key": 1}, str, '"key" is not of type str'),
        ({"key": True}, int, '"key" is not of type int'),
        ({"key": "x"}, (int, float), '"key" is not of type int or float'),
    ],
)
def test_need(request_, kind, message) -> None:
    with pytest.raises(Refused) as caught:
        need(request_, "key", kind)
    assert caught.value.message == message


@pytest.mark.parametrize("value", [0, 11, -1])
def test_need_count(value: int) -> None:
    with pytest.raises(Refused, match="not between 1 and 10"):
        need_count({"key": value}, "key", 5, 10)
    assert need_count({}, "key", 5, 10) == 5
