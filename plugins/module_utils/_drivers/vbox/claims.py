# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: what the VMs of one user hold: images, MACs and host ports; the list that every task reads has it all."""

from __future__ import annotations

import os

from ..._core.frozen import replace
from ..._core.model import PAUSED, RUNNING
from ..._core.planner.simulate import simulate
from ..._core.sharing.claims import BASE, FILE, MOVE, NEW, READ, SHARED, SNAPSHOTS, WRITE, Claim, Held, HoldsClaims
from ..._core.sharing.losses import lost_files, sources_not_read
from ..._media import disk_header
from ..._media.stray_images import held_by_strays
from ..._ports import files
from ..._tools.vboxmanage_output import chain
from .observe import Listing
from .own_files import taken
from .settings.disks import disk_path, folder_of_new, seed_path_in
from .settings.networks import networks_of
from .settings.port_forwards import forwards_of
from .settings.serial_log import LOG
from .vbox_vm import file_name

#: First bytes of a VDI (VDICore.h).
_VDI = b"<<< "
#: The mode of a disk by the type of its image; in the other types, a differencing image has what the VM writes.
_MODES = {"shareable": SHARED, "readonly": READ}


class VBoxClaims(HoldsClaims):
    """The claims of all VMs of one user."""

    unused_remedy = "Delete these files first (VBoxManage closemedium disk PATH --delete)"
    unread = sources_not_read(not_here="saved_memory undefined backups records", unknown="open")

    def __init__(self, driver):
        self._driver = driver
        #: {UUID: path} of lost files, which need not be registered.
        self._lost, self._now = {}, None

    def read_place(self):
        # VirtualBox has one instance for each user, and a task always runs on its host.
        return "", ("virtualbox", self._driver.listing().properties.get("Default machine folder", ""))

    def file_identity(self, path):
        return files.identity(path)

    def chain(self, path):
        """The images below an image. If it was unregistered with its VM, its header names the one below."""
        media = self._driver.listing().media
        identity = files.identity(path)
        found = next((one for one in media.values() if files.identity(one.location) == identity), None)
        if found:
            return [one.location for one in chain(media, found)[1:]]
        parent = disk_header.parent_of(path) if files.is_file(path) else None
        registered = [one.location for one in chain(media, media.get(parent))]
        return registered or [path for uuid, path in self._lost.items() if parent and uuid == parent]

    def held_now(self, wanted):
        self._now = Listing.read(self._driver.tool)
        return self.held(wanted, self._now)

    def takes_now(self, plan, step):
        return self._taken(self._now, plan, step)

    def held(self, wanted, listing=None):
        listing = listing or self._driver.listing()
        found = [self._of_machine(listing, one) for one in listing.machines if one.machine is not None]
        # Differencing images that no VM has need their bases, too.
        media = [one for one in listing.media.values() if one.parent in listing.media and not one.users]
        found += self.stray_disks([one.location for one in media], found)
        lost = lost_files(wanted)
        if not lost:
            return found
        self._lost = {disk_header.uuid_of(path): path for path in lost.values() if files.is_file(path)}
        folders = [listing.properties.get("Default machine folder"), self._driver.storage_path]
        folders += [os.path.dirname(one.file) for one in listing.machines]
        return [*found, *held_by_strays(self, wanted, found, [_VDI], folders)]

    def _of_machine(self, listing, listed):
        vbox_vm = listing.vbox_vm(listed)
        claims = [self._claim(listed.file, WRITE, "name")]
        for slot in vbox_vm.disks:
            claims += self._of_image(vbox_vm.media, slot.values.get("ImageUUID"), vbox_vm.option_of(slot))
        attached = {claim.text for claim in claims}
        unused = [one for one in vbox_vm.media.values() if vbox_vm.uuid in one.users and one.location not in attached]
        for medium in [*unused, *vbox_vm.detached_images()]:
            claims += [self._claim(one.location, BASE, SNAPSHOTS) for one in chain(vbox_vm.media, medium)]
        for slot in vbox_vm.drives:
            is_filled = slot.medium != "emptydrive"
            claims += [self._claim(slot.medium, READ, vbox_vm.option_of(slot))] if is_filled else []
        logs = vbox_vm.file.serial_files if vbox_vm.file else {}
        claims += [self._claim(path, WRITE, f"uart{port}") for port, path in logs.items() if port != 1]
        claims += [self._log(path, listed.name) for port, path in logs.items() if port == 1]
        traces = vbox_vm.file.trace_files if vbox_vm.file else {}
        claims += [self._claim(path, WRITE, f"nictrace{number}") for number, path in traces.items() if path]
        for key, nic in networks_of(vbox_vm).items():
            claims += self.nic(nic, f"networks.{key}")
        power = vbox_vm.state[0]
        for key, rule in forwards_of(vbox_vm, with_ssh=power in (RUNNING, PAUSED)).items():
            claims += self.forward(rule, f"port_forwards.{key}")
        also = None if listing.is_finished(listed) else self.owner_id(listed.name)
        return Held(self.owner_id(listed.uuid), listed.name or listed.uuid, power, tuple(claims), also)

    def _of_image(self, media, uuid, option):
        first, *others = chain(media, media.get(uuid)) or [None]
        if first is None:
            return []
        mode = _MODES.get(first.kind.partition(" ")[0], WRITE)
        return [self._claim(first.location, mode, option), *(self._claim(one.location, BASE, option) for one in others)]

    def _claim(self, path, mode, option):
        return Claim(FILE, self.identity(path), mode, option, path)

    def _log(self, path, name):
        remedy = f"Set another {LOG} for '{name}' first, or use another file."
        return replace(self._claim(path, WRITE, LOG), remedy=remedy)

    def takes(self, plan, step):
        return self._taken(self._driver.listing(), plan, step)

    def _taken(self, listing, plan, step):
        vbox_vm = listing.vbox_vm_of(plan.before.id) if plan.before.id else None
        listed = {*step.arguments.get("files", ())}
        return [] if vbox_vm is None else [path for path in taken(vbox_vm, step) if path not in listed]

    def stored(self, plan, step):
        """The log that a restored snapshot brings back."""
        if step.verb != "restore":
            return ()
        path = simulate(plan.before, [step]).config.get(LOG)
        return self.file(path, WRITE, LOG, is_raw=True) if path and path != plan.before.config.get(LOG) else ()

    def _folder(self, plan, step):
        """(directory, name) of the files of a VM. VirtualBox replaces some characters of names."""
        name, listing = plan.after.name, self._driver.listing()
        if step.verb in ("create", "clone"):
            return folder_of_new(self._driver, listing, name, step.arguments["config"]), file_name(name)
        file = next((one.file for one in listing.machines if one.uuid == plan.before.id), "")
        return os.path.dirname(file), os.path.splitext(os.path.basename(file))[0]

    def new_disk(self, plan, step, slot, disk):
        folder, name = self._folder(plan, step)
        return disk_path(folder, name, slot, disk) if folder and step.verb != "clone" else None

    def new_seed(self, plan, step):
        return seed_path_in(*self._folder(plan, step))

    def step_files(self, plan, step):
        """Two VMs can have the same directory, and so the same settings file. Another first group moves it."""
        found = [*super().step_files(plan, step), *_new_log(step)]
        if step.verb not in ("create", "clone"):
            moved = any(one.field == "groups" and one.new[:1] != (one.old or ())[:1] for one in step.changes)
            paths = _files_in(self._folder(plan, step)[0]) if moved else ()
            return [*found, *((MOVE, "groups", path) for path in paths)]
        folder, name = self._folder(plan, step)
        return [(NEW, "name", os.path.join(folder, f"{name}.vbox")), *found]


def _new_log(step):
    config = step.arguments.get("config") or {} if step.verb == "create" else {}
    changed = [change.new for change in step.changes if change.kind == LOG]
    return [(NEW, LOG, path) for path in (config.get(LOG), *changed) if path]


def _files_in(folder):
    """Yield the paths of all files in a directory, at any depth."""
    for path in (os.path.join(folder, name) for name in files.entries(folder)):
        if files.is_folder(path) and not os.path.islink(path):
            yield from _files_in(path)
        else:
            yield path
