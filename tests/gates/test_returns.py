# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules return is what they document, key by key: all platforms have one shape of result."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    Address,
    Change,
    Plan,
    Snapshot,
    Step,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.console import ConsoleLog, describe_console
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import DEFAULT, Omission
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import (
    describe_counters,
    difference,
    entry,
)

import generate
from collection_path import CHECKOUT
from gates.fragments import assigned

MODULES = {path.stem: path for path in sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))}
#: Modules about VMs, which have one shape of result.
OF_VMS = [name for name in MODULES if name not in generate.WITHOUT_VMS]
#: Modules without the fragment of a connection. Their own documentation names their groups, if they are in any.
WITHOUT_FRAGMENT = (
    "backup_run",
    "describe_vms",
    "guarded_run",
    "guest_status",
    "hyperv_host_settings",
    "image",
    "image_info",
    "install_medium",
    "reap",
    "report",
    "vm_backup_info",
    "vmm_marked_lines",
    "windows_medium_info",
    "wsl_host_settings",
)
#: {module: its fragment}, if the fragment is not named after the first word of the module.
_FRAGMENTS = {"install_wait": "vm"}
_STEP = Step("configure", (Change("memory", 1, 2),))
_BEFORE = Vm("web", config={"memory": 1}, snapshots=(Snapshot("s1"),), addresses=(Address("192.0.2.1", "lease"),))
_PLAN = Plan(_BEFORE, Vm("web", config={"memory": 2}), ((_STEP,),))
_ENTRY = entry(_BEFORE, "any", _PLAN)
#: What a task did, which modules that only read do not return.
_TASK = {"changed", "failed", "msg", "steps", "plan", "not_compared", "not_carried", "deleted", "kept"}
#: What an info module returns of a VM that it describes as a task.
_DESCRIBED = {"task", "not_described"}
#: Keys that differ from VM to VM, so that no list of them is complete.
_OPEN = {"settings", "native", "task", "host.features", "diff.before", "diff.after"}


def _returned(name):
    """What a module documents as returned."""
    return yaml.safe_load(assigned(MODULES[name].read_text(encoding="utf-8"), "RETURN"))


def _documented(name):
    """What a module's ``vms`` contain."""
    return _returned(name)["vms"]["contains"]


@pytest.mark.parametrize("name", MODULES)
def test_every_value_has_a_description(name):
    assert list(_undescribed(_returned(name) or {})) == []


def _undescribed(values):
    for key, value in values.items():
        if not value.get("description"):
            yield key
        yield from (f"{key}.{one}" for one in _undescribed(value.get("contains") or {}))


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith(("_vm", "_instance"))])
def test_machines_are_returned_as_documented(name):
    assert sorted(_documented(name)) == sorted(_ENTRY)


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith(("_vm_info", "_instance_info"))])
def test_info_modules_document_the_whole_vm(name):
    on_request = {"healthy", "counters", "console", *_DESCRIBED}
    assert set(_documented(name)) - on_request == set(_ENTRY) - _TASK
    assert sorted(_documented(name)["counters"]["contains"]) == sorted(describe_counters(_BEFORE))
    console = describe_console(ConsoleLog(), _BEFORE, Traits("memory"), 1)
    assert sorted(_documented(name)["console"]["contains"]) == sorted(console)
    omission = Omission(("memory",), DEFAULT).shown()
    assert sorted(_documented(name)["not_described"]["contains"]) == sorted(omission)


@pytest.mark.parametrize("name", OF_VMS)
def test_snapshots_are_returned_as_documented(name):
    assert sorted(_documented(name)["snapshots"]["contains"]) == sorted(_ENTRY["snapshots"][0])


@pytest.mark.parametrize("name", [name for name in OF_VMS if not name.endswith("_info")])
def test_steps_and_diff_are_returned_as_documented(name):
    steps, told = _documented(name)["steps"]["contains"], _ENTRY["steps"][0]
    assert sorted(steps) == sorted(told)
    assert sorted(steps["changes"]["contains"]) == sorted(told["changes"][0])
    assert sorted(_returned(name)["diff"]["contains"]) == sorted(difference(_PLAN))


@pytest.mark.parametrize("name", MODULES)
def test_complex_values_document_what_they_contain(name):
    assert [path for path in _without_contents(_returned(name)) if path.removeprefix("vms.") not in _OPEN] == []


def _without_contents(values, above=""):
    for key, value in values.items():
        is_complex = value["type"] == "dict" or value.get("elements") == "dict"
        if is_complex and not value.get("contains"):
            yield f"{above}{key}"
        yield from _without_contents(value.get("contains") or {}, f"{above}{key}.")


@pytest.mark.parametrize("name", [name for name in MODULES if name not in WITHOUT_FRAGMENT])
def test_action_groups_are_documented(name):
    """The fragment of the connection names them, and meta/runtime.yml has the module in both."""
    tool = _FRAGMENTS.get(name, name.split("_")[0])
    groups = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    fragment = (CHECKOUT / "plugins" / "doc_fragments" / f"{tool}.py").read_text(encoding="utf-8")
    attribute = yaml.safe_load(assigned(fragment, "DOCUMENTATION"))["attributes"]["action_group"]
    assert attribute["membership"] == [f"polyvirt.core.{group}" for group in groups if name in groups[group]]
    source = yaml.safe_load(assigned(MODULES[name].read_text(encoding="utf-8"), "DOCUMENTATION"))
    assert f"polyvirt.core.{tool}" in source["extends_documentation_fragment"]
