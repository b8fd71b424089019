# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two tasks on one VM: its lock, and the definition that is compared before it is changed, and before it is stored."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Held, PolyvirtError, Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, Change, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import POWER_VERBS
from ansible_collections.polyvirt.core.plugins.module_utils._ports import exclusive, permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition, target_of

from unit.module_utils._drivers.virsh.answers import UUID, StoringVirsh, driver_of, machine_xml, with_devices

MIB = 1 << 20
XML = machine_xml()
OTHER = machine_xml(("  <memory unit='KiB'>", "  <description>by another task</description>\n  <memory unit='KiB'>"))
STORE = Step("configure", changes=(Change("memory", 1, 64 * MIB),))
DISK = Change("disks", None, {"size": MIB}, key="vdb", cost=LIVE)
LOCKED_VERBS = ("configure", "delete", "snapshot", "drop_snapshot", "edit_snapshot", "restore")


@pytest.fixture(name="_locks")
def _own_locks(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setattr(exclusive, "_folder", lambda: str(tmp_path / "locks"))


class Interfered(StoringVirsh):
    """Another client stores a definition just before the command ``at`` is carried out, once."""

    def __init__(self, at="", **more):
        super().__init__(UUID, XML, **more)
        self._at = at

    def run(self, *words, stdin=None, timeout=None):
        if self._at and words[0] == self._at:
            self._at, self.stored = "", Definition(OTHER)
        return super().run(*words, stdin=stdin, timeout=timeout)


def _vm(power="stopped", text=XML, **more):
    shown = StoringVirsh(UUID, text).run("dumpxml", UUID, "--inactive")
    return Vm("m1", id=UUID, power=power, revision=shown, **more)


def _verbs(virsh):
    return [words[0] for words in virsh.done]


# The lock -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", LOCKED_VERBS)
@pytest.mark.parametrize("other_verb", LOCKED_VERBS)
def test_two_tasks_do_not_change_a_vm_at_the_same_time(tmp_path, _locks, verb, other_verb):
    drivers = [driver_of(StoringVirsh(UUID, XML), tmp_path) for _task in range(2)]
    with drivers[0].alone(_vm(), [Step(verb)]):
        second = drivers[1].alone(_vm(), [Step("stop"), Step(other_verb)])
        with pytest.raises(Held, match="m1: another task is changing this VM"), second:
            raise AssertionError("two tasks have the lock")
        assert drivers[1].traits().transient(Held("m1"))
        with drivers[1].alone(Vm("m2", id=UUID.replace("d", "e")), [Step(verb)]):
            pass
    with drivers[1].alone(_vm(), [Step(other_verb)]):
        pass


@pytest.mark.parametrize("verb", sorted(POWER_VERBS))
def test_power_alone_does_not_wait_for_a_change(tmp_path, _locks, verb):
    driver = driver_of(StoringVirsh(UUID, XML), tmp_path)
    with driver.alone(_vm(), [STORE]), driver.alone(_vm(), [Step(verb)]):
        pass


# The comparison before the first change -------------------------------------------------------------------------------


def test_definition_that_another_client_changed_since_it_was_planned_is_left_alone(tmp_path):
    virsh = StoringVirsh(UUID, OTHER)
    with pytest.raises(Stale, match="m1: another client changed it while this task ran"):
        driver_of(virsh, tmp_path).apply([(_vm(), [STORE], permits.ANYTHING)])
    assert _verbs(virsh) == ["dumpxml"]
    planned_again = _vm(text=OTHER)
    driver = driver_of(virsh, tmp_path)
    driver.apply([(planned_again, [STORE], permits.ANYTHING)])
    assert virsh.stored.get("description") == "by another task"


def test_running_vm_gets_nothing_if_the_plan_is_outdated(tmp_path):
    virsh = StoringVirsh(UUID, OTHER, running=XML)
    with pytest.raises(Stale) as caught:
        driver_of(virsh, tmp_path).apply([(_vm("running"), [Step("configure", changes=(DISK,))], permits.ANYTHING)])
    assert caught.value.wrote is False
    assert set(_verbs(virsh)) == {"dumpxml"}


def test_secrets_that_only_the_driver_reads_are_no_difference(tmp_path):
    secret = "<graphics type='vnc' passwd='hidden'/>"
    for shown in ("<graphics type='vnc' passwd='*****'/>", "<graphics type='vnc'/>"):
        virsh = StoringVirsh(UUID, machine_xml(with_devices(secret)))
        vm = _vm(text=machine_xml(with_devices(shown)))
        driver_of(virsh, tmp_path).apply([(vm, [STORE], permits.ANYTHING)])
        assert "define" in _verbs(virsh)


def test_own_first_change_is_no_change_of_others(tmp_path):
    """A plan can change a VM twice: while it runs, and when it is off."""
    virsh = StoringVirsh(UUID, XML)
    driver = driver_of(virsh, tmp_path)
    for memory in (64, 96):
        driver.apply([(_vm(), [Step("configure", changes=(Change("memory", 1, memory * MIB),))], permits.ANYTHING)])
    assert _verbs(virsh).count("define") == 2


RECORD = Step("configure", changes=(Change("interrupted", "", "running 2027-01-15T08:00:00Z"),))


@pytest.mark.parametrize("is_changed", [True, False])
def test_change_of_another_client_after_the_record_of_a_restart_is_found(tmp_path, is_changed):
    """What others store after the record, while the guest shuts down, still counts."""
    virsh = StoringVirsh(UUID, XML, running=XML)
    driver, vm = driver_of(virsh, tmp_path), _vm("running", mark={"id": UUID})
    driver.apply([(vm, [RECORD], permits.ANYTHING)])
    assert virsh.stored.mark["interrupted"] == "running 2027-01-15T08:00:00Z"
    if not is_changed:
        driver.apply([(vm.having(power="stopped"), [STORE], permits.ANYTHING)])
        return
    virsh.stored = Definition(OTHER)
    with pytest.raises(Stale, match="m1: another client changed it while this task ran"):
        driver.apply([(vm.having(power="stopped"), [STORE], permits.ANYTHING)])
    assert virsh.stored.get("description") == "by another task"


def test_record_of_a_restart_is_not_written_over_a_change_of_another_client(tmp_path):
    virsh = StoringVirsh(UUID, OTHER, running=XML)
    with pytest.raises(Stale):
        driver_of(virsh, tmp_path).apply([(_vm("running"), [RECORD], permits.ANYTHING)])


# The comparison before the definition is stored -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "power", "at"),
    [
        ((DISK,), "running", "attach-device"),
        ((Change("disks", None, {"size": MIB}, key="vdb"),), "stopped", "create of the image"),
        ((DISK, Change("tags", (), ("a",), cost=LIVE)), "running", "attach-device"),
    ],
)
def test_change_of_another_client_during_a_long_one_is_not_overwritten(tmp_path, monkeypatch, changes, power, at):
    virsh = Interfered(at, running=XML if power == "running" else None)
    driver = driver_of(virsh, tmp_path)
    if power == "stopped":
        # Another controller stores it while this task copies an image.
        create = type(driver.storage).create_disk
        monkeypatch.setattr(
            type(driver.storage), "create_disk", lambda *words, **more: _meanwhile(virsh, create, words)
        )
    with pytest.raises(PolyvirtError, match="m1: another client changed its stored definition while this task changed"):
        driver.apply([(_vm(power), [Step("configure", changes=changes)], permits.ANYTHING)])
    assert virsh.stored.get("description") == "by another task"
    # Only the record of new files was stored before, or is put back.
    assert [target_of(disk) for disk in virsh.stored.drives("disk")] == ["vda"]


def _meanwhile(virsh, create, words):
    virsh.stored = Definition(OTHER)
    return create(*words)


# What it costs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "power", "processes"),
    [
        ((Change("memory", 1, 64 * MIB),), "stopped", ["dumpxml", "define"]),
        ((Change("tags", (), ("a",)),), "running", ["dumpxml", "dumpxml", "define"]),
        ((Change("memory", 1, 64 * MIB),), "running", ["dumpxml", "dumpxml", "setmem", "dumpxml", "define"]),
    ],
)
def test_definition_is_read_again_only_after_something_that_takes_time(tmp_path, changes, power, processes):
    virsh = StoringVirsh(UUID, XML, running=XML if power == "running" else None)
    driver_of(virsh, tmp_path).apply([(_vm(power), [Step("configure", changes=changes)], permits.ANYTHING)])
    # Of a running VM, the first two are one process.
    assert _verbs(virsh) == processes
