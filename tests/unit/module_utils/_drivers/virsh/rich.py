# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM with every setting that two VMs cannot share, and its snapshot s1, as libvirt reports them, with real files."""

from __future__ import annotations

import subprocess

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import LIST, FakeVirsh, driver_of, recorded

RICH = "d7188e7f-d4e4-48f6-9735-fb974a8262d0"
DISK, SHARED, SEED = "rich-vda.qcow2", "rich-vdb.raw", "rich.polyvirt-seed.iso"
#: The loader element of a UEFI firmware, which has NVRAM.
PFLASH = "<loader type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
_MIB = 1 << 20


class Rich:
    """The VM ``rich`` in its own directory."""

    def __init__(self, folder):
        self.folder = folder
        self.text = self._placed("rich-dumpxml-inactive.xml")
        self.snapshots = {"s1": self._placed("rich-snapshot-running.xml")}
        self.others = {}
        self.virsh = FakeVirsh()
        mark = {"id": RICH, "disks": [self.path(DISK)], "files": [self.path(SEED)]}
        self.vm = Vm("rich", id=RICH, mark=mark)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.path(DISK), "1M"], check=True)
        for name in (SHARED, SEED, "medium.iso"):
            (folder / name).write_bytes(bytes(_MIB))

    def _placed(self, name):
        return recorded(name).replace("/images/", f"{self.folder}/")

    def path(self, name):
        return str(self.folder / name)

    @property
    def definition(self):
        return Definition(self.text)

    def replace(self, old, new):
        assert old in self.text, old
        self.text = self.text.replace(old, new)

    def make_raw(self):
        """Replace the disk by a raw one."""
        (self.folder / DISK).write_bytes(bytes(_MIB))
        self.replace("type='qcow2'", "type='raw'")

    def give_nvram(self, path="rich_VARS.fd"):
        """Let the VM have UEFI variables; returns their path, where no file exists yet."""
        variables = self.folder / path
        self.replace("<boot dev", f"{PFLASH}<nvram>{variables}</nvram><boot dev")
        return variables

    def snapshot_inside(self, name="s1"):
        """Create the internal snapshot in the image."""
        subprocess.run(["qemu-img", "snapshot", "-c", name, self.path(DISK)], check=True)

    def driver(self):
        """A driver of a libvirt that has this VM, and those in ``others`` ({(uuid, name): XML})."""
        machines = {(RICH, "rich"): self.text, **self.others}
        listed = "".join(f"{uuid} {name}\n" for uuid, name in machines)
        self.virsh.answers[LIST] = listed
        for (uuid, _name), text in machines.items():
            for more in ((), ("--inactive",), ("--inactive", "--security-info")):
                self.virsh.answers[("dumpxml", uuid, *more)] = text
        self.virsh.answers.setdefault(("domstate", RICH), "shut off\n")
        self.virsh.answers.setdefault(("capabilities",), "<capabilities/>")
        for name, text in self.snapshots.items():
            words = ("snapshot-dumpxml", RICH, "--snapshotname", name, "--security-info")
            self.virsh.answers[words] = text
        return driver_of(self.virsh, self.folder)


def external(text):
    """The XML of the snapshot as an external one."""
    for old, new in (
        ("name='vda' snapshot='internal'", "name='vda' snapshot='external'"),
        ("<memory snapshot='internal'/>", "<memory snapshot='no'/>"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


def write(path, byte, image_format="qcow2"):
    """Fill the first 64 KiB with this byte, as a guest could."""
    _io(f"write -P {byte} 0 64k", path, image_format)


def holds(path, byte, image_format="qcow2"):
    """Whether the first 64 KiB are filled with this byte."""
    return "Pattern verification failed" not in _io(f"read -P {byte} 0 64k", path, image_format)


def _io(command, path, image_format):
    done = subprocess.run(
        ["qemu-io", "-f", image_format, "-c", command, path], capture_output=True, text=True, check=False
    )
    assert "64 KiB" in done.stdout or "Pattern" in done.stdout, done
    return done.stdout
