# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards of drivers: those run that a plan is about, in order, and each table names only what exists."""

from __future__ import annotations

from importlib import import_module

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as shared
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import VERB
from ansible_collections.polyvirt.core.plugins.module_utils._kit.guards import (
    Guard,
    SharedGuard,
    StepGuard,
    check_all,
)

_DRIVERS = "ansible_collections.polyvirt.core.plugins.module_utils._drivers"
#: Kinds of changes that no option of a VM has.
_OTHERS = {"unused_disks"}


def plan(*steps):
    return Plan(Vm("a", id="1"), Vm("a", id="1"), segments=(steps,))


def configure(*fields):
    return Step("configure", changes=tuple(Change(field, None, 1) for field in fields))


def run(*steps, released=frozenset()):
    """The names of the guards that run."""
    ran = []
    guards = (
        Guard((), lambda _driver, _plan: ran.append("always"), ""),
        StepGuard(("cpus",), lambda _driver, _plan, one: ran.append(one.step.verb), ""),
        Guard(("start",), lambda _driver, _plan: ["slow"], ""),
        SharedGuard(("disks",), lambda _driver, _plan, others: ran.append(others), ""),
    )
    return ran, check_all(guards, None, plan(*steps), released)


def test_guards_run_that_a_plan_is_about():
    assert run() == (["always"], [])
    assert run(configure("memory")) == (["always"], [])
    assert run(configure("cpus", "disks"), Step("start"), released={1}) == (["always", "configure", {1}], ["slow"])


def test_first_guard_that_raises_decides():
    def raising(_driver, _plan):
        raise Refused("first")

    with pytest.raises(Refused, match="first"):
        check_all((Guard((), raising, ""), Guard((), pytest.fail, "")), None, plan(), frozenset())


@pytest.mark.parametrize("driver", ["virsh", "vbox", "vagrant", "proxmox", "vmm", "hyperv", "wsl"])
def test_each_guard_is_about_something_that_exists(driver):
    """One with a misspelled word would never run."""
    own = import_module(f"{_DRIVERS}.{driver}.options")
    (platform,) = [one for one in vars(own).values() if isinstance(one, Platform)]
    options = platform.supported({**shared.VM, **own.VM})
    words = {word for one in import_module(f"{_DRIVERS}.{driver}.guards").GUARDS for word in one.about}
    kinds = words - VERB.keys() - options.keys() - _OTHERS
    for field, attribute in (kind.split(".") for kind in sorted(kinds)):
        assert attribute in {"add", "remove", *options[field].options}


@pytest.mark.parametrize("driver", ["Virsh", "VBox", "Vmm", "HyperV", "Wsl"])
def test_driver_returns_the_warnings_of_its_guards(driver, monkeypatch):
    folder = f"{_DRIVERS}.{driver.lower()}"
    warning = Guard((), lambda driver, plan: ["The disk is large."], "nothing")
    monkeypatch.setattr(import_module(f"{folder}.guards"), "GUARDS", (warning,))
    own = object.__new__(getattr(import_module(f"{folder}.driver"), f"{driver}Driver"))
    own.warnings = []
    assert own.preflight(Plan(Vm("web"), Vm("web"))) == ["The disk is large."]
