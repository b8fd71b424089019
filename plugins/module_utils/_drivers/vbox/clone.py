# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning: VirtualBox creates the whole VM with one command; what must be unique is changed afterwards."""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.mark import parsed
from ..._lifecycle.model import SUSPENDED
from ..._lifecycle.plan_create import find_snapshot
from ..._tools.vboxmanage_file import settings_in
from .create import add_seed, begun_vm, finish, is_complete, lost_race, undone_on_failure
from .mark import KEY, is_created_here, new_id, write_mark
from .settings.disks import remove_drive
from .settings.port_forwards import fresh_ssh_arguments, taken_ports
from .vbox_vm import SSH_RULE


def clone(driver, vm, step):
    source = step.arguments["source"]
    with driver.alone_with(source.name, driver.known.folders.get(source.id), reading=True):
        _clone(driver, vm.name, step.arguments, source)


def _clone(driver, name, arguments, source):
    """Create a VM that is off, like ``source``."""
    creation = arguments["creation"]
    if is_complete(driver, name):
        return
    vbox_vm = begun_vm(driver, name) or _begin(driver, name, creation["clone"], source)
    driver.begun[name] = vbox_vm.uuid
    with driver.alone_with(name, vbox_vm.folder), undone_on_failure(driver, vbox_vm.uuid):
        # Its source may have been moved or deleted when the clone is completed later.
        sources_mark = source.mark if source.owned else {}
        _take_identity_away(driver, vbox_vm, (sources_mark or {}).get("files", ()))
        vbox_vm = driver.vbox_vm(vbox_vm.uuid)
        if vbox_vm.begun_mark != vbox_vm.mark:
            write_mark(driver, vbox_vm.uuid, vbox_vm.begun_mark)
        add_seed(driver, vbox_vm.uuid, name, creation, arguments["networks"])
        _renew_ssh(driver, vbox_vm)
        finish(driver, vbox_vm.uuid, arguments["config"], {"clone": source.id})


def _begin(driver, name, requested, source):
    uuid = new_id()
    words = ["clonevm", source.id, f"--name={name}", "--uuid", uuid, "--register"]
    taken = find_snapshot(source, requested.get("snapshot"))
    words += ["--snapshot", taken.id] if taken else []
    words += ["--options", "link"] if requested.get("linked") else []
    words += ["--basefolder", driver.storage_path] if driver.storage_path else []
    # Without an answer, it may have been created nevertheless.
    with undone_on_failure(driver, uuid):
        try:
            driver.run(source.id, *words)
        except CommandFailed as error:
            if not _remove_leftover(driver, error):
                raise
            driver.run(source.id, *words)
    vbox_vm = driver.vbox_vms().get(uuid) or begun_vm(driver, name)
    if vbox_vm is None:
        raise lost_race(name)
    return vbox_vm


def _remove_leftover(driver, error):
    """An interrupted run may have left an unregistered settings file with some of its disks."""
    begin, end = "Machine settings file '", "' already exists"
    path = error.stderr.partition(begin)[2].partition(end)[0] if end in error.stderr else ""
    file = settings_in(path) if path else None
    mark = parsed(file.extra_data.get(KEY)) if file else None
    if file is None or not is_created_here(file.uuid) or (mark or {}).get("id") == file.uuid:
        return False
    if file.uuid in driver.vbox_vms():
        return False
    driver.run(None, "registervm", path)
    driver.run(None, "unregistervm", file.uuid, "--delete")
    return True


def _take_identity_away(driver, vbox_vm, sources_files):
    """Remove what two VMs cannot share: saved memory, port forwards, the seed with the identity of the source."""
    if vbox_vm.state.power == SUSPENDED:
        driver.run(vbox_vm.uuid, "discardstate", vbox_vm.uuid)
    rules = [word for name, (nic, _rule) in vbox_vm.rules.items() if name != SSH_RULE for word in _delete(nic, name)]
    off = ["--autostart-enabled", "off"] if vbox_vm.values.get("autostart-enabled") == "on" else []
    if rules or off:
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *rules, *off)
    for slot in vbox_vm.drives:
        if os.path.basename(slot.medium) in sources_files:
            remove_drive(driver, vbox_vm, slot)


def _delete(nic, name):
    return [f"--natpf{nic}", "delete", name]


def _renew_ssh(driver, vbox_vm):
    """The SSH forward of the source, with a new host port for the clone."""
    if SSH_RULE not in vbox_vm.rules:
        return
    vbox_vms = driver.vbox_vms()
    _nic, rule = vbox_vm.rules[SSH_RULE]
    if rule.host_port in taken_ports(vbox_vms.values(), vbox_vm.uuid):
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *fresh_ssh_arguments(vbox_vms, vbox_vm, driver.ports))
