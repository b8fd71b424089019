# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from its host, checked before the first step; each error names VM, option and remedy."""

from __future__ import annotations

import os
import re

from ..._lifecycle.errors import NotFound, PolyvirtError, Refused
from ..._lifecycle.model import PAUSED, RUNNING, SNAPSHOT_VERBS, SUSPENDED
from ..._lifecycle.planned import deleted_files, planned
from ..._lifecycle.units import GIB, MIB, human_size
from ..._ports import files
from ..._tools import seed
from ..._tools.virsh_output import qemu_owner
from .create import check_architecture
from .settings.disks import check_added_disk, check_disk, check_growing, slot_name
from .settings.display import check_serial_log
from .settings.firmware import FIRMWARE_FIELDS, check_hardware
from .settings.memory_cpus import check_processors
from .settings.networks import check_macs, check_networks
from .settings.port_forwards import check_passt
from .settings.shared_folders import check_saving, check_shares
from .storage import bases, check_iso, check_space, written_files
from .traits import EXTERNAL


def check_plan(driver, plan):
    """Raise NotFound or Refused for what would fail after something was done already."""
    to_delete = {os.path.realpath(path) for path in deleted_files(plan)}
    for one in planned(plan):
        if one.step.verb == "create":
            _check_creation(driver, plan.after.name, one.step.arguments, to_delete)
        elif one.step.verb == "clone":
            _check_clone(driver, plan.after.name, one.step.arguments, to_delete)
        elif one.step.verb == "configure":
            _check_changes(driver, one.vm, one.changes)
        elif one.step.verb in SNAPSHOT_VERBS:
            _check_snapshot(driver, plan.before, one.step)
    check_hardware(driver, plan)
    check_networks(driver, plan)
    check_macs(driver, plan)
    check_host_of(driver, plan)
    check_shares(driver, plan)
    if _saves_memory(plan):
        check_saving(driver, plan)
    check_passt(driver, plan)
    _check_deletion(driver, plan)
    _check_bases(driver, plan)


def _saves_memory(plan):
    """Whether a plan suspends a VM, or takes a snapshot with its memory."""
    is_on = plan.before.power in (RUNNING, PAUSED)
    taken = [step.arguments for step in plan.steps if step.verb == "snapshot" and is_on]
    with_memory = any(one["kind"] != EXTERNAL or one["include_memory"] for one in taken)
    return with_memory or any(step.verb == "suspend" for step in plan.steps)


#: Steps after which a VM may write to its disks, or only needs to be started to do so.
_WRITING = frozenset({"create", "start", "restore"})


def _check_bases(driver, plan):
    """Reject a plan in which the VM would write to a backing file of other VMs' disks."""
    vm = plan.before
    sources = {slot: disk.get("source") for slot, disk in (plan.after.config.get("disks") or {}).items()}
    if not any(sources.values()) or not _may_write(plan):
        return
    for slot, path in sorted(sources.items()):
        users = _standing_on(driver, vm, os.path.realpath(path or ""))
        if users:
            raise Refused(
                f"{vm.name}: disk {slot} ({path}) must not be written to, because it is the backing file of disks of"
                f" {', '.join(sorted(users))}.",
                "Delete those VMs first. To avoid this, create linked clones from an external snapshot.",
            )


def _standing_on(driver, vm, path):
    """Names of the VMs whose disks have an image as backing file, according to their marks or their disks' headers."""
    marked = bases(driver.all_definitions()).get(path, set()) - {vm.name}
    found = driver.file_users().standing_on(vm).get(path, set()) if driver.is_local else set()
    return marked | found


def _may_write(plan):
    touches_disks = any(change.field == "disks" for step in plan.steps for change in step.changes)
    return touches_disks or bool(_WRITING & {step.verb for step in plan.steps})


def _check_clone(driver, name, arguments, to_delete):
    from .clone import check_clone

    check_clone(driver, name, arguments["creation"], arguments["source"], to_delete)
    _check_seed(driver, name, arguments)


def _check_snapshot(driver, vm, step):
    from .snapshot_checks import check_snapshot  # Imported here so that only snapshot tasks load it.

    check_snapshot(driver, vm, step)


def _check_creation(driver, name, arguments, to_delete):
    config, creation = arguments["config"], arguments["creation"]
    check_architecture(name, driver.hypervisor)
    written_by = written_files(driver.all_definitions())
    image = creation.get("image")
    disks = config.get("disks") or {}
    if disks or creation.get("cloud_init"):
        driver.storage.check_folder()
    if config.get("firmware") == "uefi":
        _check_nvram(driver, name, config["secure_boot"], written_by)
        driver.storage.check_no_nvram(name, config["secure_boot"], to_delete)
    if config.get("serial_log"):
        check_serial_log(name, None, config["serial_log"], driver.all_definitions(), driver.is_local)
    for slot, entry in disks.items():
        base = image if slot == slot_name(0) else None
        if base:
            driver.storage.check_image(name, base, entry, written_by)
        check_disk(driver, name, slot, entry, written_by, base, to_delete)
        if base and not entry.get("source"):
            check_space(driver, name, [base], to_delete)
    if config.get("iso"):
        check_iso(name, config["iso"])
    _check_seed(driver, name, arguments)


def _check_seed(driver, name, arguments):
    if arguments["creation"].get("cloud_init") is not None:
        seed.find_tool(driver.commands)
        seed.check_documents(arguments, name)
        written_by = written_files(driver.all_definitions())
        driver.storage.check_free(name, driver.storage.seed_path(name), written_by)


def _check_nvram(driver, name, secure_boot, written_by):
    driver.storage.check_folder(written=False)
    driver.storage.check_free(name, driver.storage.nvram_path(name, secure_boot), written_by)


def _check_changes(driver, vm, changes):
    added = [change for change in changes if change.kind == "disks.add"]
    if added:
        driver.storage.check_folder()
        written_by = written_files(driver.all_definitions())
        for change in added:
            check_added_disk(driver, vm, change, written_by)
    if any(change.field in FIRMWARE_FIELDS for change in changes):
        _check_new_firmware(driver, vm, changes)
    for change in changes:
        if change.kind == "iso" and change.new:
            check_iso(vm.name, change.new)
        if change.kind == "serial_log" and change.new:
            check_serial_log(vm.name, vm.id, change.new, driver.all_definitions(), driver.is_local)
        if change.kind == "disks.size":
            check_growing(vm, change)
        if change.field in ("cpus", "max_cpus"):
            for definition in driver.definitions_of(vm):
                check_processors(definition, change)


def _check_new_firmware(driver, vm, changes):
    after = {**vm.config, **{change.field: change.new for change in changes}}
    if after["firmware"] == "uefi":
        _check_nvram(driver, vm.name, bool(after["secure_boot"]), written_files(driver.all_definitions()))


def _check_deletion(driver, plan):
    """Deleting a file needs a writable directory; check this while the VM is still running."""
    for path in deleted_files(plan):
        folder = os.path.dirname(path)
        if files.exists(folder) and not files.is_writable(folder) and os.path.lexists(path):
            raise Refused(
                f"{plan.before.name}: {path} cannot be deleted, because its directory is not writable.",
                "Run the task with become, or keep the disks (delete_disks: none).",
            )


_INTERFACES = "/sys/class/net"
_OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
_MEMORY = re.compile(rb"^(?:MemTotal|SwapTotal): +(\d+) kB$", re.MULTILINE)


def check_host_of(driver, plan):
    """Raise NotFound or Refused for what this host lacks to create or start the VM of ``plan``."""
    if not driver.is_local or driver.hypervisor == "TEST":
        return
    _check_interfaces(plan)
    _check_memory(plan)
    _check_directories(driver, plan)


def _starts(plan):
    return any(step.verb == "start" for step in plan.steps)


def _creates(plan):
    return any(step.verb == "create" for step in plan.steps)


def _touched(plan, *kinds):
    """Keys of the entries that the plan changes in one of these ways."""
    return {change.key for step in plan.steps for change in step.changes if change.kind in kinds}


# Interfaces -----------------------------------------------------------------------------------------------------------


def _check_interfaces(plan):
    """A bridge, or an interface that a NIC is attached to directly, must exist when the VM is to use it."""
    config = plan.before.active if plan.before.power == SUSPENDED and plan.before.active else plan.after.config
    keys = _touched(plan, "networks.add", "networks.type", "networks.source")
    for key, nic in sorted((config.get("networks") or {}).items()):
        source = nic.get("source")
        is_needed = _starts(plan) or _creates(plan) or key in keys
        if is_needed and nic.get("type") == "bridged" and source and not files.exists(f"{_INTERFACES}/{source}"):
            raise NotFound(
                f"{plan.after.name}: networks.{key}.source: the hypervisor has no network interface '{source}'.",
                "Create the bridge, or name one that exists (ip link).",
            )


# Memory ---------------------------------------------------------------------------------------------------------------


def _check_memory(plan):
    """QEMU cannot start with more memory than Linux grants: by default, RAM and swap together."""
    needed = max(plan.after.config.get("memory") or 0, plan.after.config.get("max_memory") or 0)
    total = _memory_of_host()
    if not _starts(plan) or total is None or needed <= total:
        return
    option = "memory" if (plan.after.config.get("memory") or 0) > total else "max_memory"
    unit = GIB if total >= GIB else MIB
    raise Refused(
        f"{plan.after.name}: {option}: {human_size(needed)} is more than the hypervisor has"
        f" ({human_size(total // unit * unit)} of RAM and swap).",
        "Set a smaller size.",
    )


def _memory_of_host():
    """Bytes of RAM and swap; None if Linux allows any amount (overcommit), or if they cannot be read."""
    try:
        if files.read(_OVERCOMMIT).strip() == b"1":
            return None
        sizes = _MEMORY.findall(files.read("/proc/meminfo"))
    except PolyvirtError:
        return None
    return sum(int(size) for size in sizes) * 1024 or None


# Directories ----------------------------------------------------------------------------------------------------------


def _check_directories(driver, plan):
    """QEMU runs as a user of its own, who must be able to enter every directory above a disk."""
    closed = {}
    for option, path in _paths(driver, plan):
        folders = files.folders_above(os.path.realpath(path))
        closed.update({folder: option for folder in folders if not files.may_everybody_enter(folder)})
    owner = qemu_owner(driver.capabilities()) if closed else None
    for folder, option in closed.items():
        if owner and not files.may_enter(folder, *owner):
            raise Refused(
                f"{plan.after.name}: {option}: QEMU runs as user {owner[0]}, who cannot enter the directory {folder}.",
                f"Use another directory, or let that user enter it: setfacl -m u:{owner[0]}:x {folder}",
            )


def _paths(driver, plan):
    """(option, file) of all that QEMU opens, where the VM is created or started, or where they are attached."""
    config, added = plan.after.config, _touched(plan, "disks.add")
    everything = _starts(plan) or _creates(plan)
    for slot, disk in sorted((config.get("disks") or {}).items()):
        if everything or slot in added:
            source = disk.get("source") or ""
            if os.path.isabs(source):
                yield f"disks.{slot}.source", source
            elif not source:
                yield "storage_path", driver.storage.disk_path(plan.after.name, slot, "qcow2")
    if config.get("iso") and (everything or None in _touched(plan, "iso")):
        yield "iso", config["iso"]
