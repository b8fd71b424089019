# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs that share something, with the Hyper-V driver on its double."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

from platforms.hyperv import reading
from platforms.hyperv.double.devices import attach
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Switch
from platforms.hyperv.tasks import run
from suite import lists
from suite.pairs import number_of_pairs

IMAGE, FOLDER = "C:\\Images\\base.vhdx", "C:\\Data"
#: Each file by its own name, in another case and with other slashes, and with ``..``; the last one has the second one
#: as its parent.
FILES = tuple(
    (f"{FOLDER}\\{name}.vhdx", f"c:/DATA/{name.upper()}.VHDX", f"{FOLDER}\\Sub\\..\\\\{name}.vhdx")
    for name in ("one", "two", "top")
)


class OnHyperV(lists.Platform):
    """A server with disk files and a switch."""

    words = lists.Vocabulary(
        image=(*[IMAGE] * 3, FILES[0][1]),
        files=FILES,
        slots=("SCSI 0:0", "SCSI 0:1", "scsi 0:2"),
        macs=tuple(f"00:15:5d:00:00:0{number}" for number in range(4)),
        ports=(),
        ignores_case=True,
    )

    def __init__(self, place):
        self._host, self._place = HyperV(), place
        self._host.switches.append(Switch("lan", "Private"))
        one, two, top = (names[0] for names in FILES)
        for path in (IMAGE, one, two):
            self._host.disk(path, size=GIB)
        self._host.disk(top, size=GIB, type="Differencing", parent=two)
        self._host.files.make(f"{FOLDER}\\Sub")
        #: NICs that existed before the last task.
        self._old_nics = set()

    def run(self, entries, check=False):
        if not check:
            self._old_nics = {nic.key for vm in self._host.vms for nic in vm.hardware.nics}
        result = run(self._host, check=check, machines=entries, memory="512M", stop_mode="force", networks=[])
        assert "exception" not in result, result["exception"]
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "diff": [], **result})

    def id_of(self, name):
        """The ID; on each second host in capital letters, which are the same."""
        found = next((vm.id for vm in self._host.vms if vm.name.lower() == name.lower()), None)
        return found and (found.upper() if self._place % 2 else found)

    def state(self):
        files = self._host.files
        sizes = {path: getattr(files.vhd(path), "size", 0) for path in sorted(files.contents)}
        return sorted(map(str, (reading.vm_state(self._host, vm) for vm in self._host.vms))), sizes

    def found(self):
        """Nothing can know the parents of files that no VM has."""
        files = self._host.files
        chains = [files.chain(drive.path) for vm in self._host.vms for drive in vm.hardware.disks()]
        disks = {files.key(path): files.vhd(path) for chain in chains for path in chain}
        below = {path: None for path in files.contents if files.vhd(path)}
        below.update({path: files.key(disk.parent) if disk.parent else None for path, disk in disks.items()})
        return lists.Found({vm.name: self._seen(vm) for vm in self._host.vms}, below)

    def _seen(self, vm):
        """The MACs of VMs that the last task did not set are not compared (docs/user-guide.md)."""
        disks = tuple(self._host.files.key(drive.path) for drive in vm.hardware.disks())
        nics = [nic for nic in vm.hardware.nics if not nic.is_dynamic and nic.key not in self._old_nics]
        return lists.Seen(reading.POWER[vm.state], disks, tuple((nic.switch, nic.mac) for nic in nics))

    def share(self, first, second):
        """Both get one disk, while both are off."""
        pair = [vm for vm in self._host.vms if vm.name.lower() in (first, second)]
        slot = ("SCSI", 0, 2)
        is_free = all(vm.state == "Off" and slot not in [one.slot for one in vm.hardware.drives] for vm in pair)
        if len(pair) == 2 and is_free:
            for vm in pair:
                attach(vm, "disk", FILES[1][0], slot)


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(60), lambda place: nullcontext(OnHyperV(place)))
