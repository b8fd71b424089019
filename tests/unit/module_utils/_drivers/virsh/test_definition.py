# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing and editing a domain XML: only the requested values change."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import (
    MARK_NAMESPACE,
    Definition,
    backing_files,
)

from unit.module_utils._drivers.virsh.answers import UUID, machine_xml, with_devices, with_metadata

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
COMMAND_LINE = (
    "</domain>",
    f"<qemu:commandline xmlns:qemu='{QEMU}'><qemu:arg value='-snapshot'/></qemu:commandline></domain>",
)
TOPOLOGY = ("<model fallback='forbid'>qemu64</model>", "<topology sockets='1' dies='1' cores='4' threads='1'/>")


def flat(text):
    """{path: value} of all texts and attributes; siblings of one name are numbered."""
    found = {}

    def walk(element, path):
        found[path] = (element.text or "").strip()
        found.update({f"{path}@{name}": value for name, value in element.attrib.items()})
        seen = {}
        for child in element:
            seen[child.tag] = seen.get(child.tag, 0) + 1
            walk(child, f"{path}/{child.tag}[{seen[child.tag]}]")

    walk(ET.fromstring(text), "")
    return found


def edited(text, edit):
    """{path: (before, after)} of all differences after ``edit`` and serialization of the document."""
    definition = Definition(text)
    edit(definition)
    before, after = flat(text), flat(definition.text())
    return {
        path: (before.get(path), after.get(path)) for path in {*before, *after} if before.get(path) != after.get(path)
    }


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("element", "size"),
    [
        ("<memory>2048</memory>", 2 << 20),
        ("<memory unit='b'>4096</memory>", 4096),
        ("<memory unit='MB'>1</memory>", 1000**2),
        ("<memory unit='G'>2</memory>", 2 << 30),
        ("<memory unit='GiB'>2</memory>", 2 << 30),
        ("<memory unit='TiB'>1</memory>", 1 << 40),
    ],
)
def test_all_units_of_libvirt_are_supported(element, size):
    assert Definition(f"<domain>{element}</domain>").memory == size


def test_all_backing_files_of_running_disk_are_read():
    last = "<backingStore><source file='/a'/><backingStore/></backingStore>"
    chain = f"<backingStore><source file='/b'/>{last}</backingStore>"
    text = machine_xml(("<target dev='vda' bus='virtio'/>", f"{chain}<target dev='vda' bus='virtio'/>"))
    assert backing_files(Definition(text).drives("disk")[0]) == ["/b", "/a"]


# Editing --------------------------------------------------------------------------------------------------------------


def test_writing_without_an_edit_changes_nothing():
    assert edited(machine_xml(COMMAND_LINE), lambda definition: None) == {}


# Elements of other tools ----------------------------------------------------------------------------------------------


def test_namespace_prefixes_of_others_are_kept():
    written = Definition(machine_xml(COMMAND_LINE)).text()
    assert "<qemu:commandline" in written and "<qemu:arg" in written
    assert "<pv:vm" in written and 'xmlns:pv="https://example.org/ns/1"' in written
    assert "ns0" not in written


def test_unknown_devices_are_kept():
    strange = "<shmem name='s0'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
    text = machine_xml(with_devices(strange))
    assert edited(text, lambda definition: definition.set("name", "m1")) == {}


# Our mark -------------------------------------------------------------------------------------------------------------


def with_mark(text):
    return with_metadata(f"<polyvirt:mark xmlns:polyvirt='{MARK_NAMESPACE}'>{text}</polyvirt:mark>")


def test_mark_is_read_as_it_was_written():
    definition = Definition(machine_xml())
    definition.set_mark({"v": 1, "id": UUID, "disks": ["/a & b"], "tags": ["ü"]})
    again = Definition(definition.text())
    assert again.mark == {"v": 1, "id": UUID, "disks": ["/a & b"], "tags": ["ü"]}
    assert "<polyvirt:mark" in definition.text()


def test_mark_is_added_to_metadata_of_others():
    changes = edited(machine_xml(), lambda definition: definition.set_mark({"id": UUID}))
    assert list(changes) == [f"/metadata[1]/{{{MARK_NAMESPACE}}}mark[1]"]


def test_mark_is_added_without_metadata():
    definition = Definition("<domain><name>bare</name></domain>")
    definition.set_mark({"id": "x"})
    assert Definition(definition.text()).mark == {"id": "x"}


def test_mark_is_replaced():
    definition = Definition(machine_xml(with_mark(json.dumps({"id": "old"}))))
    definition.set_mark({"id": "new"})
    assert definition.text().count("<polyvirt:mark>") == 1
    assert Definition(definition.text()).mark == {"id": "new"}


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "7", '"id"'])
def test_invalid_mark_is_none(text):
    assert Definition(machine_xml(with_mark(text))).mark is None


# Native paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("os/kernel", "/var/lib/libvirt/images/vmlinuz"),
        ("os/type@machine", "pc-q35-7.2"),
        ("@type", "qemu"),
        ("features/acpi", ""),
        ("devices/disk[1]/driver@type", "qcow2"),
        ("devices/controller[@type='scsi']@model", "virtio-scsi"),
        ("os/type@nosuch", None),
        ("os/loader", None),
        ("devices/tpm@model", None),
    ],
)
def test_native_values(path, value):
    assert Definition(machine_xml()).native(path) == value


@pytest.mark.parametrize("path", ["devices/disk", "devices/controller@model", "devices/*"])
def test_path_with_several_matches_is_rejected(path):
    for action in (Definition(machine_xml()).native, lambda one: Definition(machine_xml()).set_native(one, "x")):
        with pytest.raises(Refused, match=r"m1: native: '.*' matches \d+ elements"):
            action(path)


@pytest.mark.parametrize(
    "path", ["/os/kernel", "os/[", "qemu:commandline", "qemu:commandline/qemu:arg", "devices/disk[x y]"]
)
def test_invalid_path_is_rejected(path):
    for action in (Definition(machine_xml()).native, lambda one: Definition(machine_xml()).set_native(one, "x")):
        with pytest.raises(Refused, match="is not a valid path in a domain XML"):
            action(path)


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("os/cmdline", "quiet", {"/os[1]/cmdline[1]": ("root=/dev/vda ro console=ttyS0 net.ifnames=0 quiet", "quiet")}),
        ("os/type@machine", "pc", {"/os[1]/type[1]@machine": ("pc-q35-7.2", "pc")}),
        ("features/hap@state", True, {"/features[1]/hap[1]": (None, ""), "/features[1]/hap[1]@state": (None, "yes")}),
        ("devices/disk[2]/target@bus", "sata", {"/devices[1]/disk[2]/target[1]@bus": ("scsi", "sata")}),
        ("iothreads", 2, {"/iothreads[1]": (None, "2")}),
    ],
)
def test_native_changes(path, value, changes):
    assert edited(machine_xml(), lambda definition: definition.set_native(path, value)) == changes


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("os/kernel", {"/os[1]/kernel[1]"}),
        ("devices/disk[1]/driver@type", {"/devices[1]/disk[1]/driver[1]@type"}),
        ("devices/disk[2]/readonly", {"/devices[1]/disk[2]/readonly[1]"}),
        ("os/loader", set()),
        ("os/loader@type", set()),
    ],
)
def test_native_values_are_removed(path, gone):
    changes = edited(machine_xml(), lambda definition: definition.set_native(path, None))
    assert set(changes) == gone
    assert all(after is None for _before, after in changes.values())


def test_element_below_second_sibling_is_removed():
    changes = edited(machine_xml(), lambda definition: definition.set_native("devices/disk/readonly", None))
    assert set(changes) == {"/devices[1]/disk[2]/readonly[1]"}


def test_element_with_condition_in_path_cannot_be_added():
    with pytest.raises(Refused, match=r"'devices/tpm\[2\]@model' does not exist, and cannot be created"):
        Definition(machine_xml()).set_native("devices/tpm[2]@model", "y")
