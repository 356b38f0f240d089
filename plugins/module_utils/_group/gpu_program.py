# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that is run inside a container to see its GPU, as text: its image has Python, but not this collection.

It makes no context and no buffer on a GPU. `cuInit`, `vkCreateInstance` and their like take host memory of a process
that is gone a moment later; what CUDA then keeps on a GPU it keeps for contexts (CUDA driver API, «Initialization»).
torch is imported only where a GPU was seen and the container's memory limit leaves room for it.
"""

from __future__ import annotations

PYTHON_PROGRAM = r"""
# Python 3.6 and newer, standard library only. Prints one line of JSON. Each library is asked in a child of its own:
# a driver that crashes or hangs takes only its own answer with it.
import sys

# The workload's own files in its working directory are no modules of this program, and it leaves none behind.
sys.path[:] = [place for place in sys.path if place.startswith("/")]
sys.dont_write_bytecode = True

import ctypes, glob, importlib.util, json, os, select, signal, stat, time



def lacking():
    # What CDI adds to a container's environment reaches its first process, but none that is run in it later (seen
    # with Podman 4.3 and 5.4 and Docker 26.1). The first process of another place, as with pid: host, is none of ours.
    try:
        if os.readlink("/proc/1/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return {}
        with open("/proc/1/environ", "rb") as stream:
            pairs = [entry.partition(b"=") for entry in stream.read().split(b"\0") if entry]
    except OSError:
        return {}
    own = (b"PYTHON", b"LD_PRELOAD")  # What is meant for the workload's Python is not for this one.
    return {name: value for name, _, value in pairs if name and name not in os.environb and not name.startswith(own)}


def start_again_with(environment):
    # A path to libraries counts only from the start of a process.
    with open("/proc/self/cmdline", "rb") as stream:
        words = stream.read().split(b"\0")[:-1]
    merged = {b"GPU_FLEET_PROBE": b"1"}
    merged.update(environment)
    merged.update(os.environb)
    os.execve("/proc/self/exe", words, merged)


question = json.loads(sys.argv[1])
TELLING = ("CUDA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
            "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK", "VK_DRIVER_FILES", "VK_ICD_FILENAMES")
PLACES = ("/usr/lib/wsl/lib", "/usr/lib/*-linux-gnu", "/usr/lib/*-linux-gnu/tegra", "/usr/lib64", "/usr/lib",
          "/usr/local/nvidia/lib64", "/usr/local/cuda/compat", "/opt/rocm/lib")
KINDS = {1: "integrated", 2: "discrete", 3: "virtual", 4: "cpu"}  # VkPhysicalDeviceType
GIB = 1 << 30
u32, pointer = ctypes.c_uint32, ctypes.c_void_p


def start(function, *arguments):
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    try:
        data = function(*arguments)
    except BaseException as error:
        data = {"error": "%s: %s" % (type(error).__name__, error)}
    os.write(writing, json.dumps(data).encode())
    # No clean-up of libraries: it may crash or hang as well.
    os._exit(0)


def collect(running, deadline):
    child, reading = running
    text = b""
    while True:
        if not select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            os.kill(child, signal.SIGKILL)
            return {"hung": True, "error": "no answer within %g s" % question["seconds"]}
        piece = os.read(reading, 65536)
        if not piece:
            break
        text += piece
    status = os.waitpid(child, 0)[1]
    if text:
        return json.loads(text.decode())
    return {"error": "the asking process was ended by signal %d" % (status & 127)}


def node(path):
    try:
        seen = os.stat(path)
    except OSError as error:
        return {"path": path, "opened": False, "errno": error.errno, "error": error.strerror}
    result = {"path": path, "opened": False, "mode": "%04o" % stat.S_IMODE(seen.st_mode),
              "uid": seen.st_uid, "gid": seen.st_gid}
    if not stat.S_ISCHR(seen.st_mode):
        return dict(result, error="it is no device node")
    # NVIDIA's capability nodes offer no writing to anybody.
    way = os.O_RDWR if seen.st_mode & 0o222 else os.O_RDONLY
    try:
        if path.startswith("/dev/dri/card"):
            # Opening one can make the opener DRM master, which a display server of the container may want to be.
            if not os.access(path, os.R_OK | os.W_OK):
                raise PermissionError(13, "Permission denied")
        else:
            os.close(os.open(path, way | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        return dict(result, errno=error.errno, error=error.strerror)
    return dict(result, opened=True)


def nodes():
    paths = []
    for pattern in question["nodes"]:
        paths += sorted(glob.glob(pattern)) if "*" in pattern else [pattern]
    return [node(path) for path in paths]


class Missing(Exception):
    pass


def load(*names):
    said = []
    for name in names:
        try:
            return ctypes.CDLL(name), name
        except OSError as error:
            said.append(str(error))
    found = [path for place in PLACES for path in sorted(glob.glob(os.path.join(place, os.path.basename(names[0]))))]
    raise Missing({"there": False, "probe": names[0], "error": said[0], "lies_at": found[0] if found else ""})


def text(buffer):
    return buffer.value.decode("utf-8", "replace").strip()


def answer(probe, call="", code=0, **more):
    return dict(more, there=True, probe=probe, call=call, code=code, devices=more.get("devices", []))


def cuda():
    library, name = load("libcuda.so.1")
    number, version = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    for call, arguments in (("cuInit", (0,)), ("cuDeviceGetCount", (ctypes.byref(number),))):
        code = getattr(library, call)(*arguments)
        if code:
            return answer(name, call, code, version=version.value)
    return answer(name, version=version.value, devices=[cuda_device(library, index) for index in range(number.value)])


def cuda_device(library, index):
    device, size, said = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
    library.cuDeviceGet(ctypes.byref(device), index)
    library.cuDeviceGetName(said, 256, device)
    if hasattr(library, "cuDeviceTotalMem_v2"):
        library.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    # The newer call names a MIG slice, the older one the GPU it is cut from (CUDA driver API, cuDeviceGetUuid_v2).
    uuids = [cuda_uuid(library, call, device) for call in ("cuDeviceGetUuid_v2", "cuDeviceGetUuid")]
    return {"name": text(said), "memory_bytes": size.value or None, "uuid": uuids[0] or uuids[1], "parent": uuids[1]}


def cuda_uuid(library, call, device):
    raw = (ctypes.c_ubyte * 16)()
    if not hasattr(library, call) or getattr(library, call)(ctypes.byref(raw), device):
        return ""
    word = bytes(raw).hex()
    return "-".join((word[:8], word[8:12], word[12:16], word[16:20], word[20:]))


def vulkan():
    library, name = load("libvulkan.so.1")

    class Info(ctypes.Structure):  # VkInstanceCreateInfo
        _fields_ = [("type", u32), ("next", pointer), ("flags", u32), ("application", pointer), ("layer_count", u32),
                    ("layers", pointer), ("extension_count", u32), ("extensions", pointer)]

    instance, count = pointer(), u32()
    code = library.vkCreateInstance(ctypes.byref(Info(1)), None, ctypes.byref(instance))
    if code:
        return answer(name, "vkCreateInstance", code)
    code = library.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    handles = (pointer * count.value)()
    code = code or library.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles)
    if code < 0:
        return answer(name, "vkEnumeratePhysicalDevices", code)
    found = []
    for handle in handles:
        # VkPhysicalDeviceProperties: five numbers (versions, vendor, device, type), then the name.
        properties = ctypes.create_string_buffer(4096)
        library.vkGetPhysicalDeviceProperties(pointer(handle), properties)
        numbers = (u32 * 5).from_buffer(properties)
        said = properties.raw[20:276].split(b"\0")[0].decode("utf-8", "replace")
        found.append({"name": said, "vendor": numbers[2], "kind": KINDS.get(numbers[4], "other")})
    return answer(name, devices=found)


def hip():
    library, name = load("libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                         "/opt/rocm/lib/libamdhip64.so")
    number = ctypes.c_int()
    for call, arguments in (("hipInit", (0,)), ("hipGetDeviceCount", (ctypes.byref(number),))):
        code = getattr(library, call)(*arguments)
        if code:
            return answer(name, call, code)
    found = []
    for index in range(number.value):
        said, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
        library.hipDeviceGetName(said, 256, index)
        library.hipDeviceTotalMem(ctypes.byref(size), index)
        found.append({"name": text(said), "memory_bytes": size.value})
    return answer(name, devices=found)


def hsa():
    library, name = load("libhsa-runtime64.so.1", "/opt/rocm/lib/libhsa-runtime64.so.1")
    code = library.hsa_init()
    if code:
        return answer(name, "hsa_init", code)
    found = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64, pointer)
    def agent(handle, _data):
        kind, said, short = u32(), ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
        handle = ctypes.c_uint64(handle)
        # HSA_AGENT_INFO_DEVICE is 17 and a GPU 1; HSA_AMD_AGENT_INFO_PRODUCT_NAME is 0xA009 (hsa.h, hsa_ext_amd.h).
        library.hsa_agent_get_info(handle, 17, ctypes.byref(kind))
        library.hsa_agent_get_info(handle, 0xA009, said)
        library.hsa_agent_get_info(handle, 0, short)
        if kind.value == 1:
            found.append({"name": text(said) or text(short)})
        return 0

    code = library.hsa_iterate_agents(agent, None)
    return answer(name, "hsa_iterate_agents" if code else "", code, devices=found)


def level_zero():
    library, name = load("libze_loader.so.1")
    drivers, number = u32(), u32()
    for call, arguments in (("zeInit", (0,)), ("zeDriverGet", (ctypes.byref(drivers), None))):
        code = getattr(library, call)(*arguments)
        if code:
            return answer(name, call, code)
    handles, found = (pointer * drivers.value)(), []
    library.zeDriverGet(ctypes.byref(drivers), handles)
    for driver in handles:
        number.value = 0
        library.zeDeviceGet(pointer(driver), ctypes.byref(number), None)
        devices = (pointer * number.value)()
        library.zeDeviceGet(pointer(driver), ctypes.byref(number), devices)
        for device in devices:
            # ze_device_properties_t, whose stype is 3: the type at byte 16 (1: GPU), the name at byte 112 (ze_api.h).
            properties = ctypes.create_string_buffer(4096)
            u32.from_buffer(properties).value = 3
            library.zeDeviceGetProperties(pointer(device), properties)
            if u32.from_buffer(properties, 16).value == 1:
                found.append({"name": properties.raw[112:368].split(b"\0")[0].decode("utf-8", "replace")})
    return answer(name, devices=found)


def guarded(function):
    try:
        return function()
    except Missing as missing:
        return missing.args[0]


def torch_build(place):
    # Reading the file is free, importing torch is not.
    with open(os.path.join(place, "version.py"), encoding="utf-8") as stream:
        values = {"__name__": "version"}
        exec(stream.read(), values)
    return {"version": str(values.get("__version__", "")), "cuda": values.get("cuda"), "hip": values.get("hip")}


def torch_sees():
    import torch
    return {"available": bool(torch.cuda.is_available())}


def room():
    # Bytes that this container may still take: an import of torch must not push the workload over its limit.
    for limit, used in (("memory.max", "memory.current"),
                        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        try:
            with open("/sys/fs/cgroup/" + limit) as first, open("/sys/fs/cgroup/" + used) as second:
                return int(first.read()) - int(second.read())
        except (OSError, ValueError):
            continue
    return 1 << 60


def torch(seen):
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return None
    result = torch_build(list(found.submodule_search_locations)[0])
    if question["torch"] and (result["cuda"] or result["hip"]) and seen and room() > 2 * GIB:
        result.update(collect(start(torch_sees), time.monotonic() + question["seconds"] / 2))
    return result


def status(process):
    with open("/proc/%s/status" % process) as stream:
        values = dict(line.split(":", 1) for line in stream if ":" in line)
    groups = {values["Gid"].split()[1], *values["Groups"].split()}
    return [values["Uid"].split()[1], " ".join(sorted(groups, key=int))]


def who(process):
    try:
        return status(process)
    except (OSError, KeyError, ValueError):
        return ["", ""]


def main():
    ways = {"cuda": cuda, "vulkan": vulkan, "hip": hip, "hsa": hsa, "level-zero": level_zero}
    running = {name: start(guarded, ways[name]) for name in question["libraries"]}
    opening = start(nodes)
    deadline = time.monotonic() + question["seconds"]
    libraries = {name: collect(each, deadline) for name, each in running.items()}
    opened = collect(opening, deadline)
    seen = any(each.get("devices") for name, each in libraries.items() if name != "vulkan")
    try:
        build = torch(seen or ("hip" in libraries and not libraries["hip"].get("there")))
    except Exception as error:
        build = {"error": "%s: %s" % (type(error).__name__, error)}
    print("\n" + json.dumps({
        "gpu_probe": 1, "self": who("self"), "first": who("1"), "nodes": opened, "libraries": libraries,
        "torch": build, "environment": {name: os.environ[name] for name in TELLING if name in os.environ},
        "musl": bool(glob.glob("/lib/ld-musl-*")),
    }))


if "GPU_FLEET_PROBE" not in os.environ and lacking():
    start_again_with(lacking())
main()
"""
