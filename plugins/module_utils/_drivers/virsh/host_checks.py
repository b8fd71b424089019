# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: checks of the host before a VM is created, started or changed, saves its memory, or writes to its disks."""

from __future__ import annotations

import os
from shlex import quote

from ..._core.errors import NotFound, PolyvirtError, Refused
from ..._core.model import PAUSED, RUNNING, SUSPENDED
from ..._core.planner.drives import inserted_image, media_of
from ..._core.record.mark import making_of
from ..._core.texts import removal
from ..._kit.space import ALWAYS_TOO_MUCH, memory_of_host, memory_warnings, too_much_memory
from ..._ports import files
from ..._ports.folders import folders_above, may_enter, may_everybody_enter
from ..._tools.domain_xml import Definition, source_of, target_of
from ..._tools.virsh_output import qemu_owner
from .settings.networks import starts_guest

_INTERFACES = "/sys/class/net"
_OVERCOMMIT = "/proc/sys/vm/overcommit_memory"


class AskedOnce:
    """The answers to questions about the host. They are valid until the first step, and again after ``forget``.

    Only for checks before the first step. What a step overwrites or deletes is read directly before that.
    """

    def __init__(self):
        self._answers = {}

    def answer(self, question, ask):
        """Return the answer to a question (a hashable value); ``ask()`` reads it. An error is not kept."""
        if question not in self._answers:
            self._answers[question] = ask()
        return self._answers[question]

    def forget(self):
        self._answers = {}


def _is_elsewhere(driver):
    """Whether the VMs run on another host, or nowhere."""
    return not driver.is_local or driver.hypervisor == "TEST"


def missing_disks(driver, plan):
    """Name disks of a VM to be deleted that are not found: their file system may not be mounted, and they remain."""
    if _is_elsewhere(driver):
        return []
    paths = [one.path for one in plan.before.files if one.role == "disk" and one.path.startswith("/")]
    missing = [path for path in paths if not files.exists(path) and path not in making_of(plan.before.mark or {})]
    return [
        f"{plan.before.name}: the disk {path} was not found. If it is not mounted now, it remains." for path in missing
    ]


def check_volumes(driver, plan):
    """Reject a start of the VM if libvirt cannot open a storage volume that is a disk or ISO image of it."""
    after = plan.after.config
    sources = {disk.get("source") for disk in (after.get("disks") or {}).values()}
    sources.update(path for _option, path in media_of(after))
    # The settings of a volume have only its name, without the pool.
    names = {source for source in sources if source and not os.path.isabs(source)}
    if not names or plan.before.id is None or not any(starts_guest(step) for step in plan.steps):
        return
    definition = Definition(driver.virsh.run("dumpxml", plan.before.id, "--inactive"))
    drives = [drive for drive in definition.root.findall("devices/disk[@type='volume']") if source_of(drive) in names]
    pools = [drive.find("source").get("pool") for drive in drives]
    queries = [("vol-path", "--pool", pool, "--vol", source_of(drive)) for pool, drive in zip(pools, drives)]
    for pool, drive, answer in zip(pools, drives, driver.virsh.batch(queries) if queries else ()):
        if answer.error:
            reason = answer.error.split("\n")[-1]
            is_disc = drive.get("device") == "cdrom"
            detached = "eject the image" if is_disc else f"detach the disk: {removal('disks', target_of(drive))}"
            raise Refused(
                f"{plan.after.name}: disks.{target_of(drive)}: the volume {source_of(drive)} of the pool {pool} cannot"
                f" be used: {reason}.",
                f"Start the pool (virsh pool-start {quote(pool)}), or {detached}.",
            )


def _starts(plan):
    return any(step.verb == "start" for step in plan.steps)


def _creates(plan):
    return any(step.verb == "create" for step in plan.steps)


def _changed_keys(plan, *kinds):
    """Keys of the entries of a collection (slots, positions) with changes of these kinds."""
    return {change.key for step in plan.steps for change in step.changes if change.kind in kinds}


# Interfaces -----------------------------------------------------------------------------------------------------------


def check_interfaces(driver, plan):
    """Reject a missing bridge or host interface that a NIC needs when it is added or the VM is created or started."""
    if _is_elsewhere(driver):
        return
    config = plan.before.active if plan.before.power == SUSPENDED and plan.before.active else plan.after.config
    keys = _changed_keys(plan, "networks.add", "networks.type", "networks.source")
    for key, nic in sorted((config.get("networks") or {}).items()):
        source = nic.get("source")
        is_needed = _starts(plan) or _creates(plan) or key in keys
        if is_needed and nic.get("type") == "bridged" and source and not files.exists(f"{_INTERFACES}/{source}"):
            raise NotFound(
                f"{plan.after.name}: networks.{key}.source: the hypervisor has no network interface '{source}'.",
                "Create the bridge, or name one that exists (ip link).",
            )


# Memory ---------------------------------------------------------------------------------------------------------------


def check_memory_of_host(driver, plan):
    """Reject more memory than the host has: by default, Linux grants no more than RAM and swap together."""
    if _is_elsewhere(driver):
        return
    needed = max(plan.after.config.get("memory") or 0, plan.after.config.get("max_memory") or 0)
    total = sum(memory_of_host(files))
    is_set = _creates(plan) or _changed_keys(plan, "memory", "max_memory")
    # Less may be meant for another host, or for one that gets more memory.
    is_mistake = is_set and needed > ALWAYS_TOO_MUCH * total
    if not total or needed <= total or not (is_mistake or (_starts(plan) and not _grants_any_amount())):
        return
    option = "memory" if (plan.after.config.get("memory") or 0) > total else "max_memory"
    raise too_much_memory(plan, option, total)


def memory_of_host_warnings(driver, plan):
    """Return a warning if the plan starts a VM that is larger than the RAM of the host."""
    return [] if _is_elsewhere(driver) else memory_warnings(plan, memory_of_host(files)[0])


def _grants_any_amount():
    """Whether Linux is set to grant any amount of memory (overcommit), or that cannot be read."""
    try:
        return files.read(_OVERCOMMIT).strip() == b"1"
    except PolyvirtError:
        return True


# Directories ----------------------------------------------------------------------------------------------------------


def check_directories(driver, plan):
    """Reject a file that QEMU cannot reach: its user must be able to enter every directory above the file."""
    if _is_elsewhere(driver):
        return
    restricted = {}
    for option, path in _opened_files(driver, plan):
        folders = folders_above(os.path.realpath(path))
        restricted.update({folder: option for folder in folders if not may_everybody_enter(folder)})
    owner = qemu_owner(driver.capabilities()) if restricted else None
    for folder, option in restricted.items():
        if owner and not may_enter(folder, *owner):
            raise Refused(
                f"{plan.after.name}: {option}: QEMU runs as user {owner[0]}, who cannot enter the directory {folder}.",
                f"Use another directory, or let that user enter it: setfacl -m u:{owner[0]}:x {quote(folder)}",
            )


def _opened_files(driver, plan):
    """Yield (option, path) of disks and ISO image: of all if the VM is created or started, else of added ones.

    Also of the backup of a running VM, which QEMU itself writes.
    """
    config, added = plan.after.config, _changed_keys(plan, "disks.add")
    all_files = _starts(plan) or _creates(plan)
    for slot, disk in sorted((config.get("disks") or {}).items()):
        if all_files or slot in added:
            source = disk.get("source") or ""
            if os.path.isabs(source):
                yield f"disks.{slot}.source", source
            elif not source:
                option = f"disks.{slot}.directory" if disk.get("directory") else "storage_path"
                yield option, driver.storage.disk_path(plan.after.name, slot, disk)
    if plan.before.power in (RUNNING, PAUSED) and any(step.verb == "backup" for step in plan.steps):
        yield "directory", os.path.join(driver.options["directory"], plan.after.name)
    inserted = {inserted_image(change) for step in plan.steps for change in step.changes}
    yield from ((option, path) for option, path in media_of(config) if path and (all_files or path in inserted))
