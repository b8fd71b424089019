# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of vm.conf has the same results as that of vmd."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import definition_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vm_conf
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf import read

from collection_path import CHECKOUT

GOLDEN = json.loads((CHECKOUT / "tests/platforms/vmm/golden/vm_conf.json").read_text(encoding="utf-8"))
FOLDER = "/dir"
VALID = [case for case in GOLDEN["cases"] if case["load"]["rc"] == 0]


def placed(value):
    return json.loads(json.dumps(value).replace("@DIR@", FOLDER))


def read_case(case):
    case = placed(case)
    files = {f"{FOLDER}/vm.conf": case["text"], **{f"{FOLDER}/{name}": text for name, text in case["extra"].items()}}
    return read(f"{FOLDER}/vm.conf", files.get)


def registered(vm):
    """A VM of the recording in the form of ``parsed``."""
    return {
        "name": vm["name"],
        "enabled": vm["state"] == "waiting",
        "memory": vm["memory"],
        "disks": [kind for _path, kind in vm.get("disks", ())],
        "nics": len(vm.get("interfaces", ())),
        "boot_device": vm.get("boot_device", ""),
        "cdrom": bool(vm.get("cdrom")),
    }


def parsed(definition, kinds):
    """A parsed VM; ``kinds`` are the recorded formats of its disks."""
    return {
        "name": definition.name,
        "enabled": definition.enabled,
        "memory": definition.memory or 512 << 20,
        "disks": [kind or recorded for (_path, kind), recorded in zip(definition.disks, kinds)],
        "nics": len(definition.nics),
        "boot_device": definition.boot_device,
        "cdrom": bool(definition.cdrom),
    }


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_vms_are_read_as_vmd_registers_them(case):
    configuration = read_case({"extra": {}, **case})
    expected = [registered(vm) for vm in placed(case["load"].get("state", {})).get("vms", ())]
    blocks = configuration.blocks
    by_name = {one["name"]: one for one in expected}
    assert {name: parsed(definition_of(one, blocks), by_name[name]["disks"]) for name, one in blocks.items()} == by_name


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_switches_are_read_as_vmd_registers_them(case):
    configuration = read_case({"extra": {}, **case})
    switches = placed(case["load"].get("state", {})).get("switches", ())
    first = {switch["name"]: switch["interface"] for switch in reversed(switches)}
    assert {name: configuration.switches[name] for name in first} == first


def test_statements_have_their_position():
    text = 'm = 1G\nvm "a" {\n\tdisable # off\n\tmemory $m\n\tdisk /x format raw\n}\n'
    block = read("f", {"f": text}.get).blocks["a"]
    assert text[block.start : block.end] == text[text.index("vm") :].rstrip("\n")
    assert [text[one.start : one.end] for one in block.statements] == ["disable", "memory $m", "disk /x format raw"]


def test_included_file_is_read_and_recorded():
    texts = {"/a": 'include "/b"\nvm "x" { disk /x\n}\n', "/b": 'dir = "/d"\nvm "y" { disk $dir/y\n}\n'}
    blocks = read("/a", texts.get).blocks
    assert {name: block.file for name, block in blocks.items()} == {"y": "/b", "x": "/a"}
    assert blocks["y"].all("disk") == [("/d/y", None)]


def test_files_that_include_each_other():
    assert read("/a", {"/a": 'include "/b"\n', "/b": 'include "/a"\n'}.get).texts.keys() == {"/a", "/b"}


@pytest.mark.parametrize(
    "text", ["", "\n", "vm", 'vm "a"', 'vm "a" {', "$", '"', "{", "}", "switch x", "a =", "include"]
)
def test_invalid_text_does_not_fail(text):
    assert vm_conf.read("f", {"f": text}.get).switches in ({}, {"x": ""})


UTF_8 = """\
dir = "/größe"
switch "łan" { interface bridge0 }
include "/etc/ą.conf"
vm "a" {
\tdisk $dir/ą.qcow2
\tcdrom "/iso/größe.iso"
\tinterface { switch "łan" }
}
"""


def test_values_have_the_bytes_of_file_names():
    texts = {"/etc/vm.conf": UTF_8.encode().decode("latin-1")}
    asked = []
    found = read("/etc/vm.conf", lambda path: asked.append(path) or texts.get(path))
    assert asked == ["/etc/vm.conf", "/etc/ą.conf"]
    definition = definition_of(found.blocks["a"], found.blocks)
    assert (definition.disks, definition.cdrom) == ((("/größe/ą.qcow2", None),), "/iso/größe.iso")
    assert (definition.nics[0].switch, dict(found.switches)) == ("łan", {"łan": "bridge0"})
    block = found.blocks["a"]
    assert texts["/etc/vm.conf"][block.start : block.end].startswith('vm "a" {')


def test_bytes_that_are_not_utf_8_stay():
    text = 'vm "a" {\n\tdisk "/gr\xf6\xdfe"\n}\n'
    found = read("f", {"f": text}.get)
    assert os.fsencode(found.blocks["a"].all("disk")[0][0]) == b"/gr\xf6\xdfe"
    assert definition_of(found.blocks["a"], found.blocks).printed() == text
