"""Reads a tier's output on stdin and prints how many tests passed and failed.

Usage: count.py ok|FAILED. Closing lines of pytest are summed; a tier without one counts as one test.
"""

from __future__ import annotations

import re
import sys

# «3 failed, 120 passed, 2 warnings in 4.56s», between rulers or (with -q) without.
CLOSING = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
FAILURES = ("failed", "error", "errors")


def count(output: str, succeeded: bool) -> tuple[int, int]:
    passed = failed = 0
    for line in output.splitlines():
        closing = CLOSING.match(line)
        for number, word in re.findall(r"(\d+) ([a-z]+)", closing.group(1)) if closing else []:
            passed += int(number) if word == "passed" else 0
            failed += int(number) if word in FAILURES else 0
    if succeeded and passed == 0:
        passed = 1
    if not succeeded and failed == 0:
        failed = 1
    return passed, failed


if __name__ == "__main__":
    print(*count(sys.stdin.read(), sys.argv[1] == "ok"))
