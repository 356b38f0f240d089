"""Stands in for the get-pip script that ansible-test downloads: pip, by the pip that Python ships.

ansible-test runs it in an empty virtual environment, with pip's options and the wanted packages as arguments.
"""

from __future__ import annotations

import ensurepip
import glob
import os
import runpy
import sys

# Debian keeps the wheels of ensurepip in a place of their own.
FOLDERS = (os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), "/usr/share/python-wheels")


def main() -> None:
    # The interpreter's own comes first: Debian's may be too old for a newer Python.
    wheels = [wheel for folder in FOLDERS for wheel in glob.glob(os.path.join(folder, "pip-*.whl"))]
    if not wheels:
        sys.exit(f"no pip wheel in {' or '.join(FOLDERS)}; on Debian run: apt-get install python3-venv")
    arguments = [each for each in sys.argv[1:] if each not in ("--no-setuptools", "--no-wheel")]
    sys.path.insert(0, wheels[0])
    sys.argv = ["pip", "install", *arguments]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
