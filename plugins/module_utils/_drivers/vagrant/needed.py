# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files on this host that the description of a VM names."""

from __future__ import annotations

import os

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
