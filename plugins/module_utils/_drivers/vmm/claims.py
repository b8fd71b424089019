# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: what the VMs in vm.conf hold, also the administrator's: disks with all their bases, ISO images and MACs."""

from __future__ import annotations

import os

from ..._core.errors import Refused
from ..._core.sharing.claims import FILE, NAME, READ, UNREADABLE, WRITE, Claim, Held, HoldsClaims
from ..._core.sharing.losses import lost_files, sources_not_read
from ..._media import disk_header
from ..._media.stray_images import held_by_strays
from ..._ports import files
from .observe import bases_of
from .options import STORAGE
from .settings.disks import disk_path, seed_path
from .settings.table import config_of


class VmmClaims(HoldsClaims):
    """The claims of all VMs of one vmd."""

    unread = sources_not_read(not_here="saved_memory snapshots backups", in_part="records")

    def __init__(self, driver):
        self._driver = driver

    def read_place(self):
        return "", ("vmd", files.identity(self._driver.config_file))

    def file_identity(self, path):
        return files.identity(path)

    def chain(self, path):
        if files.exists(path) and not files.is_readable(path):
            raise Refused(f"{path} cannot be read, so it may need any file.", "Make it readable, or delete it.")
        return bases_of(path)

    def held_now(self, wanted):
        return self.held(wanted, self._driver.read_found())

    def takes_now(self, plan, step):
        return ()

    def held(self, wanted, found=None):
        found = found or self._driver.found
        held = [self._of_vm(found, name) for name in found.configuration.blocks]
        if not lost_files(wanted):
            return held
        held += self._undefined(found)
        store = self._driver.options.get("image_directory") or self._driver.default_image_directory
        # By default, the store is in the directory of disks.
        folders = [self._driver.options.get("storage_path") or STORAGE, store, os.path.dirname(store)]
        return [*held, *held_by_strays(self, wanted, held, disk_header.LAYERED, folders)]

    def _undefined(self, found):
        """VMs that run without a block in vm.conf: vmd does not report which files they have (vmctl status)."""
        for name in sorted(found.running() - found.configuration.blocks.keys()):
            text = f"{name} runs, and {self._driver.config_file} does not define it, so it may need any file"
            remedy = "Wait until it has ended, or define it there."
            unknown = Claim(FILE, UNREADABLE, UNREADABLE, "", text, remedy=remedy)
            yield Held(self.owner_id(name), name, found.power(name), (Claim(NAME, name), unknown))

    def _of_vm(self, found, name):
        """A running VM has two definitions, which may contain different files."""
        mark, definitions = found.own(name), found.stored_and_running(name)
        claims = dict.fromkeys(claim for one in definitions for claim in self._of_definition(one, mark))
        attached = {claim.text for claim in claims}
        for path in (mark or {}).get("disks", ()):
            if path not in attached:  # A disk that was detached can be attached again, with the files below it.
                claims.update(dict.fromkeys(self.file(path, WRITE, "disks")[1:]))
        return Held(self.owner_id(name), name, found.power(name), (Claim(NAME, name), *claims))

    def _of_definition(self, definition, mark):
        config = config_of(definition, mark, lambda _path: (None, None))
        for slot, disk in config["disks"].items():
            yield from self.disk(disk, WRITE, f"disks.{slot}")
        for path in (mark or {}).get("files", ()):
            yield from self.file(path, WRITE, "cloud_init")
        yield from self.file(config["iso"], READ, "iso") if config["iso"] else ()
        for key, nic in config["networks"].items():
            yield from self.nic(nic, f"networks.{key}")

    def new_disk(self, plan, step, slot, disk):
        return disk_path(self._driver, plan.after.name, slot, disk.get("format"))

    def new_seed(self, plan, step):
        return seed_path(self._driver, plan.after.name)
