# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in memory, added by following the guide in docs/architecture.md: the guide is enough."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import VERBS
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.driver import HyperVDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.driver import ProxmoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.driver import WslDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from collection_path import CHECKOUT
from unit.module_utils._engine.world import FakeClock
from unit.tables.rows import G, ask
from unit.toy_platform import driver as toy
from unit.toy_platform.traits import TRAITS

IMAGE = {"image": {"source": "/images/small.img"}}
GUIDE = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Adding a platform")[2]
#: Files and lines that such a platform may take: what the frame does not do for it.
FILES, LINES = 8, 200


def carried_out(platform, request, check=False):
    return task.run(toy.ToyDriver(platform), [request], check, clock=FakeClock(), probe=None)


def test_vm_lives_from_creation_to_deletion():
    platform = {}
    for wanted, is_change in (
        (ask("started", cpus=2, **IMAGE), True),
        (ask("started", cpus=2, **IMAGE), False),
        (ask("started", description="text"), True),
        (ask("started", cpus=3, allow_restart=True), True),
        (ask("stopped", cpus=3), True),
        (ask("absent"), True),
        (ask("absent"), False),
    ):
        told = carried_out(platform, wanted, check=True)
        outcome = carried_out(platform, wanted)
        assert (outcome.failed, outcome.changed, told.changed) == (False, is_change, is_change)
        assert [vm["steps"] for vm in told.vms] == [vm["steps"] for vm in outcome.vms]
    assert platform == {}


def test_dictionary_of_one_platform_is_compared_by_attribute():
    platform = {}
    for wanted, is_change in (
        ({"model": "a", "action": "reset"}, True),
        ({"model": "a"}, False),
        ({"action": "none"}, True),
        ({"model": "a", "action": "none"}, False),
    ):
        checked = carried_out(platform, ask("present", watchdog=wanted, **IMAGE), check=True)
        outcome = carried_out(platform, ask("present", watchdog=wanted, **IMAGE))
        assert (outcome.failed, outcome.changed, checked.changed) == (False, is_change, is_change), outcome.msg
        assert checked.diff == outcome.diff
    assert "watchdog.action" in str(carried_out({}, ask("present", watchdog=wanted, **IMAGE)).diff)
    assert platform["toy-web"]["config"]["watchdog"] == {"model": "a", "action": "none"}


def test_settings_are_there_and_defaults_beside_them():
    platform = {}
    outcome = carried_out(platform, ask("present", cpus=2, **IMAGE))
    assert (outcome.vms[0]["cpus"], outcome.vms[0]["state"]) == (2, "stopped")
    assert platform["toy-web"]["config"] == {"cpus": 2, "memory": G, "description": "", "created": None}


def test_what_the_host_lacks_is_found_before_the_first_step():
    platform = {}
    for check in (True, False):
        outcome = carried_out(platform, ask("started", cpus=5, **IMAGE), check)
        assert (outcome.failed, platform) == (True, {})
        assert "5 is more than the host has (4)" in outcome.msg


def test_files_are_those_of_the_guide_and_few():
    files = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")]
    named = set(re.findall(r"`(\w+\.py)`", GUIDE))
    assert {path.name for path in files} <= named
    assert len(files) <= FILES
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= LINES


@pytest.mark.parametrize(
    ("kind", "verbs"),
    [
        (VBoxDriver, VERBS),
        (VirshDriver, VERBS),
        (ProxmoxDriver, VERBS),
        (HyperVDriver, hyperv_traits(None).verbs),
        (WslDriver, wsl_traits(None).verbs),
        (toy.ToyDriver, TRAITS.verbs),
    ],
)
def test_every_verb_has_a_function_of_its_name_in_the_file_of_the_guide(kind, verbs):
    driver = object.__new__(kind)
    driver.options = {}
    for verb in verbs:
        function = kind.verbs.func(driver)[verb]
        assert list(inspect.signature(function).parameters) == ["driver", "vm", "step"]
        assert f"`{function.__module__.split('.')[-1]}.py`" in GUIDE


@pytest.mark.parametrize("kind", [VirshDriver, VBoxDriver, ProxmoxDriver, HyperVDriver])
def test_platforms_name_their_files_alike(kind):
    package = kind.__module__.rpartition(".")[0]
    for name in ("traits", "observe", "guards", "settings.disks", "settings.networks", "settings.native"):
        import_module(f"{package}.{name}")
