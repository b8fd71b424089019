# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that only report: ``<platform>_vm_info`` and ``<platform>_snapshot_info``."""

from __future__ import annotations

from .._core.model import RUNNING
from .._core.options.option import FACETS, SNAPSHOT_INFO, VM, VM_INFO
from .._engine.inspect import report_snapshots, report_vms
from .._ports.net import ssh_banner
from .declaration import Declaration

_PROBES_AT_ONCE = 16


def info_module(platform, own_options, make_driver, options=None, with_health=False):
    """A ``<platform>_vm_info`` module.

    ``options`` are the platform's own ones of ``<platform>_vm``, in which ``describe`` writes its tasks.
    ``with_health``: the module also reports which VMs answer by SSH.
    """
    of_task = platform.supported({**VM, **(options or {})})

    def answer(params, _check):
        found = report_vms(make_driver(params), params, platform.name, of_task)
        return {"changed": False, **found, "vms": _with_health(found["vms"]) if with_health else found["vms"]}

    return Declaration({**VM_INFO, **FACETS, **own_options}, answer, platform)


def _with_health(vms):
    """What runs and answers is healthy. Many are asked at once, for one that is silent costs seconds."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=_PROBES_AT_ONCE) as threads:
        return [{**vm, "healthy": is_healthy} for vm, is_healthy in zip(vms, threads.map(_is_healthy, vms))]


def _is_healthy(vm):
    ssh = vm["ssh"]
    return vm["state"] == RUNNING and ssh is not None and ssh_banner(ssh["host"], ssh["port"]) is not None


def snapshot_info_module(platform, own_options, make_driver):
    """A ``<platform>_snapshot_info`` module."""

    def answer(params, _check):
        return {"changed": False, **report_snapshots(make_driver(params), params, platform.name)}

    return Declaration(platform.supported({**VM_INFO, **SNAPSHOT_INFO, **own_options}), answer, platform)
