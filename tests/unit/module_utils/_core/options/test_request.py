# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests from the parameters of a task; errors name the option and the remedy."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Comparison
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import SNAPSHOT, VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import (
    comparison,
    requests,
    snapshot_requests,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import options as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import options as vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import options as virsh

PLAIN = {name: option.default for name, option in VM.items()}
NIC = {"type": "nat", "mac": None}
FORWARD = {"name": "ssh", "protocol": "tcp", "host_port": 2222, "guest_port": 22}
TWO = {"name": ["a", "b"]}

INVALID = [
    ("no name and no id", {"name": None}, "name", "Set the name"),
    ("an empty list of names", {"name": []}, "name", "Set the name"),
    ("an empty name", {"name": [" "]}, "name", "Set the name of the VM"),
    ("a name with a slash", {"name": ["a/b"]}, "name: 'a/b'", "without slashes"),
    ("a name with a newline", {"name": ["a\nb"]}, r"name: 'a\nb'", "printable"),
    ("a name twice", {"name": ["a", "b", "a"]}, "name: a", "once"),
    ("one id for two names", {**TWO, "id": "u1"}, "id: 'u1'", "one name"),
    (
        "one disk source for two VMs",
        {**TWO, "disks": [{"source": "/d"}]},
        "disks[0].source: /d is one file",
        "one name",
    ),
    (
        "one MAC for two VMs",
        {**TWO, "networks": [{"mac": "52:54:00:00:00:01"}]},
        "networks[0].mac: 52:54:00:00:00:01 is one address",
        "one name",
    ),
    (
        "one host port for two VMs",
        {**TWO, "port_forwards": [FORWARD]},
        "port_forwards.ssh.host_port: 2222 is one port",
        "one name",
    ),
    ("a disk without a file", {"disks": [{"slot": "vda", "source": ""}]}, "disks.vda.source: it is empty", "omit"),
    ("an empty slot", {"disks": [{"slot": ""}]}, "disks[0].slot: it is empty", "omit"),
    ("a NIC without a network", {"networks": [{"source": ""}]}, "networks[0].source: it is empty", "omit"),
    ("a share without a name", {"shared_folders": [{"name": "", "host_path": "/x"}]}, "[0].name: it is empty", "omit"),
    ("a share of no folder", {"shared_folders": [{"name": "s", "host_path": ""}]}, "s.host_path: it is empty", "omit"),
    ("a forward without a name", {"port_forwards": [{**FORWARD, "name": ""}]}, "[0].name: it is empty", "omit"),
    ("a key that YAML reads as true", {"native": {True: 1}}, "native: the key True is not text", "key in quotes"),
    ("a key that is a number", {"native": {"a": 1, 2: 1}}, "native: the key 2 is not text", "key in quotes"),
    ("an image without a file", {"image": {"source": ""}}, "image.source: it is empty", "omit"),
    (
        "colours in a text",
        {"description": "\x1b[32mok"},
        r"description: it contains the control character '\x1b'",
        "Remove it",
    ),
    (
        "colours in a native value",
        {"native": {"a/b": "\x1b[0m"}},
        r"native.a/b: it contains the control character",
        "Remove it",
    ),
    ("half a character", {"description": "\udc80"}, r"control character '\udc80'", "Remove it"),
    ("a timeout of 0", {"timeout": 0}, "timeout: 0", "1 or more"),
    ("a negative stop_timeout", {"stop_timeout": -1}, "stop_timeout: -1", "1 or more"),
    ("a relative ISO image", {"iso": "x.iso"}, "iso: 'x.iso' is not an absolute path", "full path"),
    ("a relative image", {"image": {"source": "x.img"}}, "image.source: 'x.img' is a relative path", "absolute path"),
    ("a relative disk", {"disks": [{"slot": "vda", "source": "x.img"}]}, "disks.vda.source: 'x.img' is", "full path"),
    (
        "a relative folder",
        {"shared_folders": [{"name": "s", "host_path": "x"}]},
        "shared_folders.s.host_path: 'x' is not",
        "full path",
    ),
    ("a relative serial log", {"serial_log": "x.log"}, "serial_log: 'x.log' is not an absolute path", "full path"),
    ("a position as a slot", {"disks": [{"slot": "#x"}]}, "disks: '#x' is not a valid slot", "vda"),
    (
        "a forward named like a position",
        {"port_forwards": [{**FORWARD, "name": "#x"}]},
        "'#x' is not a valid name",
        "begins without #",
    ),
    ("a negative position as a slot", {"disks": [{"slot": "#-1"}]}, "disks: '#-1' is not a valid slot", "vda"),
    ("a call_timeout of 0", {"call_timeout": 0}, "call_timeout: 0", "1 or more"),
    ("purge without the list", {"purge": ["disks"]}, "purge: disks", "[] for none"),
    ("no CPU", {"cpus": 0}, "cpus: 0", "1 or more"),
    ("an invalid size", {"memory": "lots"}, "memory: 'lots'", "512M"),
    ("an invalid disk size", {"disks": [{"slot": "vda", "size": "big"}]}, "disks.vda.size: 'big'", "20G"),
    ("an invalid size of a disk without a slot", {"disks": [{"size": "big"}]}, "disks[0].size: 'big'", "20G"),
    ("a slot twice", {"disks": [{"slot": "vda"}, {"slot": "vda"}]}, "disks: slot vda", "once"),
    ("an invalid max_memory", {"max_memory": "2X"}, "max_memory: '2X' is not a size", "512M"),
    ("an invalid video memory", {"display": {"type": None, "video_memory": "x"}}, "display.video_memory: 'x'", "512M"),
    ("a MAC with one dash", {"networks": [{**NIC, "mac": "5254-00000001"}]}, "networks[0].mac: '5254-", "six pairs"),
    ("half a MAC", {"networks": [{**NIC, "mac": "52:54:00"}]}, "networks[0].mac: '52:54:00'", "six pairs"),
    ("a multicast MAC", {"networks": [{**NIC, "mac": "01:54:00:00:00:01"}]}, "networks[0].mac: '01:", "six pairs"),
    (
        "a MAC with a newline",
        {"networks": [{**NIC, "mac": "52:54:00:00:00:01\n"}]},
        "networks[0].mac: '52:",
        "six pairs",
    ),
    ("an invalid VLAN", {"networks": [{**NIC, "vlan": 4095}]}, "networks[0].vlan: 4095", "4094"),
    ("a port forward twice", {"port_forwards": [FORWARD, FORWARD]}, "port_forwards: name ssh", "once"),
    (
        "an invalid guest port",
        {"port_forwards": [{**FORWARD, "guest_port": 70000}]},
        "port_forwards.ssh.guest_port: 70000",
        "65535",
    ),
    (
        "an invalid host port",
        {"port_forwards": [{**FORWARD, "host_port": 0}]},
        "port_forwards.ssh.host_port: 0",
        "65535",
    ),
    (
        "a reset of NVRAM without a start",
        {"reset_nvram": True, "state": "started"},
        "reset_nvram: is not supported with state: started",
        "state: restarted",
    ),
    ("nothing to extend", {"extend": True}, "extend: has no effect without expires", "Set expires, or omit extend."),
    ("image and clone", {"image": {"source": "/i"}, "clone": {"source": "db"}}, "image and clone", "one of them"),
]


def ask(**options):
    return requests({**PLAIN, "name": ["web"], **options}, {**VM, **virsh.VM})


@pytest.mark.parametrize(("options", "option", "remedy"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID])
def test_invalid_options(options, option, remedy):
    with pytest.raises(InvalidInput) as error:
        ask(**options)
    assert option in error.value.message
    assert remedy in error.value.remedy


def test_one_request_per_name_in_order():
    vms = ask(name=["c", "a", "b"], cpus=2)
    assert [one.name for one in vms] == ["c", "a", "b"]
    assert all(one.config == {"cpus": 2} and one.creation == {} for one in vms)


def test_name_may_be_omitted_if_id_is_set():
    (request,) = ask(name=None, id="u1")
    assert (request.name, request.label) == (None, "u1")


def test_omitted_options_are_not_in_the_request():
    (request,) = ask()
    assert (request.config, request.creation, request.state, request.snapshot) == ({}, {}, "present", None)


def test_false_and_empty_values_are_in_the_request():
    (request,) = ask(autostart=False, iso="", description="", tags=[], networks=[])
    assert request.config == {"autostart": False, "iso": "", "description": "", "tags": (), "networks": {}}


_WAITS = [("started", "ssh"), ("restarted", "ssh"), ("present", "ssh"), ("stopped", "state"), ("absent", "state")]


@pytest.mark.parametrize(("state", "waits"), _WAITS)
def test_wait_for_is_ignored_for_states_without_a_running_guest(state, waits):
    """wait_for can therefore be set in module_defaults."""
    assert ask(state=state, wait_for="ssh")[0].policy.wait_for == waits


def test_number_of_a_disk_size_is_in_gib():
    assert ask(disks=[{"size": "20"}])[0].config["disks"] == {"#0": {"size": 20 << 30}}


def test_values_are_normalized():
    (request,) = ask(
        memory="1024",
        tags=["b", "a", "b"],
        disks=[{"size": "20G", "slot": None}, {"slot": "vdb", "state": "absent"}],
        networks=[{"mac": "52-54-00-AB-00-01", "model": None}],
        port_forwards=[FORWARD],
        display={"type": "vnc", "video_memory": "16M"},
        native={"kvm": 1},
    )
    assert request.config == {
        "memory": 1 << 30,
        "tags": ("a", "b"),
        "disks": {"#0": {"size": 20 << 30}, "vdb": None},
        "networks": {"0": {"mac": "52:54:00:ab:00:01"}},
        "port_forwards": {"ssh": {"protocol": "tcp", "host_port": 2222, "guest_port": 22}},
        "display": {"type": "vnc", "video_memory": 16 << 20},
        "native": {"kvm": 1},
    }


@pytest.mark.parametrize("mac", ["52:54:00:AB:00:01", "52-54-00-ab-00-01", "525400AB0001"])
def test_mac_formats_of_platforms_are_accepted(mac):
    (request,) = ask(networks=[{"mac": mac}])
    assert request.config["networks"]["0"]["mac"] == "52:54:00:ab:00:01"


def test_creation_inputs_are_separate_from_config():
    (request,) = ask(image={"source": "/i", "linked": True}, cloud_init={"user": "me", "user_data": None})
    assert request.creation == {"image": {"source": "/i", "linked": True}, "cloud_init": {"user": "me"}}


def test_options_of_state_absent_are_only_validated():
    assert ask(state="absent", purge=["disks"])[0].policy.purge == frozenset({"disks"})
    with pytest.raises(InvalidInput):
        ask(state="absent", memory="lots")


def test_policy_has_the_set_values():
    (request,) = ask(stop_mode="force", stop_timeout=5, allow_restart=True, delete_disks="none", on_failure="keep")
    policy = request.policy
    assert (policy.stop_mode, policy.stop_timeout, policy.allow_restart) == ("force", 5, True)
    assert (policy.delete_disks, policy.on_failure, policy.timeout) == ("none", "keep", 300)


def test_target_of_restarted_is_started():
    (request,) = ask(state="restarted", cpus=2)
    assert request.target().state == "started"
    assert request.target().config == request.config


def test_platform_options_are_part_of_config():
    options = {**PLAIN, "name": ["web"], "boot_order": ["cdrom", "disk"], "serial_log": "", "virt_type": "kvm"}
    (request,) = requests(options, {**VM, **virsh.VM})
    assert request.config == {"boot_order": ("cdrom", "disk"), "serial_log": ""}


def test_order_of_a_platforms_dict_does_not_matter():
    (request,) = requests({**PLAIN, "name": ["web"], "environment": {"B": "2", "A": "1"}}, {**VM, **vagrant.VM})
    assert request.config == {"environment": {"A": "1", "B": "2"}}


def test_static_address_for_several_vms_is_rejected():
    with pytest.raises(InvalidInput, match=r"networks\[0\]\.address: 192\.168\.56\.5 is one address, but several"):
        ask(**TWO, networks=[{"address": "192.168.56.5"}])


@pytest.mark.parametrize(
    ("ip_config", "is_fixed"),
    [
        ("ip=10.0.0.5/24,gw=10.0.0.1", True),
        ("ip=dhcp,ip6=2001:db8::5/64", True),
        ("gw=10.0.0.1,ip=10.0.0.5/24", True),
        ("ip=dhcp,ip6=auto", False),
        ("ip6=manual", False),
        ("gw=10.0.0.1,ip=dhcp", False),
        ("", False),
    ],
)
def test_static_cloud_init_address_for_several_vms_is_rejected(ip_config, is_fixed):
    options = {**PLAIN, **TWO, "cloud_init": {"ip_config": ["ip=dhcp", ip_config]}}
    if not is_fixed:
        assert all(len(requests(options, {**VM, **own})) == 2 for own in (virsh.VM, proxmox.VM))
        return
    for own in (virsh.VM, proxmox.VM):
        with pytest.raises(InvalidInput, match=f"cloud_init.ip_config: {ip_config} is one address, but several VMs"):
            requests(options, {**VM, **own})


KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}"


def test_record_has_only_set_values():
    options = {
        **PLAIN,
        "name": ["web"],
        "cloud_init": {"user": "", "password": None, "ssh_authorized_keys": [f"# mine\n{KEY} me\n{KEY}"]},
    }
    (request,) = requests(options, {**VM, **proxmox.VM})
    assert request.config == {"cloud_init": {"ssh_authorized_keys": (f"{KEY} me", KEY), "user": ""}}


def test_serial_log_for_several_vms_is_rejected():
    with pytest.raises(InvalidInput, match="serial_log: /log is one file, but several VMs are named"):
        ask(**TWO, serial_log="/log")
    assert len(ask(**TWO, serial_log="")) == 2


def test_reset_nvram_is_an_argument_of_the_start():
    (request,) = ask(state="restarted", reset_nvram=True)
    assert request.policy.at_start == {"reset_nvram": True}
    assert ask(state="restarted", reset_nvram=False)[0].policy.at_start == {}


# Snapshots ------------------------------------------------------------------------------------------------------------

PLAIN_SNAPSHOT = {name: option.default for name, option in SNAPSHOT.items()}


def ask_snapshot(**options):
    options = {**PLAIN_SNAPSHOT, "name": ["web"], "snapshot": "s", **options}
    return snapshot_requests(options, {**SNAPSHOT, **virsh.SNAPSHOT})


INVALID_SNAPSHOTS = [
    ({"name": None}, "name", "Set the name"),
    ({"name": ["a/b"]}, "name: 'a/b'", "without slashes"),
    ({"snapshot": ""}, "snapshot: a name is empty", "Set a name"),
    ({"snapshot": "a\tb"}, r"snapshot: 'a\tb'", "printable"),
    ({"timeout": 0}, "timeout: 0", "1 or more"),
    ({"keep_last": 0}, "keep_last: 0", "1 or more"),
    *(
        ({option: value, "state": state}, f"{option}: is not supported with state: {state}", "Set state: present")
        for option, value in (("description", ""), ("include_memory", True), ("kind", "external"), ("keep_last", 1))
        for state in ("absent", "restored")
    ),
    *(({"children": True, "state": state}, "children: ", "Set state: absent") for state in ("present", "restored")),
    *(({"power": "keep", "state": state}, "power: ", "Set state: restored") for state in ("present", "absent")),
]


@pytest.mark.parametrize(("options", "message", "remedy"), INVALID_SNAPSHOTS)
def test_invalid_snapshot_options(options, message, remedy):
    with pytest.raises(InvalidInput) as error:
        ask_snapshot(**options)
    assert message in error.value.message
    assert remedy in error.value.remedy


def test_extend_of_a_snapshot_needs_its_expiry():
    with pytest.raises(InvalidInput) as error:
        ask_snapshot(extend=True)
    assert "extend: has no effect without expires" in error.value.message
    assert ask_snapshot(extend=True, expires="8h", controller_time=1)[0].policy.extend


def test_snapshot_request_has_the_set_values():
    options = {"description": "d", "include_memory": False, "kind": "external", "keep_last": 3}
    one, two = ask_snapshot(name=["a", "b"], **options, timeout=5)
    assert (one.name, two.name, one.snapshot, one.policy.timeout) == ("a", "b", two.snapshot, 5)
    assert {option: getattr(one.snapshot, option) for option in options} == options
    assert (one.snapshot.name, one.snapshot.state, one.snapshot.children) == ("s", "present", False)
    restored = ask_snapshot(state="restored", power="keep", wait_for="ssh")[0]
    assert (restored.snapshot.power, restored.policy.wait_for) == ("keep", "ssh")
    assert ask_snapshot(state="present", wait_for="ssh")[0].policy.wait_for == "state"
    # A restore is done once, so it is not part of the target.
    assert (restored.target().snapshot, one.target().snapshot) == (None, one.snapshot)


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ({}, []),
        ({"description": ""}, ["description"]),
        ({"include_memory": False, "kind": "internal"}, ["include_memory", "kind"]),
        ({"keep_last": 2}, []),
    ],
)
def test_options_used_only_when_a_snapshot_is_taken(options, used):
    assert ask_snapshot(**options)[0].snapshot.options_used_to_take == used


def compare(name=("web",), vm_id=None, **options):
    options = {"from": "a", "to": None, "content": False, "text": False, **options}
    return comparison({"name": list(name) or None, "id": vm_id, "compare": options})


def test_comparison_has_the_set_values():
    assert comparison({"name": None}) is None
    assert compare() == Comparison("a")
    assert compare(to="b", content=True, text=True) == Comparison("a", "b", content=True, text=True)
    assert compare(name=(), vm_id="u1") == Comparison("a")
    # Only one platform compares the content of disks; others do not have these suboptions.
    assert comparison({"name": ["web"], "compare": {"from": "a", "to": None}}) == Comparison("a")


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        ({"name": ()}, "compare: no VM is named", "Set the name"),
        ({"name": ("a", "b")}, "compare: needs one VM, but 2 are named", "one name"),
        ({"from": " "}, "compare.from: a name is empty", "Set a name"),
        ({"to": "a\nb"}, "compare.to: ", "printable"),
        ({"to": "a"}, "compare: 'a' would be compared with itself", "omit to"),
        ({"text": True}, "compare: text has no effect without content", "content: true"),
    ],
)
def test_invalid_comparison(options, message, remedy):
    with pytest.raises(InvalidInput) as error:
        compare(**options)
    assert message in error.value.message
    assert remedy in error.value.remedy
