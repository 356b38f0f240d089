"""apt_sources as Ansible calls it: what is switched off, and what is left alone."""

from __future__ import annotations

from ansible_collections.gpu_fleet.containers.plugins.modules import apt_sources

from .calling import call

URI = "https://download.example.org/linux/debian"


def arguments(tmp_path, **more):
    return {"uris": [URI], "keep": str(tmp_path / "sources.list.d/docker.sources"), "directory": str(tmp_path), **more}


def write(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_an_old_file_is_switched_off_once(tmp_path):
    write(tmp_path, "sources.list.d/docker.sources", f"Types: deb\nURIs: {URI}\n")
    old = write(tmp_path, "sources.list.d/docker.list", f"deb [signed-by=/old.gpg] {URI} trixie stable\n")
    would = call(apt_sources, check=True, **arguments(tmp_path))
    assert would["changed"] and would["disabled"] == [str(old)] and old.exists()
    result = call(apt_sources, **arguments(tmp_path))
    assert result["changed"] and not old.exists() and (tmp_path / "sources.list.d/docker.list.disabled").exists()
    assert not call(apt_sources, **arguments(tmp_path))["changed"]


def test_a_file_that_names_others_too_is_not_touched(tmp_path):
    text = f"deb http://deb.example.org/debian trixie main\ndeb {URI} trixie stable\n"
    old = write(tmp_path, "sources.list", text)
    result = call(apt_sources, **arguments(tmp_path))
    assert result["rc"] == 1 and f"{old}: it names {URI}" in result["msg"]
    assert old.read_text() == text
