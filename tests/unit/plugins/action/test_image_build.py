"""What a user sees of a build while it runs."""

from __future__ import annotations

import pytest

from ansible_collections.gpu_fleet.containers.plugins.action.image_build import _logins, on_controller, show
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import InputError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.spec import ImageSpec

IMAGE = "localhost/ai-system/agent:0f3c5d1e9a77"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"event": "build", "image": IMAGE, "line": "STEP 1/2: FROM x"},
            "pc | build ai-system/agent: STEP 1/2: FROM x",
        ),
        ({"event": "build", "image": IMAGE, "line": " ---> Running in 2deed601a606"}, ""),
        ({"event": "build", "image": IMAGE, "line": "--> 76b6b18c498"}, ""),
        ({"event": "build", "image": IMAGE, "line": "Removing intermediate container 9b8df5585b5"}, ""),
        ({"event": "build", "image": IMAGE, "line": "a" * 64}, ""),
        ({"event": "build", "image": IMAGE, "line": " "}, ""),
        (
            {"event": "build", "image": IMAGE, "line": "Error: exit status 1"},
            "pc | build ai-system/agent: Error: exit status 1",
        ),
        (
            {"event": "build", "image": IMAGE, "line": "#5 [2/4] RUN make"},
            "pc | build ai-system/agent: #5 [2/4] RUN make",
        ),
        ({"event": "build", "image": IMAGE, "line": "#5 0.412 done"}, "pc | build ai-system/agent: #5 0.412 done"),
        ({"event": "build", "image": IMAGE, "line": "#5 CACHED"}, "pc | build ai-system/agent: #5 CACHED"),
        ({"event": "build", "image": IMAGE, "line": "#5 DONE 0.4s"}, ""),
        ({"event": "build", "image": IMAGE, "line": "#5 ..."}, ""),
        ({"event": "build", "image": IMAGE, "line": "#1 [internal] load build definition from Dockerfile"}, ""),
        ({"event": "build", "image": IMAGE, "line": f"#7 sha256:{'a' * 64}"}, ""),
        ({"event": "build", "image": IMAGE, "line": "#4 transferring context: 68B done"}, ""),
        ({"event": "build", "image": IMAGE, "line": "#9 exporting layers 0.1s done"}, ""),
        ({"event": "pull", "image": "docker.io/library/redis:7"}, "pc | pull docker.io/library/redis:7"),
        ({"event": "bootstrap", "image": "localhost/b:1", "line": "I: running"}, "pc | bootstrap b:1: I: running"),
    ],
)
def test_events_as_lines(event: dict[str, str], expected: str) -> None:
    assert show("pc", event) == expected


def test_where_a_secret_by_hand_comes_from() -> None:
    assert on_controller("a", {"variable": "pip"}, "/play") == {"variable": "pip"}
    assert on_controller("a", {"file": "keys/pip"}, "/play") == {"file": "/play/keys/pip"}


@pytest.mark.parametrize("given", ["text", {}, {"value": "x"}, {"variable": "a", "file": "b"}, {"file": None}])
def test_a_secret_that_is_not_understood(given: object) -> None:
    with pytest.raises(InputError) as caught:
        on_controller("a", given, "/play")
    assert caught.value.path == "secrets.a"


@pytest.mark.parametrize(
    ("spec", "host", "count"),
    [
        (ImageSpec("a", "pc2:5000/a:1", build=False), "mainpc", 1),
        (ImageSpec("a", "localhost/a", bases=("debian:12", "pc2:5000/base:1")), "mainpc", 1),
        (ImageSpec("a", "localhost/a", bases=("debian:12",)), "mainpc", 0),
        (ImageSpec("a", "pc2:5000/a:1", build=False), "no-inventory-host", 0),
    ],
)
def test_a_host_is_handed_the_login_to_what_it_pulls_from(spec: ImageSpec, host: str, count: int) -> None:
    variables = {"container_registry": {"address": "pc2:5000"}, "container_registry_password": "hunter2hunter2"}
    assert len(_logins(host, [spec], {"hostvars": {"mainpc": variables}})) == count
