# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared code of drivers: text of the mark, steps of a plan, light observations, carrying out steps."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused, SomeFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Target, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import (
    deleted_files,
    planned,
    planned_changes,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import mark as marks
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import MIB
from ansible_collections.polyvirt.core.plugins.module_utils._kit.driver import KnownSettings, is_power_only
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._kit.settings import (
    Setting,
    defaults,
    in_order,
    normalized,
    options_of_native,
    read_all,
    supported,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits


def test_printed_mark_can_be_parsed():
    mark = {**marks.empty_mark("u-web"), "tags": ["a"], "nvram": ["/n"], "inputs": {"bases": ["/b"]}}
    assert marks.parsed(marks.printed(mark)) == mark
    assert marks.printed({"v": 1, "id": "u"}) == '{"id":"u","v":1}'


@pytest.mark.parametrize(
    "text", ["{", "[]", '"text"', '{"disks": "/d"}', '{"tags": [1]}', '{"inputs": []}', '{"inputs": {"bases": [1]}}']
)
def test_invalid_mark_is_parsed_as_damaged(text):
    assert list(marks.parsed(text)) == [marks.DAMAGED]


def test_foreign_mark_is_not_used():
    vm = Vm("web", id="u-web", mark={"id": "u-other", "disks": ["/d"]})
    assert marks.own_mark(vm) == marks.empty_mark("u-web")
    assert marks.own_mark(vm.having(mark={"id": "u-web", "disks": ["/d"]}))["disks"] == ["/d"]


CPUS = Change("cpus", 1, 2)


def plan_of(*steps, before=None):
    return Plan(before or Vm.absent("web"), Vm("web"), segments=[steps])


def test_every_setting_of_a_new_vm_is_a_change():
    config = {"cpus": 2, "tpm": None, "native": {"a": 1}}
    changes = planned_changes(plan_of(Step("create", arguments={"config": config})))
    assert [(vm.id, change.path, change.old, change.new) for vm, change in changes] == [
        (None, "cpus", None, 2),
        (None, "native.a", None, 1),
    ]


def test_planned_clone_has_its_own_name_and_the_id_of_its_source():
    source = Vm("db", id="u-db", config={"cpus": 1})
    clone = Step("clone", arguments={"source": source, "config": {"cpus": 1}})
    found = list(planned(plan_of(clone, Step("configure", changes=[CPUS]))))
    assert [(one.step.verb, one.vm.name, one.vm.id, list(one.changes)) for one in found] == [
        ("clone", "web", "u-db", []),
        ("configure", "web", "u-db", [CPUS]),
    ]


def test_changes_of_an_existing_vm_are_paired_with_it():
    web = Vm("web", id="u-web", power="running")
    assert planned_changes(plan_of(Step("stop"), Step("configure", changes=[CPUS]), before=web)) == [(web, CPUS)]


def test_files_that_a_plan_deletes():
    steps = [Step("stop"), Step("delete", arguments={"files": ("/a", "/b")}), Step("create", arguments={"config": {}})]
    assert deleted_files(plan_of(*steps)) == ["/a", "/b"]


def test_settings_are_read_unless_only_power_and_addresses_of_known_vms_are_needed():
    known, named = Target(id="u-web"), Target(name="web")
    assert is_power_only([known], frozenset({"power", "addresses"}))
    assert not is_power_only([known, named], frozenset({"power"}))
    assert not is_power_only([known], frozenset({"power", "config"}))
    assert not is_power_only(None, frozenset({"power"}))
    assert not is_power_only([], frozenset({"power"}))


def test_light_observation_keeps_the_settings():
    settings = KnownSettings()
    settings.remember([Vm("web", id="u-web", config={"cpus": 2})])
    assert (settings.of("u-web"), settings.of("u-db")) == ({"cpus": 2}, {})


def test_settings_are_read_by_kind_and_written_in_the_order_of_their_table():
    table = {
        "memory": Setting(read=lambda found: found["m"], write=str),
        "display.type": Setting(read=lambda found: found["t"], write=str),
        "cpus": Setting(read=lambda found: found["c"], write=str),
        "display.video_memory": Setting(read=lambda found: found["v"], write=str),
        "disks": Setting(write=str),
        "disks.size": Setting(),
    }
    config = read_all(table, {"m": 1, "t": "vnc", "c": 2, "v": 3})
    assert config == {"memory": 1, "cpus": 2, "display": {"type": "vnc", "video_memory": 3}}
    video = Change("display", 1, 3, attribute="video_memory")
    memory, other = Change("memory", 1, 2), Change("tags", (), ("a",))
    disk = Change("disks", 1, 2, key="SATA 0", attribute="size")
    assert in_order(table, [CPUS, disk, other, video, memory]) == [
        (table["memory"], memory),
        (table["cpus"], CPUS),
        (table["display.video_memory"], video),
        (table["disks"], disk),  # The row of the whole collection writes for its attributes.
    ]


def test_rows_say_what_is_supported_default_and_owned():
    table = {
        "disks": Setting(read=len),
        "disks.size": Setting(whole=MIB),
        "display.video_memory": Setting(default=16 * MIB, native=("vram",)),
        "tpm": Setting(since=(7, 0)),
    }
    assert [set(supported(table, version)) for version in ((6, 1), (7, 0))] == [
        {"disks.size", "display.video_memory"},
        {"disks.size", "display.video_memory", "tpm"},
    ]
    assert defaults(table) == {"display": {"video_memory": 16 * MIB}}
    assert options_of_native(table) == {"vram": "display.video_memory"}


def test_requested_values_are_normalized_by_their_rows():
    table = {"os_type": Setting(normalize=lambda vm, value, known: known[value]), "disks.size": Setting(whole=MIB)}
    config = {"os_type": "linux", "cpus": 2, "disks": {"SATA 0": {"size": MIB}, "SATA 1": None}}
    assert normalized(table, Vm("web"), config, {"linux": "Linux26"}) == {**config, "os_type": "Linux26"}
    with pytest.raises(Refused, match=r"web: disks.SATA 0.size: .* is not a multiple of 1M"):
        normalized(table, Vm("web"), {"disks": {"SATA 0": {"size": MIB + 1}}})


def test_error_of_one_vm_does_not_stop_the_others():
    done = []

    def carry_out(vm, step):
        if (vm.name, step.verb) == ("web", "start"):
            raise PolyvirtError("web: no", "Try again.")
        done.append((vm.name, step.verb))

    steps = [Step("configure"), Step("start"), Step("pause")]
    with pytest.raises(SomeFailed) as caught:
        one_by_one(
            carry_out,
            [(Vm("web"), steps, permits.ANYTHING), (Vm("db"), steps, permits.ANYTHING)],
            lambda: (len(done), 0),
            permits.granted,
        )
    assert done == [("web", "configure"), ("db", "configure"), ("db", "start"), ("db", "pause")]
    assert [(error.steps_done, error.wrote) for error in caught.value.by_index.values()] == [(1, True)]
