# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: changes a VM: all changes with modifyvm are one call, which applies all or none of them.

A step may be sent twice, so changes that are already applied are not repeated.
"""

from __future__ import annotations

import os

from ..._core.model import FAILED, PAUSED, RUNNING
from ..._core.record.answer_media import ANSWER_MEDIA, without_media
from ..._core.record.mark import IN_MARK, own_mark, with_settings
from ..._kit.settings import in_order
from ..._ports import files
from .mark import resolved_mark, write_mark
from .settings.addresses import write_addresses
from .settings.cdroms import change_drives, remove_drive
from .settings.disk_checks import REMOVED
from .settings.disks import add_disk, grow_disk, remove_disk
from .settings.hardware import SECURE_BOOT, write_secure_boot
from .settings.media import disks_of
from .settings.native import native_arguments, native_live_arguments
from .settings.networks import MAX_NICS_OF_CHIPSET, networks_arguments, networks_live_arguments, networks_of, nic_number
from .settings.port_forwards import forwards_arguments, forwards_live_arguments, taken_ports, wanted_rules
from .settings.serial_log import LOG, with_log
from .settings.shared_folders import shares_of, write_shares
from .settings.table import SETTINGS

_FORWARDS = ("port_forwards", "ssh_forward")


def configure(driver, vm, step):
    with driver.vm_lock_of(vm):
        _delete_answer_media(driver, vm, step.arguments.get(ANSWER_MEDIA, ()))
        apply_changes(driver, vm, step.changes)


def _delete_answer_media(driver, vm, media):
    """Delete the files before the image of the installer is ejected: the next run completes an interrupted one."""
    if not media:
        return
    vbox_vm = driver.vbox_vm(vm.id)
    for path in (os.path.join(vbox_vm.folder, name) for name in media):
        for slot in (one for one in vbox_vm.drives if one.medium == path):
            remove_drive(driver, vbox_vm, slot)
            driver.run(vm.id, "closemedium", "dvd", path)
        files.remove(path)
    write_mark(driver, vm.id, without_media(vbox_vm.mark, media))


def apply_changes(driver, vm, changes, vbox_vms=None, more=()):
    """Apply ``changes`` to one VM. ``vbox_vms``: all VMs, if they were just read; ``more``: arguments of modifyvm."""
    vbox_vms = vbox_vms or driver.vbox_vms()
    vbox_vm = vbox_vms[vm.id]
    vm = _with_completed_mark(driver, vm.having(mark=vbox_vm.mark), vbox_vm)
    vm = _with_recorded_log(driver, vm, vbox_vm, changes)
    if vbox_vm.state.power in (RUNNING, PAUSED, FAILED):
        _change_running(driver, vbox_vms, vbox_vm, changes)
    else:
        _change_stored(driver, vbox_vms, vbox_vm, changes, more)
    for change in changes:
        if change.kind in SECURE_BOOT:
            write_secure_boot(driver, vm.id, change.new)
    nics = [change for change in changes if change.field == "networks"]
    if nics:
        write_addresses(driver, vbox_vm, nics, networks_of(vbox_vm))
    if any(change.field == "groups" for change in changes):
        vbox_vm = driver.vbox_vm(vm.id)  # VirtualBox has moved the directory of the VM.
    _change_media(driver, vm, vbox_vm, changes)
    write_shares(driver, vbox_vm, shares_of(vbox_vm), [one for one in changes if one.field == "shared_folders"])
    in_mark = {change.field: change.new for change in changes if change.field in IN_MARK}
    if in_mark:
        write_mark(driver, vm.id, with_settings(own_mark(driver.marked(vm)), in_mark))


def _with_completed_mark(driver, vm, vbox_vm):
    """Complete the mark if an interrupted run recorded the paths of disks and attached them, and by this host."""
    mark = resolved_mark(vm.mark, vbox_vm.media.values()) if vm.owned and vm.mark.get("making") else vm.mark
    if vm.owned and mark != vbox_vm.stored_mark:
        write_mark(driver, vm.id, mark)
    return vm.having(mark=mark)


def _with_recorded_log(driver, vm, vbox_vm, changes):
    """Record a new log before VirtualBox knows its path. If a later call fails, it is a log that does not exist."""
    log = next((change for change in changes if change.kind == LOG), None)
    mark = with_log(vbox_vm, own_mark(vm), log.new) if log else vm.mark
    if log and mark["files"] != own_mark(vm)["files"]:
        write_mark(driver, vm.id, mark)
        return vm.having(mark=mark)
    return vm


def _change_stored(driver, vbox_vms, vbox_vm, changes, more):
    words = [*more, *(word for setting, change in in_order(SETTINGS, changes) for word in setting.write(change.new))]
    for change in changes:
        words += native_arguments(change.key, change.new) if change.field == "native" else []
    words += networks_arguments(vbox_vm, [change for change in changes if change.field == "networks"])
    words += forwards_arguments(vbox_vm, *_rules(driver, vbox_vms, vbox_vm, changes))
    if words and _needs_other_chipset(changes):
        # modifyvm checks the number of NICs before its first change, so the chipset is changed in a call before.
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *native_arguments("chipset", _chipset(changes)))
    if words:
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *words)


def _chipset(changes):
    return next((change.new for change in changes if change.path == "native.chipset"), None)


def _needs_other_chipset(changes):
    """Whether the changes include both a new chipset and a NIC that not every chipset supports."""
    nics = [nic_number(change.key) for change in changes if change.field == "networks"]
    return _chipset(changes) is not None and max(nics, default=0) > min(MAX_NICS_OF_CHIPSET.values())


def _change_running(driver, vbox_vms, vbox_vm, changes):
    calls = [setting.write_live(change.new) for setting, change in in_order(SETTINGS, changes) if setting.write_live]
    calls += [native_live_arguments(change.key, change.new) for change in changes if change.field == "native"]
    calls += networks_live_arguments(vbox_vm, [change for change in changes if change.field == "networks"])
    calls += forwards_live_arguments(vbox_vm, *_rules(driver, vbox_vms, vbox_vm, changes))
    for words in calls:
        driver.run(vbox_vm.uuid, "controlvm", vbox_vm.uuid, *words)


def _rules(driver, vbox_vms, vbox_vm, changes):
    """(number of the NIC, names of rules to remove, rules to add), as arguments of forwards_arguments."""
    own = [change for change in changes if change.field in _FORWARDS]
    if not own:
        return None, [], []
    taken = taken_ports(vbox_vms.values())
    return (_nat_nic(vbox_vm, changes), *wanted_rules(vbox_vm, own, taken, driver.ports))


def _nat_nic(vbox_vm, changes):
    """The number of the first NIC of type nat after the changes."""
    types = {nic.number: nic.type for nic in vbox_vm.machine.nics}
    for change in changes:
        if change.field == "networks" and change.attribute in (None, "type"):
            new = change.new if change.attribute else (change.new or {"type": "none"})["type"]
            types[nic_number(change.key)] = new
    return min((number for number, kind in types.items() if kind == "nat"), default=1)


def _change_media(driver, vm, vbox_vm, changes):
    disks, drives = disks_of(vbox_vm), vbox_vm.cdroms
    removed = [change for change in changes if change.kind in REMOVED and change.key in {*disks, *drives}]
    for change in removed:
        if change.key in disks:
            remove_disk(driver, vbox_vm, change.key)
        else:
            remove_drive(driver, vbox_vm, drives[change.key])
    if removed:
        vbox_vm = driver.vbox_vm(vm.id)  # New disks may use the slots that are free now.
    for change in changes:
        if change.kind == "disks.size":
            grow_disk(driver, vbox_vm, change.key, change.new)
        elif change.kind == "disks.add" and change.key not in disks:
            mark = add_disk(driver, vm, vbox_vm, change.key, change.new)
            if mark != vm.mark and not change.new.get("source"):
                write_mark(driver, vm.id, mark)
                vm = vm.having(mark=mark)
            vbox_vm = driver.vbox_vm(vm.id)
    change_drives(driver, vm.id, changes)
