# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The display: existing settings are not changed, no element remains that libvirt would reject; the serial log."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.display import (
    normalize_display,
    read_display,
    read_serial_log,
    write_display,
    write_serial_log,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import FakeVirsh, driver_of, machine_xml, with_devices
from unit.module_utils._drivers.virsh.test_observe import LISTING

MIB = 1 << 20
VNC = "<graphics type='vnc' port='5901' autoport='no' listen='0.0.0.0' passwd='hidden'/>"
SPICE = "<graphics type='spice' autoport='yes'/>"
CARD = "<video><model type='qxl' ram='65536' vram='16384' vgamem='16384'/></video>"
OF_SPICE = (
    "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
    "<redirdev bus='usb' type='spicevmc'/><smartcard mode='passthrough' type='spicevmc'/><audio id='1' type='spice'/>"
)


def with_display(*elements):
    return Definition(machine_xml(with_devices(*elements)))


def written(definition, **requested):
    for attribute, new in requested.items():
        write_display(definition, Change("display", None, new, attribute=attribute))
    return definition


def types(definition, tag):
    return [one.get("type") for one in definition.root.findall(f"devices/{tag}")]


@pytest.mark.parametrize("kind", ["vnc", "spice"])
def test_new_display_listens_on_localhost_and_has_video_device(kind):
    definition = written(with_display(), type=kind)
    (display,) = definition.root.findall("devices/graphics")
    assert (display.get("type"), display.get("autoport")) == (kind, "yes")
    assert display.find("listen").attrib == {"type": "address", "address": "127.0.0.1"}
    assert definition.native("devices/video/model@type") == "vga"


def test_video_memory_change_keeps_port_address_and_password():
    definition = written(with_display(VNC, CARD), video_memory=64 * MIB)
    display = definition.root.find("devices/graphics")
    assert (display.get("port"), display.get("listen"), display.get("passwd")) == ("5901", "0.0.0.0", "hidden")
    assert definition.root.find("devices/video/model").attrib == {
        "type": "qxl", "ram": "65536", "vram": "65536", "vgamem": "16384",
    }  # fmt: skip


def test_display_of_requested_type_is_kept_unchanged():
    definition = written(with_display(SPICE, VNC, CARD), type="vnc")
    assert types(definition, "graphics") == ["vnc"]
    assert definition.root.find("devices/graphics").get("passwd") == "hidden"


@pytest.mark.parametrize("kind", ["vnc", "none"])
def test_devices_that_need_spice_are_removed_with_it(kind):
    definition = written(with_display(SPICE, OF_SPICE, CARD), type=kind)
    assert types(definition, "graphics") == ([] if kind == "none" else [kind])
    assert [one.tag for one in definition.devices if one.get("type") in ("spicevmc", "spice")] == []
    assert types(definition, "video/model") == ["qxl"]


@pytest.mark.parametrize(
    ("change", "is_reported"),
    [
        (Change("display", "spice", "none", attribute="type"), True),
        (Change("display", "vnc", "none", attribute="type"), False),
        (Change("display", None, 32 * MIB, attribute="video_memory"), False),
    ],
)
def test_removal_of_devices_that_need_spice_is_reported(tmp_path, change, is_reported):
    effects = driver_of(FakeVirsh(LISTING), tmp_path).traits().side_effects
    reported = effects("configure", Vm("a"), [change])
    assert [text.split(",")[0] for text in reported] == ["devices that need SPICE"] * is_reported


def test_devices_that_need_spice_are_kept_with_it():
    definition = written(with_display(VNC, OF_SPICE), type="spice")
    assert types(definition, "redirdev") == ["spicevmc"]


def test_video_model_none_is_replaced():
    definition = written(with_display("<video><model type='none'/></video>"), type="vnc")
    assert types(definition, "video/model") == ["vga"]


@pytest.mark.parametrize("order", [("type", "video_memory"), ("video_memory", "type")])
def test_both_options_can_be_set_at_once_in_any_order(order):
    requested = {"type": "vnc", "video_memory": 8 * MIB}
    assert read_display(written(with_display(), **{name: requested[name] for name in order})) == requested


@pytest.mark.parametrize(("requested", "stored"), [(16, 16), (20, 32), (33, 64), (1, 1)])
def test_video_memory_is_rounded_up_like_libvirt(requested, stored):
    display = {"type": "vnc", "video_memory": requested * MIB}
    assert normalize_display(Vm("a"), display) == {"type": "vnc", "video_memory": stored * MIB}


def test_video_memory_of_existing_display_is_accepted():
    vm = Vm("a", config={"display": {"type": "spice"}})
    assert normalize_display(vm, {"video_memory": 2 * MIB}) == {"video_memory": 2 * MIB}


@pytest.mark.parametrize(
    ("found", "requested"), [({}, {}), ({"type": "none"}, {}), ({"type": "vnc"}, {"type": "none"})]
)
def test_video_memory_without_display_is_rejected(found, requested):
    with pytest.raises(Refused, match=r"a: display\.video_memory needs a display"):
        normalize_display(Vm("a", config={"display": found}), {**requested, "video_memory": MIB})


@pytest.mark.parametrize(
    ("before", "append"),
    [("", "off"), ("<serial type='pty'/>", "off"), ("<serial><log file='/old' append='on'/></serial>", "on")],
    ids=["no port", "no log", "another path"],
)
def test_serial_log_is_truncated_at_start_only_if_it_is_new(before, append):
    definition = Definition(f"<domain><devices>{before}</devices></domain>")
    write_serial_log(definition, Change("serial_log", None, "/new"))
    assert definition.root.find("devices/serial/log").attrib == {"file": "/new", "append": append}
    assert read_serial_log(definition) == "/new"


@pytest.mark.parametrize("log", ["<log file='/old' append='off'/>", ""])
def test_port_stays_without_its_log(log):
    definition = Definition(f"<domain><devices><serial type='pty'>{log}</serial></devices></domain>")
    write_serial_log(definition, Change("serial_log", "/old", ""))
    assert [port.findall("log") for port in definition.root.findall("devices/serial")] == [[]]


def test_no_serial_port_is_added_without_a_log():
    definition = Definition("<domain><devices/></domain>")
    write_serial_log(definition, Change("serial_log", None, ""))
    assert definition.root.find("devices/serial") is None
