# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's driver: what the core requests, in terms of virsh and qemu-img. It neither waits nor decides."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from .reader import connected
from .snapshot_driver import VirshSnapshotDriver


def make_driver(params):
    """The driver for the parameters of ``virsh_vm``."""
    return connected(
        VirshDriver,
        params,
        virt_type=params.get("virt_type"),
        keeps_disks=params.get("state") == "absent" and params.get("delete_disks") == "none",
    )


class VirshDriver(VirshSnapshotDriver):
    """One connection to libvirt, for one task."""

    def __init__(self, *arguments, virt_type=None, keeps_disks=False, **options):
        """``keeps_disks``: no disk is deleted, so nobody needs to know who else uses it."""
        super().__init__(*arguments, **options)
        self.virt_type, self._keeps_disks = virt_type, keeps_disks
        #: {directory: bytes} and {(image, snapshot): bytes}: what the plans of this task copy.
        self.claimed, self.measured = {}, {}
        self._new_ids, self._sent = {}, {}

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        return self._with_files(observation) if "files" in facets and observation.vms else observation

    def virt_type_of_new(self):
        """How a new VM is run: as asked, else by the processor where libvirt offers that."""
        if self.virt_type:
            return self.virt_type
        return "kvm" if "<domain type='kvm'" in self.capabilities() else "qemu"

    def _with_files(self, observation):
        from .file_users import FileUsers, NamedUsers, files_of

        definitions = self.read_definitions()
        users = None
        if self.is_local:
            qemu_img = self.storage.qemu_img
            users = NamedUsers(definitions) if self._keeps_disks else FileUsers(self.virsh, qemu_img, definitions)
        vms = []
        for vm in observation.vms:
            own = [one for one in definitions if one.uuid == vm.id]
            vms.append(vm.having(files=files_of(vm, own, users)))
        return replace(observation, vms=vms)

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def file_of(self, verb):
        """The same; what creates, changes and deletes VMs is shipped only with this driver."""
        if verb == "create":
            from . import create as file
        elif verb == "clone":
            from . import clone as file
        elif verb == "configure":
            from . import configure as file
        elif verb == "delete":
            from . import delete as file
        else:
            return super().file_of(verb)
        return file

    def new_id(self, name):
        """(UUID of a VM to be created, whether it exists): the same one when its creation is sent again."""
        if name in self._new_ids:
            return self._new_ids[name], self._new_ids[name] in self.virsh.run("list", "--all", "--uuid").split()
        self._new_ids[name] = str(uuid4())
        return self._new_ids[name], False

    def is_stored(self, vm, changes, definition):
        """Whether these changes were sent before and are stored, which happens all at once and after all else.

        ``definition`` is the stored one now. A change that is named by its place must not be made to it again.
        """
        sent, text = self._sent.get(vm.id, (None, None))
        if sent == changes:
            return definition.text() != text
        self._sent[vm.id] = (changes, definition.text())
        return False
