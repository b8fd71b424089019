# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite asks of every platform, with the answer that holds for most of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import ABSENT, PAUSED, RUNNING, STOPPED


class Adapter:
    """A platform with VMs named by ``prefix``; README.md lists the methods that each platform adds."""

    name = ""
    #: What the names of its modules begin with, and their word for a VM.
    family, word = "", "vm"
    #: The programs that its modules run.
    commands = ()
    #: A folder with programs of its own, which come before those of the host.
    programs = None
    #: Powers a test can bring a VM into.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    #: What a new VM needs, and what one is created from.
    creation: ClassVar = {}
    disk_size = "16M"
    #: The slots of its first disks; a NIC that needs nothing of the host, and one that clones keep.
    slots = ()
    nic: ClassVar = {"type": "nat"}
    cloneable_nic: ClassVar = {"type": "nat"}
    #: As in ``scenarios.options``: (value at creation, what is read), (changed value, what is read).
    native_values = ()
    #: Options that the platform has and this host cannot have; each is among the refusals or has a test of its own.
    unusable: ClassVar = frozenset()
    #: Options that keep a VM from a power state: their examples name what does not exist, or cannot be saved to disk.
    not_for_every_power: ClassVar = frozenset()
    #: Settings for which it is unknown whether a VM runs with them after a start without the module.
    open_by_hand: ClassVar = frozenset()
    #: What a task must allow to change a running VM.
    consent: ClassVar = {}
    #: How a snapshot that has files of its own for disk and memory is requested.
    snapshot_with_memory: ClassVar = {"include_memory": True}
    #: Whether there are modules for snapshots.
    has_snapshots = True
    #: Whether a snapshot holds what is on the disks.
    snapshots_hold_disks = True
    #: Whether images, media and disks are files of the host on which the task runs.
    handles_files = True
    #: A format that the disk of a new VM does not have.
    other_format = "raw"
    #: Whether a disk on top of another one can be enlarged.
    linked_disks_grow = True
    #: A size to which the disk of a clone grows, and settings that ``settings`` shows otherwise for it.
    grown_size = "24M"
    changed_by_clones = ()
    #: What linked clones need: "snapshot", "template", or None for the VM as it is.
    linked_needs = None

    def __init__(self, prefix="pvc-"):
        self.prefix = prefix

    @property
    def connection(self):
        """Options by which each task of the VM module reaches the platform."""
        raise NotImplementedError

    def options(self, _about):
        """What every task of the module ``about`` something needs."""
        return self.connection

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"cloud_init": {"user_data": f"#cloud-config\n# {secret}\n"}}

    def checkpoint(self):
        """A function that brings all back to how it is now, or None where a scenario had better create it again."""

    def end_of_log(self, _name):
        """What a VM's process has logged last, for the report of a VM that stopped without a task."""
        return ""

    def changes_while_running(self):
        """Options of tasks, each with something that only this platform does to a VM that runs."""
        return []

    def changes_while_stopped(self):
        """The same for one that is stopped."""
        return []

    def hurried(self):
        """A context in which modules sleep in real time: the time of a double passes faster with each call."""
        return nullcontext()

    def registered_disks(self):
        """Files of disks that the platform lists in a registry of its own, used or not."""
        return []

    def define_network(self):
        """A network that exists and is not active, where a scenario uses one."""

    def take_snapshot(self, name, snapshot):
        """A snapshot as the platform takes it by default."""
        raise NotImplementedError

    def take_clone_base(self, name, snapshot):
        """A snapshot that linked clones can stand on."""
        self.take_snapshot(name, snapshot)
