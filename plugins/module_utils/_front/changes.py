# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that change VMs, snapshots and backups: ``<platform>_vm``, ``_snapshot`` and ``_backup``."""

from __future__ import annotations

from .._core.frozen import replace
from .._core.options.option import NEEDS_PRUNE, SNAPSHOT, VM
from .._core.options.request import requests, size_warnings, snapshot_requests
from .._engine.task import run
from .._ports.clock import epoch
from .declaration import changing


def vm_module(platform, own_options, make_driver):
    """A ``<platform>_vm`` module: ``make_driver`` turns its parameters into a driver."""
    options = platform.supported({**VM, **own_options})

    def answer(params, check, approval):
        if params.get("machines") is None and not any(params.get(name) for name in ("prune", *NEEDS_PRUNE)):
            outcome = run(make_driver(params), requests(params, options), check, approval).result()
        else:
            from .machines import run_machines  # Most tasks need none of it.

            outcome = run_machines(params, options, platform, make_driver, check, approval).result()
        return {**outcome, "warnings": [*size_warnings(params), *outcome["warnings"]]}

    return changing(options, answer, platform)


def snapshot_module(platform, own_options, make_driver):
    """A ``<platform>_snapshot`` module: ``make_driver`` turns its parameters into a driver."""
    options = platform.supported({**SNAPSHOT, **own_options})

    def answer(params, check, approval):
        return run(make_driver(params), snapshot_requests(params, options), check, approval).result()

    return changing(options, answer, platform)


def backup_module(platform, own_options, lacks, make_driver):
    """A ``<platform>_backup`` module. ``lacks``: shared options that it does not have, instead of the platform's."""
    from .._core.options.backup import BACKUP, backup_requests  # Only these modules need it.

    platform = replace(platform, lacks=lacks)
    options = platform.supported({**BACKUP, **own_options})

    def answer(params, check, approval):
        if params.get("controller_time") is None:
            params = {**params, "controller_time": int(epoch())}
        is_each = params.get("each") is not None
        return run(make_driver(params), backup_requests(params, options), check, approval, is_each=is_each).result()

    return changing(options, answer, platform)
