# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: cloning: one command creates the whole VM; settings that must be unique are changed afterwards."""

from __future__ import annotations

import os
from functools import partial

from ..._core.model import SUSPENDED
from ..._core.planner.plan_create import find_snapshot
from ..._ports import permits
from .create import add_seed, create_once, finish, undo
from .settings.cdroms import remove_drive
from .settings.disks import base_name
from .settings.port_forwards import fresh_ssh_arguments, taken_ports
from .vbox_vm import SSH_RULE


def clone(driver, vm, step):
    source = step.arguments["source"]
    with driver.vm_lock(source.name, driver.known.folders.get(source.id), reading=True):
        _clone(driver, vm.name, step.arguments, source)


def _clone(driver, name, arguments, source):
    """Create a stopped clone of ``source``."""
    requested = arguments["creation"]["clone"]
    taken = find_snapshot(source, requested.get("snapshot"))
    words = [source.id, f"--name={name}", *(["--snapshot", taken.id] if taken else [])]
    words += ["--options", "link"] if requested.get("linked") else []
    complete = partial(_complete, driver, name, arguments, source)
    create_once(driver, name, ("clonevm", *words), partial(_clone_without_leftover, source), complete, source.id)


def _complete(driver, name, arguments, source, vbox_vm):
    # If another task completes the clone, the source may have been moved or deleted meanwhile.
    _remove_identity(driver, vbox_vm, ((source.mark if source.owned else None) or {}).get("files", ()))
    vbox_vm = driver.vbox_vm(vbox_vm.uuid)
    add_seed(driver, vbox_vm.uuid, name, arguments["creation"], arguments["networks"])
    _renew_ssh(driver, vbox_vm)
    finish(driver, vbox_vm.uuid, arguments)


def _clone_without_leftover(source, driver, path, file, words):
    """Remove what an interrupted run, or a call during which the daemon ended, has not registered; clone again."""
    driver.run(None, "registervm", path)
    undo(driver, file.uuid)
    driver.run(source.id, *words)


def _remove_identity(driver, vbox_vm, sources_files):
    """Remove what two VMs cannot share: saved memory, port forwards, autostart, what leads out of the VM, the file of
    recordings, and the source's cloud-init seed.
    """
    if vbox_vm.state.power == SUSPENDED:
        with permits.also(things=[("memory", vbox_vm.uuid)]):  # This step has created it.
            driver.run(vbox_vm.uuid, "discardstate", vbox_vm.uuid)
    arguments = []
    for name, (nic, _rule) in vbox_vm.rules.items():
        if name != SSH_RULE:
            arguments += [f"--natpf{nic}", "delete", name]
    if vbox_vm.values.get("autostart-enabled") == "on":
        arguments += ["--autostart-enabled", "off"]
    for _what, _path, words in vbox_vm.file.ways_out if vbox_vm.file else ():
        arguments += words
    if vbox_vm.values.get("recording_enabled") == "on":
        arguments += ["--recordingfile", os.path.join(vbox_vm.folder, f"{base_name(vbox_vm)}.webm")]
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
