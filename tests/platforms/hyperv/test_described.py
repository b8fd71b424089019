# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each change behind the back of a task is in the description of the VM: as an option, or named in not_described."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.native import undescribed

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Boot, Switch
from platforms.hyperv.tasks import done, run

GIB = 1 << 30


def _set(part, **values):
    return lambda vm: getattr(vm.hardware, part).update(values)


def _shown(**values):
    return lambda vm: vm.shown.update(values)


def _nic(**values):
    return lambda vm: vars(vm.hardware.nics[0]).update(values)


#: {what is changed: (change of the record, word in the description)}
CHANGES = {
    "start delay": (_shown(AutomaticStartDelay=30), "VM.AutomaticStartDelay"),
    "lock": (_shown(LockOnDisconnect="On"), "VM.LockOnDisconnect"),
    "paging": (_shown(SmartPagingFilePath="D:\\paging"), "VM.SmartPagingFilePath"),
    "checkpoints": (_shown(SnapshotFileLocation="D:\\points"), "VM.SnapshotFileLocation"),
    "cache": (_shown(GuestControlledCacheTypes=True), "VM.GuestControlledCacheTypes"),
    "low memory": (_shown(LowMemoryMappedIoSpace=1 << 30), "VM.LowMemoryMappedIoSpace"),
    "battery": (_shown(BatteryPassthroughEnabled=False), "VM.BatteryPassthroughEnabled"),
    "transport": (_shown(EnhancedSessionTransportType="HvSocket"), "VM.EnhancedSessionTransportType"),
    "limit": (_set("processor", Maximum=50), "Processor.Maximum"),
    "threads": (_set("processor", HwThreadCountPerCore=1), "Processor.HwThreadCountPerCore"),
    "NUMA CPUs": (_set("processor", MaximumCountPerNumaNode=2), "Processor.MaximumCountPerNumaNode"),
    "NUMA sockets": (_set("processor", MaximumCountPerNumaSocket=2), "Processor.MaximumCountPerNumaSocket"),
    "pool of CPUs": (_set("processor", ResourcePoolName="gold"), "Processor.ResourcePoolName"),
    "APIC": (_set("processor", EnableLegacyApicMode=True), "Processor.EnableLegacyApicMode"),
    "counters": (_set("processor", AllowACountMCount=True), "Processor.AllowACountMCount"),
    "buffer": (_set("memory", Buffer=50), "Memory.Buffer"),
    "NUMA memory": (_set("memory", MaximumPerNumaNode=512), "Memory.MaximumPerNumaNode"),
    "pool of memory": (_set("memory", ResourcePoolName="gold"), "Memory.ResourcePoolName"),
    "console": (_set("firmware", ConsoleMode="COM1"), "Firmware.ConsoleMode"),
    "boot file": (lambda vm: vm.hardware.boot.append(Boot("File", path="\\EFI\\x.efi")), "Firmware.BootOrder"),
    "encryption": (_set("security", EncryptStateAndVmMigrationTraffic=True), "EncryptStateAndVmMigrationTraffic"),
    "opt out": (_set("security", VirtualizationBasedSecurityOptOut=True), "VirtualizationBasedSecurityOptOut"),
    "pipe": (lambda vm: vm.hardware.com[1].update(Path="\\\\.\\pipe\\web"), "ComPort1.Path"),
    "name of the NIC": (_nic(name="uplink"), "NetworkAdapters.0.Name"),
    "bandwidth": (_nic(bandwidth={"MaximumBandwidth": 10**9}), "NetworkAdapters.0.BandwidthSetting"),
    "minimum": (lambda vm: vm.hardware.disks()[0].shown.update(MinimumIOPS=100), "HardDrives.SCSI 0:0.MinimumIOPS"),
    "controller": (lambda vm: vm.hardware.controllers.append(1), "ScsiControllers.1"),
    "cluster": (lambda vm: setattr(vm, "is_clustered", True), "VM.IsClustered"),
    "version": (lambda vm: None, "VM.Version"),
}  # fmt: skip


@pytest.fixture(name="host")
def _host():
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    for name in ("web", "other", "third"):
        nic = {"type": "network", "source": "lan"}
        done(host, name=[name], memory="1G", disks=[{"size": "8G"}], networks=[nic])
    return host


def _described(host, name="web"):
    return next(vm for vm in done(host, "vm_info", describe=True)["vms"] if vm["name"] == name)


def _named(described):
    return [one["path"] for one in described["not_described"]] + list(described["task"].get("native", {}))


@pytest.mark.parametrize("change", CHANGES)
def test_change_is_described_or_named(host, change):
    act, word = CHANGES[change]
    act(host.vm("web"))
    described = _described(host)
    assert any(word in one for one in _named(described)), _named(described)
    assert not run(host, check=True, **described["task"])["changed"]


def test_nothing_is_named_of_a_new_vm(host):
    """But what can only be read, and what has the value of a new VM."""
    named = {one["path"] for one in _described(host)["not_described"] if one["kind"] == "unsupported"}
    assert named == {"native.VM.Version", "native.VM.IsClustered"}


def test_settings_of_generation_1(host):
    done(host, name=["old"], memory="1G", firmware="bios", disks=[{"size": "8G"}], networks=[{}])
    vm = host.vm("old")
    vm.hardware.bios["NumLockEnabled"], vm.hardware.nics[0].legacy = True, True
    assert {"Bios.NumLockEnabled", "NetworkAdapters.0.IsLegacy"} <= set(_named(_described(host, "old")))


def test_address_that_hyperv_has_chosen_is_not_written(host):
    done(host, name=["fixed"], memory="1G", disks=[{"size": "8G"}], networks=[{"mac": "00:15:5d:01:02:03"}])
    host.vm("web").hardware.nics[0].mac = "00155D0000AA"
    macs = {
        name: [one["path"] for one in _described(host, name)["not_described"] if one["path"].endswith(".mac")]
        for name in ("web", "fixed")
    }
    assert macs == {"web": [], "fixed": ["networks.0.mac"]}


def test_controllers_that_cannot_be_read_are_named():
    assert "ScsiControllers" in undescribed({"Controllers": None}, [])
