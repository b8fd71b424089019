# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host in definitions, and what the host must have before a VM gets one."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.configure import configure
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.host_devices import check_devices
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.described import not_modelled
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.devices import (
    read_devices,
    write_device,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_node_devices import NodeDevices

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, machine_xml, with_devices
from unit.module_utils._drivers.virsh.test_host_devices import MDEV, PCI, PLUGGED_USB, RUNNING_USB, SCSI, USB, VF

GPU, AUDIO, KEY = "0000:01:00.0", "0000:01:00.1", "046d:c52b"
TESLA = {"type": "pci", "id": "10de:1eb8"}
OF_GPU, OF_KEY = {"type": "pci", "id": GPU}, {"type": "usb", "id": KEY}
#: As virsh of libvirt 9.0.0 prints them.
NO_DEVICE = "Could not find matching device 'x'\nNode device not found: no node device with matching name 'x'"
NO_DRIVER = "failed to connect to the hypervisor socket"


def pci(address, product="10de:1eb8", group=None, driver="", kind="0x030000"):
    """A description like those of nodedev-dumpxml."""
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    vendor, device = product.split(":")
    members = [
        f"<address domain='0x{one[:4]}' bus='0x{one[5:7]}' slot='0x{one[8:10]}' function='0x{one[11]}'/>"
        for one in group or ()
    ]
    iommu = f"<iommuGroup number='7'>{''.join(members)}</iommuGroup>" if group else ""
    numbers = {"domain": domain, "bus": bus, "slot": slot, "function": function}
    parts = "".join(f"<{name}>{int(number, 16)}</{name}>" for name, number in numbers.items())
    name = f"<driver><name>{driver}</name></driver>" if driver else ""
    return (
        f"<device><name>pci</name>{name}<capability type='pci'><class>{kind}</class>{parts}"
        f"<product id='0x{device}'>P</product><vendor id='0x{vendor}'>V</vendor>{iommu}</capability></device>"
    )


def usb(product):
    vendor, device = product.split(":")
    return (
        "<device><name>usb</name><capability type='usb_device'><bus>1</bus><device>4</device>"
        f"<product id='0x{device}'>P</product><vendor id='0x{vendor}'>V</vendor></capability></device>"
    )


class Host(FakeVirsh):
    """A host with PCI devices {address: description} and USB devices; its VM m1 has the stored definition."""

    def __init__(self, devices=(), usb_devices=(), stored="", error=None):
        names = {f"pci_{address.replace(':', '_').replace('.', '_')}": text for address, text in dict(devices).items()}
        found = {f"usb_{place}": usb(product) for place, product in enumerate(usb_devices)}
        super().__init__({("nodedev-dumpxml", name): text for name, text in {**names, **found}.items()})
        self.answers["nodedev-list", "--cap", "pci"] = Answer("", error) if error else "\n".join(names)
        self.answers["nodedev-list", "--cap", "usb_device"] = Answer("", error) if error else "\n".join(found)
        self.answers["dumpxml", UUID, "--inactive", "--security-info"] = machine_xml(with_devices(stored))
        self._error = error

    def _answer(self, words):
        if words[0] == "nodedev-dumpxml" and tuple(words) not in self.answers:
            return Answer("", self._error or NO_DEVICE)
        return super()._answer(words)


GROUP = {GPU: pci(GPU, group=[GPU, AUDIO]), AUDIO: pci(AUDIO, group=[GPU, AUDIO], driver="snd_hda_intel")}


def keyed(*entries):
    return {f"{one['type']} {one['id']}": one for one in entries}


def adding(*entries, to=(), power="stopped"):
    """A plan that adds devices to a VM that has ``to``."""
    before = Vm("web", id=UUID, power=power, config={"devices": keyed(*to)})
    changes = tuple(Change("devices", None, one, key=key) for key, one in keyed(*entries).items())
    after = before.having(config={"devices": keyed(*to, *entries)})
    return Plan(before, after, ((Step("configure", changes),),))


def starting(*entries):
    before = Vm("web", id=UUID, power="stopped", config={"devices": keyed(*entries)})
    return Plan(before, before.having(power="running"), ((Step("start"),),))


def check(tmp_path, plan, host):
    driver = driver_of(host, tmp_path)
    driver.hypervisor = "QEMU"
    check_devices(driver, plan)
    return driver


# Reading and writing ------------------------------------------------------------------------------------------------


def test_devices_are_read():
    definition = Definition(machine_xml(with_devices(PCI, RUNNING_USB, VF, MDEV, PLUGGED_USB, SCSI)))
    assert read_devices(definition) == keyed({"type": "pci", "id": AUDIO}, OF_KEY)
    others = [path for path in not_modelled(definition) if "hostdev" in path]
    assert others == ["devices/hostdev[3]", "devices/hostdev[4]", "devices/hostdev[5]"]


def test_rom_of_a_device_is_not_modelled():
    definition = Definition(machine_xml(with_devices(PCI.replace("<source>", "<rom bar='off'/><source>"))))
    assert [path for path in not_modelled(definition) if "hostdev" in path] == ["devices/hostdev[1]/rom"]


@pytest.mark.parametrize("device", [OF_GPU, OF_KEY], ids=["pci", "usb"])
def test_device_is_written_once_and_removed(device):
    definition, (key,) = Definition(machine_xml()), keyed(device)
    for _twice in range(2):
        write_device(definition, Change("devices", None, device, key=key))
        assert read_devices(definition) == keyed(device)
        assert len(definition.devices.findall("hostdev[@managed='yes']")) == 1
    for _twice in range(2):
        write_device(definition, Change("devices", device, None, key=key))
        assert definition.devices.find("hostdev") is None


def test_address_is_written_as_libvirt_prints_it():
    definition = Definition(machine_xml())
    write_device(definition, Change("devices", None, {"type": "pci", "id": "0001:0a:1f.7"}, key="pci 0001:0a:1f.7"))
    address = definition.devices.find("hostdev/source/address").attrib
    assert address == {"domain": "0x0001", "bus": "0x0a", "slot": "0x1f", "function": "0x7"}


@pytest.mark.parametrize(
    ("running", "new", "command"),
    [
        ("", OF_KEY, "attach-device"),
        (RUNNING_USB, OF_KEY, None),
        (RUNNING_USB, None, "detach-device"),
        ("", None, None),
    ],
)
def test_usb_device_is_plugged_once(tmp_path, running, new, command):
    host = Host(stored="" if new else USB)
    host.answers["dumpxml", UUID] = machine_xml(with_devices(running))
    change = Change("devices", None if new else OF_KEY, new, key=f"usb {KEY}", cost="live")
    configure(driver_of(host, tmp_path), Vm("m1", id=UUID, power="running"), Step("configure", (change,)))
    plugged = [words for words in host.done if words[0].endswith("tach-device")]
    assert plugged == ([(command, UUID, "/dev/stdin", "--live")] if command else [])
    assert bool(read_devices(host.defined())) == bool(new)


# Requests -----------------------------------------------------------------------------------------------------------


def normalized(host, *devices):
    traits = virsh_traits("QEMU", "9.0.0", local=True, node_devices=lambda: NodeDevices(host))
    return traits.normalize(Vm("web"), {"devices": keyed(*devices)})["devices"]


def test_product_of_the_only_pci_device_means_its_address():
    assert normalized(Host(GROUP | {AUDIO: pci(AUDIO, "10de:10f8")}), {"type": "pci", "id": "10de:1eb8"}) == keyed(
        OF_GPU
    )
    host = Host()
    assert normalized(host, OF_GPU, OF_KEY) == keyed(OF_GPU, OF_KEY)
    assert not host.processes


@pytest.mark.parametrize(
    ("host", "devices", "text"),
    [
        (Host(GROUP), [TESLA], "has 2 PCI devices 10de:1eb8: 0000:01:00.0, 0000:01:00.1. Set the address"),
        (Host(), [TESLA], "pci 10de:1eb8: the host has no PCI device 10de:1eb8. lspci"),
        (Host(error=NO_DRIVER), [TESLA], "the devices of the host cannot be read: failed to connect.*nodedevd"),
        (Host({GPU: pci(GPU)}), [OF_GPU, TESLA], "pci 10de:1eb8: it is 0000:01:00.0, which is also listed"),
        (Host(), [{"type": "usb", "id": "1-4"}], "usb 1-4: libvirt identifies a USB device by vendor and product"),
        (Host(), [{"type": "pci", "id": "0000:01:00"}], "each function .* separately. List .*: 0000:01:00.0"),
    ],
)  # fmt: skip
def test_what_libvirt_cannot_identify_is_rejected(host, devices, text):
    with pytest.raises(Refused, match=f"web: devices.*{text}"):
        normalized(host, *devices)


@pytest.mark.parametrize(
    ("key", "rejected"),
    [
        ("devices/hostdev@type", True),
        ("devices/hostdev[1]@mode", True),
        ("devices/hostdev[1]/source/address@bus", True),
        ("devices/hostdev/rom@bar", False),
        ("devices/hostdev@managed", False),
    ],
)
def test_native_sets_only_the_rest_of_a_device(key, rejected):
    try:
        virsh_traits("QEMU", "9.0.0", local=True).normalize(Vm("web"), {"native": {key: "x"}})
    except Refused as error:
        assert (rejected, error.remedy) == (True, "Use the option devices instead.")
    else:
        assert not rejected


# Checks of the host -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "host"),
    [
        (adding(OF_GPU, {"type": "pci", "id": AUDIO}), Host(GROUP)),
        (adding(OF_GPU, to=[{"type": "pci", "id": AUDIO}]), Host(GROUP)),
        (adding(OF_GPU), Host({**GROUP, AUDIO: pci(AUDIO, driver="vfio-pci")})),
        (adding(OF_GPU), Host({**GROUP, AUDIO: pci(AUDIO)})),
        (adding(OF_GPU), Host({**GROUP, AUDIO: pci(AUDIO, driver="pcieport", kind="0x060400")})),
        (adding(OF_KEY), Host(usb_devices=[KEY, "1d6b:0002"])),
        (starting(OF_KEY), Host(usb_devices=[KEY], stored=USB)),
        (starting(OF_KEY), Host(stored=USB.replace("<source>", "<source startupPolicy='optional'>"))),
        (starting(OF_GPU), Host(stored=PCI.replace("function='0x1'", "function='0x0'"), error=NO_DRIVER)),
        (starting(), Host(error=NO_DRIVER)),
    ],
)
def test_devices_that_the_host_can_give(tmp_path, plan, host):
    check(tmp_path, plan, host)


@pytest.mark.parametrize(
    ("plan", "host", "text"),
    [
        (adding(OF_GPU), Host(), "pci 0000:01:00.0: the host has no such PCI device"),
        (adding(OF_GPU), Host({GPU: pci(GPU)}), "in no IOMMU group: .* IOMMU, or it is off. Turn on the IOMMU"),
        (
            adding(OF_GPU),
            Host(GROUP),
            r"the host uses other devices of its IOMMU group: 0000:01:00\.1 \(snd_hda_intel\)",
        ),
        (adding(OF_GPU), Host({GPU: pci(GPU, kind="0x060400")}), "it is a PCI bridge"),
        (adding(OF_KEY), Host(), "usb 046d:c52b: the host has no such USB device. Plug it in"),
        (adding(OF_KEY), Host(usb_devices=[KEY, KEY]), "the host has 2 such USB devices"),
        (adding(OF_KEY), Host(error=NO_DRIVER), "the devices of the host cannot be read: failed to connect"),
        (adding(OF_GPU), Host(error=NO_DRIVER), "the devices of the host cannot be read: failed to connect"),
        (starting(OF_KEY), Host(stored=USB), "usb 046d:c52b: the host has no such USB device"),
    ],
)
def test_devices_that_the_host_cannot_give(tmp_path, plan, host, text):
    with pytest.raises(
        (NotFound, Refused), match=rf"web: devices(\.\w+ [\w:.]+)?: .*{text.partition(': ')[2] or text}"
    ):
        check(tmp_path, plan, host)


def test_each_description_is_read_once(tmp_path):
    host = Host(GROUP, usb_devices=[KEY])
    plan = adding(OF_GPU, {"type": "pci", "id": AUDIO}, OF_KEY)
    driver = check(tmp_path, plan, host)
    before = host.processes
    check_devices(driver, plan)
    assert host.processes == before


def test_error_of_one_description_is_an_error():
    host = Host({GPU: Answer("", "internal error")})
    with pytest.raises(CommandFailed, match="internal error"):
        NodeDevices(host).pci([GPU])
    with pytest.raises(CommandFailed, match="internal error"):
        NodeDevices(host).pci_with("10de:1eb8")
