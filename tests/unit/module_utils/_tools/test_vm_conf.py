# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of vm.conf has the same results as that of vmd."""

from __future__ import annotations

import json
import os
from ipaddress import ip_network

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import definition_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vm_conf
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf import read

from collection_path import CHECKOUT

GOLDEN = json.loads((CHECKOUT / "tests/platforms/vmm/golden/vm_conf.json").read_text(encoding="utf-8"))
FOLDER = "/dir"
#: What is compared of a NIC, with the defaults.
NIC = {"local": False, "switch": "", "rdomain": 0, "group": None}
#: Spellings that nobody uses, and that this parser does not read as vmd does.
NOT_READ = {"v0488": "a MAC address of zeros is random", "v0566": "an owner of -1", "v0881": "a hexadecimal prefix"}
VALID = [case for case in GOLDEN["cases"] if case["load"]["rc"] == 0 and case["id"] not in NOT_READ]


def placed(value):
    return json.loads(json.dumps(value).replace("@DIR@", FOLDER))


def read_case(case):
    case = placed(case)
    files = {f"{FOLDER}/vm.conf": case["text"], **{f"{FOLDER}/{name}": text for name, text in case["extra"].items()}}
    return read(f"{FOLDER}/vm.conf", files.get)


def real(path):
    """The path that vmd registers: without the links of the recorded host."""
    return os.path.normpath(path).replace(f"{FOLDER}/link.img", f"{FOLDER}/web1.qcow2") if path else ""


def owner_of(text):
    """[uid, gid] of an owner in vm.conf; without a group, gid is -1."""
    user, _colon, group = text.partition(":")
    about = GOLDEN["about"]
    uid = int(user) if user.lstrip("-").isdigit() else about["users"][user][0] if user else 0
    return [uid, about["groups"][group] if group else -1]


def nic_of(nic):
    words = nic.rest.split()
    values = {key: words[words.index(key) + 1] for key in ("rdomain", "group") if key in words}
    rdomain = int(values.get("rdomain", 0))
    return {"local": nic.switch is None, "switch": nic.switch or "", "rdomain": rdomain, "group": values.get("group")}


def allowed(words):
    """The options that an instance may set, sorted; without the user who may create it."""
    return sorted({word for word in words if not word.startswith("owner ")})


def mac_of(text):
    """A MAC address as vmd stores it: six bytes of two digits each."""
    return ":".join(f"{int(part.split()[0], 16):02x}" for part in text.split(":")[:6])


def registered(vm):
    """A VM of the recording in the form of ``parsed``."""
    return {
        "name": vm["name"],
        "enabled": vm["state"] == "waiting",
        "memory": vm["memory"],
        "owner": vm["owner"],
        "disks": vm.get("disks", []),
        "nics": [{key: nic.get(key, value) for key, value in NIC.items()} for nic in vm["interfaces"]],
        "macs": [None if "random" in nic["lladdr"] else nic["lladdr"] for nic in vm["interfaces"]],
        "boot_device": vm.get("boot_device", ""),
        "cdrom": vm.get("cdrom", ""),
        "boot": vm.get("boot", ""),
        "sev": vm.get("sev", False),
        "allow": sorted(vm.get("allow_instance", ())),
    }


def parsed(definition, kinds):
    """A parsed VM; ``kinds`` are the recorded formats of its disks."""
    return {
        "name": definition.name,
        "enabled": definition.enabled,
        "memory": definition.memory or 512 << 20,
        "owner": owner_of(definition.owner),
        "disks": [[real(path), kind or recorded] for (path, kind), recorded in zip(definition.disks, kinds)],
        "nics": [nic_of(nic) for nic in definition.nics],
        "macs": [nic.mac and mac_of(nic.mac) for nic in definition.nics],
        "boot_device": definition.boot_device,
        "cdrom": real(definition.cdrom),
        "boot": real(definition.boot),
        "sev": dict(definition.native).get("sev", False),
        "allow": allowed(dict(definition.native).get("allow", ())),
    }


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_vms_are_read_as_vmd_registers_them(case):
    configuration = read_case({"extra": {}, **case})
    expected = [registered(vm) for vm in placed(case["load"].get("state", {})).get("vms", ())]
    blocks = configuration.blocks
    by_name = {one["name"]: one for one in expected}
    kinds = {name: [kind for _path, kind in one["disks"]] for name, one in by_name.items()}
    assert {name: parsed(definition_of(one, blocks), kinds[name]) for name, one in blocks.items()} == by_name


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_switches_are_read_as_vmd_registers_them(case):
    configuration = read_case({"extra": {}, **case})
    switches = placed(case["load"].get("state", {})).get("switches", ())
    assert configuration.switches == {switch["name"]: switch["interface"] for switch in reversed(switches)}


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_prefix_of_local_interfaces_is_read_as_vmd_registers_it(case):
    found = case["load"].get("state", {}).get("global", {})
    network = f"{found.get('local_prefix', '100.64.0.0')}/{found.get('local_mask', '255.192.0.0')}"
    assert read_case({"extra": {}, **case}).prefix == str(ip_network(network))


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


@pytest.mark.parametrize(
    ("text", "prefix"), [('"10.1/16"', "10.1.0.0/16"), ('"10/8"', "10.0.0.0/8"), ('"10.2"', "10.2.0.0/16")]
)
def test_prefix_without_its_last_octets(text, prefix):
    assert read("f", {"f": f"local prefix {text}\n"}.get).prefix == prefix


@pytest.mark.parametrize(("second", "boot"), [('boot "/b"', "/b"), ("disable", "")])
def test_kernel_is_that_of_the_last_block_with_a_name(second, boot):
    text = f'vm "a" {{\n\tdisk /x\n\tboot "/a"\n}}\nvm "a" {{\n\tmemory 1G\n\t{second}\n}}\n'
    found = definition_of(read("f", {"f": text}.get).blocks["a"], {})
    assert (found.boot, found.memory, found.enabled) == (boot, None, True)


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
