# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two facts about a VM: its settings are recorded by this collection, and it was created by this collection."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import DESTRUCTIVE, Field, Policy, Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner import fleet
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import leases, mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry

from unit.tables.rows import absent, ask, found

TRAITS = Traits(
    platform="any",
    defaults={"cpus": 2},
    fields={name: Field() for name in ("cpus", "iso", "image", "clone", "firmware", "expires", "owner")},
)
NOW = 1_800_000_000
PAST, FUTURE = Expiry("2027-01-10", NOW - 5), Expiry("2027-02-01", NOW + 5)
IMAGE = {"image": {"source": "/images/base.qcow2"}}
CLONE = {"clone": {"source": "db"}}
#: What a task records on a VM that it did not create, one setting each.
RECORDED = {"tags": ("web",), "fleet": "front", "owner": "ann", "expires": Expiry("8h", NOW + 8 * 3600)}


def _recorded(name, vm=None):
    """The VM after a task has recorded one setting on it."""
    vm = vm or Vm("web", id="u-web", power="stopped")
    value = RECORDED[name]
    return vm.having(mark=mark.with_settings(mark.own_mark(vm), {name: value}), config={**vm.config, name: value})


def _created(**more):
    vm = Vm("web", id="u-web", power="stopped", **more)
    made = mark.with_settings(mark.empty_mark(vm.id, vm.birth), {"created": None})
    return vm.having(mark=made)


def _refusal(vm, request, **fields):
    return str(plan(vm, request, replace(TRAITS, fields={**TRAITS.fields, **fields})).refusal or "")


@pytest.mark.parametrize("name", RECORDED)
def test_setting_recorded_on_a_foreign_vm_does_not_make_it_ours(name):
    vm = _recorded(name)
    assert "no record of creation" in _refusal(vm, ask(**IMAGE))
    assert (vm.owned, vm.created) == (True, False)
    again = vm.having(mark=mark.with_settings(mark.own_mark(vm), {"owner": "bob"}))
    assert (again.owned, again.created) == (True, False)


def test_setting_recorded_on_a_created_vm_keeps_the_fact():
    vm = _recorded("tags", _created())
    assert (vm.owned, vm.created, vm.mark["created"]) == (True, True, "")
    assert _refusal(vm, ask(**IMAGE)) == ""


def test_time_of_creation_is_recorded_if_it_is_known():
    assert mark.with_settings({}, {"created": NOW}) == {"created": leases.iso(NOW)}
    assert mark.with_settings({"created": "x"}, {"owner": "ann"}) == {"created": "x", "owner": "ann"}


@pytest.mark.parametrize("unfinished", [True, False])
def test_vm_that_is_being_created_counts_as_created(unfinished):
    made = {**mark.empty_mark("u-web"), **({"unfinished": True} if unfinished else {})}
    assert Vm("web", id="u-web", mark=made).created is unfinished


def test_marks_of_version_1_count_as_before_and_keep_it():
    old = {"v": 1, "id": "u-web", "disks": ["/d/0"], "files": [], "inputs": {}}
    vm = Vm("web", id="u-web", mark=old)
    assert (vm.owned, vm.created) == (True, True)
    written = mark.own_mark(vm)
    assert (written["v"], written["created"], written["disks"]) == (2, "", ["/d/0"])
    assert vm.having(mark=written).created


class TestBirth:
    """Another VM got the same name and the same id."""

    def test_record_of_another_birth_is_not_valid(self):
        old = _created(birth="100:1")
        new = old.having(birth="100:2")
        assert old.mark["birth"] == "100:1"
        assert (old.owned, new.owned, new.created) == (True, False, False)
        assert mark.own_settings({**old.mark, "owner": "ann"}, "u-web", "100:2")["owner"] == ""
        written = mark.own_mark(new)
        assert (written["birth"], "created" in written) == ("100:2", False)

    def test_old_record_without_birth_gets_it_with_the_next_change(self):
        vm = Vm("web", id="100", mark={"v": 1, "id": "100"}, birth="100:1")
        assert (vm.owned, vm.created, vm.is_proven) == (True, True, False)
        vm = vm.having(mark=mark.own_mark(vm))
        assert (vm.mark["birth"], vm.created, vm.is_proven) == ("100:1", True, True)

    @pytest.mark.parametrize(("birth", "is_deleted"), [("100:1", True), (None, False)])
    def test_expired_vm_is_deleted_only_if_its_birth_is_recorded(self, birth, is_deleted):
        made = mark.with_settings(mark.empty_mark("100", birth), {"expires": Expiry("2027-01-10", NOW - 5)})
        vm = found(expires=PAST).having(id="100", birth="100:1", mark=made)
        planned = plan(vm, ask("absent", expired_for="0m", controller_time=NOW), TRAITS)
        assert planned.changed is is_deleted


class TestAdopting:
    @pytest.mark.parametrize("state", ["present", "started", "stopped"])
    @pytest.mark.parametrize("creation", [IMAGE, CLONE])
    def test_image_and_clone_do_not_adopt_a_vm(self, creation, state):
        (option,) = creation
        refusal = _refusal(found(mark=None), ask(state, cpus=4, **creation))
        assert refusal == (
            f"web: {option} is set, but the VM exists and has no record of creation by this collection: it was created"
            f" otherwise, or its record was edited away. Remove {option} to manage the VM, or set adopt: true."
        )
        assert _refusal(found(mark=None), ask(state, cpus=4, adopt=True, **creation)) == ""
        assert _refusal(found(mark=None), ask(state, cpus=4)) == ""

    def test_iso_and_disks_are_settings_of_any_vm(self):
        assert _refusal(found(mark=None), ask(iso="/i.iso")) == ""

    def test_deletion_ignores_what_a_vm_would_be_created_from(self):
        assert _refusal(found(mark=None), ask("absent", **IMAGE)) == ""

    def test_adopted_vm_is_not_created_again(self):
        fields = {"firmware": Field(cost=DESTRUCTIVE)}
        request = ask(firmware="uefi", adopt=True, allow_recreate=True, **IMAGE)
        refusal = _refusal(_recorded("owner", found(mark=None, firmware="bios")), request, **fields)
        assert "this collection did not create and define it" in refusal


def test_only_created_vms_are_pruned():
    foreign, ours = _recorded("fleet"), _recorded("fleet", _created())
    assert (fleet.belongs_to(foreign, "front"), fleet.is_pruned_with(foreign, "front")) == (True, False)
    assert (fleet.belongs_to(ours, "front"), fleet.is_pruned_with(ours, "front")) == (True, True)
    assert not fleet.is_pruned_with(ours.having(birth="b"), "front")


class TestDamagedRecord:
    """What it said is not known, so nothing is changed that it may be about; it is never written again."""

    vm = found(mark=mark.parsed('{"id":"u-web","v":99}'), cpus=2)

    @pytest.mark.parametrize("options", [{"cpus": 4}, {"owner": "ann"}, {"state": "absent"}])
    def test_change_is_rejected(self, options):
        state = options.pop("state", "present")
        refusal = _refusal(self.vm, ask(state, **options))
        assert refusal.startswith("web: its ownership record is damaged: its version '99' is unknown")
        assert "remove the record (user guide, Ownership)" in refusal

    def test_power_and_what_is_as_asked_are_not(self):
        assert (_refusal(self.vm, ask("started")), _refusal(self.vm, ask("present", cpus=2))) == ("", "")
        assert (self.vm.owned, self.vm.created) == (False, False)

    def test_it_is_named_and_the_list_goes_on(self):
        assert [text.partition(":")[0] for text in mark.damage_warnings((found(), self.vm))] == ["web"]


class TestNewExpiry:
    def _planned(self, vm, expires, **more):
        return _refusal(vm, ask(expires=str(expires), controller_time=NOW, **more))

    @pytest.mark.parametrize("vm", [found(), found(expires=FUTURE), absent()])
    def test_in_the_past_is_rejected(self, vm):
        refusal = self._planned(vm, "2027-01-10", **(IMAGE if vm.power == "absent" else {}))
        assert refusal == (
            "web: expires: '2027-01-10' has passed: for the controller it is 2027-01-15T08:00:00Z now."
            " Remove it, or set a new date. To let it expire now, set 0m."
        )

    def test_unchanged_one_may_have_passed(self):
        past = leases.expiry("2027-01-10", "expires")
        assert self._planned(found(expires=past), "2027-01-10") == ""
        assert self._planned(found(expires=past), "2027-01-10", extend=True) == ""

    def test_0m_is_now(self):
        planned = plan(found(), ask(expires="0m", controller_time=NOW), TRAITS)
        assert planned.after.config["expires"].at == NOW
        assert Policy().adopt is False
