# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that finds its VMs as requested starts virsh once: the first call queries the VMs by their names, too."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, failed, machine_xml
from unit.module_utils._drivers.virsh.test_observe import ADDRESSES, CONFIG, LISTING, MACHINE

OTHER = "00000000-0000-4000-8000-000000000002"
LIST = ("list", "--all", "--uuid", "--name")
UNKNOWN = failed("failed to get domain 'web2'")


def by_name(name, answers=MACHINE):
    """The same answers for commands that contain the name."""
    return {(command[0], name, *command[2:]): answer for command, answer in answers.items()}


NO_WEB2 = by_name("web2", dict.fromkeys(MACHINE, UNKNOWN))


class Recorded(FakeVirsh):
    """Remembers the commands of each process."""

    def __init__(self, *answers):
        super().__init__({command: answer for one in answers for command, answer in one.items()})
        self.calls = []

    def batch(self, requests, timeout=None):
        self.calls.append([tuple(words) for words in requests])
        return super().batch(requests, timeout)


def observed(virsh, folder, names, facets=CONFIG, **options):
    driver = driver_of(virsh, folder, name=names, state="started", **options)
    driver.traits()
    return driver.observe([Target(name=name) for name in names], facets)


def test_task_without_changes_starts_one_process(tmp_path):
    early, later = Recorded(LISTING, by_name("m1")), Recorded(LISTING, MACHINE)
    (found,) = observed(early, tmp_path, ["m1"]).vms
    # With an id, a VM is queried by it, in a second process.
    driver = driver_of(later, tmp_path, id=UUID, state="started")
    driver.traits()
    (expected,) = driver.observe([Target(id=UUID)], CONFIG).vms
    # These are equal to themselves only.
    unequal = {"counters": None, "not_modelled": None}
    assert found.having(**unequal) == expected.having(**unequal)
    assert (early.processes, later.processes) == (1, 2)


@pytest.mark.parametrize("wait_for", ["state", {"condition": "state", "port": None, "http": None}])
def test_power_state_is_waited_for_without_another_process(tmp_path, wait_for):
    virsh = Recorded(LISTING, by_name("m1"))
    observed(virsh, tmp_path, ["m1"], wait_for=wait_for)
    assert virsh.processes == 1


def test_second_observation_reads_all_again(tmp_path):
    virsh = Recorded(LISTING, by_name("m1"), MACHINE)
    driver = driver_of(virsh, tmp_path, name=["m1"], state="started")
    driver.traits()
    assert driver.observe([Target(name="m1")], CONFIG).vms[0].power == "running"
    virsh.answers["domstate", UUID, "--reason"] = "paused (user)"
    assert driver.observe([Target(name="m1")], CONFIG).vms[0].power == "paused"


def test_missing_vm_does_not_affect_others(tmp_path):
    virsh = Recorded(LISTING, by_name("m1"), NO_WEB2)
    found = observed(virsh, tmp_path, ["web2", "m1"])
    assert ([vm.name for vm in found.vms], found.known, virsh.processes) == (["m1"], ("m1",), 1)


@pytest.mark.parametrize(
    "definition",
    [
        machine_xml((UUID, OTHER)),
        UNKNOWN,
        failed("Timed out during operation: cannot acquire state change lock"),
        # What a user writes in a definition follows the UUID.
        machine_xml((f"<uuid>{UUID}</uuid>", f"<uuid>{OTHER}</uuid><title><uuid>{UUID}</uuid></title>")),
    ],
    ids=["of another", "unknown", "locked", "of another with this UUID in its title"],
)
def test_vm_that_is_replaced_after_the_list_was_read_is_queried_by_its_uuid(tmp_path, definition):
    replaced = by_name("m1", {**MACHINE, ("dumpxml", UUID, "--inactive"): definition})
    gone = dict.fromkeys(MACHINE, failed(f"failed to get domain '{UUID}'"))
    virsh = Recorded(LISTING, replaced, gone)
    assert observed(virsh, tmp_path, ["m1"]).vms == []
    assert virsh.processes == 2
    assert {command[1] for command in virsh.calls[1]} == {UUID}


def test_only_vms_without_early_answer_are_queried_again(tmp_path):
    rows = {LIST: f"{UUID} m1\n{OTHER} 7\n", ("list", "--uuid"): f"{UUID}\n"}
    seventh = {(command[0], OTHER, *command[2:]): answer for command, answer in MACHINE.items()}
    seventh["dumpxml", OTHER, "--inactive"] = machine_xml((UUID, OTHER), ("<name>m1</name>", "<name>7</name>"))
    virsh = Recorded(LISTING, rows, by_name("m1"), seventh)
    found = observed(virsh, tmp_path, ["7", "m1"])
    assert [(vm.name, vm.id) for vm in found.vms] == [("7", OTHER), ("m1", UUID)]
    assert {command[1] for command in virsh.calls[1]} == {OTHER}


def test_definition_is_the_last_answer_so_that_it_shows_of_which_vm_the_others_are(tmp_path):
    virsh = Recorded(LISTING, by_name("m1"))
    observed(virsh, tmp_path, ["m1"])
    assert virsh.calls[0][-1] == ("dumpxml", "m1", "--inactive")


@pytest.mark.parametrize("name", ["7", "+7", " 7", "-m1", "a b", "m" * 36, "web\n", ""])
def test_name_that_virsh_may_take_for_something_else_is_not_queried(tmp_path, name):
    virsh = Recorded(LISTING)
    observed(virsh, tmp_path, [name])
    assert [list(LISTING)] == virsh.calls


@pytest.mark.parametrize(
    "options",
    [
        {"state": "absent"},
        {"snapshot": "before"},
        {"allow_recreate": True},
        {"wait_for": "ssh"},
        {"wait_for": {"condition": "ssh", "port": None, "http": None}},
        {"wait_for": {"condition": None, "port": 22, "http": None}},
        {"name": None, "id": UUID},
    ],
)
def test_vm_is_queried_once_if_the_task_needs_more_than_its_settings(tmp_path, options):
    virsh = Recorded(LISTING)
    driver_of(virsh, tmp_path, **{"name": ["m1"], "state": "present", **options}).traits()
    assert [list(LISTING)] == virsh.calls


def test_more_facets_than_expected_are_all_read_by_the_second_process(tmp_path):
    virsh = Recorded(LISTING, by_name("m1"), MACHINE)
    found = observed(virsh, tmp_path, ["m1"], ADDRESSES)
    assert (virsh.processes, found.vms[0].addresses[0].source) == (2, "agent")


def test_suspended_vm_is_queried_again(tmp_path):
    saved = {("list", "--uuid"): "", ("list", "--all", "--uuid", "--with-managed-save"): f"{UUID}\n"}
    off = {("domstate", UUID, "--reason"): "shut off (saved)\n", ("managedsave-dumpxml", UUID): machine_xml()}
    virsh = Recorded(LISTING, saved, by_name("m1"), MACHINE, off)
    assert (observed(virsh, tmp_path, ["m1"]).vms[0].power, virsh.processes) == ("suspended", 2)


def test_stopped_vm_is_read_early(tmp_path):
    off = {("list", "--uuid"): ""}
    stopped = {("domstate", "m1", "--reason"): "shut off (unknown)\n", ("domifaddr", "m1"): failed("not running")}
    virsh = Recorded(LISTING, off, by_name("m1"), stopped)
    (vm,) = observed(virsh, tmp_path, ["m1"]).vms
    assert (vm.power, vm.active, vm.addresses, virsh.processes) == ("stopped", None, (), 1)


def test_unreadable_definition_is_an_error(tmp_path):
    denied = {("dumpxml", UUID, "--inactive"): failed("access denied")}
    virsh = Recorded(LISTING, MACHINE, denied, by_name("m1", {**MACHINE, **denied}))
    with pytest.raises(CommandFailed, match="access denied"):
        observed(virsh, tmp_path, ["m1"])


def test_networks_are_read_before_vms(tmp_path):
    networks = {("net-list", "--all", "--name"): "default\n", ("net-list", "--name"): ""}
    virsh = Recorded(LISTING, networks, by_name("m1"))
    driver = driver_of(virsh, tmp_path, name=["m1"], state="started", allow_network_start=True)
    driver.traits()
    assert driver.observe([Target(name="m1")], CONFIG).vms[0].power == "running"
    assert (driver.hypervisor, virsh.processes) == ("QEMU", 1)
