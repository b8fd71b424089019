# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan step by step, for the checks of a driver: each change with the VM that it will be made to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .differences import additions
from .model import Step, Vm


@dataclass(frozen=True)
class Planned:
    """A step with the VM as it is found by it, and with all changes that it makes.

    A VM to be created has no id and no settings, and every setting of it is a change. Of a clone that does not exist
    yet, ``vm`` has the new name, and the id and the settings of its source.
    """

    step: Step
    vm: Vm
    changes: Sequence


def planned(plan):
    """All steps of ``plan``, in order, as Planned."""
    vm = plan.before
    for step in plan.steps:
        changes = step.changes
        if step.verb == "create":
            vm = Vm(name=plan.after.name)
            changes = additions({name: value for name, value in step.arguments["config"].items() if value is not None})
        elif step.verb == "clone":
            vm = Vm(name=plan.after.name, id=step.arguments["source"].id, config=step.arguments["config"])
        yield Planned(step, vm, changes)


def planned_changes(plan):
    """(VM, change) of all changes that ``plan`` makes."""
    return [(one.vm, change) for one in planned(plan) for change in one.changes]


def deleted_files(plan):
    """The files that ``plan`` deletes; of a VM that is recreated, their names are free again."""
    return [path for step in plan.steps if step.verb == "delete" for path in step.arguments.get("files", ())]
