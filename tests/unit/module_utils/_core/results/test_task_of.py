# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM is described as a task that changes nothing, and that reports each change of what it describes."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    LIVE,
    NEVER,
    Field,
    Secret,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import (
    CONNECTION,
    VM,
    Connection,
    Option,
    argument_spec,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import changed_config
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import UNFINISHED
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import task_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import flat_config
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full
from hypothesis import given
from hypothesis import strategies as st

from suite.described import entry_of

G = 1 << 30
OPTIONS = {
    **VM,
    "uri": Connection(),
    "executable": Connection(default="tool"),
    "api_token": Connection(secret=True),
    "boot_order": Option("list", elements="str", choices=("disk", "cdrom")),
    "cloud_init": replace(VM["cloud_init"], role="setting"),
}
assert OPTIONS["uri"].role == CONNECTION
FIELDS = {
    **dict.fromkeys(("cpus", "memory", "description", "tags", "fleet", "autostart", "iso", "native"), Field(LIVE)),
    **{f"disks.{one}": Field(LIVE) for one in ("add", "remove", "size", "source", "format")},
    **{f"networks.{one}": Field(LIVE) for one in ("add", "remove", "type", "source", "mac", "address", "vlan")},
    **{f"port_forwards.{one}": Field(LIVE) for one in ("add", "remove", "protocol", "host_port", "guest_port")},
    **{f"cloud_init.{one}": Field(LIVE) for one in ("user", "password")},
    "firmware": Field(DESTRUCTIVE, unset="bios"),
    "display.type": Field(LIVE),
    "display.video_memory": Field(LIVE),
    "boot_order": Field(LIVE),
    "image": Field(),
}
TRAITS = Traits(platform="any", fields=FIELDS, defaults={"cpus": 2, "display": {"type": "vnc"}})


def vm(power="running", **more):
    config = {"cpus": 2, "memory": 2 * G, **more.pop("config", {})}
    return Vm("web", "id-1", power, config=config, **more)


def described(found, traits=TRAITS, connection=None, **more):
    """(task, {path: kind}) of a VM, after the task was found to change nothing."""
    task, omitted = task_of(found, traits, OPTIONS, connection, **more)
    assert json.loads(json.dumps([task, omitted])) == [task, omitted]
    assert all(one["reason"].endswith(".") for one in omitted), omitted
    if task is not None:
        planned = planned_with(found, task, traits)
        assert (planned.refusal, planned.changed) == (None, False)
    return task, {one["path"]: one["kind"] for one in omitted}


def planned_with(found, task, traits=TRAITS):
    """The plan of a described task, which Ansible has validated."""
    validated = ArgumentSpecValidator(argument_spec(OPTIONS)).validate(entry_of(task))
    assert validated.error_messages == []
    params = in_full(validated.validated_parameters, OPTIONS, Platform("any"))
    (request,) = requests(params, OPTIONS)
    return plan(found, request, traits)


@pytest.mark.parametrize(
    ("power", "state"),
    [
        ("running", "started"),
        ("stopped", "stopped"),
        ("paused", "paused"),
        ("suspended", "suspended"),
        ("failed", "present"),
        ("unknown", "present"),
    ],
)
def test_state_is_the_current_power_state(power, state):
    assert described(vm(power))[0]["state"] == state


@pytest.mark.parametrize("found", [vm("absent"), vm("stopped", reason=UNFINISHED)])
def test_vm_that_does_not_exist_completely_has_no_task(found):
    assert described(found) == (None, {"state": "creation"})


def test_busy_vm_is_described_as_one_that_is_not():
    found = vm(config={"native": {"a": "1", "b": "2"}, "tags": ("t",)})
    rejecting = replace(TRAITS, normalize=_without_b)
    assert task_of(found.having(busy="backup"), rejecting, OPTIONS) == task_of(found, rejecting, OPTIONS)


def _without_b(_vm, config):
    if "b" in config.get("native", {}):
        raise Refused("web: native: 'b' cannot be set through native.", "Use another.")
    return config


def test_defaults_are_omitted_and_named():
    task, omitted = described(
        vm(config={"description": "", "tags": (), "autostart": False, "firmware": "bios", "display": {"type": "vnc"}})
    )
    assert task == {"platform": "any", "name": "web", "state": "started", "cpus": 2, "memory": "2G"}
    assert omitted == dict.fromkeys(("description", "tags", "autostart", "firmware", "display.type"), "default")


def test_other_values_are_in_the_task():
    task, omitted = described(
        vm(config={"tags": ("a", "b"), "firmware": "uefi", "display": {"type": "none", "video_memory": 16 << 20}})
    )
    assert (task["tags"], task["firmware"]) == (["a", "b"], "uefi")
    assert task["display"] == {"type": "none", "video_memory": "16M"}
    assert omitted == {}


def test_platforms_own_options_are_below_options():
    task, _omitted = described(vm(config={"boot_order": ("disk",)}), connection={"uri": "x:///y", "executable": "tool"})
    assert task["options"] == {"boot_order": ["disk"], "uri": "x:///y"}


def test_mac_is_omitted_unless_an_address_is_reserved_for_it():
    mac = "52:54:00:00:00:01"
    nics = {"0": {"type": "nat", "mac": mac}, "1": {"type": "network", "mac": mac, "address": "192.0.2.1"}}
    task, omitted = described(vm(config={"networks": nics}))
    assert task["networks"] == [{"type": "nat"}, {"type": "network", "mac": mac, "address": "192.0.2.1"}]
    assert omitted == {"networks.0.mac": "identity"}


def test_nics_are_in_the_order_of_their_numbers():
    nics = {str(number): {"type": "nat", "vlan": number + 1} for number in (10, 2, 0, 1, *range(3, 10))}
    task, _omitted = described(vm(config={"networks": nics}))
    assert [nic["vlan"] for nic in task["networks"]] == list(range(1, 12))


@pytest.mark.parametrize("mark", [{"id": "id-1", "disks": ["/d/a"]}, {"id": "id-of-another", "disks": ["/d/a"]}, None])
def test_file_of_a_disk_is_omitted_if_it_was_created_for_the_vm(mark):
    disk = {"size": 8 * G, "source": "/d/a", "format": "qcow2"}
    task, omitted = described(vm(mark=mark, config={"disks": {"vda": disk}}))
    is_own = mark is not None and mark["id"] == "id-1"
    assert ("source" in task["disks"][0], omitted.get("disks.vda.source")) == (
        not is_own,
        "identity" if is_own else None,
    )


def test_size_that_cannot_be_read_is_named():
    task, omitted = described(vm(config={"disks": {"vda": {"size": None, "source": "/d/a"}}}))
    assert (task["disks"], omitted) == ([{"slot": "vda", "source": "/d/a"}], {"disks.vda.size": "unsupported"})


def test_secrets_are_named_with_a_variable():
    found = vm(
        config={"cloud_init": {"user": "me", "password": Secret("x")}, "native": {"vnc_password": "y", "a": "b"}}
    )
    task, omitted = task_of(found, TRAITS, OPTIONS, {"api_token": "z"})
    variables = {one["path"]: (one["kind"], one["variable"]) for one in omitted}
    assert variables == {
        "cloud_init.password": ("secret", "web_cloud_init_password"),
        "native.vnc_password": ("secret", "web_native_vnc_password"),
        "api_token": ("secret", "api_token"),
    }
    assert (task["cloud_init"], task["native"], "options" in task) == ({"user": "me"}, {"a": "b"}, False)


@pytest.mark.parametrize(("name", "variable"), [("1a", "vm_1a_cloud_init_password"), ("ü b", "b_cloud_init_password")])
def test_name_of_a_variable_is_valid(name, variable):
    found = replace(vm(config={"cloud_init": {"password": "x"}}), name=name)
    assert [one["variable"] for one in task_of(found, TRAITS, OPTIONS)[1]] == [variable]


@pytest.mark.parametrize("name", ["a/b", "a,b", " ", "a\nb", "web ", " web", "web\u00a0"])
def test_vm_that_a_name_cannot_select_has_an_id(name):
    task, _omitted = task_of(replace(vm(), name=name), TRAITS, OPTIONS)
    assert (task["id"], "name" in task) == ("id-1", False)


def test_ambiguous_name_has_an_id():
    task, _omitted = described(vm(), with_id=True)
    assert (task["name"], task["id"]) == ("web", "id-1")


def test_setting_without_an_option_is_named():
    assert described(vm(config={"hotplug": ("disk",)}))[1] == {"hotplug": "unsupported"}


def test_value_that_cannot_be_set_is_named():
    task, omitted = described(vm(config={"boot_order": ("disk", "floppy"), "networks": {"0": {"type": "vdpa"}}}))
    assert (task["networks"], "options" in task) == ([{}], False)
    assert omitted == {"boot_order": "unsupported", "networks.0.type": "unsupported"}


def test_what_no_option_can_set_is_named():
    _task, omitted = task_of(vm(not_modelled=lambda: {"devices/sound": "Nothing sets it."}), TRAITS, OPTIONS)
    assert omitted == [{"path": "devices/sound", "kind": "unsupported", "reason": "Nothing sets it.", "variable": None}]


def test_what_the_planner_rejects_is_named_with_its_reason():
    traits = replace(TRAITS, normalize=_without_b)
    task, omitted = task_of(vm(config={"native": {"a": "1", "b": "2"}, "tags": ("t",)}), traits, OPTIONS)
    assert (task["native"], task["tags"]) == ({"a": "1"}, ["t"])
    assert [one["reason"] for one in omitted] == ["native: 'b' cannot be set through native."]


def test_what_the_platform_stores_in_another_way_is_named():
    traits = replace(TRAITS, normalize=lambda _vm, config: {**config, "description": "other"})
    _task, omitted = task_of(vm(config={"description": "one"}), traits, OPTIONS)
    assert "A task with it would change description." in [one["reason"] for one in omitted]


def test_what_is_not_compared_is_named():
    traits = replace(TRAITS, fields={**FIELDS, "iso": Field(readable=False)})
    task, omitted = described(vm(config={"iso": "/a.iso"}), traits)
    assert ("iso" in task, omitted) == (False, {"iso": "unsupported"})


def test_native_is_preferred_to_an_option_that_excludes_it():
    def normalize(_vm, config):
        if "cpu" in config.get("native", {}) and "autostart" in config:
            raise Refused("web: both set it.", "Omit one.")
        return config

    task, omitted = described(
        vm(config={"autostart": True, "native": {"cpu": "host"}}), replace(TRAITS, normalize=normalize)
    )
    assert (task["native"], omitted) == ({"cpu": "host"}, {"autostart": "unsupported"})


def test_lists_are_complete():
    found = vm(config={"disks": {"vda": {"size": G}}, "networks": {}, "port_forwards": {}})
    traits = replace(TRAITS, defaults={"networks": {"0": {"type": "nat"}}})
    task, omitted = described(found, traits)
    assert (task["purge"], task["networks"], omitted) == (["disks", "networks"], [], {"port_forwards": "default"})
    more = found.having(config={**found.config, "networks": {"0": {"type": "nat"}}})
    assert [change.path for step in planned_with(more, task, traits).steps for change in step.changes] == ["networks.0"]


def test_list_with_an_entry_that_cannot_be_described_is_not_complete():
    def normalize(_vm, config):
        if "fda" in config.get("disks", {}):
            raise Refused("web: disks: 'fda' is not a valid slot.", "Use another.")
        return config

    found = vm(config={"disks": {"vda": {"size": G}, "fda": {"size": G}}})
    task, omitted = described(found, replace(TRAITS, normalize=normalize))
    assert ([disk["slot"] for disk in task["disks"]], "purge" in task) == (["vda"], False)
    assert omitted == {"disks.fda": "unsupported", "purge.disks": "unsupported"}


def test_nics_after_one_that_cannot_be_described_are_omitted():
    def normalize(_vm, config):
        if "1" in config.get("networks", {}):
            raise Refused("web: networks[1]: no.", "Do this.")
        return config

    found = vm(config={"networks": {str(number): {"type": "nat"} for number in range(3)}})
    task, omitted = described(found, replace(TRAITS, normalize=normalize))
    assert (task["networks"], omitted["networks.1"]) == ([{"type": "nat"}], "unsupported")
    assert omitted["networks.2"] == "unsupported"


@pytest.mark.parametrize(("text", "expected"), [("8h", "8h"), ("2027-01-31", "2027-01-31"), ("", None)])
def test_expiry_is_in_the_task_as_it_was_written(text, expected):
    """The time of the run does not matter: the same text does not move an expiry."""
    stored = Expiry(text, 1_800_000_000 if text else None, is_stored=True)
    found = vm(config={"owner": "anna", "expires": stored})
    traits = replace(TRAITS, fields={**FIELDS, "owner": Field(LIVE), "expires": Field(LIVE)})
    task, omitted = task_of(found, traits, OPTIONS, None)
    task = json.loads(json.dumps(task))
    assert (task["owner"], task.get("expires")) == ("anna", expected)
    assert not [one for one in omitted if one["path"] == "expires" and text]


@pytest.mark.parametrize("source", ["/d/own", "/d/other"])
def test_image_is_in_the_task_unless_its_disk_is(source):
    mark = {"id": "id-1", "disks": ["/d/own"], "inputs": {"image": "debian-13", "cloud_init": {"user": "x"}}}
    disks = {"disk0": {"size": G, "source": source}}
    task, omitted = described(vm(mark=mark, config={"disks": disks}))
    assert (task.get("image"), "image" in omitted) == (("debian-13", False) if source == "/d/own" else (None, True))
    assert omitted["cloud_init"] == "creation"


def test_image_keeps_its_slot_in_the_task():
    """Otherwise a VM that is created from the task would have a second, empty disk."""
    mark = {"id": "id-1", "disks": ["/d/own"], "inputs": {"image": "debian-13", "slot": "sda"}}
    disks = {"sata0": {"size": G, "source": "/d/own"}}
    meant = {"sata0": "sda"}
    traits = replace(TRAITS, slot_meant=lambda slot: meant.get(slot, slot))
    task, _omitted = described(vm(mark=mark, config={"disks": disks}), traits)
    assert task["image"] == {"source": "debian-13", "slot": "sata0"}


VALUES = {
    "cpus": st.integers(1, 4),
    "memory": st.sampled_from([G, 2 * G, G + 1024]),
    "description": st.sampled_from(["", "one", "{{ two }}", "yes"]),
    "tags": st.sampled_from([(), ("a",), ("a", "b")]),
    "autostart": st.booleans(),
    "firmware": st.sampled_from(["bios", "uefi"]),
    "boot_order": st.sampled_from([("disk",), ("cdrom", "disk")]),
    "native": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "yes"])),
    "display": st.fixed_dictionaries({"type": st.sampled_from(["vnc", "none"])}),
    "disks": st.dictionaries(
        st.sampled_from(["vda", "vdb"]),
        st.fixed_dictionaries({"size": st.sampled_from([G, 2 * G])}, optional={"format": st.just("raw")}),
    ),
    "networks": st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(["nat", "bridged"]), "vlan": st.integers(0, 2)}), max_size=3
    ).map(lambda nics: {str(place): nic for place, nic in enumerate(nics)}),
    "port_forwards": st.dictionaries(
        st.sampled_from("xy"), st.fixed_dictionaries({"protocol": st.just("tcp"), "guest_port": st.integers(1, 2)})
    ),
}


@given(st.fixed_dictionaries(VALUES), st.fixed_dictionaries(VALUES))
def test_each_change_is_reported_or_named(before, after):
    found = vm(config=before)
    task, omitted = described(found)
    found_values, values = flat_config(before), flat_config(after)
    later = found.having(config=after)
    planned = planned_with(later, {**task, "allow_recreate": True})
    assert planned.refusal is None or "shrunk" in planned.refusal.message or "created again" in planned.refusal.message
    if planned.refusal is not None:
        return
    changes = [change for step in planned.steps for change in step.changes]
    restored = flat_config(changed_config(after, changes))
    for path in found_values.keys() | values.keys():
        is_named = any(path == one or path.startswith(f"{one}.") for one in omitted)
        # What had no value cannot be described.
        had_value = path in found_values or f"{path.rpartition('.')[0]}" not in _entries(before)
        if had_value and not is_named and not path.startswith("native"):
            assert restored.get(path) == found_values.get(path), path


def _entries(config):
    return {f"{name}.{key}" for name, value in config.items() if isinstance(value, dict) for key in value}


def test_never_is_no_obstacle():
    traits = replace(TRAITS, fields={**FIELDS, "disks.format": Field(NEVER)})
    task, _omitted = described(vm(config={"disks": {"vda": {"size": G, "format": "raw"}}}), traits)
    assert task["disks"] == [{"slot": "vda", "size": "1G", "format": "raw"}]
