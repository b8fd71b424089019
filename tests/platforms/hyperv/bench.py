# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V's double in the process of a test, for generated tasks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.modules import hyperv_vm
from hypothesis import strategies as st

from platforms.hyperv import reading
from platforms.hyperv.double.devices import attach
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Switch
from platforms.hyperv.tasks import run
from platforms.windows.bench import WindowsBench
from suite import lists
from suite.pairs import STOPS, cases
from suite.sent_twice import comparable

_NIC = {"type": "network", "source": "lan"}
_SETTINGS = {
    "cpus": st.sampled_from([1, 2]),
    "memory": st.sampled_from(["512M", "1G"]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "autostart": st.booleans(),
    "disks": st.lists(st.sampled_from([{"size": "1G"}, {"size": "2G"}]), min_size=1, max_size=2),
    "networks": st.lists(
        st.sampled_from([_NIC, {**_NIC, "vlan": 7}, {**_NIC, "source": "dmz"}, {**_NIC, "source": ""}]),
        max_size=2,
    ),
    "secure_boot": st.booleans(),
    "tpm": st.booleans(),
    "checkpoint_type": st.sampled_from(["standard", "disabled"]),
    "stop_action": st.sampled_from(["save", "turn_off"]),
    "integration_services": st.fixed_dictionaries({"vss": st.booleans()}),
    "native": st.sampled_from([{"Memory.Priority": 10}, {"VM.LockOnDisconnect": "On"}]),
}
IMAGE, FOLDER = "C:\\Images\\base.vhdx", "C:\\Data"
#: Each file by its own name, in another case and with other slashes, and with ``..``; the last one has the second one
#: as its parent.
FILES = tuple(
    (f"{FOLDER}\\{name}.vhdx", f"c:/DATA/{name.upper()}.VHDX", f"{FOLDER}\\Sub\\..\\\\{name}.vhdx")
    for name in ("one", "two", "top")
)


class OnHyperV(WindowsBench):
    """A server with disk files, switches, and a VM of somebody else."""

    name, module = "hyperv", hyperv_vm
    pair_count, list_count = 60, 60
    #: The first start with a TPM fixes it, and Hyper-V does not report that.
    unforeseen = ("secure_boot_template",)
    cases = cases(_SETTINGS, stop_mode=STOPS)
    small: ClassVar = {"memory": "512M", "networks": []}
    clones: ClassVar = {"full": None}
    #: (part of the hardware or "shown", its values).
    foreign = (
        ("shown", {"LockOnDisconnect": "On", "AutomaticStartDelay": 30}),
        ("shown", {"AutomaticCriticalErrorAction": "None", "Notes": 'a "b"\r\n<ü>\r\n'}),
        ("shown", {"CheckpointType": "ProductionOnly", "AutomaticStopAction": "Shutdown"}),
        ("memory", {"DynamicMemoryEnabled": True, "Minimum": 256 << 20, "Maximum": 4 << 30, "Buffer": 50}),
        ("memory", {"Priority": 80}),
        ("processor", {"Maximum": 50, "RelativeWeight": 200, "CompatibilityForMigrationEnabled": True}),
        ("nic", {"MacAddressSpoofing": "On", "DhcpGuard": "On", "DeviceNaming": "On"}),
        ("vlan", {"OperationMode": "Trunk", "AllowedVlanIdListString": "1-5", "NativeVlanId": 9}),
    )
    common: ClassVar = {"memory": "512M", "stop_mode": "force", "networks": []}
    words = lists.Vocabulary(
        image=(*[IMAGE] * 3, FILES[0][1]),
        files=FILES,
        slots=("SCSI 0:0", "SCSI 0:1", "scsi 0:2"),
        macs=tuple(f"00:15:5d:00:00:0{number}" for number in range(4)),
        ports=(),
        ignores_case=True,
    )

    def __init__(self, place):
        self.host, self._place = HyperV(), place
        self.host.switches += [Switch("lan", "Private"), Switch("dmz", "Private")]
        self.host.add("mail", state="Running", disk="C:\\mail.vhdx").shown["Notes"] = "mine"
        one, two, top = (names[0] for names in FILES)
        for path in (IMAGE, one, two):
            self.host.disk(path, size=GIB)
        self.host.disk(top, size=GIB, type="Differencing", parent=two)
        self.host.files.make(f"{FOLDER}\\Sub")
        #: NICs that existed before the last task.
        self._old_nics = set()

    @classmethod
    def opened(cls, place=0, ground=None):
        return nullcontext(cls(place))

    def change(self, definition):
        part, values = definition
        vm = self.host.vm("web")
        nic = next(iter(vm.hardware.nics), None)
        of_nic = {"nic": nic.shown, "vlan": nic.vlan} if nic else {}
        found = {**of_nic, "shown": vm.shown}.get(part, getattr(vm.hardware, part, {}))
        found.update({name: value for name, value in values.items() if name in found})

    def run_module(self, about, check, **options):
        if not check:
            self._old_nics = {nic.key for vm in self.host.vms for nic in vm.hardware.nics}
        return run(self.host, about, check=check, **options)

    def id_of(self, name):
        """The ID; on each second host in capital letters, which are the same."""
        found = next((vm.id for vm in self.host.vms if vm.name.lower() == name.lower()), None)
        return found and (found.upper() if self._place % 2 else found)

    def state(self):
        vms = {vm.name: reading.vm_state(self.host, vm) for vm in self.host.vms}
        nics = {vm.name: [(nic.switch, nic.vlan) for nic in vm.hardware.nics] for vm in self.host.vms}
        native = {vm.name: (vm.shown["LockOnDisconnect"], *map(dict, _parts(vm.hardware))) for vm in self.host.vms}
        services = {vm.name: dict(vm.hardware.services) for vm in self.host.vms}
        files = self.host.files
        sizes = {path: getattr(files.vhd(path), "size", 0) for path in sorted(files.contents)}
        return (*(dict(sorted(one.items())) for one in (vms, nics, native, services)), sizes)

    def end_state(self):
        """All but ids, and files that are named after them."""
        *settings, sizes = self.state()
        kept = ("power", "stored", "disks", "seeds")
        vms = {name: {key: vm[key] for key in kept} for name, vm in settings[0].items()}
        named = (".avhdx", ".vmcx", ".vmrs", ".vmgs")
        files = {path: size for path, size in sizes.items() if not path.endswith(named)}
        return comparable(f"{vms} {settings[1:]} {files}", self.folder)

    def assert_sound(self):
        """Assert that the VM of somebody else is unchanged."""
        assert (self.host.vm("mail").state, self.host.vm("mail").shown["Notes"]) == ("Running", "mine")

    def found(self):
        """Nothing can know the parents of files that no VM has."""
        files = self.host.files
        chains = [files.chain(drive.path) for vm in self.host.vms for drive in vm.hardware.disks()]
        disks = {files.key(path): files.vhd(path) for chain in chains for path in chain}
        below = {path: None for path in files.contents if files.vhd(path)}
        below.update({path: files.key(disk.parent) if disk.parent else None for path, disk in disks.items()})
        return lists.Found({vm.name: self._seen(vm) for vm in self.host.vms}, below)

    def _seen(self, vm):
        """The MACs of VMs that the last task did not set are not compared (docs/user-guide.md)."""
        disks = tuple(self.host.files.key(drive.path) for drive in vm.hardware.disks())
        nics = [nic for nic in vm.hardware.nics if not nic.is_dynamic and nic.key not in self._old_nics]
        return lists.Seen(reading.POWER[vm.state], disks, tuple((nic.switch, nic.mac) for nic in nics))

    def share(self, first, second):
        """Both get one disk, while both are off."""
        pair = [vm for vm in self.host.vms if vm.name.lower() in (first, second)]
        slot = ("SCSI", 0, 2)
        is_free = all(vm.state == "Off" and slot not in [one.slot for one in vm.hardware.drives] for vm in pair)
        if len(pair) == 2 and is_free:
            for vm in pair:
                attach(vm, "disk", FILES[1][0], slot)


def _parts(hardware):
    return hardware.processor, hardware.memory, hardware.firmware, hardware.security
