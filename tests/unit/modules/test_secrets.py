# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret is never in the output of a module, even if an option that is not secret has the same value."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import OF_TASK
from ansible_collections.polyvirt.core.plugins.modules import (
    proxmox_snapshot,
    proxmox_vm,
    proxmox_vm_info,
    vagrant_instance,
    vbox_vm,
    virsh_vm,
)

from suite import forked

SECRET = "t0p-secret-value"
MODULES = {
    module.__name__.rpartition(".")[2]: module.MODULE.argument_spec
    for module in (virsh_vm, vbox_vm, vagrant_instance, proxmox_vm, proxmox_vm_info, proxmox_snapshot)
}


def _filled(spec):
    """A value with the secret for each option that accepts text, and only one of mutually exclusive options."""
    values = {name: _value(option) for name, option in spec.items() if not option.get("choices")}
    values = {name: value for name, value in values.items() if value is not None}
    return {name: value for name, value in values.items() if not (name == "path" and "inline" in values)}


def _value(option):
    kind = option["type"]
    if option.get("options"):
        filled = _filled(option["options"])
        return [filled] if kind == "list" else filled
    if kind in ("int", "bool", "float"):
        return 1 if option.get("required") else None
    if kind == "raw" or kind == "dict":
        return {"password": SECRET}
    return [SECRET] if kind == "list" else f"/{SECRET}" if kind == "path" else SECRET


@pytest.mark.parametrize("is_shown", [True, False])
@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("module", MODULES)
def test_secret_in_every_option_is_never_shown(module, valid, is_shown, tmp_path):
    params = _filled(MODULES[module])
    if "machines" in params:
        params["machines"] = [{name: value for name, value in params.items() if name not in OF_TASK}]
    if not valid:  # The module rejects its options.
        params["state" if "state" in MODULES[module] else "api_port"] = SECRET
    ansible_options = {"_ansible_remote_tmp": str(tmp_path), "_ansible_verbosity": 3, **forked.invocation(is_shown)}
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**params, **ansible_options}}), encoding="utf-8")
    _code, stdout, stderr = forked.run(module, arguments, {**os.environ, "LC_ALL": "C.UTF-8"}, tmp_path)
    # The first error is reported by the module, the second by Ansible's validation of options.
    assert valid == ("value of state must" not in stdout and "api_port" not in json.loads(stdout)["msg"])
    assert SECRET not in stdout + stderr
