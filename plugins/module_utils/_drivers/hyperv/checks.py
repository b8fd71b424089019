# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from the host, checked before the first step: files, space, CPUs, bases of other disks."""

from __future__ import annotations

import ntpath

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.model import STOPPED
from ..._lifecycle.planned import deleted_files, planned
from ..._lifecycle.units import human_size
from ..._ports.windows_request import Chain, call, properties
from ..._tools.hyperv import vhd_call
from ..._tools.windows_files import file_command, key_of, windows_path
from .clone import source_files
from .mark import own_mark, temporary_name
from .observe import users_of_files
from .settings.disks import file_name, folder_of, path_in, seed_name
from .settings.seed import check_seed

_READS_FIRST = ("create", "clone", "configure")


def check_plan(driver, plan):
    steps = list(planned(plan))
    _check_cluster(driver, plan)
    for one in steps:
        _check_cpus(driver, one)
    needed = _Needed(driver, plan, [one for one in steps if one.step.verb in _READS_FIRST])
    needed.check()
    _check_bases(driver, plan, steps)


def _check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def _check_cpus(driver, one):
    most = driver.host.cpus
    for change in one.changes:
        if change.kind == "cpus" and most and change.new > most:
            raise Refused(f"{one.vm.name}: cpus: the host has only {most}.", f"Set at most {most}.")


def _check_bases(driver, plan, steps):
    """A disk on which others are based must not change: all of them would be damaged."""
    is_started = plan.before.power == STOPPED and any(one.step.verb == "start" for one in steps)
    slots = [change.key for one in steps for change in one.changes if change.kind == "disks.size"]
    raw = driver.found.raw(plan.before.id)
    if raw is None or not (is_started or slots):
        return
    users = users_of_files(driver.all_vms(), but=raw["Id"].lower())
    for slot, disk in (plan.before.config.get("disks") or {}).items():
        others = users.get(key_of(disk["source"])) if disk.get("source") else None
        if others and (is_started or slot in slots):
            what = "started" if is_started else "enlarged"
            raise Refused(
                f"{plan.before.name}: disks.{slot}: {disk['source']} is used by {', '.join(sorted(others))}; their"
                f" disks would be damaged if it were {what}.",
                f"Delete {', '.join(sorted(others))} first.",
            )


class _Needed:
    """The files that the steps of a plan read and create, and what the host reports of them."""

    def __init__(self, driver, plan, steps):
        self._driver, self._plan, self._name = driver, plan, plan.after.name
        self._free = {key_of(path) for path in deleted_files(plan)}
        #: {file: option} that must exist: virtual disks, and others; and {path: option} that must not.
        self._disks, self._files, self._new = {}, {}, {}
        self._sizes, self._bytes, self._folder = {}, 0, None
        for one in steps:
            self._add_changes(one)
            if one.step.verb in ("create", "clone"):
                self._add_content(one.step)
                self._add_seed(one.step)

    def _add_changes(self, one):
        for change in one.changes:
            if change.kind == "disks.add":
                self._add_disk(change.key, change.new)
            elif change.kind == "iso" and change.new:
                self._files[change.new] = "iso"
        if one.step.verb == "clone":
            for slot, disk in (one.step.arguments["config"].get("disks") or {}).items():
                self._add_disk(slot, disk)
            if one.step.arguments["config"].get("iso"):
                self._files[one.step.arguments["config"]["iso"]] = "iso"

    def _add_disk(self, slot, disk):
        if disk.get("source"):
            self._disks[disk["source"]] = f"disks.{slot}.source"
            return
        kind = disk.get("format") or "vhdx"
        self._folder = folder_of(self._driver)
        self._new[path_in(self._folder, file_name(self._name, slot, kind))] = f"disks.{slot}"
        self._bytes += disk.get("size") or 0 if kind.endswith("-fixed") else 0

    def _add_content(self, step):
        image, config = step.arguments["creation"].get("image"), step.arguments["config"]
        if image:
            path = windows_path(self._plan.after, "image.source", image["source"])
            self._disks[path] = "image.source"
            first = min(config.get("disks") or {}, default=None)
            self._sizes[path] = (first, (config["disks"][first] or {}).get("size"), image["linked"])
        elif step.verb == "clone":
            source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
            for path in source_files(self._driver, source, requested.get("snapshot")).values():
                self._disks[path] = "clone.source"

    def _add_seed(self, step):
        if step.arguments["creation"].get("cloud_init") is not None:
            check_seed(self._driver, self._name, step.arguments)
            self._folder = folder_of(self._driver)
            self._new[path_in(self._folder, seed_name(self._name))] = "cloud_init"

    def check(self):
        if not (self._disks or self._files or self._new):
            return
        folders = [self._folder] if self._folder else []
        paths = [*self._disks, *self._files, *self._new, *folders]
        calls = [file_command("Test-Path", paths, show=properties("Length"))]
        calls += [vhd_call(list(self._disks))] if self._disks else []
        for folder in folders:
            size = properties("SizeRemaining")
            calls.append(call("Storage\\Get-Volume", {"FilePath": folder}, show=size, go_on=True))
        (result,) = self._driver.send([Chain("files", tuple(calls))])
        if result.answers[0].error:
            raise result.answers[0].error
        exists = dict(zip(paths, result.answers[0].objects))
        self._check_exists(exists)
        known = {key_of(one["Path"]): one for one in (result.answers[1].objects if self._disks else ())}
        self._driver.found.disks = {**self._driver.found.disks, **known}
        self._check_content(known)
        if folders:
            self._check_space(result.answers[-1], known)

    def _check_exists(self, exists):
        for path, option in {**self._disks, **self._files}.items():
            if not exists.get(path):
                raise NotFound(f"{self._name}: {option}: {path} does not exist on the host.", "Correct the path.")
        if self._folder and not exists.get(self._folder):
            raise NotFound(
                f"{self._name}: storage_path: the directory {self._folder} does not exist on the host.", "Create it."
            )
        for path, option in self._new.items():
            if exists.get(path) and key_of(path) not in self._free and not self._is_begun(path):
                raise Refused(
                    f"{self._name}: {option}: the file {path} exists, and existing files are never overwritten.",
                    "Attach it with disks[].source, or delete it.",
                )

    def _is_begun(self, path):
        """Whether a task that was killed has created the file for this VM."""
        begun = [raw for raw in self._driver.found.vms.values() if raw["Name"] == temporary_name(self._name)]
        mine = self._driver.found.raw(self._plan.before.id)
        marks = [own_mark(raw) for raw in (*begun, *([mine] if mine else ()))]
        return any(key_of(path) in map(key_of, mark.get("making", ())) for mark in marks)

    def _check_content(self, known):
        for path, option in self._disks.items():
            if key_of(path) not in known:
                raise Refused(
                    f"{self._name}: {option}: {path} is in use, or is not a virtual disk.", "Use a VHDX or VHD file."
                )
        self._check_users()
        for path, (slot, size, _linked) in self._sizes.items():
            found = known[key_of(path)]["Size"]
            if size and size < found:
                raise Refused(
                    f"{self._name}: disks.{slot}.size: {human_size(size)} is smaller than the image"
                    f" ({human_size(found)}); disks are never shrunk.",
                    f"Set a size of at least {human_size(found)}, or remove the option.",
                )

    def _check_users(self):
        """Two VMs cannot use one disk."""
        attached = [path for path, option in self._disks.items() if option.startswith("disks.")]
        users = users_of_files(self._driver.all_vms(), but=(self._plan.before.id or "").lower()) if attached else {}
        for path in attached:
            if users.get(key_of(path)):
                others = ", ".join(sorted(users[key_of(path)]))
                raise Refused(
                    f"{self._name}: {self._disks[path]}: {path} is used by {others}.",
                    f"Detach it from {others} first, or copy the file.",
                )

    def _check_space(self, answer, known):
        """A directory on a file server has no volume of this host."""
        free = answer.objects[0].get("SizeRemaining") if answer.error is None and answer.objects else None
        copied = [path for path, option in self._disks.items() if not option.startswith("disks.")]
        linked = any(is_linked for _slot, _size, is_linked in self._sizes.values())
        needed = self._bytes + (0 if linked else sum(known[key_of(path)].get("FileSize") or 0 for path in copied))
        if free is not None and needed > free:
            drive = ntpath.splitdrive(self._folder)[0]
            raise Refused(
                f"{self._name}: {drive} has {free >> 20}M of free space, and the new disks need {needed >> 20}M.",
                "Set storage_path to a directory of another drive.",
            )
