# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V stays consistent whatever calls arrive: random commands, random trees of checkpoints."""

from __future__ import annotations

import contextlib
import random

import pytest

from platforms.hyperv.caller import DISK, Caller, Error
from platforms.hyperv.double.calls import COMMANDS, HANDLERS
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB
from platforms.hyperv.double.texts import CULTURES
from platforms.windows.binder import BindingError, bind
from platforms.windows.failures import Failed
from platforms.windows.host import Context, StillRunning

SECOND = "C:\\Disks\\two.vhdx"
TEXTS = ("web", "old", "*", "x", DISK, SECOND, "C:\\Disks\\new.vhdx", "C:\\Disks", "lan", "Ethernet", "00155d000005")
NUMBERS = (0, 1, 2, 64, 4094, 512 << 20, GIB, 20 * GIB)
_DEVICES = {
    "HardDiskDrive": ("drive", lambda vm: vm.hardware.disks()),
    "DvdDrive": ("drive", lambda vm: [one for one in vm.hardware.drives if one.kind == "dvd"]),
    "VMNetworkAdapter": ("nic", lambda vm: vm.hardware.nics),
    "VMNetworkAdapterBase": ("nic", lambda vm: vm.hardware.nics),
    "VMBootSource": ("boot", lambda vm: vm.hardware.boot),
    "VMIntegrationComponent": ("service", lambda vm: list(vm.hardware.services)),
}


def value(host, chance, type_):
    """A value of a type, or None."""
    name = type_.rstrip("[]?").split(".")[-1]
    vm = chance.choice(host.vms) if host.vms else None
    simple = {"switch": (True,), "bool": (True, False), "string": TEXTS, "guid": [one.id for one in host.vms]}
    options = simple.get(name) or COMMANDS[0].types.enums.get(name)
    if options is None and name in ("int", "long", "uint64", "uint32", "int16", "uint16", "byte"):
        options = NUMBERS
    if options is None and vm:
        options = {
            "VirtualMachine": [host.views.vm(vm)],
            "VMSnapshot": [host.views.snapshot(one) for one in vm.snapshots],
            "VMSwitch": [host.views.switch(one) for one in host.switches],
        }.get(name)
        if name in _DEVICES:
            view, found = _DEVICES[name]
            options = [getattr(host.views, view)(vm, one) for one in found(vm)]
    if not options:
        return None
    one = chance.choice(list(options))
    return [one] if type_.endswith("[]") else one


def arguments(host, chance, command):
    sets = sorted({one for about in command.parameters.values() for one in about["sets"]} - {"*"}) or ["*"]
    chosen, found = chance.choice(sets), {}
    for name, about in command.parameters.items():
        how = about["sets"].get(chosen, about["sets"].get("*"))
        if how is not None and (how.get("mandatory") or chance.random() < 0.25) and name != "AsJob":
            found[name] = value(host, chance, about["type"])
    return {name: one for name, one in found.items() if one is not None}


def invariants(host):
    for vm in host.vms:
        slots = [one.slot for one in vm.hardware.drives]
        assert len(set(slots)) == len(slots)
        assert {one.parent for one in vm.owners()} <= {None, *(one.id for one in vm.snapshots)}
        keys = {one.key for one in (*vm.hardware.drives, *vm.hardware.nics)}
        assert all(one.kind == "File" or one.key in keys for one in vm.hardware.boot)


@pytest.mark.parametrize("seed", range(40))
def test_any_call_ends_with_objects_or_an_error(seed):
    chance = random.Random(seed)
    host = HyperV(client=seed % 2 == 0, culture=chance.choice(CULTURES))
    host.add("web", disk=DISK, shutdown=chance.choice(("obeys", "fails", "hangs")))
    host.add("old", generation=1, state="Running", disk="C:\\Disks\\old.vhd")
    own = [one for one in COMMANDS if one.name in HANDLERS]
    for _call in range(40):
        command = chance.choice(own)
        given = arguments(host, chance, command)
        # Bad arguments, errors, and calls that go on are all fine; any other exception is not.
        with contextlib.suppress(BindingError, Failed, StillRunning):
            context = Context(host.windows, command, partial=seed % 3 == 0, background=chance.choice((None, 0.5)))
            host.invoke(context, command, bind(command, given))
        host.clock.sleep(chance.choice((0, 0, 5)))
        invariants(host)


def step(call, chance, vm):
    """One random call around checkpoints."""
    acts = [("Checkpoint-VM", {"VM": vm, "SnapshotName": "x"}), ("Start-VM", {"VM": vm})]
    acts += [("Stop-VM", {"VM": vm, "TurnOff": True}), ("Get-VM", {})]
    if vm.snapshots:
        one = {"VMSnapshot": chance.choice(vm.snapshots)}
        acts += [("Restore-VMSnapshot", one), ("Remove-VMSnapshot", one)]
        acts.append(("Remove-VMSnapshot", {**one, "IncludeAllChildSnapshots": True}))
    command, given = chance.choice(acts)
    call(command, **given)


@pytest.mark.parametrize("seed", range(30))
def test_disks_of_any_tree_of_checkpoints_stay_whole_and_collapse_in_the_end(seed):
    chance = random.Random(seed)
    host = HyperV(client=seed % 2 == 0)
    host.knobs.merge_delay = seed % 3
    call, vm = Caller(host), host.add("web", disk=DISK)
    call("Add-VMHardDiskDrive", VM=vm, Path=host.disk(SECOND))
    for _step in range(20):
        step(call, chance, vm)
        host.clock.sleep(chance.choice((0, 0, 4, 20)))
        for drive in (one for owner in vm.owners() for one in owner.hardware.disks()):
            assert host.files.chain(drive.path)[-1] in (DISK, SECOND)
    with contextlib.suppress(Error):
        call("Stop-VM", VM=vm, TurnOff=True)
    call("Remove-VMSnapshot", VMName=["web"], Name=["*"])
    host.clock.sleep(100)
    assert [drive.path for drive in vm.hardware.disks()] == [DISK, SECOND]
    assert not host.files.open
    assert not any(path.endswith(".avhdx") for path in host.files.contents)
