# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``vm_backup_info``: the backups in a place, and the age of the newest one of each VM."""

from __future__ import annotations

from .._core.backup.backup import by_age
from .._core.errors import InvalidInput
from .._core.options.backup import PLACES
from .._core.options.option import CONTROLLER_TIME, NAMES, Connection, Policy
from .._core.results.vm_result import describe_backups, reasons_against
from .._drivers.proxmox.options import CONNECTION as PROXMOX_CONNECTION
from .._ports.clock import epoch
from .declaration import Declaration

OPTIONS = {
    "platform": Connection(choices=tuple(PLACES), required=True),
    "name": NAMES,
    "directory": Policy("path", absolute=True, filled=True),
    "storage": Policy(filled=True),
    "verify": Policy("bool", default=False),
    **PROXMOX_CONNECTION,
    **CONTROLLER_TIME,
}


def backup_info_module():
    return Declaration(OPTIONS, _report)


def _report(params, _check):
    place = PLACES[params["platform"]]
    other = next((one for one in PLACES.values() if one != place and params.get(one) is not None), None)
    if other:
        raise InvalidInput(f"{other}: {params['platform']} has no such option.", f"Set {place}.")
    if not params.get(place):
        raise InvalidInput(f"{place}: it is not set.", f"Set the {place} of the backups.")
    found, warnings = {"libvirt": _of_libvirt, "proxmox": _of_proxmox}[params["platform"]](params)
    names, now = params.get("name"), params.get("controller_time") or int(epoch())
    backups = by_age(one for one in found if not names or one.vm in names)
    listed = [{**shown, "age": int(now - one.start)} for one, shown in zip(backups, describe_backups(backups))]
    warnings += [
        f"{one.vm}: backup {one.id} does not count: {why}." for one in backups for why in reasons_against(one, now)
    ]
    return {"changed": False, "warnings": warnings, "backups": listed, "vms": _newest(backups, now)}


def _newest(backups, now):
    """One entry for each VM, by name: its newest backup that counts, if there is one; ``backups`` are by age."""
    by_vm = {}
    for one in backups:
        by_vm.setdefault((one.vm, one.birth), []).append(one)
    entries = []
    for (name, birth), own in sorted(by_vm.items()):
        newest = next((one for one in reversed(own) if one.counts(now)), None)
        age = None if newest is None else int(now - newest.start)
        entries.append({"name": name, "birth": birth, "newest": newest and newest.id, "age": age, "count": len(own)})
    return entries


def _of_libvirt(params):
    """Only the directory is read, so that a host without libvirt can list what it has."""
    from .._drivers.virsh.backups import all_backups

    return all_backups(params["directory"], params["verify"]), []


def _of_proxmox(params):
    from .._drivers.proxmox.backup_list import all_backups
    from .._drivers.proxmox.driver import make_driver

    return all_backups(make_driver(params), params["verify"])
