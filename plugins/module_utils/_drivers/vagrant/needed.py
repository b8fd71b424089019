# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files on this host that the description of a VM names, and those that belong to a VM."""

from __future__ import annotations

import json
import os
from dataclasses import replace

from ..._core.model import STOPPED, File
from ..._core.sharing.needed_files import READ, SHARE, Needed
from ..._kit.local_files import LocalFiles
from ..._media import disk_header


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


def with_named(drives, project_vm):
    """The drives; those under a path that the managed Vagrantfile names are Vagrant's too, unless they may be older."""
    native = json.dumps((project_vm.described or {}).get("native") or {})
    if "allow_existing" in native:
        return list(drives)
    return [replace(one, ours=one.ours or _is_named(one, native)) for one in drives]


def _is_named(drive, native):
    return drive.role == "disk" and drive.named and json.dumps(os.path.basename(drive.path)) in native


def files_of(drives, project_vm, is_half_made):
    """The File of each drive. Vagrant deletes its own disks; a snapshot keeps others from being detached.

    A VM that was never started has nothing of its own to lose.
    """
    found = [one for one in with_named(drives, project_vm) if not (is_half_made and one.ours)]
    return tuple(
        File(one.path, one.role, one.ours, one.used_by, bound=one.ours or bool(one.held_by and one.role == "disk"))
        for one in found
    )


def is_half_made(project_vm, provider_vm):
    """Whether a task was killed when Vagrant had created a VM, but nothing has run on it: there is nothing to lose."""
    is_idle = provider_vm.power == STOPPED or provider_vm.nics == 0
    return project_vm.begun and is_idle and not project_vm.created.is_provisioned and bool(provider_vm.is_unwritten)
