# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out steps one after the other, for drivers with a backend that takes a single call at a time."""

from __future__ import annotations

from .._core.errors import PolyvirtError, SomeFailed, unexpected


def one_by_one(carry_out, batch, count_writes, granted):
    """Call ``carry_out(vm, step)`` for each step; ``carry_out`` is the driver's function for the step's verb.

    ``batch`` are (VM, steps, Permit): the steps of a VM may destroy what its own Permit lists, in a context that
    ``granted`` of the ports returns. ``count_writes()`` returns (certain, possible) changes of the ports so far. If one
    VM fails, the others are still processed. An error's ``steps_done`` is the number of complete steps of its VM,
    ``wrote`` whether anything was changed (None: not known). Returns ``wrote`` for each VM, in order.
    """
    failed, wrote = {}, {}
    for place, (vm, steps, permit) in enumerate(batch):
        before = count_writes()
        try:
            with granted(permit):
                _carry_out(carry_out, vm, steps)
        except PolyvirtError as error:
            failed[place] = error
        wrote[place] = _wrote(before, count_writes())
    for place, error in failed.items():
        error.wrote = wrote[place]
    if failed:
        raise SomeFailed(failed, wrote) if len(batch) > 1 else failed[0]
    return list(wrote.values())


def _wrote(before, after):
    if after[0] > before[0]:
        return True
    return None if after[1] > before[1] else False


def _carry_out(carry_out, vm, steps):
    for number, step in enumerate(steps):
        try:
            carry_out(vm, step)
        except PolyvirtError as error:
            error.steps_done = number
            raise
        except Exception as error:  # A bug here must not lose the results of the other VMs of the batch.
            bug = unexpected(error)
            bug.steps_done = number
            raise bug from error
