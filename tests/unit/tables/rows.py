# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the tables of driver cases: the observed VM, the options of the task, and the expected plan.

A row has the options of a task, which are parsed like those of a real one. Steps are written as
``stop | configure start``: the verbs in order, with a bar between segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import fields as fields_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ON, Request, SnapshotRequest, Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import SETTING, VM, Option
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import options as hyperv
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import options as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import options as vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import options as vbox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import options as virsh
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl import options as wsl

M, G = 1 << 20, 1 << 30
_OWN = {**virsh.VM, **vbox.VM, **vagrant.VM, **proxmox.VM, **hyperv.VM, **wsl.VM}


@dataclass(frozen=True)
class Row:
    """One case, or a part of one. Expectations that are not set are not checked, except costs, which are complete."""

    case: int
    title: str
    vm: Vm
    request: Request
    steps: str = ""
    traits: Optional[Traits] = None
    source: Optional[Vm] = None
    known: tuple = ()
    #: {path: cost} of every change in configure.
    costs: Mapping = field(default_factory=dict)
    #: (kind of the error, part of the message or remedy)
    refused: tuple = ()
    busy: Optional[str] = None
    #: {path: value} of the VM after the plan, as in the diff.
    after: Mapping = field(default_factory=dict)
    restart_required: Optional[list] = None
    #: Paths that the delete step removes, and paths that it keeps.
    files: Optional[tuple] = None
    kept: Optional[tuple] = None
    also: str = ""
    note: str = ""
    #: Some of the arguments of the first step.
    arguments: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Elsewhere:
    """A case, or a part of one, that does not concern the planner: the responsible layer, and why."""

    case: int
    belongs_to: str
    why: str


def rows_of(traits):
    """Return ``Row`` for one platform."""
    return partial(Row, traits=traits)


def found(power="stopped", name="web", runs_with: Any = None, **config):
    """A VM of this collection. Arguments that are not fields of Vm are its config; ``runs_with`` is for ``active``."""
    fields = {key: config.pop(key) for key in list(config) if key in fields_of(Vm)}
    active = {**config, **(runs_with or {})} if power in ON else None
    defaults = {"id": "u-web", "mark": {"id": "u-web"}, "active": active}
    return Vm(name=name, power=power, config=config, **{**defaults, **fields})


def absent(**fields):
    return Vm.absent("web").having(**fields)


def ask(state="present", name="web", own=(), **options):
    """Return the request of a task with these options.

    Options that only one platform has are settings, and so are the shared options in ``own``.
    """
    unknown = {option: Option() for option in set(options) - set(VM) - set(_OWN)}
    known = {**unknown, **_OWN, **VM, **{option: replace(VM[option], role=SETTING) for option in own}}
    values = {**_defaults(VM), "name": [name], "state": state, **options}
    for option in (one for one, its in VM.items() if its.options and isinstance(values[one], (dict, list))):
        defaults, value = _defaults(VM[option].options), values[option]
        values[option] = {**defaults, **value} if isinstance(value, dict) else [{**defaults, **one} for one in value]
    return requests(values, known)[0]


def _defaults(options):
    return {name: option.default for name, option in options.items()}


def ask_snapshot(name, state="present", stop_mode=None, **options):
    plain = ask(stop_mode=stop_mode)
    return replace(plain, snapshot=SnapshotRequest(name=name, state=state, **options))


def verbs_of(planned):
    assert planned.refusal is None, str(planned.refusal)
    return [step.verb for step in planned.steps]


def created(planned):
    """The arguments of the step that creates the VM of a plan."""
    assert planned.refusal is None, str(planned.refusal)
    return next(step for step in planned.steps if step.verb == "create").arguments
