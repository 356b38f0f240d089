"""Containers on real engines: what a configuration asks for is what runs."""

from __future__ import annotations

import concurrent.futures
import os

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import EngineError
from ansible_collections.gpu_fleet.containers.plugins.module_utils._group.config import (
    Healthcheck,
    Mount,
    SecretFile,
    Ulimit,
    VolumeConfig,
)

from .conftest import IMAGE, IMAGE_LABELS
from .waiting import config, output_of, run, until

LABELS = {"org.gpu-fleet.spec": '{"a": "b,c", "d": ["e\\"f"]}', "plain": "a b $HOME 'x'"}


def test_life_of_a_container(engine, name):
    container_id = engine.create_container(config(name), LABELS, {})
    created = engine.container(name)
    assert (created.id, created.state, created.exit_code) == (container_id, "created", None)
    assert created.labels == {**IMAGE_LABELS, **LABELS}
    assert created.image_id in {image.id for image in engine.observe().images}

    engine.start_container(name)
    assert engine.container(name).state == "running"
    # It runs before its shell has set the trap, and until then no signal but KILL ends it.
    until(lambda: any(line.endswith(" sleep 0.1") for line in output_of(engine, name, "ps").splitlines()))
    engine.rename_container(name, f"{name}-old")
    assert engine.container(name) is None
    engine.stop_container(f"{name}-old", 10)
    engine.stop_container(f"{name}-old", 10)
    stopped = engine.container(f"{name}-old")
    assert (stopped.state, stopped.exit_code) == ("exited", 0)
    engine.start_container(f"{name}-old")
    assert engine.container(f"{name}-old").state == "running"
    engine.remove_container(f"{name}-old")
    engine.remove_container(f"{name}-old")
    assert engine.container(f"{name}-old") is None


def test_stop_kills_what_does_not_listen(engine, name):
    run(engine, config(name, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"))
    engine.stop_container(name, 1)
    assert engine.container(name).exit_code == 137


def test_stop_before_start_is_fine(engine, name):
    engine.create_container(config(name), {}, {})
    engine.stop_container(name, 1)
    assert engine.container(name).state in ("created", "exited")


def test_several_threads_at_once(engine, name):
    names = [f"{name}-{number}" for number in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: run(engine, config(each), LABELS), names))
        assert {engine.container(each).state for each in names} == {"running"}
        list(pool.map(engine.remove_container, names))
    assert not {container.name for container in engine.observe().containers} & set(names)


def test_init(engine, name):
    """A helper is process 1; where it is not installed, the engine's own words say so."""
    try:
        run(engine, config(name, init=True))
    except EngineError as error:
        assert "init" in error.message and error.path == f"container {name}"
    else:
        assert output_of(engine, name, "cat", "/proc/1/comm") in ("catatonit", "docker-init", "podman-init")


def test_exit_code_and_logs(engine, name):
    run(engine, config(name, "sh", "-c", "echo one; echo two >&2; echo three; exit 7"))
    seen = until(lambda: engine.container(name).state == "exited" and engine.container(name))
    assert seen.exit_code == 7
    assert sorted(engine.logs(name, 10).split()) == ["one", "three", "two"]
    assert len(engine.logs(name, 1).split()) == 1


def test_observe_sees_everything(engine, name):
    engine.create_volume(VolumeConfig(name), LABELS)
    run(engine, config(name), LABELS)
    seen = engine.observe()
    (container,) = [entry for entry in seen.containers if entry.name == name]
    assert (container.state, container.health, container.exit_code) == ("running", "none", None)
    (volume,) = [entry for entry in seen.volumes if entry.name == name]
    assert volume.labels == LABELS
    (image,) = [entry for entry in seen.images if IMAGE in entry.tags]
    assert image.id == container.image_id and image.labels == IMAGE_LABELS


def test_process_settings(engine, name):
    settings = config(
        name,
        "one two",
        entrypoint=("sh", "-c", 'echo "$0" >/tmp/argument; trap "exit 0" TERM; while :; do sleep 0.1; done'),
        environment={"WORDS": "a b,c=d", "EMPTY": ""},
        user="1000:1001",
        working_dir="/www",
        hostname="somewhere",
        group_add=("44",),
        extra_hosts=("other:192.0.2.1", "engine:host-gateway"),
        ulimits=(Ulimit("nofile", 100, 200),),
        sysctls={"net.core.somaxconn": "321"},
    )
    run(engine, settings)
    assert output_of(engine, name, "cat", "/tmp/argument") == "one two"
    assert output_of(engine, name, "sh", "-c", 'echo "$WORDS|$EMPTY|$PWD"') == "a b,c=d||/www"
    assert output_of(engine, name, "id", "-u") + output_of(engine, name, "id", "-g") == "10001001"
    assert "44" in output_of(engine, name, "id", "-G").split()
    assert output_of(engine, name, "hostname") == "somewhere"
    hosts = output_of(engine, name, "cat", "/etc/hosts")
    assert "192.0.2.1" in hosts
    gateway = [line.split()[0] for line in hosts.splitlines() if "engine" in line.split()[1:]]
    assert gateway and gateway[0].count(".") == 3
    limits = output_of(engine, name, "cat", "/proc/1/limits")
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["100", "200"]]
    assert output_of(engine, name, "cat", "/proc/sys/net/core/somaxconn") == "321"


def test_limits_reach_the_control_group(engine, name):
    run(engine, config(name, memory=64 << 20, cpus=0.5, pids_limit=50, cpu_shares=512))
    read = {
        "memory": ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
        "pids": ("/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"),
        "cpu": ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu.max"),
    }
    seen = {
        key: output_of(engine, name, "sh", "-c", f"cat {v1} 2>/dev/null || cat {v2}") for key, (v1, v2) in read.items()
    }
    assert seen["memory"] == str(64 << 20)
    assert seen["pids"] == "50"
    assert seen["cpu"].split()[0] == "50000"


def test_read_only_root_means_all_of_it(engine, name):
    mounts = (Mount("tmpfs", "/tmp", size=1 << 20, mode=0o1777), Mount("volume", "/data", name))
    run(engine, config(name, read_only=True, mounts=mounts))
    for path, writable in (("/x", False), ("/run/x", False), ("/tmp/x", True), ("/data/x", True), ("/dev/shm/x", True)):
        assert (engine.run_in(name, ["touch", path], 60)[0] == 0) is writable, path
    assert "1024" in output_of(engine, name, "df", "-k", "/tmp")


def test_capabilities_are_dropped(engine, name):
    run(engine, config(name, cap_drop=("ALL",), security_opt=("no-new-privileges:true",)))
    status = output_of(engine, name, "cat", "/proc/1/status")
    values = dict(line.split(":", 1) for line in status.splitlines())
    assert int(values["CapEff"], 16) == 0
    assert values["NoNewPrivs"].strip() == "1"


def test_staged_files_and_secrets(engine, name, tmp_path):
    staged, secret, writable = tmp_path / "staged", tmp_path / "secret", tmp_path / "new" / "folder"
    staged.mkdir()
    (staged / "a.txt").write_text("hello")
    secret.write_text("not a secret")
    settings = config(
        name,
        mounts=(
            Mount("bind", "/staged", "staged:abc", read_only=True),
            Mount("bind", "/writable", str(writable)),
        ),
        secrets=(SecretFile("file:token", "/run/secrets/token"),),
    )
    run(engine, settings, sources={"staged:abc": str(staged), "file:token": str(secret)})
    assert output_of(engine, name, "cat", "/staged/a.txt", "/run/secrets/token") == "hellonot a secret"
    assert engine.run_in(name, ["touch", "/staged/b"], 60)[0] != 0
    assert engine.run_in(name, ["touch", "/run/secrets/token"], 60)[0] != 0
    output_of(engine, name, "touch", "/writable/b")
    assert os.listdir(writable) == ["b"]


def test_named_volume_outlives_its_container(engine, name):
    engine.create_volume(VolumeConfig(name), LABELS)
    engine.create_volume(VolumeConfig(name), LABELS)
    settings = config(name, mounts=(Mount("volume", "/data", name), Mount("volume", "/anonymous")))
    run(engine, settings)
    output_of(engine, name, "sh", "-c", "echo kept >/data/x")
    before = {volume.name for volume in engine.observe().volumes}
    engine.remove_container(name)
    gone = before - {volume.name for volume in engine.observe().volumes}
    assert len(gone) == 1 and name not in gone, "only the anonymous volume goes with its container"
    run(engine, settings)
    assert output_of(engine, name, "cat", "/data/x") == "kept"
    engine.remove_container(name)
    engine.remove_volume(name)
    engine.remove_volume(name)
    assert name not in {volume.name for volume in engine.observe().volumes}


def test_health_is_asked_for_actively(engine, name):
    check = Healthcheck(("CMD-SHELL", "test -e /tmp/ok || { echo \"no 'ok' yet\"; exit 1; }"), interval=3600, timeout=5)
    run(engine, config(name, healthcheck=check))
    assert engine.container(name).health == "starting"
    answer = engine.check_health(name, check)
    assert not answer.healthy and answer.output == "no 'ok' yet"
    output_of(engine, name, "touch", "/tmp/ok")
    assert engine.check_health(name, check).healthy
    assert engine.check_health(name).healthy
    engine.stop_container(name, 5)
    answer = engine.check_health(name, check)
    assert not answer.healthy and "not running" in answer.output


def test_health_test_words_stay_words(engine, name):
    """A test of several words, of one word, and of one word with a space are all run without a shell's help."""
    tests = {
        "several": (("CMD", "test", "a b;", "=", "a b;"), True),
        "one": (("CMD", "true"), True),
        "fails": (("CMD", "false"), False),
        "space": (("CMD-SHELL", "true && ! false"), True),
    }
    for key, (test, healthy) in tests.items():
        check = Healthcheck(test, interval=3600)
        run(engine, config(f"{name}-{key}", healthcheck=check))
        assert engine.check_health(f"{name}-{key}", check).healthy is healthy, key


def test_health_check_that_hangs_is_a_failure(engine, name):
    check = Healthcheck(("CMD", "sleep", "60"), interval=3600, timeout=1)
    run(engine, config(name, healthcheck=check))
    answer = engine.check_health(name, check)
    assert not answer.healthy and "no answer within" in answer.output


def test_no_health_check(engine, name):
    run(engine, config(name))
    assert engine.check_health(name) is None
    run(engine, config(f"{name}-none", healthcheck=Healthcheck(("NONE",))))
    assert engine.check_health(f"{name}-none") is None


def test_run_in(engine, name):
    run(engine, config(name))
    status, output = engine.run_in(name, ["sh", "-c", "echo out; echo err >&2; exit 3"], 60)
    assert (status, sorted(output.split())) == (3, ["err", "out"])
    assert engine.run_in(name, ["echo", "a b", "$HOME", "'"], 60) == (0, "a b $HOME '\n")
    assert engine.run_in(name, ["sleep", "30"], 0.5)[0] == 124


def test_restart_policy(engine, name):
    run(engine, config(name, "sh", "-c", "sleep 0.2; exit 1", restart="on-failure:2"))
    assert until(lambda: engine.container(name).state == "exited")


def test_log_settings(engine, name):
    run(engine, config(name, "echo", "kept", log_driver="json-file", log_options={"max-size": "1m"}))
    assert until(lambda: engine.container(name).state == "exited")
    assert "kept" in engine.logs(name, 5)
