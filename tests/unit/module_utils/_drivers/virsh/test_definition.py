# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing and editing a domain XML: only the requested values change."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import DAMAGED
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import (
    MARK_NAMESPACE,
    Definition,
    backing_files,
)

from collection_path import CHECKOUT
from unit.module_utils._drivers.virsh.answers import machine_xml, with_metadata

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
COMMAND_LINE = (
    "</domain>",
    f"<qemu:commandline xmlns:qemu='{QEMU}'><qemu:arg value='-snapshot'/></qemu:commandline></domain>",
)


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


# Elements of other tools ----------------------------------------------------------------------------------------------


def test_namespace_prefixes_of_others_are_kept():
    written = Definition(machine_xml(COMMAND_LINE)).text()
    assert "<qemu:commandline" in written and "<qemu:arg" in written
    assert "<pv:vm" in written and 'xmlns:pv="https://example.org/ns/1"' in written
    assert "ns0" not in written


# Our mark -------------------------------------------------------------------------------------------------------------


def with_mark(text):
    return with_metadata(f"<polyvirt:mark xmlns:polyvirt='{MARK_NAMESPACE}'>{text}</polyvirt:mark>")


@pytest.mark.parametrize("text", ["{", "[1]", "null", "7", '"id"'])
def test_invalid_mark_is_damaged(text):
    assert list(Definition(machine_xml(with_mark(text))).mark) == [DAMAGED]
    assert Definition(machine_xml(with_mark(""))).mark is None


# Native paths ---------------------------------------------------------------------------------------------------------


AMBIGUOUS = ("devices/disk", "devices/controller@model", "devices/*")
INVALID = ("/os/kernel", "os/[", "nobody:commandline", "nobody:commandline/qemu:arg", "devices/disk[x y]")


@pytest.mark.parametrize("path", [*AMBIGUOUS, *INVALID])
def test_path_of_several_elements_or_of_none_is_rejected(path):
    error = r"m1: native: '.*' matches \d+ elements" if path in AMBIGUOUS else "is not a valid path in a domain XML"
    for action in (Definition(machine_xml()).native, lambda one: Definition(machine_xml()).set_native(one, "x")):
        with pytest.raises(Refused, match=error):
            action(path)


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("os/cmdline", "quiet", {"/os[1]/cmdline[1]": ("root=/dev/vda ro console=ttyS0 net.ifnames=0 quiet", "quiet")}),
        ("os/type@machine", "pc", {"/os[1]/type[1]@machine": ("pc-q35-7.2", "pc")}),
        ("features/hap@state", True, {"/features[1]/hap[1]": (None, ""), "/features[1]/hap[1]@state": (None, "yes")}),
        ("devices/disk[2]/target@bus", "sata", {"/devices[1]/disk[2]/target[1]@bus": ("scsi", "sata")}),
        ("iothreads", 2, {"/iothreads[1]": (None, "2")}),
        # Missing elements of a list are added.
        ("devices/disk[2]/serial", "7", {"/devices[1]/disk[2]/serial[1]": (None, "7")}),
        ("devices/tpm[1]@model", "7", {"/devices[1]/tpm[1]": (None, ""), "/devices[1]/tpm[1]@model": (None, "7")}),
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


@pytest.mark.parametrize("path", ["devices/tpm[2]@model", "devices/tpm[@model]/x", "devices/tpm[last()]"])
def test_element_with_such_a_condition_cannot_be_added(path):
    with pytest.raises(Refused, match=rf"'{re.escape(path)}' does not exist, and cannot be created"):
        Definition(machine_xml()).set_native(path, "y")


def test_configuration_of_ignition_is_set_as_the_guide_shows():
    definition = Definition(machine_xml())
    row = next(one for one in (CHECKOUT / "docs/migration.md").read_text("utf-8").splitlines() if "ignition" in one)
    for path, value in yaml.safe_load(row.split("`native: ", 1)[1].rpartition("`")[0]).items():
        definition.set_native(path, value)
    argument = "name=opt/com.coreos/config,file=/srv/web1.ign"
    assert f'<qemu:arg value="-fw_cfg" /><qemu:arg value="{argument}" />' in definition.text()


def test_elements_of_namespaces_and_with_attributes_are_added():
    definition = Definition(machine_xml())
    definition.set_native("qemu:commandline/qemu:arg[1]@value", "-a")
    definition.set_native("qemu:commandline/qemu:env[@name='A/B']@value", "c")
    text = definition.text()
    assert 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"' in text
    assert '<qemu:commandline><qemu:arg value="-a" /><qemu:env name="A/B" value="c" /></qemu:commandline>' in text


def test_other_order_of_controllers_is_no_change():
    """libvirt stores those that it adds last, and sorts them when the definition is stored again."""
    text = "<domain><devices><controller index='{}'/> <disk/><controller index='{}'/></devices></domain>"
    assert Definition(text.format(0, 1)).content == Definition(text.format(1, 0)).content
    assert Definition(text.format(0, 1)).content != Definition(text.format(0, 2)).content
