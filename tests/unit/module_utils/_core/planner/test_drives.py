# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives: ``iso`` is the short form for the first one, and both options always mean the same."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    LIVE,
    NEXT_BOOT,
    Field,
    Snapshot,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.drives import prepared_iso
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import task_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import describe, difference
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import entry as result_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import HoldsClaims
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import claims_of_plan

from unit.tables.rows import absent, ask, found

FIELDS = {
    "cdroms.source": Field(cost=LIVE),
    **dict.fromkeys(("cdroms.add", "cdroms.remove", "disks.add", "disks.remove"), Field(cost=NEXT_BOOT)),
    **dict.fromkeys(("cpus", "disks.size", "disks.source", "firmware"), Field(cost=LIVE)),
    "cdroms.skip_boot_prompt": Field(cost=NEXT_BOOT),
}


def _slot(vm, config):
    taken = {*(config.get("disks") or ()), *(config.get("cdroms") or ()), *vm.reserved}
    return next(f"b{number}" for number in range(9) if f"b{number}" not in taken)


TRAITS = Traits("toy", fields=FIELDS, slot="a{}".format, drive_slot=_slot, sources=("iso", "cdroms", "disks"))
CLONING = Traits(
    "toy", fields={**FIELDS, "clone": Field(), "clone.linked": Field()}, slot="a{}".format, drive_slot=_slot
)
ONE = {"b1": {"source": "/one.iso"}}
TWO = {**ONE, "b10": {"source": ""}}


def vm(drives, power="stopped", **more):
    return found(power, cdroms=drives, disks={"a0": {"source": "/d"}}, **more)


def planned(before, **options):
    result = plan(before, ask(**options), TRAITS)
    assert result.refusal is None, result.refusal
    return result


def entry(slot, source=None, **more):
    return {"slot": slot, **({} if source is None else {"source": source}), **more}


@pytest.mark.parametrize(
    ("drives", "options", "after", "iso"),
    [
        (ONE, {"cdroms": [entry("b1", "")]}, {"b1": {"source": ""}}, ""),
        (ONE, {"iso": "/x.iso"}, {"b1": {"source": "/x.iso"}}, "/x.iso"),
        (ONE, {"cdroms": [entry("b10")]}, TWO, "/one.iso"),
        (TWO, {"cdroms": [entry("b1", state="absent")]}, {"b10": {"source": ""}}, ""),
        (ONE, {"cdroms": [entry("b0", "/zero.iso")]}, {**ONE, "b0": {"source": "/zero.iso"}}, "/zero.iso"),
        (TWO, {"cdroms": [entry("b10", "/ten.iso")], "iso": ""}, {"b1": {"source": ""}, "b10": {"source": "/ten.iso"}},
         ""),
        ({}, {"iso": "/x.iso"}, {"b0": {"source": "/x.iso"}}, "/x.iso"),
        (TWO, {"cdroms": [], "purge": ["cdroms"]}, {}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("power", ["stopped", "running"])
def test_both_options_mean_the_same_after_a_change(power, drives, options, after, iso):
    result = planned(vm(drives, power), **options)
    assert (result.after.config["cdroms"], describe(result.after, "toy")["iso"]) == (after, iso)
    assert not planned(result.after.having(id="i"), **options).changed
    assert result.changed


@pytest.mark.parametrize(
    "options",
    [
        {"iso": "/one.iso"},
        {"cdroms": [entry("b1")]},
        {"cdroms": [entry("b1", "/one.iso")]},
        {"cdroms": [entry("b7", state="absent")]},
    ],
)
def test_what_is_so_is_not_changed(options):
    assert not planned(vm(TWO), **options).changed


@pytest.mark.parametrize(
    ("drives", "options", "message"),
    [
        (ONE, {"iso": "/x", "cdroms": [entry("b1", "/y")]}, "cdroms.b1: iso sets the first optical drive"),
        (TWO, {"iso": "/x", "cdroms": [entry("b1", state="absent")]}, "cdroms.b1: iso sets the first optical drive"),
        (ONE, {"iso": "/x", "cdroms": [entry("b0", "/y")]}, "cdroms.b0: iso sets the first optical drive"),
        ({}, {"iso": "/x", "cdroms": [entry("b5", "/y")]}, "cdroms.b5: iso sets the first optical drive"),
        ({}, {"iso": "/x", "cdroms": [entry("b0")]}, "cdroms.b0: iso sets the first optical drive"),
        ({}, {"iso": "", "cdroms": [entry("b5")]}, "cdroms.b5: iso sets the first optical drive"),
        (ONE, {"iso": "/x", "cdroms": [entry("b5")], "purge": ["cdroms"]}, "cdroms.b1: iso sets the first"),
        (ONE, {"cdroms": [entry("a0")]}, "cdroms.a0: the slot is used by a disk"),
        (ONE, {"cdroms": [entry("a1")], "disks": [{"slot": "a1", "size": "1G"}]}, "a1: the slot is used by a disk"),
        (ONE, {"cdroms": [entry("b9")]}, "cdroms.b9: the slot is used by a drive that no option sets"),
        (ONE, {"disks": [{"slot": "b1", "size": "1G"}]}, "disks.b1: the slot is used by an optical drive"),
        (ONE, {"disks": [{"slot": "b1", "size": "1G"}], "cdroms": [entry("b1")]}, "b1: the slot is used by an"),
    ],
)
def test_contradictions_are_rejected(drives, options, message):
    assert message in str(plan(vm(drives, reserved=frozenset({"b9"})), ask(**options), TRAITS).refusal)


@pytest.mark.parametrize(
    "options", [{"cdroms": [entry("b1", state="absent")]}, {"cdroms": [entry("b2")], "purge": ["cdroms"]}]
)
def test_new_disk_gets_the_slot_of_a_drive_that_is_removed(options):
    result = planned(vm(ONE), disks=[{"slot": "b1", "size": "1G"}], **options)
    assert "b1" in result.after.config["disks"] and "b1" not in result.after.config["cdroms"]


@pytest.mark.parametrize("snapshot", [None, "s"])
def test_clone_gets_no_disk_in_the_slot_of_a_drive_of_its_source(snapshot):
    taken = Snapshot("s", config=vm(ONE).config)
    source = vm({} if snapshot else ONE, name="source", id="1", snapshots=(taken,))
    options = {
        "clone": {"source": "source", "snapshot": snapshot},
        "disks": [{"slot": "a0"}, {"slot": "b1", "size": "1G"}],
    }
    refusal = plan(absent(), ask(**options), CLONING, source=source).refusal
    assert "disks.b1: the slot is used by an optical drive" in str(refusal)


def test_seed_is_not_removed():
    assert not planned(vm(ONE, reserved=frozenset({"b9"})), cdroms=[entry("b9", state="absent")]).changed


@pytest.mark.parametrize(
    ("options", "drives"),
    [
        ({"iso": "/x.iso"}, {"b0": {"source": "/x.iso"}}),
        ({"disks": [{"slot": "b0", "size": "1G"}]}, {"b1": {"source": ""}}),
        ({"cdroms": [entry("b3", "/x.iso"), entry("b2")]}, {"b3": {"source": "/x.iso"}, "b2": {"source": ""}}),
        ({"cdroms": [], "iso": "/x.iso"}, {"b0": {"source": "/x.iso"}}),
        ({"disks": [{"slot": "a0", "size": "1G"}], "cdroms": []}, {}),
    ],
)
def test_drives_of_a_new_vm(options, drives):
    result = planned(absent(), state="stopped", **options)
    assert result.after.config["cdroms"] == drives
    assert result.steps[0].arguments["config"]["cdroms"] == drives


def test_first_drive_added_to_a_running_vm_waits_for_its_start():
    result = planned(vm(ONE, "running"), cdroms=[entry("b0", "/zero.iso")])
    assert describe(result.after, "toy")["restart_required"] == ["cdroms.b0"]
    assert describe(result.after, "toy")["cdroms"] == [entry("b0", "/zero.iso"), entry("b1", "/one.iso")]
    assert difference(result)["after"] == {"cdroms.b0.source": "/zero.iso"}


@pytest.mark.parametrize("options", [{"iso": "/x.iso"}, {"cdroms": [entry("b1", "/x.iso")]}])
def test_image_of_the_first_drive_is_one_difference(options):
    result = planned(vm(ONE), **options)
    assert (difference(result)["before"], difference(result)["after"]) == ({"iso": "/one.iso"}, {"iso": "/x.iso"})


@pytest.mark.parametrize(
    ("drives", "options", "shown"),
    [
        ({}, {"iso": "/x.iso"}, ("iso", None, "/x.iso")),
        ({}, {"cdroms": [entry("b1", "/x.iso")]}, ("iso", None, "/x.iso")),
        (ONE, {"iso": ""}, ("iso", "/one.iso", "")),
        (ONE, {"cdroms": [entry("b1", "")]}, ("iso", "/one.iso", "")),
        (ONE, {"cdroms": [entry("b2", "/x.iso")]}, ("cdroms.b2", None, {"source": "/x.iso"})),
        (ONE, {"cdroms": [entry("b0")]}, ("cdroms.b0", None, {"source": ""})),
        (ONE, {"cdroms": [], "purge": ["cdroms"]}, ("cdroms.b1", {"source": "/one.iso"}, None)),
    ],
)
def test_change_of_the_first_drive_is_called_iso(drives, options, shown):
    outcome = result_of(vm(drives), "toy", planned(vm(drives), **options))
    (change,) = outcome["steps"][0]["changes"]
    assert (change["path"], change["before"], change["after"]) == shown


@pytest.mark.parametrize("removed", [{"b0": {"source": "/d"}}, {}])
def test_drive_of_iso_is_where_no_disk_is_nor_was(removed):
    before = vm({}).having(config={"cdroms": {}, "disks": {"a0": {"source": "/d"}, **removed}})
    result = planned(
        before, iso="/x.iso", disks=[{"slot": "b0", **({"state": "absent"} if removed else {"size": "1G"})}]
    )
    assert result.after.config["cdroms"] == {"b1": {"source": "/x.iso"}}


@pytest.mark.parametrize(
    ("state", "message"), [("present", "iso: the slot of its new drive, b0, is used by a disk"), ("absent", "")]
)
def test_platform_with_one_slot_for_the_first_drive(state, message):
    traits = replace(TRAITS, drive_slot=lambda vm, config: "b0")
    before = vm({}).having(config={"cdroms": {}, "disks": {"b0": {"source": "/d"}}})
    result = plan(before, ask(iso="/x.iso", disks=[{"slot": "b0", "state": state}]), traits)
    assert message in str(result.refusal)
    assert message or list(result.after.config["cdroms"]) == ["b0"]


@pytest.mark.parametrize(("known", "is_refused"), [({"cdroms": ONE}, False), ({}, True)])
def test_image_in_a_vm_of_unknown_state_is_compared_if_its_drives_are_known(known, is_refused):
    before = vm(ONE, "unknown", reason="the host does not answer").having(config=known)
    result = plan(before, ask(iso="/one.iso"), TRAITS)
    assert (result.changed, "web: iso: its settings are unknown" in str(result.refusal)) == (False, is_refused)


def test_drive_of_a_clone_is_not_where_its_source_has_a_seed():
    source = vm({}, name="source", id="1", reserved=frozenset({"b0"}))
    result = plan(absent(), ask(clone={"source": "source"}, iso="/x.iso"), CLONING, source=source)
    assert result.after.config["cdroms"] == {"b1": {"source": "/x.iso"}}
    assert result.steps[0].arguments["drives"] == {"b1": {"source": "/x.iso"}}


class _Claims(HoldsClaims):
    place = None

    def file_identity(self, path):
        return path


@pytest.mark.parametrize(
    ("power", "options", "held"),
    [
        ("stopped", {"cdroms": [entry("b1", "/two.iso")]}, {"/two.iso"}),
        ("stopped", {"cdroms": [entry("b0", "/zero.iso")]}, {"/zero.iso", "/one.iso"}),
        ("stopped", {"cdroms": [entry("b1", state="absent")]}, set()),
        ("running", {"cdroms": [entry("b1", state="absent")]}, {"/one.iso"}),
        ("running", {"cdroms": [entry("b1", "")]}, set()),
    ],
)
def test_images_of_all_drives_are_claimed_as_long_as_they_are_used(power, options, held):
    driver = _Claims()
    before = vm(ONE, power)
    own = driver.observed(before).claims
    _during, after = claims_of_plan(planned(before, **options), own, driver)
    assert {claim.text for claim in after if claim.mode == "read"} == held


@pytest.mark.parametrize(("drives", "named"), [(ONE, "iso"), (TWO, "cdroms")])
def test_several_drives_are_described_as_cdroms(drives, named):
    from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM

    task, _left = task_of(vm(drives), TRAITS, VM)
    assert {"iso", "cdroms"} & set(task) == {named}
    if named == "cdroms":
        assert task["cdroms"] == [entry("b1", "/one.iso"), entry("b10")]
        assert "cdroms" in task["purge"]


PREPARED = {"b1": {"source": "/one.iso", "skip_boot_prompt": True}}


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        (ONE, {"skip_boot_prompt": True}, True),
        (ONE, {"iso": "/x.iso", "skip_boot_prompt": True}, True),
        (PREPARED, {"skip_boot_prompt": False}, None),
        (PREPARED, {"iso": "/x.iso"}, None),
        (PREPARED, {"iso": ""}, None),
        (PREPARED, {"cdroms": [entry("b1", "/x.iso")]}, None),
        (PREPARED, {"cdroms": [entry("b5", "/x.iso")]}, True),
        (PREPARED, {"iso": "/x.iso", "skip_boot_prompt": True}, True),
        (PREPARED, {"cdroms": [entry("b1", "/x.iso")], "skip_boot_prompt": True}, True),
    ],
)
def test_prompt_is_that_of_the_image_in_the_first_drive(before, options, after):
    """An image is inserted as it is, unless the task says otherwise."""
    result = planned(vm(before, firmware="uefi"), **options)
    shown = describe(result.after, "toy")
    assert shown["settings"].get("skip_boot_prompt") is after
    assert prepared_iso(result) == (shown["iso"] if "skip_boot_prompt" in options and after else None)
    assert not planned(result.after.having(id="i"), **options).changed
    before_and_after = [difference(result)[key].get("skip_boot_prompt") for key in ("before", "after")]
    was = describe(vm(before), "toy")["settings"].get("skip_boot_prompt")
    assert before_and_after == ([None, None] if was is after else [was, after])


@pytest.mark.parametrize("asked", [True, False])
def test_prompt_as_requested_is_no_difference(asked):
    result = planned(vm(PREPARED if asked else ONE, firmware="uefi"), skip_boot_prompt=asked)
    assert (result.changed, prepared_iso(result)) == (False, None)


@pytest.mark.parametrize(
    ("drives", "options", "message"),
    [
        (ONE, {"firmware": "bios"}, "skip_boot_prompt: with BIOS, "),
        ({}, {"firmware": "uefi"}, "skip_boot_prompt: the VM has no ISO image. Set iso"),
        (ONE, {"firmware": "uefi", "iso": ""}, "skip_boot_prompt: the VM has no ISO image. Set iso"),
    ],
)
def test_prompt_that_cannot_be_skipped_is_rejected(drives, options, message):
    result = plan(vm(drives), ask(skip_boot_prompt=True, **options), TRAITS)
    assert message in str(result.refusal)


@pytest.mark.parametrize(("iso", "is_source"), [("/x.iso", True), ("", False)])
def test_iso_image_in_a_drive_is_a_source_of_a_vm_that_is_created_again(iso, is_source):
    traits = replace(TRAITS, fields={**FIELDS, "firmware": Field(cost=DESTRUCTIVE)}, sources=("iso", "disks"))
    asked = ask(firmware="uefi", allow_recreate=True, cdroms=[entry("b1", iso)])
    result = plan(vm({"b1": {"source": ""}}, firmware="bios"), asked, traits)
    assert (result.refusal is None, "sets no source" in str(result.refusal)) == (is_source, not is_source)


@pytest.mark.parametrize(("iso", "is_source"), [("/x.iso", True), ("", False)])
def test_iso_image_in_a_drive_is_a_source_of_a_new_vm(iso, is_source):
    """An interrupted recreation is completed by the same task, when the VM does not exist."""
    traits = replace(TRAITS, sources=("iso", "disks"))
    result = plan(absent(), ask(cdroms=[entry("b1", iso)]), traits)
    assert (result.refusal is None) == is_source
    if is_source:
        assert result.after.config["cdroms"] == {"b1": {"source": iso}}
        assert list(result.after.config["disks"]) == ["a0"]


def test_cloud_init_alone_is_no_source_of_a_vm_that_is_created_again():
    fields = {**FIELDS, "firmware": Field(cost=DESTRUCTIVE), "cloud_init": Field()}
    asked = ask(firmware="uefi", allow_recreate=True, cloud_init={"user": "me"})
    result = plan(vm(ONE, firmware="bios"), asked, replace(TRAITS, fields=fields, sources=("iso", "disks")))
    assert "the task sets no source for it" in str(result.refusal)
