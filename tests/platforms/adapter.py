# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface between the suite and a platform, with default values that suit most platforms."""

from __future__ import annotations

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED


class Adapter:
    """A platform with VMs that have a common name ``prefix``; README.md lists the methods that each platform adds."""

    name = ""
    #: The prefix of its modules' names (polyvirt.core.vagrant), and the word for a VM that follows it (vm, instance).
    family, word = "", "vm"
    #: The names of the programs that its modules run.
    commands = ()
    #: A directory with its own programs, which take precedence over those of the host; or None.
    programs = None
    #: Its module with ``settings()`` and ``refusals(platform, known, new)``.
    _own = None
    #: The power states into which a test can bring a VM.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    #: Whether one call creates a clone with its disks, and another one its record. In between, it may be a user's VM.
    is_recorded_late = False
    #: Options of the smallest new VM, and the size of its disk.
    creation: ClassVar = {}
    disk_size = "16M"
    #: Options of a new VM without which only its description would exist.
    to_exist: ClassVar = {}
    #: The slots of a VM's first two disks; a NIC that needs nothing of the host, and one that clones keep.
    slots = ()
    #: Slots of optical drives: that of a new VM, and another one.
    drives = ("", "")
    nic: ClassVar = {"type": "nat"}
    cloneable_nic: ClassVar = {"type": "nat"}
    #: Values of the option native, as in ``scenarios.options``: (value at creation, value that is read), and the same
    #: for a changed value.
    native_values = ()
    #: The same for the option devices.
    device_values = (([], []), ([{"type": "usb", "id": "046d:c52b"}], ["usb"]))
    #: Options of the platform that this host does not support; each has an expected error or its own test.
    unusable: ClassVar = frozenset()
    #: Options with which a VM cannot be in every power state: their example values do not exist on the host, or prevent
    #: saving the VM's memory to disk.
    not_for_every_power: ClassVar = frozenset()
    #: Settings for which it is unknown whether a VM runs with them after a start without the module.
    open_by_hand: ClassVar = frozenset()
    #: {option: settings that ``settings`` does not read, and that change with it}
    changing_with: ClassVar = {}
    #: Words of the error about a VM of arm64, on this host of amd64; None: such VMs are created.
    arm64_error: ClassVar = ("architecture",)
    #: A slot for an optical drive that the firmware for arm64 reads.
    arm64_drive = ""
    #: The permission that a task needs to change a running VM.
    consent: ClassVar = {}
    #: The options for a snapshot with separate files for disk and memory.
    snapshot_with_memory: ClassVar = {"include_memory": True}
    #: Whether a NIC can be without a network: its source is an empty text.
    has_nic_without_network = False
    #: Whether there are modules for snapshots.
    has_snapshots = True
    #: Whether a snapshot contains the data on the disks.
    snapshots_hold_disks = True
    #: Whether images, ISO images and disks are files of the host on which the task runs.
    handles_files = True
    #: The firmware that an image must support unless a task sets another one; None: VMs have none.
    image_firmware = "bios"
    #: Whether a download of an image that broke off is continued.
    resumes_downloads = True
    #: Whether a disk can be an overlay of an image, and whether nobody records what a stored image is.
    links_images, forgets_images = True, False
    #: Whether a disk that is created from an image has its content.
    copies_content = True
    #: Whether the controller copies images to the host.
    images_by_controller = False
    #: The number of calls that find a stored image by its name, and set what follows from it.
    calls_to_find_an_image = 0
    #: A format that the disk of a new VM does not have.
    other_format = "raw"
    #: Whether a disk on top of another one can be enlarged.
    linked_disks_grow = True
    #: A size to which the disk of a clone grows, and the settings in which this clone then differs from its source.
    grown_size = "24M"
    changed_by_clones = ()
    #: Whether the console of a running VM is a terminal of the host.
    has_terminals = False
    #: The base of linked clones: "snapshot", "template", or None for the VM itself.
    linked_needs = None

    def __init__(self, prefix="pvc-"):
        self.prefix = prefix

    @property
    def connection(self):
        """Options with which each task of the VM module connects to the platform."""
        raise NotImplementedError

    def options(self, _about):
        """Options that every task needs; ``about`` names its module, such as "vm" or "snapshot"."""
        return self.connection

    def secret_options(self, secret):
        """Options of a new VM that contain a secret."""
        return {"cloud_init": {"user_data": f"#cloud-config\n# {secret}\n"}}

    def checkpoint(self):
        """A function that restores the present state, or None if the scenario should create it again."""

    def arm64_options(self):
        """Options of tasks that create VMs of arm64, and of amd64."""
        return {}

    def whole_vm_tasks(self):
        """{label: options} of tasks that create an existing VM again, or export it."""
        return {}

    def another_spelling(self, name):
        """The id of a VM as other tools may print it: in upper case, or with a leading zero; names in vmd are exact."""
        own = self.ids()[name]
        is_uuid = len(own.strip("{}")) == 36
        return f"0{own}" if own.isdecimal() else own.upper() if is_uuid else own

    def end_of_log(self, _name):
        """The last lines that a VM's process logged, for the report about a VM that stopped without a task."""
        return ""

    def log_console(self, _name):
        """Have the console of a VM that is off written to a file; returns its path. None: the platform keeps no log."""

    def changes_while_running(self):
        """Options of tasks with changes of a running VM that only this platform supports."""
        return []

    def hurried(self):
        """A context for modules that sleep in real time instead of advancing a double's clock: the double is faster."""
        return nullcontext()

    def count_calls(self, run):
        """The number of calls that ``run`` makes; it runs a task and returns its Answer."""
        return len(run().calls)

    def fail_call(self, shim, number):
        """Let the next task's call with this number fail without doing anything."""
        shim.order(f"fail {number} error: this call fails in a test")

    def fail_no_call(self, shim):
        """Cancel ``fail_call``, also if no call had this number."""
        shim.forget()

    def medium(self):
        """An ISO image."""
        path = self.storage / "medium.iso"
        if not path.exists():
            command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, __file__]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return str(path)

    def folder_with(self, file=""):
        """Another directory of the host than that of the VMs' files, with this file."""
        folder = self.storage / "elsewhere"
        folder.mkdir(exist_ok=True)
        if file:
            (folder / file).write_bytes(b"of somebody else")
        return str(folder)

    def in_folder(self, folder):
        """Names of the files in a directory."""
        return sorted(os.listdir(folder))

    def bring(self, names, obeying=()):
        """Create VMs: ``names`` is {name: power state}; the guests of those in ``obeying`` shut down on request."""
        for name, power in names.items():
            if power == ABSENT:
                continue
            self.define(name, obeys=name in obeying)
            if power != STOPPED:
                self.move(name, RUNNING)
                self.move(name, power)

    def own_settings(self):
        """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
        return self._own.settings()

    def own_refusals(self, known, new):
        """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
        return self._own.refusals(self, known, new)

    def registered_disks(self):
        """Files of disks in a registry of the platform, used or not."""
        return []

    def put_image(self, path):
        """Create a small image that cannot be booted, with the format of its suffix."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        image_format = {".raw": "raw", ".vdi": "vdi"}.get(Path(path).suffix, "qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", image_format, path, "16M"], check=True)

    def published_image(self):
        """A small image for a vendor's server; None if images of this platform can only be paths, or it has none."""
        return self.base_image() if hasattr(self, "base_image") else None

    def published_archive(self):
        """The content of a small archive for a vendor's server; None if this platform has other images."""
        return

    def offer(self, name):
        """Have the platform itself download this name of the catalogue, if it downloads images itself."""

    def image_options(self, folder):
        """Options of a VM from an image by name; ``folder`` is a directory for images."""
        return {"image_directory": str(folder)}

    def stored_images(self, folder):
        """The images in the directory; the others are the records of this collection."""
        return [path for path in folder.glob("*") if path.suffix != ".json"]

    def leave_unfinished(self, folder):
        """Leave the file of a task that was killed while it fetched an image."""
        (folder / ".tests-1-old.qcow2.0123.part").write_bytes(b"of a killed download")

    def define_network(self):
        """Create a network that is not active, if a scenario uses one on this platform."""

    def folders_of_sentinels(self):
        """Directories of this host for the files of suite/sentinels.py."""
        return ()

    def put_sentinels(self):
        """Create what somebody else has, besides files."""

    def remove_sentinels(self):
        """Remove what ``put_sentinels`` has created and ``clean`` leaves."""

    def sentinels(self):
        """What somebody else has, as it is now."""
        return {}

    def take_snapshot(self, name, snapshot):
        """Take a snapshot with the platform's defaults."""
        raise NotImplementedError

    def take_clone_base(self, name, snapshot):
        """Take a snapshot that can be the base of linked clones."""
        self.take_snapshot(name, snapshot)
