# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No path of ``native`` sets what an option of libvirt sets, however the path leads there.

The paths are not listed: each option is set to two values, and whatever differs in the definition is its own.
"""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import IN_MARK
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import memory_cpus, native
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import disk_element
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import SETTINGS
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import recorded

TRAITS = virsh_traits("QEMU", "11.0.0", local=True)
_NIC = {"type": "network", "source": "default", "mac": "52:54:00:00:00:01"}
_SHARE = {"host_path": "/srv", "guest_path": None, "read_only": True, "driver": "virtiofs"}
_PCI = {"type": "pci", "id": "0000:01:00.0"}
_PROXY = {"protocol": "tcp", "host_address": "", "host_port": 2222, "guest_port": 22}


def _change(field, new, key=None, attribute=None, old=1):
    return Change(field, old, new, key=key, attribute=attribute, beside={})


#: {kind of change: changes that lead to one value, and then to another one}.
_CHANGED = {
    "description": (_change("description", "a"), _change("description", "b")),
    "cpus": (_change("cpus", 2), _change("cpus", 3)),
    "memory": (_change("memory", 1 << 30), _change("memory", 2 << 30)),
    "max_cpus": (_change("max_cpus", 8), _change("max_cpus", 9)),
    "max_memory": (_change("max_memory", 4 << 30), _change("max_memory", 8 << 30)),
    "firmware": (_change("firmware", "bios"), _change("firmware", "uefi")),
    "secure_boot": (_change("firmware", "uefi"), _change("secure_boot", True)),
    "rtc": (_change("rtc", "utc"), _change("rtc", "localtime")),
    "watchdog.model": (_change("watchdog", "i6300esb", None, "model"), _change("watchdog", "ib700", None, "model")),
    "watchdog.action": (_change("watchdog", "none", None, "action"), _change("watchdog", "reset", None, "action")),
    "nested_virtualization": (_change("nested_virtualization", False), _change("nested_virtualization", True)),
    "disks.add": (_change("description", ""), _change("disks", {"source": "/b.img"}, "vdz", old=None)),
    "disks.serial": (_change("disks", "A1", "vda", "serial"), _change("disks", "B2", "vda", "serial")),
    "disks.iops_limit": (_change("disks", 5, "vda", "iops_limit"), _change("disks", 7, "vda", "iops_limit")),
    "disks.bandwidth_limit": (
        _change("disks", 1024, "vda", "bandwidth_limit"),
        _change("disks", 2048, "vda", "bandwidth_limit"),
    ),
    "disks.source": (
        _change("disks", {"source": "/a.img"}, "sdy", old=None),
        [_change("disks", None, "sdy"), _change("disks", {"source": "/b.img", "format": "raw"}, "vdy", old=None)],
    ),
    "cdroms.add": (_change("description", ""), _change("cdroms", {"source": "/b.iso"}, "usb7", old=None)),
    "cdroms.source": (
        _change("cdroms", {"source": "/a.iso"}, "usb7", old=None),
        _change("cdroms", "/b.iso", "usb7", "source"),
    ),
    "networks.add": (_change("description", ""), _change("networks", _NIC, "9", old=None)),
    "networks.type": (_change("networks", "network", "0", "type"), _change("networks", "user", "0", "type")),
    "networks.source": (_change("networks", "default", "0", "source"), _change("networks", "lab", "0", "source")),
    "networks.mac": (
        _change("networks", "52:54:00:00:00:02", "0", "mac"),
        _change("networks", "52:54:00:00:00:03", "0", "mac"),
    ),
    "networks.model": (_change("networks", "virtio", "0", "model"), _change("networks", "e1000", "0", "model")),
    "display.type": (_change("display", "vnc", None, "type"), _change("display", "spice", None, "type")),
    "display.video_memory": (
        [_change("display", "vnc", None, "type"), _change("display", 16 << 20, None, "video_memory")],
        _change("display", 32 << 20, None, "video_memory"),
    ),
    "serial_log": (_change("serial_log", "/a.log"), _change("serial_log", "/b.log")),
    "boot_order": (_change("boot_order", ["disk"]), _change("boot_order", ["cdrom", "network"])),
    "shared_folders.add": (_change("description", ""), _change("shared_folders", _SHARE, "src", old=None)),
    "shared_folders.host_path": (
        _change("shared_folders", _SHARE, "src", old=None),
        _change("shared_folders", {**_SHARE, "host_path": "/opt"}, "src"),
    ),
    "devices.add": (_change("description", ""), _change("devices", _PCI, "pci 0000:01:00.0", old=None)),
    "port_forwards.add": (_change("networks", "user", "0", "type"), _change("port_forwards", _PROXY, "ssh", old=None)),
}
#: {kind of change that is not among them: why}.
_OTHERS = {
    "autostart": "it is not in the definition",
    "architecture": "no step changes it: test_architecture.py",
    "tpm": "it is a whole device: test_native_adds_no_device_of_an_option",
    "nvram_format": "its path is in test_formats_of_the_nvram",
    **dict.fromkeys(IN_MARK, "it is in the metadata"),
    **dict.fromkeys(("disks.remove", "disks.size", "disks.format", "disks.bus"), "as disks.source, or not in it"),
    "disks.directory": "as disks.source",
    "cdroms.remove": "as cdroms.add",
    "cdroms.skip_boot_prompt": "as cdroms.source",
    **dict.fromkeys(("networks.remove", "networks.address"), "as networks.add, or in another definition"),
    **dict.fromkeys(("shared_folders.remove", "shared_folders.read_only", "shared_folders.guest_path"), "as add"),
    "shared_folders.type": "as add",
    **dict.fromkeys(("devices.remove", "devices.type", "devices.id"), "as devices.add"),
    "port_forwards.remove": "as port_forwards.add",
    **{f"port_forwards.{part}": "as add" for part in ("protocol", "host_address", "host_port", "guest_port")},
    "native": "it is native itself",
}
#: What an option sets besides its value, and has to be possible for VMs without the option: {path: why}.
_SHARED = {
    r"memoryBacking\b.*": "virtiofs and other devices need shared memory",
    r"features/smm.*": "secure boot needs it, other firmware has it",
    r"devices/video/model(@type|@heads|@primary|@ram|@vgamem)": "display sets the memory of any model",
    r"devices/graphics(@autoport|@port|@websocket|@listen|/listen.*|/image.*)": "display sets the type only",
    r"devices/filesystem@accessmode": "the owners of files, which have no option",
    r"devices/hostdev@managed": "the driver of a device that exists",
    r"devices/(channel|audio|redirdev)\b.*": "devices that need SPICE go with it",
    r"devices/disk/(readonly|driver@(name|discard))": "not the file of a disk",
    r"devices/controller\b.*": "libvirt adds controllers",
}


def _vm():
    nics = {"0": {"type": "network", "source": "default", "mac": "52:54:00:00:00:09"}}
    return Vm("rich", id="u", config={"networks": nics}, mark={})


def _rich():
    return Definition(recorded("rich-dumpxml-inactive.xml"))


def _made(definition, changes):
    from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.configure import rehearse

    made = Definition(definition.text())
    changes = changes if isinstance(changes, list) else [changes]
    shares = [change for change in changes if change.field == "shared_folders"]
    for change in shares:  # Their driver depends on the host.
        SETTINGS["shared_folders"].write(made, change)
    others = [change for change in changes if change not in shares]
    rehearse(_vm(), made, others, lambda slot, disk: disk_element(slot, disk["source"], "qcow2", disk))
    return made


def _leaves(element, path=""):
    """{path of native: value} of all texts and attributes below an element."""
    found = {f"{path}@{name}": value for name, value in element.attrib.items()}
    if (element.text or "").strip() or not (len(element) or element.attrib):
        found[path] = (element.text or "").strip()
    counts = {}
    for child in element:
        counts[child.tag] = counts.get(child.tag, 0) + 1
        found.update(_leaves(child, f"{path}/{child.tag}[{counts[child.tag]}]".lstrip("/")))
    return found


def _differences(before, after):
    one, other = (_leaves(definition.root) for definition in (before, after))
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path) and "metadata" not in path)


def _is_shared(path):
    return any(re.fullmatch(pattern, re.sub(r"\[\d\]", "", path)) for pattern in _SHARED)


def _rejected_with(definition, path):
    """The remedy of the error for a path of native that is set in ``definition``; empty without an error."""
    try:
        TRAITS.normalize(Vm("rich"), {"native": {path: "x"}})
        native.NATIVE["native"].write(Definition(definition.text()), Change("native", None, "x", key=path))
    except Refused as error:
        return error.remedy
    return ""


def test_each_kind_of_change_is_here_or_has_a_reason():
    kinds = {kind for kind in SETTINGS if "." in kind or not any(other.startswith(f"{kind}.") for other in SETTINGS)}
    assert kinds - {*_CHANGED, *_OTHERS} == set()


@pytest.mark.parametrize("kind", list(_CHANGED))
def test_what_an_option_sets_is_rejected_in_native(monkeypatch, kind):
    monkeypatch.setattr(memory_cpus, "_module", lambda: "kvm_intel")
    first, second = _CHANGED[kind]
    before = _made(_rich(), first)
    after = _made(before, second)
    paths = [path for path in _differences(before, after) if not _is_shared(path)]
    assert paths, kind
    option = kind.partition(".")[0].replace("max_", "")
    expected = {"secure_boot": "firmware|secure_boot", "firmware": "firmware|secure_boot"}.get(option, option)
    for path in paths:
        # Before the change, native would add what the option adds; afterwards, it would change it.
        plain = re.sub(r"\[\d\]", "", path)
        for definition, spelling in ((after, path), (before, plain if len(paths) > 3 else path)):
            remedy = _rejected_with(definition, spelling)
            ambiguous = "Select one by its position" in remedy
            assert ambiguous or re.search(rf"Use the option ({expected})", remedy), (kind, spelling, remedy)


def test_formats_of_the_nvram():
    for attribute in ("format", "templateFormat"):
        assert "Use the option nvram_format" in _rejected_with(_rich(), f"os/nvram@{attribute}")


@pytest.mark.parametrize("path", ["./vcpu", "devices/../vcpu", "devices/./disk[1]/source@file", "os/.."])
def test_no_path_leads_around_the_options(path):
    assert "Use a path such as os/type@machine" in _rejected_with(_rich(), path)


@pytest.mark.parametrize(
    ("tag", "option"),
    [("disk", "disks"), ("interface", "networks"), ("hostdev", "devices"), ("tpm", "tpm"), ("graphics", "display"),
     ("filesystem", "shared_folders")],
)  # fmt: skip
def test_native_adds_no_device_of_an_option(tag, option):
    bare = Definition("<domain><name>web</name><uuid>u</uuid><devices/></domain>")
    for path in (f"devices/{tag}/x@y", f"devices[1]/{tag}@model", f"devices/{tag}/address@bus"):
        assert f"Use the option {option}" in _rejected_with(bare, path)


_DRIVES = """\
<domain><name>web</name><uuid>u</uuid><devices>
  <disk device='cdrom'><target dev='sda'/></disk>
  <disk device='cdrom'><source file='/two.iso'/><target dev='sdb'/></disk>
  <disk device='lun'><source dev='/dev/x'/><target dev='sdc'/></disk>
  <disk device='floppy'><source file='/f'/><target dev='fda'/></disk>
  <disk><source file='/a'/><target dev='vda'/></disk>
</devices></domain>
"""


@pytest.mark.parametrize(
    ("place", "part", "option"),
    [
        (1, "/source@file", "iso"), (1, "@device", "iso"), (1, "", "iso"), (1, "/address@unit", None),
        (2, "/source@file", "cdroms"), (2, "/source", "cdroms"), (2, "", "cdroms"), (2, "@device", "cdroms"),
        (3, "/source@dev", "disks"), (3, "/driver@type", "disks"), (3, "/driver@cache", None), (3, "@type", "disks"),
        (4, "/source@file", None), (4, "@device", "disks"),
        (5, "/source@file", "disks"), (5, "/target@dev", "disks"), (5, "", "disks"), (5, "/iotune/x", None),
        (5, "/serial", "disks"), (5, "/iotune", "disks"), (5, "/iotune/total_iops_sec", "disks"),
        (3, "/iotune/total_bytes_sec", "disks"), (5, "/iotune/total_iops_sec_max", None),
        (1, "/iotune/total_iops_sec", None), (5, "/iotune/read_iops_sec", None),
    ],
)  # fmt: skip
def test_what_is_at_a_place_decides(place, part, option):
    """Not the words of the path: a floppy drive has no option."""
    definition = Definition(_DRIVES)
    for step in (f"disk[{place}]", f"disk[@device='{('cdrom', 'cdrom', 'lun', 'floppy', 'disk')[place - 1]}']"):
        if place in (3, 4) or step == f"disk[{place}]":
            try:
                native.NATIVE["native"].write(
                    copy.deepcopy(definition), Change("native", None, None, key=f"devices/{step}{part}")
                )
                remedy = ""
            except Refused as error:
                remedy = error.remedy
            assert (f"Use the option {option}" in remedy) == (option is not None), (step, remedy)


@pytest.mark.parametrize("name", ["rich", "uefi"])
def test_no_described_path_is_rejected(name):
    text = recorded(f"{name}-dumpxml-inactive.xml").replace(
        "</os>", "<kernel>/k</kernel><initrd>/i</initrd><cmdline>c</cmdline></os><iothreads>2</iothreads>"
    )
    definition = Definition(text.replace("<on_crash>destroy", "<on_crash>preserve"))
    described = native.described_native(definition)
    assert {"os/kernel", "os/initrd", "os/cmdline", "iothreads"} <= described.keys()
    TRAITS.normalize(Vm("rich"), {"native": described})
    for path, value in described.items():
        native.NATIVE["native"].write(definition, Change("native", None, value, key=path))
    assert ET.tostring(definition.root)
