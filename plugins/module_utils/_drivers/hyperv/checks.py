# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from the host, checked before the first step: files, space, CPUs, bases of other disks."""

from __future__ import annotations

import ntpath
from contextlib import suppress

from ..._lifecycle.errors import NotFound, PolyvirtError, Refused
from ..._lifecycle.model import STOPPED
from ..._lifecycle.planned import deleted_files, planned
from ..._lifecycle.units import human_size
from ..._ports.windows_request import Chain, call, properties
from ..._tools.hyperv import disks_chain, read_disks, vhd_call
from ..._tools.windows_files import file_command, key_of, windows_path
from .clone import source_files
from .mark import own_mark, temporary_name
from .observe import Found, users_of_files
from .reader import cannot_be_read
from .settings.disks import file_name, folder_of, path_in, seed_name
from .settings.seed import check_seed

_READS_FIRST = ("create", "clone", "configure")


def check_plan(driver, plan, ahead):
    """``ahead`` has what was read for this plan, or reads it."""
    _check_cluster(driver, plan)
    for one in planned(plan):
        _check_cpus(driver, one)
    needed = ahead.of(plan)
    needed.check()
    _check_bases(plan, needed)


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


def _check_bases(plan, needed):
    """A disk on which others are based must not change: all of them would be damaged."""
    for slot in needed.written:
        disk = plan.before.config["disks"][slot]
        others = needed.users_of(disk["source"]) if disk.get("source") else None
        if others:
            what = "started" if needed.is_started else "enlarged"
            raise Refused(
                f"{plan.before.name}: disks.{slot}: {disk['source']} is used by {', '.join(sorted(others))}; their"
                f" disks would be damaged if it were {what}.",
                f"Delete {', '.join(sorted(others))} first.",
            )


class Ahead:
    """What was read of the host for plans, before the first of them is carried out."""

    def __init__(self, driver):
        self._driver, self._needed, self._users = driver, [], None

    def of(self, plan):
        """What ``plan`` needs."""
        if not any(one.plan is plan for one in self._needed):
            self._read([_Needed(self._driver, plan)])
        return next(one for one in self._needed if one.plan is plan)

    def read(self, plans):
        """For all plans in one request. A plan that is faulty in itself is left to ``of``, which raises its error."""
        found = []
        for plan in plans:
            with suppress(PolyvirtError):
                found.append(_Needed(self._driver, plan))
        self._read(found)

    def _read(self, found):
        reading = [one for one in found if one.calls]
        chains = [Chain(one.name, one.calls) for one in reading]
        if self._users is None and any(one.needs_users for one in found):
            chains.append(disks_chain())
        results = self._driver.send(chains) if chains else []
        if len(results) > len(reading):
            self._users = _all_disks(results.pop())
        for one, result in zip(reading, results):
            one.answers = result.answers
        for one in found:
            one.users = self._users
        self._needed += found


def _all_disks(result):
    if result.answers[0].error is not None:
        raise cannot_be_read(result.answers[0].error)
    vms, disks = read_disks(result.answers)
    found = Found()
    found.add([(raw["Id"], raw["Name"]) for raw in vms], vms, (), disks)
    return found


class _Needed:
    """The files that the steps of a plan read and create; ``answers`` to ``calls`` are what the host reports of them.

    ``users`` has the disks of all VMs, if they are needed.
    """

    def __init__(self, driver, plan):
        self._driver, self.plan, self.name = driver, plan, plan.after.name
        self._free = {key_of(path) for path in deleted_files(plan)}
        #: {file: option} that must exist: virtual disks, and others; and {path: option} that must not.
        self._disks, self._files, self._new = {}, {}, {}
        self._sizes, self._bytes, self._folder = {}, 0, None
        steps = list(planned(plan))
        for one in steps:
            if one.step.verb in _READS_FIRST:
                self._add_changes(one)
            if one.step.verb in ("create", "clone"):
                self._add_content(one.step)
                self._add_seed(one.step)
        self.is_started = plan.before.power == STOPPED and any(one.step.verb == "start" for one in steps)
        slots = {change.key for one in steps for change in one.changes if change.kind == "disks.size"}
        present = plan.before.config.get("disks") or {}
        #: Slots of present disks that will change.
        self.written = [slot for slot in present if self.is_started or slot in slots]
        self._attached = [path for path, option in self._disks.items() if option.startswith("disks.")]
        self.needs_users = bool(self.written or self._attached)
        self._paths = [*self._disks, *self._files, *self._new, *([self._folder] if self._folder else ())]
        self.calls, self.answers, self.users = self._calls(), (), None

    def _calls(self):
        if not self._paths:
            return ()
        calls = [file_command("Test-Path", self._paths, show=properties("Length"))]
        calls += [vhd_call(list(self._disks))] if self._disks else []
        if self._folder:
            size = properties("SizeRemaining")
            calls.append(call("Storage\\Get-Volume", {"FilePath": self._folder}, show=size, go_on=True))
        return tuple(calls)

    def users_of(self, path):
        """Names of the other VMs that need a file."""
        return users_of_files(self.users, but=(self.plan.before.id or "").lower()).get(key_of(path))

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
        self._new[path_in(self._folder, file_name(self.name, slot, kind))] = f"disks.{slot}"
        self._bytes += disk.get("size") or 0 if kind.endswith("-fixed") else 0

    def _add_content(self, step):
        image, config = step.arguments["creation"].get("image"), step.arguments["config"]
        if image:
            path = windows_path(self.plan.after, "image.source", image["source"])
            self._disks[path] = "image.source"
            first = min(config.get("disks") or {}, default=None)
            self._sizes[path] = (first, (config["disks"][first] or {}).get("size"), image["linked"])
        elif step.verb == "clone":
            source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
            for path in source_files(self._driver, source, requested.get("snapshot")).values():
                self._disks[path] = "clone.source"

    def _add_seed(self, step):
        if step.arguments["creation"].get("cloud_init") is not None:
            check_seed(self._driver, self.name, step.arguments)
            self._folder = folder_of(self._driver)
            self._new[path_in(self._folder, seed_name(self.name))] = "cloud_init"

    def check(self):
        if not self.answers:
            return
        if self.answers[0].error:
            raise self.answers[0].error
        exists = dict(zip(self._paths, self.answers[0].objects))
        self._check_exists(exists)
        known = {key_of(one["Path"]): one for one in (self.answers[1].objects if self._disks else ())}
        self._driver.found.disks = {**self._driver.found.disks, **known}
        self._check_content(known)
        if self._folder:
            self._check_space(self.answers[-1], known)

    def _check_exists(self, exists):
        for path, option in {**self._disks, **self._files}.items():
            if not exists.get(path):
                raise NotFound(f"{self.name}: {option}: {path} does not exist on the host.", "Correct the path.")
        if self._folder and not exists.get(self._folder):
            raise NotFound(
                f"{self.name}: storage_path: the directory {self._folder} does not exist on the host.", "Create it."
            )
        for path, option in self._new.items():
            if exists.get(path) and key_of(path) not in self._free and not self._is_begun(path):
                raise Refused(
                    f"{self.name}: {option}: the file {path} exists, and existing files are never overwritten.",
                    "Attach it with disks[].source, or delete it.",
                )

    def _is_begun(self, path):
        """Whether a task that was killed has created the file for this VM."""
        begun = [raw for raw in self._driver.found.vms.values() if raw["Name"] == temporary_name(self.name)]
        mine = self._driver.found.raw(self.plan.before.id)
        marks = [own_mark(raw) for raw in (*begun, *([mine] if mine else ()))]
        return any(key_of(path) in map(key_of, mark.get("making", ())) for mark in marks)

    def _check_content(self, known):
        for path, option in self._disks.items():
            if key_of(path) not in known:
                raise Refused(
                    f"{self.name}: {option}: {path} is in use, or is not a virtual disk.", "Use a VHDX or VHD file."
                )
        self._check_users()
        for path, (slot, size, _linked) in self._sizes.items():
            found = known[key_of(path)]["Size"]
            if size and size < found:
                raise Refused(
                    f"{self.name}: disks.{slot}.size: {human_size(size)} is smaller than the image"
                    f" ({human_size(found)}); disks are never shrunk.",
                    f"Set a size of at least {human_size(found)}, or remove the option.",
                )

    def _check_users(self):
        """Two VMs cannot use one disk."""
        for path in self._attached:
            if self.users_of(path):
                others = ", ".join(sorted(self.users_of(path)))
                raise Refused(
                    f"{self.name}: {self._disks[path]}: {path} is used by {others}.",
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
                f"{self.name}: {drive} has {free >> 20}M of free space, and the new disks need {needed >> 20}M.",
                "Set storage_path to a directory of another drive.",
            )
