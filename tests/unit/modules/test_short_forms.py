# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short forms of options, and formats of sizes: all mean the same, and errors name the option as it was written.

The same declaration is used in the process of Ansible and in modules. It is called directly here, and once as a
module.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM, Option, argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import MASK
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm, vbox_vm, virsh_vm

from suite import forked

SECRET = "t0p-secret-value"


def result_of(params, options=None):
    """The result of a module that returns its request. By default, it has the options that all platforms share."""
    options = options or VM

    def answer(params, _check):
        (request,) = requests(params, options)
        return {"config": request.config, "creation": request.creation}

    declaration = Declaration(options, answer)
    validated = ArgumentSpecValidator(declaration.argument_spec).validate({"name": "web", **params})
    assert validated.error_messages == []
    return declaration.result(validated.validated_parameters, SimpleNamespace(check_mode=False))


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ({"image": "/srv/x.qcow2"}, {"source": "/srv/x.qcow2", "linked": False}),
        ({"image": {"source": "/srv/x.qcow2"}}, {"source": "/srv/x.qcow2", "linked": False}),
        ({"image": {"source": "/srv/x.qcow2", "linked": "yes"}}, {"source": "/srv/x.qcow2", "linked": True}),
        ({"image": "/srv/a=b.qcow2"}, {"source": "/srv/a=b.qcow2", "linked": False}),
        ({"clone": "web0"}, {"source": "web0", "linked": False}),
        ({"clone": 105}, {"source": "105", "linked": False}),
        ({"clone": {"source": "web0", "snapshot": "s", "linked": True}},) * 2,
    ],
)
def test_short_form_equals_the_full_form(short, full):
    ((option, _value),) = short.items()
    assert result_of(short)["creation"] == {option: full.get(option, full)}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"image": {"linked": True}}, "missing required arguments: source found in image"),
        (
            {"image": {"source": "/", "sorce": "/x"}},
            "image.sorce is not an option of this module. Did you mean image.source?",
        ),
        (
            {"image": {"source": "/", "price": 1}},
            "Unsupported parameters: image.price. Supported parameters include: checksum, headers, linked, refresh,"
            " require_signature, slot, source.",
        ),
        ({"clone": {"source": "db", "linked": "perhaps"}}, "found in 'clone'. and we were unable to convert to bool"),
        ({"clone": ["db"]}, "clone: ['db'] is neither a string nor a dictionary. Set the source, or {source: ...}."),
        ({"clone": True}, "clone: True is neither a string nor a dictionary."),
        ({"memory": [2]}, "memory: '[2]' is not a size. Set a number and a unit"),
        ({"memory": True}, "memory: 'True' is not a size."),
        ({"memory": 2}, "memory: 2 without a unit is 2M. Set 2G for GiB"),
        ({"disks": [{"slot": "vda", "size": "20X"}]}, "disks.vda.size: '20X' is not a size."),
        ({"disks": [{}, {"size": "20X"}]}, "disks[1].size: '20X' is not a size."),
    ],
)
def test_error_names_the_option_as_it_was_written(params, error):
    result = result_of(params)
    assert (result["failed"], error in result["msg"]) == (True, True), result["msg"]


@pytest.mark.parametrize("size", ["2G", "2GB", "2GiB", "2g", 2048, "2048", "2048M", "2147483648B"])
def test_formats_of_the_same_size(size):
    assert result_of({"memory": size})["config"] == {"memory": 2 << 30}


@pytest.mark.parametrize("size", ["20G", "20GB", 20, "20", "20480MiB"])
def test_number_of_a_disk_is_in_gib(size):
    assert result_of({"disks": [{"size": size}]})["config"] == {"disks": {"#0": {"size": 20 << 30}}}


@pytest.mark.parametrize("value", [SECRET, {"from": SECRET}, [SECRET]])
def test_secret_suboption_of_a_short_form_is_never_shown(value):
    key = {"from": Option(required=True, secret=True), "plain": Option()}
    options = {**VM, "key": Option("dict", options=key, role="connection", short="plain")}
    if isinstance(value, dict):
        result = result_of({"key": value}, options)
        assert result["invocation"]["module_args"]["key"] == {"from": MASK}
        result = result_of({"key": {**value, "unknown": 1}}, options)
        assert result["failed"]
        assert SECRET not in json.dumps(result)


def test_only_the_full_form_is_checked_by_ansible():
    assert argument_spec(VM)["image"]["type"] == "raw"
    assert argument_spec(VM, in_full=True)["image"]["type"] == "dict"


def _run(module, tmp_path, **params):
    arguments = tmp_path / "arguments.json"
    document = {"name": ["web"], "_ansible_remote_tmp": str(tmp_path), **params}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": document}), encoding="utf-8")
    _code, stdout, _stderr = forked.run(module, arguments, {**os.environ, "LC_ALL": "C.UTF-8"}, tmp_path)
    return json.loads(stdout)


def test_short_form_as_a_module(tmp_path):
    params = {"uri": "test:///default", "image": "no-path.qcow2", **forked.invocation()}
    result = _run("virsh_vm", tmp_path, **params)
    assert "no-path.qcow2" in result["msg"]
    assert result["invocation"]["module_args"]["image"] == "no-path.qcow2"
    wrong = _run("virsh_vm", tmp_path, **{**params, "image": {"source": "/", "sorce": "/x"}})
    assert "image.sorce" in wrong["msg"]


@pytest.mark.parametrize(
    ("module", "params", "error"),
    [
        (virsh_vm, {"os_type": "linux"}, "os_type is not supported on libvirt. libvirt does not store it."),
        (virsh_vm, {"networks": [{"type": "hostonly"}]}, "networks.type: hostonly is not supported on libvirt. Use"),
        (virsh_vm, {"networks": [{}, {"vlan": 7}], "cpus": "x"}, "networks.vlan is not supported on libvirt. Tag"),
        (
            vbox_vm,
            {"image": {"source": "/x", "linked": True}},
            "image.linked: true is not supported on virtualbox. Create",
        ),
        (proxmox_vm, {"port_forwards": []}, "port_forwards is not supported on proxmox. Guests are reached"),
        (
            virsh_vm,
            {"networks": "default"},
            "networks: it is text. Set a list of dictionaries, such as [{source: NAME}].",
        ),
        (virsh_vm, {"disks": ["20G"]}, "disks: it is text. Set a list of dictionaries, such as [{size: 40G}]."),
        (virsh_vm, {"networks": {"type": "nat"}}, "networks: it is one dictionary. Set a list of dictionaries"),
        (virsh_vm, {"machines": ["web1"]}, "machines: it is text. Set a list of dictionaries, such as [{KEY: ...}]."),
        (virsh_vm, {"display": "vnc"}, "display: it is text. Set a dictionary, such as {type: ...}."),
        (virsh_vm, {"cloud_init": ["a"]}, "cloud_init: it is a list. Set a dictionary, such as {user: NAME}."),
        (virsh_vm, {"native": ["a"]}, "native: it is a list. Set a dictionary, such as {KEY: ...}."),
        (
            virsh_vm,
            {"machines": [{"name": "web", "networks": "default"}]},
            "machines[0] (web): networks: it is text. Set a list of dictionaries",
        ),
    ],
)
def test_unsupported_options_are_rejected_before_anything_else(module, params, error, tmp_path):
    name = module.__name__.rpartition(".")[2]
    params = {"executable": "/no/tool", **params} if name != "proxmox_vm" else params
    result = _run(name, tmp_path, **{**params, "name": None} if "machines" in params else params)
    assert (result["failed"], result["msg"].startswith(error)) == (True, True), result["msg"]


def test_unsupported_suboption_of_a_short_form_is_rejected_in_process():
    params = {"name": ["web"], "image": {"source": "/x", "linked": "yes"}}
    result = vbox_vm.MODULE.result(params, SimpleNamespace(check_mode=False))
    assert result["failed"]
    assert result["msg"].startswith("image.linked: true is not supported on virtualbox. Create")
