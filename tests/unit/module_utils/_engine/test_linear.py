# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twice as many VMs, secrets or snapshots take twice the calls, not four times as many. Calls are counted, not time."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    Observation,
    Request,
    Snapshot,
    Target,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import in_tree_order
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import cluster
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.observe import _selected_names
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.observe import Listing
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import observe as virsh
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import early_commands, vm_commands
from ansible_collections.polyvirt.core.plugins.module_utils._engine.observe import Observer
from ansible_collections.polyvirt.core.plugins.module_utils._front.masking import masked
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_output import Versions

FEW = 100


CONFIG = frozenset({"power", "config"})


class Name(str):
    """A name: each comparison is a call, so that a search in a list is counted."""

    def __eq__(self, other):
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def name_of(number):
    return Name(f"web{number}")


def masked_results(number):
    names = [f"secret-{one}" for one in range(number)]
    vms = [{"name": f"web{one}", "msg": f"it has {name} and more"} for one, name in enumerate(names)]
    return lambda: masked({"vms": vms}, set(names))


def tree_of_snapshots(number):
    chain = [Snapshot(name=f"s{one}", parent=f"s{one - 1}" if one else None) for one in range(number)]
    return lambda: in_tree_order(chain)


def observed_vms(number):
    vms = [Vm.absent(name_of(one)).having(id=str(one)) for one in range(number)]
    works = [
        SimpleNamespace(name=name, vm=None, target=Target(name=name), request=Request(name=name))
        for name in map(name_of, range(number))
    ]
    observer = object.__new__(Observer)
    return lambda: observer.observed_in(Observation(vms=vms), works, CONFIG)


def targets(number):
    return [Target(name=name_of(one)) for one in range(number)]


def listed_by_libvirt(number):
    none = frozenset()
    names = {f"uuid-{one}": name_of(one) for one in range(number)}
    early = {command: Answer("", None) for one in range(number) for command in early_commands(name_of(one))}
    listing = virsh.Listing(Versions(None, None), names, none, none, none, none, early=early)
    return lambda: [uuid for target in targets(number) for uuid in selected_by_libvirt(listing, target)]


def selected_by_libvirt(listing, target):
    """The VMs of a target, after the answers of the first process were compared with what is needed of them."""
    uuids = listing.uuids(target)
    return uuids and [uuid for uuid in uuids if not listing.early_answers(uuid, vm_commands(uuid, listing, CONFIG))]


def listed_by_proxmox(number):
    vms = [cluster.ListedVm(vmid=str(one), name=name_of(one), node="pve1") for one in range(number)]
    return lambda: (cluster.selected(vms, targets(number)), cluster.missing(targets(number), vms))


def listed_by_virtualbox(number):
    machines = [SimpleNamespace(uuid=str(one), name=name_of(one), file="") for one in range(number)]
    return lambda: Listing.selected(SimpleNamespace(machines=machines), targets(number), unfinished=True)


def listed_by_vagrant(number):
    vms = {name: SimpleNamespace(name=name, created=None) for name in map(name_of, range(number))}
    return lambda: _selected_names(SimpleNamespace(vms=vms), targets(number))


def count_calls(act):
    """Calls of functions, those that are written in C among them, and generators that go on."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "subject",
    [
        masked_results,
        tree_of_snapshots,
        observed_vms,
        listed_by_libvirt,
        listed_by_proxmox,
        listed_by_virtualbox,
        listed_by_vagrant,
    ],
)
def test_twice_as_many_take_twice_the_calls(subject):
    few, many = (count_calls(subject(number)) for number in (FEW, 2 * FEW))
    assert few >= FEW
    assert many <= 2.2 * few


def test_chain_of_snapshots_is_longer_than_python_permits_calls():
    number = 2 * sys.getrecursionlimit()
    assert [one.name for one in tree_of_snapshots(number)()] == [f"s{one}" for one in range(number)]
