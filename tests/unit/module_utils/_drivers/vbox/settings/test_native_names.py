# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of native: those of VirtualBox 7's manual and the older ones, which all versions accept."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings import native

from unit.module_utils._drivers.vbox.in_process import SMALL, configure, task

#: {name in the manual of VirtualBox 7: older name}; of the options that VirtualBox reports.
MANUAL = {
    "accelerate-3d": "accelerate3d", "acpi": "acpi", "audio-driver": "audio-driver", "audio-in": "audio-in",
    "autostart-delay": "autostart-delay", "cable-connected1": "cableconnected1", "clipboard-mode": "clipboard-mode",
    "cpu-execution-cap": "cpuexecutioncap", "cpu-profile": "cpu-profile", "default-frontend": "defaultfrontend",
    "cpuid-portability-level": "cpuid-portability-level", "drag-and-drop": "draganddrop",
    "firmware-apic": "biosapic", "firmware-boot-menu": "biosbootmenu",
    "firmware-system-time-offset": "biossystemtimeoffset", "hardware-uuid": "hardwareuuid", "hwvirtex": "hwvirtex",
    "large-pages": "largepages", "monitor-count": "monitorcount", "nested-paging": "nestedpaging",
    "nic-boot-prio2": "nicbootprio2", "nic-promisc36": "nicpromisc36", "paravirt-provider": "paravirtprovider",
    "triple-fault-reset": "triplefaultreset", "usb-ehci": "usbehci", "usb-ohci": "usb", "usb-xhci": "usbxhci",
    "vm-process-priority": "vm-process-priority", "x86-hpet": "hpet", "x86-long-mode": "longmode", "x86-pae": "pae",
    "x86-vtx-ux": "vtxux", "x86-vtx-vpid": "vtxvpid", "x86-x2apic": "x2apic",
}  # fmt: skip
#: Names in the manual of options that have an option here.
OF_OPTIONS = {
    "bridge-adapter1": "networks", "mac-address1": "networks", "nic-type2": "networks",
    "host-only-adapter1": "networks", "nat-network1": "networks", "nat-pf1": "port_forwards", "rtc-use-utc": "rtc",
    "os-type": "os_type", "boot1": "boot_order",
    "firmware": "firmware", "nested-hw-virt": "nested_virtualization", "tpm-type": "tpm", "name": "id",
}  # fmt: skip
LOOPBACK = "nat-localhostreachable1"
UNREADABLE = ("cpu-hotplug", "nat-bind-ip1", "vrde-port", "teleporter", "x86", "firmware-logo-fade-in")


def _normalized(vm="my vm", **requested):
    return native.NATIVE["native"].normalize(Vm.absent(vm), requested, None)


@pytest.mark.parametrize("name", MANUAL)
def test_both_spellings_are_one_option(name):
    assert _normalized(**{f"--{name}": "x"}) == _normalized(**{MANUAL[name].upper(): "x"}) == {MANUAL[name]: "x"}
    assert name == MANUAL[name] or native.bare_key(name) == MANUAL[name]
    if name != MANUAL[name]:
        with pytest.raises(Refused, match="are one option of modifyvm") as caught:
            _normalized(**{name: "x", MANUAL[name]: "y"})
        # The remedy is followed.
        removed = shlex.split(caught.value.remedy)[1].rstrip(".")
        assert _normalized(**{one: "x" for one in (name, MANUAL[name]) if one != removed}) == {MANUAL[name]: "x"}


@pytest.mark.parametrize("name", OF_OPTIONS)
def test_option_is_named_for_each_spelling(name):
    for spelling in (name, name.replace("-", "")):
        with pytest.raises(Refused) as caught:
            _normalized(**{spelling: "x"})
        assert caught.value.remedy == f"Use the option {OF_OPTIONS[name]} instead."


@pytest.mark.parametrize("name", UNREADABLE)
def test_command_for_other_options_names_the_vm_as_one_word(name):
    with pytest.raises(Refused) as caught:
        _normalized(**{name: "x"})
    command = shlex.split(caught.value.remedy.partition("task: ")[2])
    assert command == ["VBoxManage", "modifyvm", "my vm", f"--{name}", "VALUE"]


def test_guest_reaches_the_loopback_of_the_host(vbox):
    wanted = {"networks": {"0": {"type": "nat"}}, "native": {LOOPBACK: True}}
    task(vbox, config={**SMALL, "networks": wanted["networks"]}).succeeded()
    assert task(vbox, config=wanted, check=True).succeeded().changed
    assert configure(vbox, **wanted).changed
    assert vbox.values()["localhostReachable"] == "1"
    # The setting stays with a NIC that gets another type.
    assert configure(vbox, **{**wanted, "networks": {"0": {"type": "internal"}}}).changed


@pytest.mark.parametrize("value", [False, "off", "yes"])
def test_value_that_virtualbox_does_not_keep_is_rejected(value):
    with pytest.raises(Refused, match="can only be on: VirtualBox does not keep another value") as caught:
        _normalized(**{LOOPBACK: value, "hpet": True})
    # The remedy is followed.
    assert shlex.split(caught.value.remedy)[1].rstrip(".") == LOOPBACK
    assert _normalized(hpet=True) == {"hpet": "on"}


def test_described_names_are_the_ones_to_which_names_are_normalized():
    assert [name for name in native._NEW if native.bare_key(name) != name] == []
