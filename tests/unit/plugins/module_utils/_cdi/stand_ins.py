"""Programs that stand in for vendors' tools, as strict as these: unknown words and flags end them.

What they accept is taken from NVIDIA/nvidia-container-toolkit cmd/nvidia-ctk/cdi/generate/generate.go (1.19),
ROCm/container-toolkit cmd/amd-ctk/cdi/generate/generate.go and internal/cdi/cdi.go (1.3), and
intel/intel-resource-drivers-for-kubernetes cmd/cdi-specs-generator/main.go (0.4.0).
"""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

_HEAD = """#!{python}
import json, os, random, sys, time
SPECS = json.loads({specs!r})
TROUBLE = {trouble!r}
def flags(words, known):
    found = {{}}
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in known:
            return found, [word, *words]
        found[name] = value if equals else words.pop(0)
    return found, []
def shaken(spec):
    # Go walks its maps in another order each time.
    for device in spec["devices"]:
        for entries in device["containerEdits"].values():
            random.shuffle(entries)
    random.shuffle(spec["devices"])
    return spec
def fail(text, status=1):
    print(text, file=sys.stderr)
    sys.exit(status)
if TROUBLE == "hang":
    time.sleep(600)
if TROUBLE == "crash":
    fail("panic: runtime error: invalid memory address", 2)
words = sys.argv[1:]
"""

_NVIDIA = """
if words[:2] != ["cdi", "generate"]:
    fail("No help topic for %r" % words[:1], 3)
known = ("output", "format", "mode", "device-name-strategy", "driver-root", "dev-root", "ldconfig-path", "vendor",
         "class", "nvidia-cdi-hook-path", "disable-hook", "feature-flag", "device-id", "no-all-device")
found, rest = flags(words[2:], known)
if rest:
    fail("Incorrect Usage: flag provided but not defined: %s" % rest[0])
if found.get("mode", "auto") not in ("auto", "nvml", "wsl", "csv", "management"):
    fail("invalid discovery mode: %s" % found["mode"])
output = found.get("output", os.environ.get("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH", ""))
print('time="2026-11-22T10:00:00Z" level=info msg="Auto-detected mode as \\'nvml\\'"', file=sys.stderr)
if TROUBLE == "no driver":
    fail('level=error msg="failed to generate CDI spec: failed to create device CDI specs: '
         'failed to initialize NVML: Driver/library version mismatch"')
if TROUBLE == "garbage":
    print("<html>"); sys.exit(0)
if TROUBLE == "silent":
    sys.exit(0)
if found.get("format") != "json":
    fail("this stand-in prints JSON only")
text = "".join(json.dumps(shaken(spec)) for spec in SPECS)
if output:
    open(output, "w").write(text)
else:
    sys.stdout.write(text)
"""

_AMD = """
if words[:2] != ["cdi", "generate"]:
    fail("No help topic for %r" % words[:1], 3)
found, rest = flags(words[2:], ("output",))
if rest:
    fail("Incorrect Usage: flag provided but not defined: %s" % rest[0])
output = found.get("output", "/etc/cdi/amd.json")
if TROUBLE == "silent":
    print("Failed to get GPUs, Err: no such file"); sys.exit(0)
with open(output, "w") as file:
    json.dump(SPECS[0], file, indent=2)
print("Generated CDI spec: %s" % output)
"""

_INTEL = """
found, rest = flags(words, ("cdi-dir", "naming", "dry-run"))
if not rest or any(word not in ("gpu", "npu", "gaudi") for word in rest):
    fail("Error: invalid device type specified: %s" % rest)
directory = found.get("cdi-dir", "/etc/cdi")
print("Refreshing CDI registry")
def yaml(value, indent=0):
    pad = " " * indent
    for key, content in value.items():
        if isinstance(content, list):
            yield pad + key + ":"
            for entry in content:
                lines = list(yaml(entry, indent + 2)) if isinstance(entry, dict) else [pad + "  " + entry]
                yield pad + "- " + lines[0].lstrip(" ")
                yield from lines[1:]
        elif isinstance(content, dict):
            yield pad + key + ":"
            yield from yaml(content, indent + 2)
        else:
            yield pad + key + ": " + str(content)
for spec in SPECS:
    path = "%s/%s.yaml" % (directory, spec["kind"].replace("/", "-"))
    with open(path, "w") as file:
        file.write("\\n".join(yaml(shaken(spec))) + "\\n")
print("Detected supported devices")
"""

_PROGRAMS = {"nvidia-ctk": _NVIDIA, "amd-ctk": _AMD, "intel-cdi-specs-generator": _INTEL}


def put(directory: pathlib.Path, program: str, *specs: dict[str, t.Any], trouble: str = "") -> str:
    """Put the program there; it answers with these specs. trouble: hang, crash, garbage, silent or ``no driver``."""
    path = directory / program
    head = _HEAD.format(python=sys.executable, specs=json.dumps(specs), trouble=trouble)
    path.write_text(head + _PROGRAMS[program])
    path.chmod(0o755)
    return str(path)


def nvidia(node: str = "/dev/null", mount: str = "/etc/hostname", **more: t.Any) -> dict[str, t.Any]:
    """What nvidia-ctk 1.19 writes, with a node and a file of any host: numbers, group and all."""
    entry = {"path": node, "major": 1, "minor": 3, "fileMode": 438, "permissions": "rwm", "gid": 44}
    edits = {"deviceNodes": [entry], "additionalGids": [44]}
    names = ("0", "GPU-0a1b2c3d-0000-0000-0000-000000000001", "all")
    options = ["ro", "nosuid", "nodev", "rbind", "rprivate"]
    return {
        "cdiVersion": "0.7.0",
        "kind": "nvidia.com/gpu",
        "devices": [{"name": name, "containerEdits": edits} for name in names],
        "containerEdits": {
            "env": ["NVIDIA_CTK_LIBCUDA_DIR=/usr/lib", "NVIDIA_VISIBLE_DEVICES=void"],
            "mounts": [{"hostPath": mount, "containerPath": mount, "options": options}],
            "hooks": [
                {"hookName": "createContainer", "path": "/bin/true", "args": ["nvidia-cdi-hook", "update-ldcache"]}
            ],
        },
        **more,
    }


def amd(node: str = "/dev/zero") -> dict[str, t.Any]:
    """What amd-ctk 1.3 writes: the mode of Go's os.FileMode, with its bits for a character device."""
    kfd = {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 69206454, "permissions": "rwm"}
    card = {"path": node, "type": "c", "major": 1, "minor": 5, "fileMode": 69206454, "permissions": "rwm"}
    edits = {"deviceNodes": [{**card, "uid": 0, "gid": 0}, {**kfd, "uid": 0, "gid": 0}]}
    devices = [{"name": name, "containerEdits": edits} for name in ("0", "all")]
    return {"cdiVersion": "0.6.0", "kind": "amd.com/gpu", "devices": devices, "containerEdits": {}}


def intel(kind: str = "intel.com/gpu") -> dict[str, t.Any]:
    """What Intel's generator writes: the path on the host said twice, a mount with a type, no `all`."""
    nodes = [{"path": path, "hostPath": path, "type": "c"} for path in ("/dev/null", "/dev/zero")]
    mounts = [
        {"hostPath": path, "containerPath": path, "type": "none", "options": ["bind", "rw"]}
        for path in ("/etc/hostname", "/etc/hosts")
    ]
    edits = [{"deviceNodes": nodes[:1], "mounts": mounts}, {"deviceNodes": nodes[1:]}]
    devices = [{"name": f"card{number}", "containerEdits": edit} for number, edit in enumerate(edits)]
    return {"cdiVersion": "0.5.0", "kind": kind, "devices": devices}
