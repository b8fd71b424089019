# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared code of drivers: text of the mark, steps of a plan, light observations, carrying out steps."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import mark as marks
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, SomeFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Target, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planned import (
    deleted_files,
    planned,
    planned_changes,
)
from ansible_collections.polyvirt.core.plugins.module_utils._kit.light import KnownSettings, is_light
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._kit.settings import Setting, in_order, read_all


def test_printed_mark_can_be_parsed():
    mark = {**marks.empty_mark("u-web"), "tags": ["a"], "nvram": ["/n"], "inputs": {"bases": ["/b"]}}
    assert marks.parsed(marks.printed(mark)) == mark
    assert marks.printed({"v": 1, "id": "u"}) == '{"id":"u","v":1}'


@pytest.mark.parametrize(
    "text",
    ["", None, "{", "[]", '"text"', '{"disks": "/d"}', '{"tags": [1]}', '{"inputs": []}', '{"inputs": {"bases": [1]}}'],
)
def test_invalid_mark_is_parsed_as_none(text):
    assert marks.parsed(text) is None


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
    assert is_light([known], frozenset({"power", "addresses"}))
    assert not is_light([known, named], frozenset({"power"}))
    assert not is_light([known], frozenset({"power", "config"}))
    assert not is_light(None, frozenset({"power"}))
    assert not is_light([], frozenset({"power"}))


def test_light_observation_keeps_the_settings():
    settings = KnownSettings()
    settings.remember([Vm("web", id="u-web", config={"cpus": 2})])
    assert (settings.of("u-web"), settings.of("u-db")) == ({"cpus": 2}, {})


def test_settings_are_read_by_kind_and_written_in_the_order_of_their_table():
    table = {
        "memory": Setting(lambda found: found["m"], None),
        "display.type": Setting(lambda found: found["t"], None),
        "cpus": Setting(lambda found: found["c"], None),
        "display.video_memory": Setting(lambda found: found["v"], None),
    }
    config = read_all(table, {"m": 1, "t": "vnc", "c": 2, "v": 3})
    assert config == {"memory": 1, "cpus": 2, "display": {"type": "vnc", "video_memory": 3}}
    video = Change("display", 1, 3, attribute="video_memory")
    memory, other = Change("memory", 1, 2), Change("tags", (), ("a",))
    assert in_order(table, [CPUS, other, video, memory]) == [
        (table["memory"], memory),
        (table["cpus"], CPUS),
        (table["display.video_memory"], video),
    ]


def test_error_of_one_vm_does_not_stop_the_others():
    done = []

    def carry_out(vm, step):
        if (vm.name, step.verb) == ("web", "start"):
            raise PolyvirtError("web: no", "Try again.")
        done.append((vm.name, step.verb))

    steps = [Step("configure"), Step("start"), Step("pause")]
    with pytest.raises(SomeFailed) as caught:
        one_by_one(carry_out, [(Vm("web"), steps), (Vm("db"), steps)], lambda: (len(done), 0))
    assert done == [("web", "configure"), ("db", "configure"), ("db", "start"), ("db", "pause")]
    assert [(error.steps_done, error.wrote) for error in caught.value.by_index.values()] == [(1, True)]
