# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which existing VMs are described as code."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.described.files import (
    HOST_VARS,
    MACHINES,
    files_of,
    is_unchanged,
    not_described,
)
from ansible_collections.polyvirt.core.plugins.plugin_utils.inventory.hosts import Source, is_controller

LAB = Source("lab", "libvirt", "hv1", {"uri": "qemu:///system", "facets": ["list"]})
LOCAL = Source("libvirt", "libvirt")


def vm(name="web", omitted=(), **task):
    task = {"platform": "libvirt", "name": name, "state": "started", "memory": "2G", **task}
    return {"name": name, "id": f"u-{name}", "task": task, "not_described": list(omitted)}


def omitted(path, kind="unsupported", variable=None):
    return {"path": path, "kind": kind, "reason": f"It is {kind}.", "variable": variable}


def data(text):
    """A generated file as Ansible reads it, but for the tag of unsafe texts."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!unsafe", lambda loader, node: node.value)
    return yaml.load(text, Loader=loader)  # It is based on the safe one.


def playbook(*vms, source=LAB):
    (text,) = files_of([(source, vms)], MACHINES).values()
    return data(text)[0]


def test_each_source_is_a_playbook_on_its_hypervisor():
    found = files_of([(LAB, [vm()]), (LOCAL, [])], MACHINES)
    assert list(found) == ["lab.yml", "libvirt.yml"]
    (lab,), (local,) = map(data, found.values())
    assert (lab["hosts"], "connection" in lab) == ("hv1", False)
    assert (local["hosts"], local["connection"], local["tasks"]) == ("localhost", "local", [])


def test_connection_is_written_once():
    first, second = (vm(name, options={"uri": "qemu:///system", "virt_type": name}) for name in ("a", "b"))
    (task,) = playbook(first, second)["tasks"]
    task = task["polyvirt.core.vm"]
    assert (task["platform"], task["options"]) == ("libvirt", {"uri": "qemu:///system"})
    assert task["allow_restart"] == "{{ ansible_check_mode }}"
    assert [one["options"] for one in task["machines"]] == [{"virt_type": "a"}, {"virt_type": "b"}]
    assert [sorted(one) for one in task["machines"]] == [["memory", "name", "options", "state"]] * 2


def test_permissions_are_templates_and_texts_of_vms_are_not():
    line = 'allow_restart: "{{ ansible_check_mode }}"'
    source = Source("obsd", "vmd")
    (text,) = files_of([(source, [vm(description=f"a\n{line}"), vm("db", tags=[line])])], MACHINES).values()
    own = [one.strip() for one in text.splitlines() if one.strip().startswith("allow_")]
    assert own == ['allow_foreign_edit: "{{ ansible_check_mode }}"', line, line]
    assert text.count("!unsafe") == 2
    task = data(text)[0]["tasks"][0]["polyvirt.core.vm"]
    assert (task["machines"][0]["tags"], task["machines"][1]["description"]) == ([line], f"a\n{line}")


def test_each_fleet_is_a_task():
    tasks = playbook(vm("a", fleet="web"), vm("b"), vm("c", fleet="web"))["tasks"]
    found = [(one["polyvirt.core.vm"].get("fleet"), one["polyvirt.core.vm"]["machines"]) for one in tasks]
    assert [(fleet, [entry["name"] for entry in entries]) for fleet, entries in found] == [
        (None, ["b"]),
        ("web", ["a", "c"]),
    ]


def test_order_does_not_depend_on_the_power_states():
    assert files_of([(LAB, [vm("b"), vm("a")])], MACHINES) == files_of([(LAB, [vm("a"), vm("b")])], MACHINES)


def test_vm_that_does_not_exist_is_not_described():
    described = {"name": "new", "id": None, "task": None, "not_described": []}
    assert playbook(described)["tasks"] == []
    assert list(files_of([(LAB, [described])], HOST_VARS)) == ["hosts.yml"]


def test_settings_that_no_task_can_hold_are_comments():
    (text,) = files_of(
        [(LAB, [vm(str(number), [omitted("bus"), omitted("mac", "identity")]) for number in range(7)])], MACHINES
    ).values()
    assert [line for line in text.splitlines() if "Not described" in line] == [
        "# Not described: bus (0, 1, 2, 3, 4 and 2 others). It is unsupported."
    ]
    (text,) = files_of([(LAB, [vm("web", [omitted("a\nb", "secret", "web_password")])])], MACHINES).values()
    assert "# Not described: a b (web_password). It is secret.\n" in text


def test_host_that_the_source_itself_describes():
    source = Source("far", "hyperv", {"ansible_host": "hv9", "ansible_password": "xyzzy"})
    (text,) = files_of([(source, [vm()])], MACHINES).values()
    assert data(text)[0]["hosts"] == "far"
    assert "# The inventory source describes its host itself: add far to the inventory." in text
    assert "xyzzy" not in text


def test_variables_of_provision_group():
    found = files_of([(LAB, [vm(disks=[{"slot": "vda"}], options={"uri": "qemu:///system"}, tags=["a"])])], HOST_VARS)
    assert data(found["hosts.yml"]) == {"all": {"children": {"described": {"hosts": {"web": {}}}}}}
    assert data(found["host_vars/web.yml"]) == {
        "vm_name": "web",
        "vm_platform": "libvirt",
        "provision_hypervisor": "hv1",
        "vm_state": "started",
        "vm_memory": "2G",
        "vm_tags": ["a"],
        "vm_module_options": {"disks": [{"slot": "vda"}], "cloud_init": {}, "uri": "qemu:///system"},
    }


@pytest.mark.parametrize("state", ["paused", "suspended", "present"])
def test_state_that_the_role_does_not_have(state):
    variables = data(files_of([(LAB, [vm(state=state)])], HOST_VARS)["host_vars/web.yml"])
    assert (variables["vm_state"], variables["vm_module_options"]["state"]) == ("stopped", state)


def test_vms_that_are_no_hosts_are_reported():
    nameless = vm("a/b")
    del nameless["task"]["name"]
    found = [(LAB, [nameless, vm("web", fleet="front"), vm("db")])]
    assert sorted(files_of(found, HOST_VARS)) == ["host_vars/db.yml", "hosts.yml"]
    first, second = not_described(found, HOST_VARS)
    assert first.startswith("lab: a/b: its name cannot be the name of a VM in a task.")
    assert second.startswith("lab: web: it belongs to the fleet front")
    assert not_described(found, MACHINES) == []


def test_names_of_files_are_safe_and_unique():
    vms = [
        vm(name) for name in ("../../etc/passwd", "a b", "a_b", "A_B", ".hidden", "localhost", "-localhost", ".127.1")
    ]
    for one in vms:
        one["task"]["name"] = "web"
    names = [name for name in files_of([(LAB, vms)], HOST_VARS) if name != "hosts.yml"]
    assert len({name.lower() for name in names}) == len(vms)
    assert all(name.startswith("host_vars/") and name.count("/") == 1 and "/." not in name for name in names)
    assert not [name for name in names if is_controller(name[len("host_vars/") : -len(".yml")])]


def test_same_name_in_two_sources():
    other = Source("other", "proxmox")
    names = list(files_of([(LAB, [vm()]), (other, [vm()])], HOST_VARS))
    assert names == ["hosts.yml", "host_vars/web_lab.yml", "host_vars/web_other.yml"]


def test_digest_tells_a_generated_file_from_a_changed_one():
    (text,) = files_of([(LAB, [vm()])], MACHINES).values()
    assert is_unchanged(text)
    assert not is_unchanged(text.replace("2G", "4G"))
    assert not is_unchanged(text.partition("\n")[2])
    assert not is_unchanged("")
