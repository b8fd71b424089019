# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of wait_for in a task, and what platforms reject before they connect to anything."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests, snapshot_requests
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration
from ansible_collections.polyvirt.core.plugins.modules import (
    hyperv_vm,
    proxmox_vm,
    vagrant_instance,
    vbox_snapshot,
    vbox_vm,
    virsh_snapshot,
    virsh_vm,
    vmm_vm,
)

_REQUIRED = {vagrant_instance: {"project_dir": "/srv/vagrant"}}


def waits(module, **params):
    """The message of a task that only turns its parameters into a request, or what that waits for."""
    declared = module.MODULE
    made = snapshot_requests if "snapshot" in declared.options else requests

    def answer(params, _check):
        policy = made(params, declared.options)[0].policy
        return {"text": policy.awaited}

    declaration = Declaration(declared.options, answer, declared.platform)
    given = {"name": "web", "state": "started", **_REQUIRED.get(module, {}), **params}
    validated = ArgumentSpecValidator(declaration.argument_spec).validate(given)
    assert validated.error_messages == []
    result = declaration.result(validated.validated_parameters, SimpleNamespace(check_mode=False))
    return result["msg"] if result.get("failed") else result["text"]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "state"),
        ({"wait_for": "ssh"}, "ssh"),
        ({"wait_for": {"condition": "winrm"}}, "winrm"),
        ({"wait_for": "cloud_init"}, "cloud_init"),
        ({"wait_for": {"port": "8080"}}, "port 8080"),
        ({"wait_for": {"http": ":8080/health"}}, "http :8080/health"),
        ({"wait_for": {"http": ":8080/health"}, "state": "stopped"}, "state"),
        ({"machines": [{"name": "web"}], "wait_for": {"port": 22}}, "port 22"),
    ],
)
def test_each_form_is_accepted(params, text):
    assert waits(virsh_vm, **params) == text


@pytest.mark.parametrize(
    ("wait_for", "message"),
    [
        (
            "shh",
            "value of condition must be one of: state, address, ssh, winrm, cloud_init, got: shh found in wait_for",
        ),
        ({"port": 0}, "wait_for.port: 0 is out of range."),
        ({"port": 1, "http": "/"}, "wait_for: http and port is set. Set exactly one of condition, port and http."),
        ({}, "wait_for: nothing is set."),
        ({"http": "web1/health"}, "wait_for.http: 'web1/health' is not a page of the guest."),
        ({"url": "/"}, "Unsupported parameters: wait_for.url."),
        (["ssh"], "wait_for: ['ssh'] is neither a string nor a dictionary. Set the condition, or {condition: ...}."),
    ],
)
def test_other_forms_are_rejected_with_what_to_set(wait_for, message):
    assert message in waits(virsh_vm, wait_for=wait_for)


@pytest.mark.parametrize("form", ["cloud_init", {"condition": "cloud_init"}])
@pytest.mark.parametrize("module", [vbox_vm, vagrant_instance, vmm_vm, hyperv_vm], ids=lambda one: one.__name__[-8:])
def test_platform_without_agents_rejects_cloud_init_with_the_alternative(module, form):
    message = waits(module, wait_for=form)
    assert message.startswith("wait_for: cloud_init is not supported on ")
    assert "Use wait_for: ssh" in message


@pytest.mark.parametrize("module", [virsh_vm, proxmox_vm])
def test_platform_with_agents_accepts_cloud_init(module):
    assert waits(module, wait_for="cloud_init") == "cloud_init"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (virsh_snapshot, "value of condition must be one of: state, address, ssh, winrm, got: cloud_init"),
        (vbox_snapshot, "wait_for: cloud_init is not supported on virtualbox"),
    ],
)
def test_restored_vm_is_waited_for_by_its_services(module, message):
    restored = {"state": "restored", "snapshot": "s"}
    assert waits(module, **restored, wait_for={"port": 22}) == "port 22"
    assert message in waits(module, **restored, wait_for="cloud_init")
