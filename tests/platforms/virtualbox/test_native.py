# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting of the option native: the real VirtualBox stores and reports it, and a second task changes nothing."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings import native

from platforms.virtualbox.registry import ENGINE
from platforms.virtualbox.tasks import SMALL, task

pytestmark = pytest.mark.deep("native keys on the double: unit belt, test_configure.py")

#: {name: (a value, another one)}. All settings of one set are requested together, so none may be an alias of another.
FIRST_NAMES = {
    "accelerate3d": (True, False),
    "acpi": (False, True),
    "audio-driver": ("null", "alsa"),
    "audio-enabled": (True, False),
    "audio-in": (True, False),
    "audio-out": (True, False),
    "autostart-delay": (5, 0),
    "autostop-type": ("savestate", "disabled"),
    "biosapic": ("x2apic", "apic"),
    "biosbootmenu": ("menuonly", "disabled"),
    "biossystemtimeoffset": (-1000, 0),
    "cableconnected1": (False, True),
    "chipset": ("ich9", "piix3"),
    "clipboard-mode": ("bidirectional", "disabled"),
    "cpu-profile": ("Intel 8086", "host"),
    "cpuexecutioncap": (50, 100),
    "cpuid-portability-level": (1, 0),
    "defaultfrontend": ("headless", "default"),
    "draganddrop": ("hosttoguest", "disabled"),
    "hardwareuuid": ("11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"),
    "hpet": (True, False),
    "hwvirtex": (False, True),
    "ioapic": (True, False),
    "iommu": ("amd", "none"),
    "keyboard": ("usb", "ps2"),
    "largepages": (True, False),
    "longmode": (False, True),
    "monitorcount": (2, 1),
    "mouse": ("usbtablet", "ps2"),
    "nestedpaging": (False, True),
    "nicbootprio1": (3, 0),
    "nicpromisc1": ("allow-all", "deny"),
    "pae": (True, False),
    "paravirtprovider": ("hyperv", "none"),
    "recording": (True, False),
    "triplefaultreset": (True, False),
    "usbehci": (True, False),
    "usbohci": (True, False),
    "usbxhci": (True, False),
    "vm-execution-engine": ("recompiler", "interpreter"),
    "vm-process-priority": ("low", "default"),
    "vrde": (True, False),
    "vtxux": (False, True),
    "vtxvpid": (False, True),
    "x2apic": (True, False),
}
SECOND_NAMES = {
    "audio": ("null", "none"),
    "drag-and-drop": ("guesttohost", "disabled"),
    "firmware-boot-menu": ("menuonly", "disabled"),
    "usb": (True, False),
    "x86-hpet": (True, False),
    "x86-long-mode": (False, True),
    "x86-pae": (True, False),
    "x86-x2apic": (True, False),
}


@pytest.mark.parametrize("names", [FIRST_NAMES, SECOND_NAMES], ids=["first", "second"])
def test_native_settings_are_stored_reported_and_not_repeated(box_of_root, names):
    box = box_of_root
    task(box).succeeded()
    for place in (0, 1):
        config = {"native": {name: values[place] for name, values in names.items()}}
        changed = task(box, config=config).succeeded()
        assert changed.changed
        again = task(box, config=config).succeeded()
        assert [change["path"] for step in again.vms[0]["steps"] for change in step["changes"]] == []


def test_table_has_every_name():
    of_cards = {"cableconnected1", "nicpromisc1", "nicbootprio1"}
    assert set(map(native.bare_key, [*FIRST_NAMES, *SECOND_NAMES])) == native.NATIVE_NAMES | of_cards


def test_loopback_of_the_host_stays_reachable_and_off_is_not_kept(box):
    config = {**SMALL, "networks": {"0": {"type": "nat"}}, "native": {**ENGINE, "nat-localhostreachable1": True}}
    vm = task(box, config=config).succeeded().vm["id"]
    box.end_daemon()
    assert not task(box, config=config).succeeded().changed
    box.run("modifyvm", vm, "--nat-localhostreachable1", "off")
    assert 'localhostReachable="0"' in box.run("showvminfo", vm, "--machinereadable")
    box.end_daemon()
    assert 'localhostReachable="1"' in box.run("showvminfo", vm, "--machinereadable")


def test_new_vm_gets_native_settings(box):
    wanted = {"audio-driver": "null", "usbxhci": True, "clipboard-mode": "bidirectional", "recording": True}
    config = {**SMALL, "native": {**ENGINE, **wanted}}
    task(box, config=config).succeeded()
    assert not task(box, config=config).succeeded().changed
