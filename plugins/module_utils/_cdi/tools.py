# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks vendors' programs for their specs. They write nothing outside a temporary directory of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import typing as t

from .._errors import FleetError
from .._gpu.probe import CommandResult, find_program
from . import kinds
from .form import documents, parse
from .schema import problems
from .versions import Spec, minimum

Run = t.Callable[[t.Sequence[str], float], CommandResult]

MODES = {"nvidia": "nvml", "nvidia-wsl": "wsl", "nvidia-tegra": "auto"}
"""Mode of nvidia-ctk. Tegra: csv, or nvml on newer boards, which only the tool itself can tell."""

REDIRECTED = ("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH",)
"""Variables that would send the spec to a file instead of to us."""


def program_of(stack: str) -> str | None:
    """Absolute path of the tool that writes specs of a stack; None where it is not installed or there is none."""
    tool = kinds.TOOLS.get(stack)
    return find_program(tool.program) if tool else None


def ask(stack: str, program: str, directory: str, run: Run, timeout: float) -> Spec:
    """The spec as the vendor's program writes it, checked against the parser's rules.

    directory: an empty one that exists, for programs that print nothing. timeout: seconds.
    Raises FleetError, with the program's own words, where it fails, hangs or answers something else.
    """
    argv = argv_for(stack, program, directory)
    result = run(argv, timeout)
    command = " ".join([os.path.basename(program), *argv[1:]])
    if result.rc != 0:
        raise FleetError(f"it failed with status {result.rc}: {_words(result)}", command, _mend(stack))
    spec = _of_kind(kinds.KINDS[stack], _answers(stack, result, directory, command), command)
    # Which version it has does not matter: it is told anew from the content.
    found = problems({**spec, "cdiVersion": minimum(spec)})
    if found:
        raise FleetError(
            f"engines would drop its spec: {'; '.join(found[:3])}", command, f"Update {kinds.TOOLS[stack].package}."
        )
    return spec


def argv_for(stack: str, program: str, directory: str) -> list[str]:
    """The command. nvidia-ctk prints the spec; the others can only write files."""
    tool = kinds.TOOLS[stack]
    if tool is kinds.NVIDIA_CTK:
        return [program, "cdi", "generate", "--format=json", f"--mode={MODES[stack]}"]
    if tool is kinds.AMD_CTK:
        return [program, "cdi", "generate", f"--output={directory}/amd.json"]
    return [program, f"--cdi-dir={directory}", "--naming=classic", "npu" if stack == "intel-npu" else "gpu"]


def _mend(stack: str) -> str:
    own = " Or set `tool: own` to have the collection describe the devices." if stack in kinds.WITHOUT_TOOL else ""
    return f"Run the command by hand; nothing was written.{own}"


def _answers(stack: str, result: CommandResult, directory: str, command: str) -> list[Spec]:
    try:
        if kinds.TOOLS[stack] is kinds.NVIDIA_CTK:
            return documents(result.stdout)
        paths = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
        if not paths:
            raise ValueError(f"it wrote no file and said: {_words(result)}")
        return [_read(path) for path in paths if path.endswith((".json", ".yaml"))]
    except ValueError as error:
        said = f" ({_words(result)})" if result.stdout.strip() and stack.startswith("nvidia") else ""
        raise FleetError(f"its answer cannot be read: {error}{said}", command, _mend(stack)) from error


def _read(path: str) -> Spec:
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse(file.read(), path)


def _of_kind(kind: str, specs: list[Spec], command: str) -> Spec:
    """The one of the wanted kind; a tool may write others beside it (nvidia.com/gpu.coherent, intel.com/gpu-mei)."""
    for spec in specs:
        if spec.get("kind") == kind:
            return spec
    found = ", ".join(sorted({str(spec.get("kind")) for spec in specs}))
    raise FleetError(f"it wrote no spec of {kind}, but {found or 'nothing'}", command, "Run the command by hand.")


def _words(result: CommandResult) -> str:
    """The last lines that the program said, errors before output."""
    for text in (result.stderr, result.stdout):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return " / ".join(lines[-3:])[:600]
    return "it said nothing"


def run_program(argv: t.Sequence[str], timeout: float) -> CommandResult:
    """Run a program with all that it starts, at most `timeout` seconds; status 124 where it took longer."""
    environment = {name: value for name, value in os.environ.items() if name not in REDIRECTED}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**environment, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            return CommandResult(126, "", str(error))
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            # Its children hold no pipe of ours, but they should not go on either.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return CommandResult(124, "", f"no answer within {timeout:g} s")
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return CommandResult(status, *texts)
