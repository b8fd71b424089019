# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as programs with JSON parameters and results, on real virsh and libvirt's test driver."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import MASK
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration

from suite import forked

DEFAULT = "test:///default"


@pytest.fixture(name="run")
def _run(tmp_path):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."

    def run(module, **params):
        """Run a module; return (exit code, result). The module must print only the result."""
        arguments = tmp_path / "arguments.json"
        connection = {"uri": DEFAULT} if module.startswith("virsh") else {}
        document = {"ANSIBLE_MODULE_ARGS": {**connection, "_ansible_remote_tmp": str(tmp_path), **params}}
        arguments.write_text(json.dumps(document), encoding="utf-8")
        code, stdout, stderr = forked.run(module, arguments, {**os.environ, "LC_ALL": "C.UTF-8"}, tmp_path)
        assert "Traceback" not in stdout + stderr
        return code, json.loads(stdout)

    return run


def failure(run, **params):
    code, result = run("virsh_vm", **params)
    assert (code, result["failed"], result.get("changed", False)) == (1, True, False)
    assert "exception" not in result
    return result["msg"]


def test_nothing_to_do(run):
    code, result = run("virsh_vm", name=["test"], state="started", cpus=2)
    assert (code, result["changed"], result["diff"]) == (0, False, [])
    assert result["vms"][0]["name"] == "test"
    assert result["vms"][0]["state"] == "running"


def test_check_mode_reports_planned_changes(run):
    # Only in check mode: each process has its own test driver, so changes are lost when the process of virsh ends.
    code, result = run("virsh_vm", name=["test"], state="stopped", description="mine", _ansible_check_mode=True)
    assert (code, result["changed"], result["vms"][0]["state"]) == (0, True, "stopped")
    assert result["diff"][0]["before"] == {"description": "", "state": "running"}
    assert result["diff"][0]["after"] == {"description": "mine", "state": "stopped"}


def test_unknown_name_is_rejected_with_the_existing_names(run):
    message = failure(run, name=["tset"], state="started")
    assert message.startswith("tset: the VM does not exist.")
    assert message.endswith("Existing VMs: test.")


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"name": ["te/st"]}, "'te/st' contains a slash"),
        ({"name": ["web1", " web2"]}, "name: ' web2' begins or ends with a space."),
        ({"name": ["te\nst"]}, "control character"),
        ({"name": []}, "Neither name nor id is set."),
        ({"name": ["test"], "memory": "lots"}, "memory: 'lots' is not a size."),
        ({"name": ["test"], "cpus": 0}, "cpus: 0 is out of range. Set 1 or more."),
        ({"name": ["test"], "state": "running"}, "value of state must be one of"),
        ({"name": ["test"], "state": "suspended"}, "state suspended is not supported on libvirt"),
        ({"name": ["test"], "firmware": "uefi"}, "firmware is not supported on libvirt"),
        ({"name": ["test"], "secure_boot": True}, "secure_boot is not supported on libvirt"),
        ({"name": ["test"], "serial_log": "/x"}, "serial_log is not supported on libvirt"),
        ({"name": ["test"], "boot_order": []}, "boot_order: it is empty"),
        ({"name": ["test"], "boot_order": ["disk", "disk"]}, "boot_order: disk is listed twice"),
        ({"name": ["test"], "boot_order": ["floppy"]}, "value of boot_order must be one or more of"),
        ({"name": ["test"], "reset_nvram": True}, "Set state: restarted, or omit reset_nvram."),
        ({"name": ["test"], "native": {"os/[": 1}}, "'os/[' is not a valid path in a domain XML"),
        ({"name": ["test"], "id": "x", "state": "started"}, "there is no VM with ID x"),
        ({"name": ["12"], "disks": [{"size": "1G"}]}, "virsh would read a number as the id"),
        ({"name": ["test"], "uri": "nosuch:///"}, "libvirt cannot be reached at nosuch:///"),
        ({"name": ["test"], "executable": "/no/virsh"}, "/no/virsh is not an executable program"),
    ],
)
def test_invalid_options_give_a_one_line_error(run, params, error):
    message = failure(run, **params)
    assert error in message
    assert "\n" not in message


def test_info_reports_the_host_and_its_vms(run):
    code, result = run("virsh_vm_info")
    assert (code, result["changed"]) == (0, False)
    assert (result["host"]["available"], result["host"]["configured"], result["host"]["why"]) == (True, True, None)
    assert [vm["name"] for vm in result["vms"]] == ["test"]


def test_info_omits_vms_that_do_not_exist(run):
    assert run("virsh_vm_info", name=["test", "nosuch"])[1]["vms"][0]["name"] == "test"
    assert run("virsh_vm_info", name=["nosuch"])[1]["vms"] == []
    assert run("virsh_vm_info", name=[])[1]["vms"] == []


@pytest.mark.parametrize(
    ("params", "why", "available"),
    [
        ({"executable": "/no/virsh"}, "missing", False),
        ({"executable": "no-virsh"}, "not_on_path", False),
        ({"uri": "nosuch:///"}, "not_responding", True),
    ],
)
def test_info_reports_a_host_without_libvirt_and_does_not_fail(run, params, why, available):
    code, result = run("virsh_vm_info", **params)
    host = result["host"]
    assert (code, host["why"], host["available"], host["configured"]) == (0, why, available, False)
    assert host["message"]
    assert result["vms"] == []


def test_snapshot_info_omits_vms_that_do_not_exist(run):
    code, result = run("virsh_snapshot_info", name=["test", "nosuch"])
    assert (code, result["changed"]) == (0, False)
    assert [(vm["name"], vm["snapshots"]) for vm in result["vms"]] == [("test", [])]


@pytest.mark.parametrize(
    ("module", "params", "error"),
    [
        ("virsh_snapshot", {"snapshot": "a/b"}, "no snapshot can be named 'a/b': libvirt does not allow slashes"),
        ("virsh_snapshot", {"snapshot": "s", "state": "restored"}, "test: it has no snapshot 's'"),
        ("virsh_snapshot", {"snapshot": "s", "kind": "external"}, "external snapshots create files"),
        ("virsh_snapshot", {"snapshot": "s", "_ansible_check_mode": True}, "test: disk vda is raw"),
        ("virsh_snapshot", {}, "missing required arguments: snapshot"),
        ("virsh_snapshot_info", {"compare": {"from": "s"}}, "test: it has no snapshot 's'"),
        ("virsh_snapshot_info", {"compare": {"to": "s"}}, "missing required arguments: from"),
        ("virsh_snapshot_info", {"compare": {"from": "s", "to": "s"}}, "would be compared with itself"),
    ],
)
def test_invalid_snapshot_options_give_a_one_line_error(run, module, params, error):
    code, result = run(module, name=["test"], **params)
    assert (code, result["failed"]) == (1, True)
    assert error in result["msg"]
    assert "\n" not in result["msg"]


def test_seed_documents_are_masked_and_other_values_are_shown(run):
    documents = {
        "user_data": {"hostname": "test", "swap": {"size": 1}, "password": "topsecret"},
        "meta_data": {"x": "y z"},
    }
    # The invocation is part of the result only if Ansible requests it, as it does with -vvv.
    params = {"name": ["test"], "state": "started", "cloud_init": documents, **forked.invocation()}
    code, result = run("virsh_vm", **params)
    assert (code, result["vms"][0]["name"], result["vms"][0]["id"].count("-")) == (0, "test", 4)
    shown = result["invocation"]["module_args"]["cloud_init"]
    assert shown["user_data"] == shown["meta_data"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert "topsecret" not in json.dumps(result)
    assert "y z" not in json.dumps(result)


SEED = {
    "cloud_init": {
        "user_data": {"users": [{"passwd": "topsecret"}]},
        "network_config": {"version": 2, "psk": "topsecret"},
    }
}
VARIABLES = {"environment": {"A": "topsecret"}, "provisioners": [{"inline": "true", "env": {"B": "topsecret"}}]}


@pytest.mark.parametrize(
    ("module", "params", "error"),
    [
        ("virsh_vm", {**SEED, "memory": "lots"}, "is not a size"),
        ("virsh_vm", {**SEED, "name": ["web", "web"]}, "is listed twice"),
        ("virsh_vm", {**SEED, "executable": "/no/virsh"}, "is not an executable program"),
        ("vagrant_instance", {**VARIABLES, "name": ["web", "web"], "project_dir": "/no/project"}, "is listed twice"),
    ],
)
def test_failed_task_shows_no_secret(run, module, params, error):
    code, result = run(module, **{"name": ["web"], **forked.invocation(), **params})
    assert (code, error in result["msg"]) == (1, True)
    assert "topsecret" not in json.dumps(result)
    shown = result["invocation"]["module_args"]
    assert shown["name"] == params.get("name", ["web"])
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in json.dumps(shown)


def test_unexpected_error_shows_no_secret():
    def broken(_params, _check):
        return {}["nothing"]

    declaration = Declaration({"token": Option(secret=True)}, broken)
    result = declaration.result({"token": "topsecret"}, SimpleNamespace(check_mode=False))
    assert (result["failed"], result["msg"].startswith("Unexpected KeyError: 'nothing'.")) == (True, True)
    assert result["invocation"] == {"module_args": {"token": MASK}}
