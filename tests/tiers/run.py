"""Runs tiers of tests, some of them side by side, and says how each ended: `./dev test` in one process.

Usage: run.py TIER … (in the checkout, with .venv-test's programs first on PATH). Exit status 0 when nothing failed, 1 when
something did, 130 when it was interrupted.

One tier alone shows its output as it comes. Of several, each is shown whole when it ends, and a line says meanwhile what
runs: many tests wait for engines, hosts and timers, so that three tiers together take little longer than the longest.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass

TIERS = pathlib.Path(__file__).resolve().parent
AT_ONCE = int(os.environ.get("GPU_FLEET_TIERS_AT_ONCE", "2"))
LONGEST = ("integration", "fleet", "engines", "images")
"""These begin first, in this order; the others fill the time beside them."""
SAYS_WHAT_RUNS_EVERY = 60.0
ENDS_WITHIN = 90.0
"""Seconds that an interrupted tier has to take its engines, hosts and mounts away."""
PIECE = 1 << 16
# «3 failed, 120 passed, 2 warnings in 4.56s», between rulers or (with -q) without.
_CLOSING = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
_FAILURES = ("failed", "error", "errors")


def count(output: str, succeeded: bool) -> tuple[int, int]:
    """How many tests passed and failed: closing lines of pytest summed; a tier without one counts as one test."""
    passed = failed = 0
    for line in output.splitlines():
        closing = _CLOSING.match(line)
        for number, word in re.findall(r"(\d+) ([a-z]+)", closing.group(1)) if closing else []:
            passed += int(number) if word == "passed" else 0
            failed += int(number) if word in _FAILURES else 0
    if succeeded and passed == 0:
        passed = 1
    if not succeeded and failed == 0:
        failed = 1
    return passed, failed


@dataclass(frozen=True)
class Ended:
    """How a tier ended."""

    tier: str
    succeeded: bool
    passed: int
    failed: int
    seconds: float

    def __str__(self) -> str:
        result = "ok" if self.succeeded else "FAILED"
        return f"{self.tier:<12} {result:<7} {self.passed:4} passed {self.failed:3} failed {self.seconds:5.0f} s"


class Tier:
    """A tier that runs, in a process group of its own, with its output in a file."""

    def __init__(self, name: str, show: bool) -> None:
        self.name = name
        self.begin = time.monotonic()
        self._show = show
        self._shown = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the tier has ended
        # Nothing of a tier may ask somebody at the keyboard.
        self.process = subprocess.Popen(
            ["bash", str(TIERS / name)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin

    def follow(self) -> None:
        """Show what is new, when this tier is shown as it goes."""
        if self._show:
            self._print_rest()

    def ended(self) -> Ended:
        """Show what was not shown yet, and count. Only for a tier whose process has ended."""
        seconds, succeeded = self.seconds, self.process.returncode == 0
        if not self._show:
            say(f"tests: {self.name}, its whole output after {seconds:.0f} s")
        self._print_rest()
        self._log.seek(0)
        passed, failed = count(self._log.read().decode(errors="replace"), succeeded)
        self._log.close()
        return Ended(self.name, succeeded, passed, failed, seconds)

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes but those that made a group of their own; the tier's script stops these itself."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _print_rest(self) -> None:
        while piece := os.pread(self._log.fileno(), PIECE, self._shown):
            self._shown += len(piece)
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()


def say(text: str) -> None:
    print(f"\n==> {text}", flush=True)


def in_order(wanted: t.Sequence[str]) -> list[str]:
    """Each tier once, the longest first, the others as they were named."""
    longest = [tier for tier in LONGEST if tier in wanted]
    return [*longest, *(tier for tier in dict.fromkeys(wanted) if tier not in longest)]


def run(wanted: t.Sequence[str], interrupted: threading.Event) -> list[Ended] | None:
    """Run them all, whatever fails: results in the order in which they were named. None when it was interrupted."""
    waiting, running, results = in_order(wanted), [], {}
    alone = len(waiting) == 1
    said = time.monotonic()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            say(f"tests: {waiting[0]}" + ("" if alone else " begins"))
            running.append(Tier(waiting.pop(0), alone))
        for tier in [tier for tier in running if tier.process.poll() is not None]:
            running.remove(tier)
            results[tier.name] = tier.ended()
            said = time.monotonic()
        for tier in running:
            tier.follow()
        if not alone and time.monotonic() - said > SAYS_WHAT_RUNS_EVERY:
            said = time.monotonic()
            print("    running: " + ", ".join(f"{tier.name} {tier.seconds:.0f} s" for tier in running), flush=True)
        if interrupted.wait(0.2):
            stop(running)
            return None
    return [results[tier] for tier in dict.fromkeys(wanted)]


def stop(running: t.Sequence[Tier]) -> None:
    """End what still runs, as Ctrl-C in a terminal would: each takes away what it made, or is killed at the deadline."""
    deadline = time.monotonic() + ENDS_WITHIN
    for tier in running:
        print(f"    stopping {tier.name}", flush=True)
        tier.signal(signal.SIGINT)
    for tier in running:
        try:
            tier.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f"    {tier.name} does not end and is killed", flush=True)
            tier.signal(signal.SIGKILL)
            tier.process.wait()


def summary(results: t.Sequence[Ended], seconds: float) -> str:
    lines = [str(result) for result in results]
    if len(lines) > 1:
        lines.append(f"{'together':<12} {seconds:>38.0f} s")
    totals = sum(result.passed for result in results), sum(result.failed for result in results)
    return "\n".join([*lines, "", "{} passed, {} failed".format(*totals)])


def main(wanted: t.Sequence[str]) -> int:
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: interrupted.set())
    begin = time.monotonic()
    results = run(wanted, interrupted)
    if results is None:
        print("dev: interrupted", file=sys.stderr)
        return 130
    say("Ran on")
    subprocess.run(["bash", str(TIERS / "platform")], check=False)
    say("Summary")
    print(summary(results, time.monotonic() - begin), flush=True)
    return 0 if all(result.failed == 0 for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
