"""Which docker program builds, and how it is called."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine import docker_buildkit as buildkit
from ansible_collections.gpu_fleet.containers.plugins.module_utils._engine.docker_url import Tls
from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError

OLD = "Docker version 20.10.24+dfsg1, build 297e128"
NEW = "Docker version 28.2.2, build e6534b4"


class Case(t.NamedTuple):
    programs: dict[str, tuple[str, bool]]
    """Path → what it says of its version, and whether it has buildx."""
    expected: buildkit.Client | None


CASES = {
    "none": Case({}, None),
    "of old": Case({"/a/docker": (OLD, False)}, buildkit.Client("/a/docker", False)),
    "without a builder, and first": Case(
        {"/a/docker": (NEW, False), "/b/docker": (OLD, False)}, buildkit.Client("/b/docker", False)
    ),
    "buildx before one of old": Case(
        {"/a/docker": (OLD, False), "/b/docker": (NEW, True)}, buildkit.Client("/b/docker", True)
    ),
    "no builder at all": Case({"/a/docker": (NEW, False)}, None),
    "too old": Case({"/a/docker": ("Docker version 17.05.0-ce, build 1", False)}, None),
    "something else of that name": Case({"/a/docker": ("podman version 4.3.1", False)}, None),
}


def asked(programs: dict[str, tuple[str, bool]]) -> t.Callable[[t.Sequence[str]], str | None]:
    def ask(argv: t.Sequence[str]) -> str | None:
        version, has_buildx = programs[argv[0]]
        if list(argv[1:]) == ["buildx", "version"]:
            return "github.com/docker/buildx 0.13" if has_buildx else None
        assert list(argv[1:]) == ["--version"]
        return version

    return ask


@pytest.mark.parametrize("name", CASES)
def test_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.setattr(buildkit, "candidates", lambda path: list(case.programs))
    assert buildkit.find_client(ask=asked(case.programs)) == case.expected


def test_a_named_program_has_to_do() -> None:
    programs = {"/a/docker": (NEW, False), "/b/docker": (NEW, True)}
    assert buildkit.find_client("/b/docker", asked(programs)) == buildkit.Client("/b/docker", True)
    with pytest.raises(EngineError, match="/a/docker cannot build with BuildKit") as caught:
        buildkit.find_client("/a/docker", asked(programs))
    assert caught.value.path == "docker_cli"


def test_programs_on_the_path_and_beside_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two", "beside", "snap/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "docker").write_text("")
        (tmp_path / folder / "docker").chmod(0o755)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/docker").symlink_to("../one/docker")
    monkeypatch.setattr(buildkit, "_FOLDERS", (f"{tmp_path}/beside", f"{tmp_path}/absent"))
    path = ":".join(f"{tmp_path}/{folder}" for folder in ("two", "one", "link", "snap/bin", "")) + ":"
    assert buildkit.candidates(path) == [f"{tmp_path}/{folder}/docker" for folder in ("two", "one", "beside")]


BUILD = buildkit.Build(
    "/c", "sub/Dockerfile", ["a:1"], {"X": "1 2"}, {"l": "v"}, "last", "linux/arm64", {"t": "/run/0"}
)
END = [
    *("--progress=plain", "--iidfile=/id", "--file=/c/sub/Dockerfile", "--tag", "a:1", "--build-arg", "X=1 2"),
    *("--label", "l=v", "--secret", "id=t,src=/run/0", "--target", "last", "--platform", "linux/arm64", "/c"),
]


@pytest.mark.parametrize(
    ("client", "place", "start"),
    [
        (
            buildkit.Client("/d", True),
            buildkit.Place("unix:///s"),
            ["/d", "--host", "unix:///s", "buildx", "build", "--builder=default"],
        ),
        (buildkit.Client("/d", False), buildkit.Place("ssh://pc2"), ["/d", "--host", "ssh://pc2", "build"]),
        (
            buildkit.Client("/d", False),
            buildkit.Place("tcp://pc2:2376", Tls("/ca", "/cert", "/key")),
            [
                *("/d", "--host", "tcp://pc2:2376", "--tlsverify", "--tlscacert", "/ca", "--tlscert", "/cert"),
                *("--tlskey", "/key", "build"),
            ],
        ),
        (
            buildkit.Client("/d", False),
            buildkit.Place("tcp://pc2:2376", Tls(verify=False)),
            ["/d", "--host", "tcp://pc2:2376", "--tls", "build"],
        ),
    ],
)
def test_the_command(client: buildkit.Client, place: buildkit.Place, start: list[str]) -> None:
    assert buildkit.command(client, place, BUILD, "/id") == [*start, *END]


def test_the_environment_sends_the_build_nowhere_else() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/root",
        "DOCKER_HOST": "tcp://other",
        "DOCKER_CONTEXT": "other",
        "DOCKER_DEFAULT_PLATFORM": "linux/arm",
        "DOCKER_CONFIG": "/d",
        "BUILDX_BUILDER": "other",
        "BUILDKIT_HOST": "tcp://other",
    }
    kept = {
        "PATH": "/bin",
        "HOME": "/root",
        "DOCKER_CONFIG": "/d",
        "LC_ALL": "C",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    assert buildkit.environment(buildkit.Client("/d", True), given) == kept
    assert buildkit.environment(buildkit.Client("/d", False), given) == {**kept, "DOCKER_BUILDKIT": "1"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM a\nRUN x\nCOPY b /b\n", ""),
        ("FROM a\nRUN --mount=type=cache,target=/c x\n", "RUN --mount"),
        ("from a\nrun \\\n  --mount=type=secret,id=t \\\n  x\n", "RUN --mount"),
        ("FROM a\nCOPY --chown=1 --chmod=755 b /b\n", "COPY --chmod"),
        ("FROM a\nADD --link b /b\n", "COPY --chmod"),
        ("FROM a\nRUN <<EOF\nx\nEOF\n", "here-documents"),
        ("FROM a\nCOPY <<-'EOF' /b\nx\nEOF\n", "here-documents"),
        ("FROM a\nRUN echo $((1<<2)); cat <<<word\n", ""),
        ("FROM a\nRUN mount --bind x y\n# RUN --mount\n", ""),
        ("FROM a\nCOPY --from=b --chown=1 /x /x\n", ""),
    ],
)
def test_what_the_old_builder_cannot(text: str, words: str) -> None:
    assert buildkit.needs_buildkit(text) == words


def test_the_refusal_says_what_to_install(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    buildkit.refuse_old_builder(str(tmp_path / "Dockerfile"), {}, "image x")
    with pytest.raises(EngineError, match=r"needs BuildKit \(build secrets\)") as caught:
        buildkit.refuse_old_builder(str(tmp_path / "Dockerfile"), {"a": "/run/0"}, "image x")
    assert "buildx" in caught.value.mend and "docker_cli" in caught.value.mend


def test_a_program_that_cannot_be_run_is_named() -> None:
    with pytest.raises(EngineError, match="could not be run") as caught:
        buildkit.run(buildkit.Client("/nowhere/docker", True), buildkit.Place("unix:///s"), BUILD, None, "image x")
    assert caught.value.path == "/nowhere/docker"
