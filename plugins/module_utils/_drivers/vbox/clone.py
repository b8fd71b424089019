# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning: VirtualBox creates the whole VM with one command; settings that must be unique are changed afterwards."""

from __future__ import annotations

import os

from ..._core.errors import CommandFailed
from ..._core.mark import parsed
from ..._core.model import SUSPENDED
from ..._core.plan_create import find_snapshot
from ..._tools.vboxmanage_file import settings_in
from .create import add_seed, concurrent_creation_error, finish, is_complete, undone_on_failure, unfinished_vm
from .mark import KEY, is_created_here, new_id, write_mark
from .settings.disks import remove_drive
from .settings.port_forwards import fresh_ssh_arguments, taken_ports
from .vbox_vm import SSH_RULE


def clone(driver, vm, step):
    source = step.arguments["source"]
    with driver.vm_lock(source.name, driver.known.folders.get(source.id), reading=True):
        _clone(driver, vm.name, step.arguments, source)


def _clone(driver, name, arguments, source):
    """Create a stopped clone of ``source``."""
    creation = arguments["creation"]
    if is_complete(driver, name):
        return
    vbox_vm = unfinished_vm(driver, name) or _begin(driver, name, creation["clone"], source)
    driver.creating[name] = vbox_vm.uuid
    with driver.vm_lock(name, vbox_vm.folder), undone_on_failure(driver, vbox_vm.uuid):
        # If another task completes the clone, the source may have been moved or deleted meanwhile.
        sources_mark = source.mark if source.owned else {}
        _remove_identity(driver, vbox_vm, (sources_mark or {}).get("files", ()))
        vbox_vm = driver.vbox_vm(vbox_vm.uuid)
        if vbox_vm.unfinished_mark != vbox_vm.mark:
            write_mark(driver, vbox_vm.uuid, vbox_vm.unfinished_mark)
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
    # If the call fails, VirtualBox may have created the VM nevertheless.
    with undone_on_failure(driver, uuid):
        try:
            driver.run(source.id, *words)
        except CommandFailed as error:
            if not _remove_leftover(driver, error):
                raise
            driver.run(source.id, *words)
    vbox_vm = driver.vbox_vms().get(uuid) or unfinished_vm(driver, name)
    if vbox_vm is None:
        raise concurrent_creation_error(name)
    return vbox_vm


def _remove_leftover(driver, error):
    """Remove a clone that an interrupted run has not registered, with its disks. Returns whether there was one."""
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


def _remove_identity(driver, vbox_vm, sources_files):
    """Remove what two VMs cannot share: saved memory, port forwards, autostart, and the source's cloud-init seed."""
    if vbox_vm.state.power == SUSPENDED:
        driver.run(vbox_vm.uuid, "discardstate", vbox_vm.uuid)
    arguments = []
    for name, (nic, _rule) in vbox_vm.rules.items():
        if name != SSH_RULE:
            arguments += [f"--natpf{nic}", "delete", name]
    if vbox_vm.values.get("autostart-enabled") == "on":
        arguments += ["--autostart-enabled", "off"]
    if arguments:
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *arguments)
    for slot in vbox_vm.drives:
        if os.path.basename(slot.medium) in sources_files:
            remove_drive(driver, vbox_vm, slot)


def _renew_ssh(driver, vbox_vm):
    """Set a new host port for SSH if the clone has that of its source."""
    if SSH_RULE not in vbox_vm.rules:
        return
    vbox_vms = driver.vbox_vms()
    _nic, rule = vbox_vm.rules[SSH_RULE]
    if rule.host_port in taken_ports(vbox_vms.values(), vbox_vm.uuid):
        driver.run(vbox_vm.uuid, "modifyvm", vbox_vm.uuid, *fresh_ssh_arguments(vbox_vms, vbox_vm, driver.ports))
