# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table of driver cases is made of: what was found, what a task asks, what must be planned.

A row asks in the words of a task, so that it passes through the same reading as a real one. Steps are written as
``stop | configure start``: verbs in their order, a bar wherever an end must be seen before the next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Optional

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import options as hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import options as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import options as vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import options as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import options as virsh
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl import options as wsl
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ON,
    Request,
    SnapshotRequest,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.options import SETTING, VM, Option
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.request import requests

M, G = 1 << 20, 1 << 30
_OWN = {**virsh.VM, **vbox.VM, **vagrant.VM, **proxmox.VM, **hyperv.VM, **wsl.VM}


@dataclass(frozen=True)
class Row:
    """One case, or one side of a case. Expectations left out are not looked at, except costs: all must be named."""

    case: int
    says: str
    vm: Vm
    request: Request
    steps: str = ""
    traits: Optional[Traits] = None
    source: Optional[Vm] = None
    known: tuple = ()
    #: {path: cost} of every change in configure.
    costs: Mapping = field(default_factory=dict)
    #: (kind, a word of the message or its remedy)
    refused: tuple = ()
    busy: Optional[str] = None
    #: {path: value} of the machine afterwards, as the diff shows it.
    after: Mapping = field(default_factory=dict)
    restart_required: Optional[list] = None
    #: Paths that delete takes along, and paths that it leaves.
    files: Optional[tuple] = None
    kept: Optional[tuple] = None
    also: str = ""
    note: str = ""
    #: Arguments of the first step that must be among its own.
    arguments: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Elsewhere:
    """A case, or a side of one, in which nothing is planned: who must get it right, and why it is not the planner."""

    case: int
    belongs_to: str
    why: str


def rows_of(traits):
    """``Row`` for one platform."""
    return partial(Row, traits=traits)


def found(power="stopped", name="web", runs_with: Any = None, **told):
    """A machine of ours. Words that are no field of a machine are its configuration; ``runs_with`` differs from it."""
    fields = {key: told.pop(key) for key in list(told) if key in Vm.__dataclass_fields__}
    active = {**told, **(runs_with or {})} if power in ON else None
    defaults = {"id": "u-web", "mark": {"id": "u-web"}, "active": active}
    return Vm(name=name, power=power, config=told, **{**defaults, **fields})


def absent(**fields):
    return Vm.absent("web").having(**fields)


def ask(state="present", name="web", own=(), **options):
    """The request that a task with these options makes.

    Options that only one platform has are settings of the VM, and so are the shared ones in ``own``.
    """
    unknown = {option: Option() for option in set(options) - set(VM) - set(_OWN)}
    known = {**unknown, **_OWN, **VM, **{option: replace(VM[option], role=SETTING) for option in own}}
    given = {**_defaults(VM), "name": [name], "state": state, **options}
    for option in (one for one, its in VM.items() if its.options and given[one] is not None):
        defaults, value = _defaults(VM[option].options), given[option]
        given[option] = {**defaults, **value} if isinstance(value, dict) else [{**defaults, **one} for one in value]
    return requests(given, known)[0]


def _defaults(options):
    return {name: option.default for name, option in options.items()}


def ask_snapshot(name, state="present", stop_mode=None, **options):
    plain = ask(stop_mode=stop_mode)
    return replace(plain, snapshot=SnapshotRequest(name=name, state=state, **options))


def cost_by_key(costs):
    """The cost of a ``native`` key."""
    return lambda vm, change: costs[change.key]
