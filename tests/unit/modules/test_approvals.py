# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module that can change something needs an approval of its plan, and none but the action plugin can give it."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins import modules
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import connections
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import changing

from collection_path import CHECKOUT

#: Modules that change nothing, and the calls on a Windows host that the others send.
_READ_ONLY = {"guest_status", "install_wait", "vmm_network_info", "image_info", "windows_calls"}
#: Reports and the files that describe VMs are on the controller.
_WITHOUT_PLAN = {"describe_vms", "report", "windows_calls"}
NAMES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in _WITHOUT_PLAN])
def test_modules_that_can_change_something_need_an_approval(name):
    module = import_module(f"{modules.__name__}.{name}").MODULE
    assert module.can_change is not (name in _READ_ONLY or name.endswith("_info"))
    assert ({"approval", "expect_plan"} <= set(module.options)) is module.can_change


def _answer(params, check, approval):
    approval.permit([params["name"]], [("web", ["web: start"])])
    return {"changed": True, "warnings": []}


def _result(check=True, **params):
    module = changing({"name": Option(), "token": Option(secret=True)}, _answer)
    given = dict.fromkeys(module.options)
    return module.result({**given, "name": "web", **params}, SimpleNamespace(check_mode=check))


def test_result_has_the_digest_and_only_check_mode_passes_it_on():
    check, real = _result(), _result(check=False)
    assert check["plan"] == real["plan"]
    assert check["ansible_stats"]["data"]["polyvirt_approved_plans"] == [{"plan": check["plan"], "workflow": None}]
    assert "ansible_stats" not in real


def test_refused_task_has_no_digest_and_passes_nothing_on():
    result = _result(expect_plan="plan-other")
    assert (result["failed"], result.get("plan"), "ansible_stats" in result) == (True, None, False)


def test_digest_that_was_masked_cannot_be_approved():
    part = _result()["plan"].split("-")[3]
    result = _result(token=part)
    assert (result["plan"], "ansible_stats" in result) == (None, False)
    assert "secret of the task is a part of its digest" in result["warnings"][0]
    assert part not in str(result)


def test_connections_are_those_of_all_vms_without_secrets():
    options = {
        "uri": Option(role="connection"),
        "port": Option("int", role="connection"),
        "password": Option(secret=True, role="connection"),
        "cpus": Option("int"),
    }
    entries = [{"name": "a", "uri": "qemu:///session", "cpus": 2}, {"name": "b"}, "no dictionary"]
    params = {"uri": "https://root:secret@host", "port": 8006, "password": "x", "cpus": 2, "machines": entries}
    found = list(connections(params, options))
    assert found == [{"uri": "https://host", "port": "8006"}, {"uri": "qemu:///session"}, {}]
