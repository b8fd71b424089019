# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a VM what is not its own, as a user does with the platform's own tool, and reads it without the product.

Each method returns the path (or the volume) that has to survive. ``other`` is a VM that the collection did not create.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, SUSPENDED

from platforms.virtualbox import reading as virtualbox


class Things:
    """The things of one platform; ``seen`` of a thing is equal before and after a task that has left it alone."""

    def __init__(self, platform):
        self.platform = platform
        self.storage = Path(str(platform.storage))

    def seen(self, thing):
        path = Path(thing)
        return (path.stat().st_ino, path.read_bytes()) if path.exists() else None

    def content(self, thing):
        """The same for an image into which a snapshot was written: only what a VM reads counts."""
        return self.seen(thing)

    def own_disk(self, vm):
        return next(iter(self.platform.disks_of(self.platform.truth([vm])[vm]).values()))

    def new_disk(self, vm, folder=None):
        raise NotImplementedError

    def new_iso(self, vm):
        path = self.storage / f"{vm}-users.iso"
        shutil.copyfile(self.platform.medium(), path)
        return str(path)

    def attach(self, vm, thing, is_iso=False):
        raise NotImplementedError

    def other_of(self, vm):
        """Another VM, which exists after this."""
        other = f"{vm}-other"
        self.platform.bring({other: STOPPED})
        return other

    def foreign_disk(self, vm):
        thing = self.new_disk(vm)
        self.attach(vm, thing)
        return thing

    def foreign_disk_in_its_folder(self, vm):
        """A user's disk where the platform, or the collection, puts the VM's own."""
        thing = self.new_disk(vm, self.folder_of(vm))
        self.attach(vm, thing)
        return thing

    def folder_of(self, vm):
        return Path(self.own_disk(vm)).parent

    def foreign_iso(self, vm):
        thing = self.new_iso(vm)
        self.attach(vm, thing, is_iso=True)
        return thing

    def iso_of_another_vm(self, vm):
        thing = self.foreign_iso(vm)
        self.attach(self.other_of(vm), thing, is_iso=True)
        return thing

    def disk_of_another_vm(self, vm):
        """The VM's own disk, which another VM has, too."""
        thing = self.own_disk(vm)
        self.attach(self.other_of(vm), thing)
        return thing

    def locked_file(self, vm):
        return self.own_disk(vm)

    def own_disk_that_is_a_link(self, vm):
        """A user has moved the disk to where there is more space."""
        path = Path(self.own_disk(vm))
        path.symlink_to(path.rename(path.with_name(f"moved-{path.name}")))
        return str(path)

    @contextmanager
    def locked(self, thing):
        """Another program has a file open."""
        yield

    def options_with(self, thing, vm):
        """(what has to survive, options of the new VM that use it)."""
        if "iso" in thing:
            path = self.new_iso(vm)
            if "another" in thing:
                self.attach(self.other_of(vm), path, is_iso=True)
            return path, {"iso": path}
        path = self.disk_with(thing, vm)
        return path, {"disks": [*self.platform.creation["disks"], {"source": path}]}

    def disk_with(self, thing, vm):
        return self.own_disk(self.other_of(vm)) if "another" in thing else self.new_disk(vm)


class OnLibvirt(Things):
    def content(self, thing):
        with tempfile.NamedTemporaryFile() as raw:
            subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", thing, raw.name], check=True)
            return Path(thing).stat().st_ino, Path(raw.name).read_bytes()

    def new_disk(self, vm, folder=None):
        path = (folder or self.storage) / f"{vm}-precious.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
        return str(path)

    def attach(self, vm, thing, is_iso=False):
        how = ("sdc", "--type", "cdrom", "--mode", "readonly") if is_iso else ("vdc", "--subdriver", "qcow2")
        self.platform.virsh("attach-disk", vm, thing, *how, "--config")

    def disk_with(self, thing, vm):
        return self.disk_in_saved_memory(vm, self.new_disk(vm)) if "memory" in thing else super().disk_with(thing, vm)

    def disk_in_saved_memory(self, vm, thing=None):
        """Another VM was suspended with the disk, and its definition has it no more."""
        other, thing = self.other_of(vm), thing or self.own_disk(vm)
        self.attach(other, thing)
        self.platform.move(other, RUNNING)
        self.platform.virsh("detach-disk", other, "vdc", "--config")
        self.platform.move(other, SUSPENDED)
        return thing

    @contextmanager
    def locked(self, thing):
        command = ["qemu-io", "-f", "qcow2", thing]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            process.stdin.write(b"length\n")
            assert b"MiB" in process.stdout.readline()
            yield


class OnVirtualBox(Things):
    controller, ports = "SATA", {False: ("2", "0"), True: ("3", "0")}

    @property
    def box(self):
        return self.platform.box

    def folder_of(self, vm):
        """The folder where VirtualBox creates disks by default."""
        text = self.box.run("showvminfo", self.platform.ids()[vm], "--machinereadable")
        return Path(virtualbox.value(text, "CfgFile")).parent

    def new_disk(self, vm, folder=None):
        path = (folder or self.storage) / f"{vm}-precious.vdi"
        self.box.run("createmedium", "disk", "--filename", path, "--size", 8, "--format", "VDI")
        return str(path)

    def attach(self, vm, thing, is_iso=False):
        # A VM that the platform does not list has its name as its id.
        uuid = self.platform.ids().get(vm, vm)
        self._prepare(uuid)
        port, device = self.ports[is_iso]
        slot = ("--storagectl", self.controller, "--port", port, "--device", device)
        self.box.run("storageattach", uuid, *slot, "--type", "dvddrive" if is_iso else "hdd", "--medium", thing)

    def _prepare(self, uuid):
        self.box.run("storagectl", uuid, "--name", self.controller, "--portcount", 4)

    def disk_of_another_vm(self, vm):
        """A disk that several VMs may have, one of which the collection has created."""
        thing = self.new_disk(vm)
        self.box.run("modifymedium", "disk", thing, "--type", "shareable")
        for one in (vm, self.other_of(vm)):
            self.attach(one, thing)
        return thing


class OnVagrant(OnVirtualBox):
    controller, ports = "IDE Controller", {False: ("1", "1"), True: ("0", "1")}

    @property
    def box(self):
        return self.platform.machines.box

    def own_disk(self, vm):
        text = self.box.run("showvminfo", self.platform.ids()[vm], "--machinereadable")
        return virtualbox.value(text, f'"{self.controller}-0-0"')

    def _prepare(self, uuid):
        """The box has a controller with free places."""

    def new_iso(self, vm):
        path = self.storage / f"{vm}-users.iso"
        path.write_bytes(bytes(64 * 2048))
        return str(path)

    def other_of(self, vm):
        """VirtualBox's own VM, in no project."""
        other = f"{vm}-other"
        self.box.run("createvm", "--name", other, "--ostype", "Debian_64", "--register")
        self.box.run("storagectl", other, "--name", self.controller, "--add", "ide")
        return other


class OnProxmox(Things):
    def seen(self, thing):
        return self.platform.simulator("volumes").get(thing)

    def _put(self, vm, **values):
        self.platform.api("PUT", f"{self.platform._path(vm)}/config", **values)

    def _stored(self, vm, slot):
        return self.platform.truth([vm])[vm]["stored"][slot].partition(",")[0]

    def foreign_disk(self, vm):
        """The storage names a volume by the number of the VM that gets it."""
        self._put(vm, scsi5="local-lvm:1")
        return self._stored(vm, "scsi5")

    def new_disk(self, vm, folder=None):
        """A volume that is left of another VM."""
        place = {"vmid": 950, "filename": "vm-950-disk-0", "size": "16M"}
        return self.platform.api("POST", "/nodes/pve1/storage/local-lvm/content", **place)

    def new_iso(self, vm):
        return self.platform.medium()

    def attach(self, vm, thing, is_iso=False):
        self._put(vm, **({"ide0": f"{thing},media=cdrom"} if is_iso else {"scsi6": thing}))

    def disk_of_another_vm(self, vm):
        """A volume with the number of the other VM, which both have."""
        other = self.other_of(vm)
        self._put(other, scsi5="nfs:1")
        thing = self._stored(other, "scsi5")
        self.attach(vm, thing)
        return thing


class OnVmd(Things):
    def new_disk(self, vm, folder=None):
        return self.platform._image((folder or self.storage) / f"{vm}-precious.qcow2")

    def attach(self, vm, thing, is_iso=False):
        """Edit the VM's block of vm.conf."""
        file = self.platform.config_file
        text = file.read_text(encoding="latin-1")
        begin = text.index(f'vm "{vm}" {{')
        end = text.index("}", begin)
        line = f'\tcdrom "{thing}"\n' if is_iso else f'\tdisk "{thing}" format qcow2\n'
        file.write_text(text[:end] + line + text[end:], encoding="latin-1")
        self.platform.run("vmctl", "reload")

    @contextmanager
    def locked(self, thing):
        with open(thing, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class OnWindows(Things):
    """The files are those of a double."""

    @property
    def files(self):
        return self.platform.host.files

    def seen(self, thing):
        content = self.files.file(thing)
        return content if isinstance(content, bytes) else (id(content), repr(content))


class OnHyperV(OnWindows):
    def folder_of(self, vm):
        return PureWindowsPath(self.own_disk(vm)).parent

    def new_disk(self, vm, folder=None):
        return self.platform.host.disk(str((folder or PureWindowsPath("C:\\data")) / f"{vm}.vhdx"), size=16 << 20)

    def new_iso(self, vm):
        self.files.put(f"C:\\media\\{vm}.iso", b"an ISO image")
        return f"C:\\media\\{vm}.iso"

    def attach(self, vm, thing, is_iso=False):
        command = "Add-VMDvdDrive" if is_iso else "Add-VMHardDiskDrive"
        more = {} if is_iso else {"ControllerType": "=SCSI"}
        place = {"ControllerNumber": 0, "ControllerLocation": 5 if is_iso else 6}
        self.platform._call(self.platform.host.vm(vm), command, Path=f"={thing}", **place, **more)

    @contextmanager
    def locked(self, thing):
        self.platform.host.lock([thing], "mounted")
        try:
            yield
        finally:
            self.platform.host.unlock([thing])


class OnWsl(OnWindows):
    def foreign_disk(self, vm):
        """That of a distribution which somebody else has registered: VMs here have no other disk."""
        return self.platform.host.find(vm).disk


THINGS = {
    "libvirt_qemu": OnLibvirt, "virtualbox_double": OnVirtualBox, "vagrant": OnVagrant, "proxmox": OnProxmox,
    "vmm": OnVmd, "hyperv": OnHyperV, "wsl": OnWsl,
}  # fmt: skip
