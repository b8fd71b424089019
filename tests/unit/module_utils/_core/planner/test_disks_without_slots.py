# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks without a slot are the VM's own disks in their order, on each platform: never a second, empty one."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables import hyperv, proxmox, vbox, virsh
from unit.tables.rows import G, absent, ask, found

#: platform: (its traits, the head of another bus than the default one, two places that are no heads, in their order).
ELSEWHERE = {
    "proxmox": (proxmox.TRAITS, "virtio0", ("scsi9", "scsi10")),
    "virtualbox": (vbox.TRAITS, "NVMe 0", ("SATA 9", "SATA 10")),
    "libvirt": (virsh.TRAITS, "sda", ("vdh", "vdi")),
}
over_platforms = pytest.mark.parametrize("platform", ELSEWHERE)


def _disks(*slots, is_volume=False):
    return {
        slot: {"size": 8 * G, "source": f"local:{slot}" if is_volume else f"/{slot}", "bus": "scsi"} for slot in slots
    }


def _found(*slots, is_volume=False, **settings):
    return found(disks=_disks(*slots, is_volume=is_volume), **settings)


def _asks_for(source):
    return replace(ask(), config={"disks": {"#0": {"source": source}}})


def _changed(planned):
    assert planned.refusal is None, str(planned.refusal)
    changes = [change for step in planned.steps for change in step.changes]
    return {change.path: change.new for change in changes if change.field == "disks"}


@over_platforms
def test_the_only_disk_grows_wherever_it_is(platform):
    traits, head, _places = ELSEWHERE[platform]
    planned = plan(_found(head), ask(disks=[{"size": "40G"}]), traits)
    assert _changed(planned) == {f"disks.{head}.size": 40 * G}
    assert _changed(plan(planned.after, ask(disks=[{"size": "40G"}]), traits)) == {}


@over_platforms
def test_the_only_disk_of_the_source_of_a_clone_grows_wherever_it_is(platform):
    traits, head, _places = ELSEWHERE[platform]
    request = ask(clone={"source": "db"}, disks=[{"size": "40G"}])
    planned = plan(absent(), request, traits, source=_found(head, name="db"))
    assert _changed(planned) == {f"disks.{head}.size": 40 * G}
    assert set(planned.after.config["disks"]) == {head}


@over_platforms
def test_entries_are_the_disks_in_their_order_and_then_new_ones(platform):
    traits, _head, (second, last) = ELSEWHERE[platform]
    vm = _found(traits.slot(0), last, second)
    entries = [{"size": "8G"}, {"size": "9G"}, {"size": "10G"}]
    assert _changed(plan(vm, ask(disks=entries), traits)) == {
        f"disks.{second}.size": 9 * G,
        f"disks.{last}.size": 10 * G,
    }
    planned = plan(vm, ask(disks=[*entries, {"size": "11G"}]), traits)
    assert f"disks.{traits.slot(3)}" in _changed(planned)


@over_platforms
def test_a_disk_that_an_entry_names_is_not_also_that_of_an_entry_without_a_slot(platform):
    traits, head, _places = ELSEWHERE[platform]
    planned = plan(_found(head), ask(disks=[{"slot": head, "size": "8G"}, {"size": "9G"}]), traits)
    assert list(_changed(planned)) == [f"disks.{traits.slot(1)}"]


@over_platforms
def test_a_source_without_a_slot_is_that_source_or_a_new_disk(platform):
    traits, head, _places = ELSEWHERE[platform]
    base = "local:" if platform == "proxmox" else "/"
    vm = _found(head, is_volume=platform == "proxmox")
    assert _changed(plan(vm, _asks_for(f"{base}{head}"), traits)) == {}
    assert list(_changed(plan(vm, _asks_for(f"{base}other"), traits))) == [f"disks.{traits.slot(0)}"]


@over_platforms
@pytest.mark.parametrize("kind", ["image", "clone"])
def test_an_empty_disk_at_the_head_of_another_bus_is_rejected_until_both_are_listed(platform, kind):
    """Whoever names another bus for the disk of the operating system would get a second disk, without that system."""
    traits, head, _places = ELSEWHERE[platform]
    first, source = traits.slot(0), _found(traits.slot(0), name="db")
    new = {"image": {"source": "/i.qcow2"}} if kind == "image" else {"clone": {"source": "db"}}
    entry = {"slot": head, "size": "40G"}
    planned = plan(absent(), ask(disks=[entry], **new), traits, source=source)
    assert f"disks.{head}" in planned.refusal.message
    assert first in planned.refusal.message
    assert f"{{slot: {first}}}" in planned.refusal.remedy
    both = plan(absent(), ask(disks=[{"slot": first}, entry], **new), traits, source=source)
    assert (both.refusal, set(both.after.config["disks"])) == (None, {first, head})


@over_platforms
def test_a_purge_keeps_the_disk_of_the_operating_system_wherever_it_is(platform):
    traits, head, _places = ELSEWHERE[platform]
    request = ask(clone={"source": "db"}, disks=[], purge=["disks"])
    planned = plan(absent(), request, traits, source=_found(head, name="db"))
    assert (planned.refusal, set(planned.after.config["disks"])) == (None, {head})
    existing = found(disks=_disks(head), mark={"v": 1, "id": "u-web"}, id="u-web")
    assert _changed(plan(existing, request, traits)) == {}


@pytest.mark.parametrize(
    ("traits", "slots", "spelling"),
    [(hyperv.TRAITS, ("SCSI 0:3", "SCSI 0:4"), "scsi0:3"), (virsh.TRAITS, ("sdc", "sdd"), "sata2")],
    ids=["hyperv", "libvirt"],
)
def test_a_disk_in_another_spelling_is_not_also_that_of_an_entry_without_a_slot(traits, slots, spelling):
    entries = [{"slot": spelling, "size": "8G"}, {"size": "9G"}]
    disks = {slot: {"size": 8 * G, "bus": "sata"} for slot in slots}
    assert list(_changed(plan(found(disks=disks), ask(disks=entries), traits))) == [f"disks.{slots[1]}.size"]
