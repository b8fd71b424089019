# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before the first step of a plan: whether the host has what it needs. Each error names VM, option, remedy."""

from __future__ import annotations

import os

from ..._core.claims import FILE
from ..._core.errors import Refused
from ..._core.model import SNAPSHOT_VERBS
from ..._core.planned import deleted_files, planned
from ..._ports import files
from ..._tools import seed
from .create import check_architecture
from .host_checks import check_host
from .settings.disks import check_added_disk, check_disk, check_disk_can_grow, slot_name
from .settings.display import check_serial_log
from .settings.firmware import FIRMWARE_FIELDS, check_hardware
from .settings.memory_cpus import MEMORY_CPUS_FIELDS, check_fixed_maximum
from .settings.port_forwards import check_passt
from .settings.shared_folders import check_shares
from .storage import check_iso, check_space


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound or Refused if the plan would fail after some of its steps.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    own_files = deleted_files(plan)
    to_delete = {files.identity(path) for path in own_files}
    to_delete |= {identity[1] for kind, identity in released if kind == FILE}
    cloned = None
    for one in planned(plan):
        if one.step.verb == "create":
            _check_creation(driver, plan.after.name, one.step.arguments, to_delete, own_files)
        elif one.step.verb == "clone":
            cloned = _check_clone(driver, plan.after.name, one.step.arguments, to_delete, own_files)
        elif one.step.verb == "configure":
            _check_changes(driver, one.vm, one.changes, to_delete)
            _check_maxima(driver, one.vm, one.changes, cloned)
        elif one.step.verb in SNAPSHOT_VERBS:
            _check_snapshot(driver, plan.before, one.step)
    check_hardware(driver, plan)
    check_shares(driver, plan)
    check_passt(driver, plan)
    _check_deletion(driver, plan)
    check_host(driver, plan)


def _check_clone(driver, name, arguments, to_delete, own_files):
    from .clone import check_clone

    definition = check_clone(driver, name, arguments["creation"], arguments["source"], to_delete, own_files)
    _check_seed(driver, name, arguments)
    return definition


def _check_snapshot(driver, vm, step):
    from .snapshot_checks import check_snapshot  # Imported here so that only snapshot tasks load it.

    check_snapshot(driver, vm, step)


def _check_creation(driver, name, arguments, to_delete, own_files):
    config, creation = arguments["config"], arguments["creation"]
    check_architecture(name, driver.hypervisor)
    image = creation.get("image")
    disks = config.get("disks") or {}
    if disks or creation.get("cloud_init"):
        driver.storage.check_folder()
    if config.get("firmware") == "uefi":
        driver.storage.check_folder(written=False)
        driver.storage.check_no_nvram(name, config["secure_boot"], to_delete)
    if config.get("serial_log"):
        _check_serial_log(driver, name, config["serial_log"])
    for slot, entry in disks.items():
        base = image if slot == slot_name(0) else None
        if base:
            driver.storage.check_image(name, base, entry)
        check_disk(driver, name, slot, entry, base, to_delete)
        if base and not entry.get("source"):
            check_space(driver, name, [base], own_files)
    if config.get("iso"):
        check_iso(name, config["iso"])
    _check_seed(driver, name, arguments)


def _check_seed(driver, name, arguments):
    if arguments["creation"].get("cloud_init") is not None:
        seed.find_tool(driver.commands)
        seed.check_documents(arguments, name)


def _check_serial_log(driver, name, path):
    if driver.is_local:
        check_serial_log(name, path)


def _check_changes(driver, vm, changes, released):
    added = [change for change in changes if change.kind == "disks.add"]
    if added:
        driver.storage.check_folder()
        for change in added:
            check_added_disk(driver, vm, change, released)
    after = {**vm.config, **{change.field: change.new for change in changes}}
    if any(change.field in FIRMWARE_FIELDS for change in changes) and after["firmware"] == "uefi":
        driver.storage.check_folder(written=False)
    for change in changes:
        if change.kind == "iso" and change.new:
            check_iso(vm.name, change.new)
        if change.kind == "serial_log" and change.new:
            _check_serial_log(driver, vm.name, change.new)
        if change.kind == "disks.size":
            check_disk_can_grow(vm, change)


def _check_maxima(driver, vm, changes, cloned):
    """Check CPUs and memory with the definition of the VM, or the one that it is ``cloned`` from."""
    for change in changes:
        if change.field in MEMORY_CPUS_FIELDS:
            for definition in driver.definitions_of(vm) if cloned is None else [cloned]:
                check_fixed_maximum(definition, change)


def _check_deletion(driver, plan):
    """Reject files in a directory that is not writable, before the VM is stopped: they could not be deleted."""
    for path in deleted_files(plan):
        folder = os.path.dirname(path)
        if files.exists(folder) and not files.is_writable(folder) and os.path.lexists(path):
            raise Refused(
                f"{plan.before.name}: {path} cannot be deleted, because its directory is not writable.",
                "Run the task with become, or keep the disks (delete_disks: none).",
            )
