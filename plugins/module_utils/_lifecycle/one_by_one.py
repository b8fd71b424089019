# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out steps where a backend does one after the other."""

from __future__ import annotations

from .errors import PartlyApplied, PolyvirtError, SomeFailed


def one_by_one(driver, segment):
    """Call the driver's method for each step: ``_start(vm, step)`` for the verb ``start``.

    ``segment`` are (machine, steps) pairs. A machine that fails does not keep the others from being worked on. An error
    tells in ``steps_done`` how many steps of its machine were done, one that was done in part among them.
    """
    failed = {}
    for place, (vm, steps) in enumerate(segment):
        try:
            _carry_out(driver, vm, steps)
        except PolyvirtError as error:
            failed[place] = error
    if failed:
        raise SomeFailed(failed) if len(segment) > 1 else failed[0]


def _carry_out(driver, vm, steps):
    for number, step in enumerate(steps):
        try:
            getattr(driver, f"_{step.verb}")(vm, step)
        except PolyvirtError as error:
            # What was done in part has changed the machine, too.
            error.steps_done = number + 1 if isinstance(error, PartlyApplied) else number
            raise
