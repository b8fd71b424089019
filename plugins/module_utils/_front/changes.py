# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change VMs: ``<platform>_vm`` and ``<platform>_snapshot``."""

from __future__ import annotations

from .._engine.task import run
from .._lifecycle.options import SNAPSHOT, VM
from .._lifecycle.request import requests, snapshot_requests
from .declaration import Declaration


def vm_module(platform, own_options, make_driver):
    """A ``<platform>_vm`` module: ``make_driver`` turns its parameters into a driver."""
    options = platform.supported({**VM, **own_options})

    def answer(params, check):
        if params.get("machines") is None and not params.get("prune"):
            return _outcome(run(make_driver(params), requests(params, options), check))
        from .machines import run_machines  # Most tasks need none of it.

        return _outcome(run_machines(params, options, platform, make_driver, check))

    return Declaration(options, answer, platform)


def snapshot_module(own_options, make_driver):
    """A ``<platform>_snapshot`` module."""
    options = {**SNAPSHOT, **own_options}

    def answer(params, check):
        return _outcome(run(make_driver(params), snapshot_requests(params, options), check))

    return Declaration(options, answer)


def _outcome(outcome):
    result = {key: getattr(outcome, key) for key in ("changed", "vms", "diff", "warnings")}
    if outcome.failed:
        result.update(failed=True, msg=outcome.msg, **({"exception": outcome.trace} if outcome.trace else {}))
    return result
