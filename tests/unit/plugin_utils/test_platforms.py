# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task is divided among platforms, and results are joined."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._front.any_platform import PLATFORM_NAMES
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.platforms import check_pruning, joined, parts_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS


def _parts(about="vm", default=None, **given):
    parts, order = parts_of(about, given, VM, default)
    return [(part.platform, part.module, part.arguments) for part in parts], order


def test_choices_of_the_option_are_all_platforms():
    assert tuple(PLATFORMS) == PLATFORM_NAMES


@pytest.mark.parametrize("platform", PLATFORMS)
def test_task_of_one_platform_is_a_task_of_its_module(platform):
    given = {"name": "web1", "cpus": 2, "options": {"executable": "/x"}}
    expected = [(platform, PLATFORMS[platform].vm, {"name": "web1", "cpus": 2, "executable": "/x"})]
    assert _parts(platform=platform, **given) == (expected, [])
    assert _parts(default=platform, **given) == (expected, [])
    assert _parts(platform="", default=platform, **given) == (expected, [])


def test_entries_of_one_platform_stay_one_task_with_their_own_options():
    entries = [{"name": "a"}, {"name": "b", "platform": "libvirt", "options": {"virt_type": "qemu"}}]
    parts, order = _parts(default="libvirt", fleet="web", options={"uri": "x"}, machines=entries)
    described = [{"name": "a"}, {"name": "b", "virt_type": "qemu"}]
    assert (parts, order) == ([("libvirt", "virsh_vm", {"fleet": "web", "uri": "x", "machines": described})], [])
    assert _parts(platform="libvirt", machines=[])[0][0][2] == {"machines": []}


def test_entries_of_several_platforms():
    entries = [{"name": "d", "platform": "proxmox", "cpus": 4}, {"name": ["e", "f"]}, {"name": "g", "platform": "vmd"}]
    given = {"name": "a,b", "options": {"uri": "x"}, "memory": "2G", "machines": entries}
    parts, order = _parts(default="libvirt", **given)
    assert parts == [
        ("libvirt", "virsh_vm", {"memory": "2G", "uri": "x", "name": "a,b", "machines": [{"name": ["e", "f"]}]}),
        ("proxmox", "proxmox_vm", {"memory": "2G", "machines": [{"name": "d", "cpus": 4}]}),
        ("vmd", "vmm_vm", {"memory": "2G", "machines": [{"name": "g"}]}),
    ]
    assert order == ["libvirt", "libvirt", "proxmox", "libvirt", "libvirt", "vmd"]
    assert _parts(default="libvirt", machines=entries)[1] == ["proxmox", "libvirt", "libvirt", "vmd"]


def test_platform_option_of_all_entries_becomes_an_option_of_the_task():
    """A module may require the option, but only as an option of the task."""
    entries = [
        {"name": "a", "platform": "vagrant", "cpus": 2, "options": {"project_dir": "/p", "box": "x"}},
        {"name": "b", "platform": "vagrant", "cpus": 2, "options": {"project_dir": "/p", "box": "y"}},
    ]
    own = [{"name": "a", "cpus": 2, "box": "x"}, {"name": "b", "cpus": 2, "box": "y"}]
    assert _parts(machines=entries)[0] == [("vagrant", "vagrant_instance", {"project_dir": "/p", "machines": own})]
    with_task = _parts(platform="vagrant", options={"project_dir": "/q"}, machines=entries)[0][0][2]
    assert with_task["project_dir"] == "/q"
    assert [one["project_dir"] for one in with_task["machines"]] == ["/p", "/p"]
    of_name = _parts(platform="vagrant", name="c", machines=entries)[0][0][2]
    assert "project_dir" not in of_name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "a"}, ("platform is not set", "vm_platform", "POLYVIRT_PLATFORM", "hyperv")),
        (
            {"name": "a", "platform": "", "default": ""},
            ("platform is not set", "vm_platform", "POLYVIRT_PLATFORM", "hyperv"),
        ),
        ({"name": "a", "platform": "kvm"}, ("'kvm' is not known. Did you mean libvirt? Set one of libvirt,",)),
        ({"name": "a", "platform": "libvrt"}, ("'libvrt' is not known. Did you mean libvirt?",)),
        ({"name": "a", "platform": "WSL2"}, ("Did you mean wsl?",)),
        ({"name": "a", "platform": "xen"}, ("'xen' is not known. Set one of",)),
        ({"name": "a", "platform": "libvirt", "cpu": 1}, ("cpu", "Use cpus instead.")),
        ({"name": "a", "platform": "libvirt", "uri": "x"}, ("uri", "uri is an option of polyvirt.core.")),
        ({"name": "a", "platform": "libvirt", "cpus": 1, "options": {"cpus": 2}}, ("cpus", "in the task, too")),
        ({"name": "a", "platform": ["kvm"]}, ("['kvm']' is not known",)),
        ({"name": "a", "platform": "libvirt", "options": "x"}, ("options: the value has a wrong type", "module")),
        ({"platform": "libvirt", "machines": 5}, ("machines[0]: the value has a wrong type", "dictionary with")),
        ({"platform": "libvirt", "machines": {"a": 1}}, ("machines: the value has a wrong type", "list of VMs")),
        ({"platform": "libvirt", "machines": [["a"]]}, ("machines[0]: the value has a wrong type", "dictionary with")),
        ({"platform": "libvirt", "machines": ["a"]}, ("machines[0]", "dictionary")),
        ({"platform": "libvirt", "machines": [{"name": "a", "platform": ["kvm"]}]}, ("['kvm']' is not known",)),
        ({"platform": "libvirt", "machines": [{"name": "a", "memry": 1}]}, ("machines[0]: memry", "memory")),
        ({"platform": "libvirt", "machines": [{"name": "a", "platform": "kvm"}]}, ("'kvm' is not known",)),
    ],
)
def test_errors_have_a_remedy(given, words):
    with pytest.raises(InvalidInput) as caught:
        _parts(**given)
    assert [word for word in words if word not in str(caught.value)] == []


def test_texts_are_read_as_dictionaries_like_those_of_any_module():
    entries = ["name=a options='uri=x'"]
    parts, _order = _parts(default="libvirt", options='{"executable": "/x"}', machines=entries)
    assert parts[0][2] == {"executable": "/x", "uri": "x", "machines": [{"name": "a"}]}


def test_error_about_a_text_does_not_show_it():
    for given in ({"options": "hidden"}, {"machines": ["hidden"]}):
        with pytest.raises(InvalidInput) as caught:
            _parts(default="proxmox", name="a", **given)
        assert "hidden" not in str(caught.value)


def test_platform_without_snapshots_names_the_alternative():
    with pytest.raises(Unsupported, match="clone"):
        parts_of("vm_snapshot", {"name": "a", "snapshot": "s", "platform": "vmd"}, {"name", "snapshot"})


def _vm(name, **more):
    return {"name": name, "id": f"id-{name}", "platform": "x", "changed": True, **more}


def test_results_are_joined_in_the_order_asked_and_pruned_vms_come_last():
    results = {
        "libvirt": {"changed": True, "vms": [_vm("a"), _vm("c"), _vm("old")], "diff": [1], "invocation": {"x": 1}},
        "vmd": {"changed": False, "vms": [_vm("b")], "diff": []},
    }
    result = joined(results, ["libvirt", "vmd", "libvirt"], is_refused=False)
    assert [vm["name"] for vm in result["vms"]] == ["a", "b", "c", "old"]
    assert (result["changed"], result["diff"], "failed" in result) == (True, [1], False)
    assert result["invocation"] == {"x": 1}


def test_failure_on_one_platform_does_not_hide_changes_on_another():
    results = {"libvirt": {"changed": True, "vms": [_vm("a")]}, "vmd": {"failed": True, "msg": "b: no space"}}
    result = joined(results, ["libvirt", "vmd"], is_refused=False)
    assert (result["changed"], result["failed"], result["msg"]) == (True, True, "b: no space")
    assert [vm["name"] for vm in result["vms"]] == ["a"]


def test_rejection_on_one_platform_reports_no_changes():
    results = {
        "libvirt": {"changed": True, "vms": [_vm("a", state="running", disks=[1], native={"a": 1})], "diff": [1]},
        "vmd": {"failed": True, "msg": "b: refused", "vms": [_vm("b", changed=False, failed=True, msg="refused")]},
    }
    result = joined(results, ["vmd", "libvirt"], is_refused=True)
    assert (result["changed"], result["diff"], result["msg"]) == (False, [], "b: refused")
    told = [(vm["name"], vm["changed"], vm["failed"]) for vm in result["vms"]]
    assert told == [("b", False, True), ("a", False, False)]
    assert "another VM was rejected" in result["vms"][1]["msg"]
    predicted = {key: result["vms"][1][key] for key in ("id", "platform", "state", "disks", "native")}
    assert predicted == {"id": "id-a", "platform": "x", "state": None, "disks": [], "native": {}}


def test_prune_max_counts_the_vms_of_all_platforms():
    results = {"libvirt": {"vms": [_vm("a"), _vm("old1")]}, "vmd": {"vms": [_vm("b"), _vm("old2"), _vm("old3")]}}
    order = ["vmd", "libvirt"]
    for accepted in ({}, {"prune_max": "3"}):
        check_pruning(results, order, {"fleet": "web", **accepted})
    with pytest.raises(Refused, match=r"3 VMs of the fleet web .*\(old1, old2, old3\), but prune_max is 2\."):
        check_pruning(results, order, {"fleet": "web", "prune_max": "2"})
