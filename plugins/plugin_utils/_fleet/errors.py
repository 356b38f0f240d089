# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors are collected, so that a user mends all of them at once."""

from __future__ import annotations

import contextlib
import typing as t

from ...module_utils._errors import FleetError, FleetErrors


class Errors(list[FleetError]):
    """What a plan has against it, in the order found."""

    @contextlib.contextmanager
    def collect(self) -> t.Iterator[None]:
        """Keep a FleetError raised inside, and go on after the block."""
        try:
            yield
        except FleetErrors as errors:
            self.extend(errors.errors)
        except FleetError as error:
            self.append(error)
