"""Images that a host pulls itself from a registry with a password, as `image:` and as a base."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.login import Login
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._host.registry_trust import DIRECTORIES, ca_path
from ansible_collections.gpu_fleet.containers.plugins.module_utils._image.make import Stager
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._images.spec import pulled_spec

from .a_registry import PASSWORD, USERNAME, registry


@pytest.fixture
def served(tmp_path, link_address):
    """Trusted as the role `registry` has it."""
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry", f"{link_address}:5444") as made:
        paths = [pathlib.Path(ca_path(made.address, directory)) for directory in DIRECTORIES]
        for path in paths:
            path.parent.mkdir(parents=True)
            path.write_text(made.ca.read_text())
        yield made
        for path in paths:
            path.unlink()
            path.parent.rmdir()


def test_the_login_is_used_for_that_call_and_does_not_stay(engine, served, name, tmp_path):
    served.put(f"{name}:1", "one")
    reference = f"{served.address}/{name}:1"

    def stage(*logins):
        done = Stager(engine, str(tmp_path), {}, lambda event: None, logins=logins).stage([pulled_spec("s", reference)])
        return [entry.action for entry in done]

    def refused(*logins):
        with pytest.raises(EngineError, match=f"cannot pull {reference}") as caught:
            stage(*logins)
        assert "wrong one" not in str(caught.value)
        return not any(reference in image.tags for image in engine.images())

    assert refused() and refused(Login(served.address, USERNAME, "a wrong one"))
    assert refused(Login("elsewhere:5000", USERNAME, PASSWORD))
    assert stage(Login(served.address, USERNAME, PASSWORD)) == ["pulled"]
    engine.remove_image(reference)
    assert refused()
