# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: the files on this host that the description of a VM names, and those that belong to a VM."""

from __future__ import annotations

import json
import os

from ..._core.frozen import replace
from ..._core.model import STOPPED, File
from ..._core.sharing.needed_files import READ, SHARE, Needed
from ..._kit.local_files import LocalFiles
from ..._media import disk_header
from ..._ports import files, permits
from ..._tools import vagrant_folder
from .project import provider_name


class VagrantFiles(LocalFiles):
    """Shared folders and scripts; relative paths are below the project's folder."""

    platform = "Vagrant"

    def normalized(self, option, path):
        # An image is a box, which check_box checks.
        return "" if option == "image.source" else os.path.join(self.driver.project.folder, path)

    def more(self, one):
        """Vagrant rejects the whole file if something is missing, also what was described before."""
        config = self.plan.after.config
        for name, share in (config.get("shared_folders") or {}).items():
            option = f"shared_folders.{name}.host_path"
            yield Needed(SHARE, option, self.normalized(option, share["host_path"]))
        for script in config.get("provisioners") or ():
            if script.get("path") and "://" not in script["path"]:
                yield Needed(READ, "provisioners", self.normalized("provisioners", script["path"]))

    def largest(self, slot, disk):
        """VirtualBox reports its limit only to its own tool."""
        if self.plan.after.config.get("provider") != "libvirt":
            return ()
        return disk_header.largest_qcow2(), "libvirt creates the disk as qcow2, which cannot be larger"


def with_named(drives, project_vm, home):
    """The drives; those of VirtualBox that Vagrant's files name are Vagrant's, and those under a path that the managed
    Vagrantfile names, unless they may be older. ``home`` is Vagrant's home folder.
    """
    native = json.dumps((project_vm.described or {}).get("native") or {})
    box = vagrant_folder.disks_of_box(files, home, project_vm.created) if any(one.id for one in drives) else None
    found = [replace(one, ours=one.ours or _is_named(one, native) or _is_recorded(one, box)) for one in drives]
    # A disk that is detached before the deletion takes none of those below with it.
    detached = {one.path for one in found if not (one.ours or one.held_by)}
    return [replace(one, held_by="") if one.below in detached else one for one in found]


def _is_recorded(drive, box):
    """Whether Vagrant imported a disk of VirtualBox from the box, cloned it from that, or created and recorded it."""
    is_of_box = box is not None and (os.path.basename(drive.path) in box.names or box.master in drive.based_on)
    return bool(drive.id) and (is_of_box or drive.id in box.recorded)


def _is_named(drive, native):
    is_older = "allow_existing" in native
    return drive.role == "disk" and drive.named and not is_older and json.dumps(os.path.basename(drive.path)) in native


def files_of(drives, project_vm, home, is_half_made):
    """The File of each drive. Vagrant deletes its own disks; a snapshot keeps others from being detached.

    A VM that was never started has nothing of its own to lose.
    """
    found = [one for one in with_named(drives, project_vm, home) if not (is_half_made and one.ours)]
    found = [
        File(one.path, one.role, one.ours, one.used_by, bound=one.ours or bool(one.held_by and one.role == "disk"))
        for one in found
    ]
    return permits.with_kinds(found)


def is_half_made(project_vm, provider_vm):
    """Whether a task was killed when Vagrant had created a VM, but nothing has run on it: there is nothing to lose."""
    is_idle = provider_vm.power == STOPPED or provider_vm.nics == 0
    return project_vm.begun and is_idle and not project_vm.created.is_provisioned and bool(provider_vm.is_unwritten)


def left_files(driver, project_vm, provider, native):
    """Volumes of a VM that was removed without Vagrant, so that nobody knows who uses them now: they are kept."""
    provider_tool = driver.tool_of_new(provider, native) if provider == "libvirt" else None
    name = provider_name(driver.project, project_vm.name, provider, native)
    left = provider_tool.left_of(name) if provider_tool is not None and name else ()
    return tuple(File(one, "disk", elsewhere="its VM was removed without Vagrant") for one in left)


def not_modelled(project_vm, path):
    """{name: why it is not described}: a program that only Vagrant runs, and what its file does not contain."""
    if project_vm.described is None:
        return {"Vagrantfile": f"{path} is your own program, and only Vagrant runs it: its settings are not read."}
    return {
        project_vm.created.provider: f"Settings that {path} does not contain, such as those of the box, and changes by"
        " other programs than Vagrant are not read. Vagrant sets what the file contains at each start."
    }
