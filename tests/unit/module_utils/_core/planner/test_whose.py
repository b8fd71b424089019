# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose record others may have written gets no cloud-init data and no network that it does not have."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables import proxmox
from unit.tables.proxmox import TRAITS, ask

CLONE = {"clone": {"source": "tmpl"}}
NIC = {"type": "bridged", "source": "vmbr0"}
_NICS = {"0": {**NIC, "vlan": 0, "trunk": ()}, "1": {**NIC, "vlan": 5, "trunk": ("7",)}}
VM = proxmox.vm(networks=_NICS, pool="lab", cloud_init={"user": "me"}, mark={"id": "100", "created": ""})


def _refusal(given, vm=VM, traits=TRAITS, **creation):
    refusal = plan(vm, ask(**{**CLONE, **creation}, **given), traits).refusal
    return "" if refusal is None else f"{refusal.message} {refusal.remedy}"


def _networks(**nic):
    return {"networks": [{**NIC, **nic}]}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (_networks(source="vmbr1"), "networks.0"),
        (_networks(vlan=6), "networks.0"),
        (_networks(vlan=5), "networks.0"),
        (_networks(trunk=("7",)), "networks.0"),
        ({"cloud_init": {"user": "you"}}, "cloud_init.user"),
        (_networks(vlan=5, trunk=("7",)), ""),
        (_networks(source="vmbr0"), ""),
        ({"cpus": 4, "cloud_init": {"user": "me"}}, ""),
    ],
    ids=str,
)
def test_what_the_vm_does_not_have_needs_a_proof(given, path):
    words = f"{path}: VM {VM.id} has this name, and not what the task sets here" if path else ""
    assert words in _refusal(given)
    assert bool(path) == (f"Set id: '{VM.id}' and adopt: true, or pool to that of the VM" in _refusal(given))
    for proof in ({"pool": "lab"}, {"adopt": True, "id": VM.id}):
        assert _refusal({**given, **proof}) == ""


@pytest.mark.parametrize("proof", [{"pool": "prod"}, {"adopt": True}, {"id": VM.id}], ids=str)
def test_half_a_proof_is_none(proof):
    assert "has this name" in _refusal({**_networks(vlan=6), **proof})


def test_vm_without_networks_has_none_of_them():
    assert "networks.0: VM" in _refusal(_networks(), vm=VM.having(config={**VM.config, "networks": {}}))
    assert "networks.0: VM" in _refusal(
        {**_networks(vlan=6), "pool": ""}, vm=VM.having(config={**VM.config, "pool": ""})
    )


def test_task_that_creates_nothing_or_a_platform_without_tenants_needs_no_proof():
    assert plan(VM, ask(**_networks(vlan=6)), TRAITS).refusal is None
    assert _refusal(_networks(vlan=6), traits=replace(TRAITS, proven_by="")) == ""
