# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guarded run decides."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded import decisions
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import (
    ALL,
    FAILED,
    GuardedVm,
    Outcome,
    Owed,
    description,
    ended,
    new_run,
    one_approval,
    outcome_of,
    owed,
    plan_of,
    snapshot_name,
    to_restore,
    unfinished_runs_error,
    vms_of,
    with_stats,
    without_snapshot,
)

WEB = GuardedVm("lab", "libvirt", "web", "1", ("web1",))
DB = GuardedVm("lab", "libvirt", "db", "2", ("db1", "db2"))
NOW = datetime(2026, 11, 25, 17, 0, 12, tzinfo=timezone.utc)
RUN = "20261125-170012-3f9a"


def _variables(name, vm_id="1", source="lab"):
    return {"polyvirt_source": source, "polyvirt_platform": "libvirt", "polyvirt_name": name, "polyvirt_id": vm_id}


def test_hosts_of_one_vm_are_one_vm_and_vms_with_one_name_are_two():
    hosts = {
        "a": _variables("web"),
        "b": _variables("web"),
        "c": _variables("web", "2"),
        "d": _variables("web", "1", "x"),
    }
    found = vms_of(hosts, hosts.get)
    assert [(vm.source, vm.id, vm.hosts) for vm in found] == [
        ("lab", "1", ("a", "b")),
        ("lab", "2", ("c",)),
        ("x", "1", ("d",)),
    ]
    assert found[0].which == {"name": ["web"], "id": "1"}
    assert found[0].label == "a, b (VM web)"


def test_vm_that_two_sources_of_one_place_list_is_one_vm():
    hosts = {
        "a": _variables("web", source="lab"),
        "b": _variables("web", source="again"),
        "c": _variables("web", source="other"),
        "d": _variables("db", source="again"),
    }
    where = {"lab": ["qemu:///system"], "again": ["qemu:///system"], "other": ["qemu:///session"]}
    found = decisions.joined(vms_of(hosts, hosts.get), where.get)
    assert [(vm.name, vm.source, vm.hosts) for vm in found] == [
        ("web", "lab", ("a", "b")),
        ("web", "other", ("c",)),
        ("db", "again", ("d",)),
    ]


def test_of_two_runs_that_begin_together_the_later_snapshot_ends_its_run():
    mine, other = f"guarded-patch-{RUN}", "guarded-patch-20261125-170012-aaaa"
    listed = [{"name": name, "created": 1000} for name in ("daily", other, mine)]
    found = decisions.taken_before({WEB: {"vms": [{"snapshots": listed}]}}, mine)
    assert [one.snapshot for one in found[WEB]] == [other]
    assert decisions.taken_before({WEB: {"vms": [{"snapshots": listed}]}}, other) == {}


@pytest.mark.parametrize("lacks", ["polyvirt_source", "polyvirt_name"])
def test_host_without_vm_is_refused_by_name(lacks):
    hosts = {"web1": _variables("web"), "router": {**_variables("r"), lacks: None}}
    with pytest.raises(Refused, match=r"^router: no VM is known.*Nothing was changed"):
        vms_of(hosts, hosts.get)


@pytest.mark.parametrize(
    ("playbook", "name"),
    [
        ("patch.yml", f"guarded-patch-{RUN}"),
        ("/srv/plays/OS Upgrade & reboot.yaml", f"guarded-os-upgrade-{RUN}"),
        ("acme.web.patch", f"guarded-patch-{RUN}"),
        ("---.yml", f"guarded-run-{RUN}"),
        ("a-very-long-name.yml", f"guarded-a-very-long-{RUN}"),
    ],
)
def test_name_of_snapshot_has_purpose_and_run_and_fits_all_platforms(playbook, name):
    assert snapshot_name(playbook, RUN) == name
    assert len(name) <= 40
    assert [one.snapshot for one in owed([{"name": name}])] == [name]


def test_run_is_the_job_of_awx_or_the_time():
    assert new_run(42, NOW, "3f9a") == "job42"
    assert new_run(None, NOW, "3f9a") == RUN
    assert owed([{"name": snapshot_name("patch.yml", "job42")}])[0].playbook == "patch"


def test_owed_snapshots_are_those_of_guarded_runs_and_the_oldest_is_first():
    described = description("plays/patch.yml", "running")
    late, early = snapshot_name("patch.yml", "job9"), snapshot_name("patch.yml", "job7")
    found = owed(
        [
            {"name": "nightly", "description": described},
            {"name": "guarded-by-hand", "description": ""},
            {"name": late, "description": described, "created": 1795172369},
            {"name": early, "description": None, "state": "stopped", "created": 1795172368},
        ]
    )
    assert found == [Owed(early, "patch", "stopped", 1795172368), Owed(late, "plays/patch.yml", "running", 1795172369)]


def test_question_says_what_happened_and_what_to_set():
    text = str(unfinished_runs_error({WEB: [Owed("guarded-patch-job7", "patch.yml", "running", 1795172368)]}))
    for part in (
        *("web1 (VM web)", "guarded-patch-job7", "2026-11-20 10:59:28 UTC", "patch.yml", "guarded_finish", "restore"),
        *("keep", "lost", "Nothing was changed"),
    ):
        assert part in text, text


WRITTEN = {
    **{"processed": ["web1", "lb"], "failed": ["web1", "db2"], "changed": True},
    **{"unstarted": 0, "stopped": [], "stats": {}},
}


@pytest.mark.parametrize(
    ("code", "written", "restore", "restored"),
    [
        (0, {**WRITTEN, "failed": []}, FAILED, []),
        (0, {**WRITTEN, "failed": []}, ALL, []),
        (2, {**WRITTEN, "failed": ["web1"]}, FAILED, [WEB]),
        # The second host of a VM could not be reached.
        (4, {**WRITTEN, "failed": ["db2"]}, FAILED, [DB]),
        (2, WRITTEN, FAILED, [WEB, DB]),
        (2, {**WRITTEN, "failed": ["web1"]}, ALL, [WEB, DB]),
        # A host without a snapshot failed, such as localhost: the others may have been waiting for it.
        (2, {**WRITTEN, "failed": ["lb"]}, FAILED, [WEB, DB]),
        (2, {**WRITTEN, "failed": ["lb", "web1"]}, FAILED, [WEB, DB]),
        # Ansible did not start a batch, or a play.
        (2, {**WRITTEN, "failed": ["web1"], "stopped": ["db1"]}, FAILED, [WEB, DB]),
        (2, {**WRITTEN, "failed": ["web1"], "unstarted": 1}, FAILED, [WEB, DB]),
        # The batch of a host that failed before needs no start.
        (2, {**WRITTEN, "failed": ["web1"], "stopped": ["web1"]}, FAILED, [WEB]),
        # It ended with success in the middle, or with an error of its own at the end.
        (0, {}, FAILED, [WEB, DB]),
        (250, {**WRITTEN, "failed": ["web1"]}, FAILED, [WEB, DB]),
        (2, {**WRITTEN, "failed": ["lb"]}, ALL, [WEB, DB]),
        # An error of syntax: no play was started.
        (4, None, ALL, []),
        # Killed in the middle.
        (-9, {}, FAILED, [WEB, DB]),
        # Errors that the playbook itself has cleared (meta: clear_host_errors).
        (0, WRITTEN, FAILED, []),
    ],
)
def test_which_vms_are_restored(code, written, restore, restored):
    outcome = outcome_of(code, written, (written or {}).get("failed", ()))
    assert to_restore([WEB, DB], outcome, restore) == restored
    assert outcome.has_failed == (code != 0 or written == {})
    assert str(code) in ended("patch.yml", outcome, {WEB: "kept", DB: "kept"})[0]


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [
        (["db1", "web1"], "Ansible ended it early on db1."),
        # Ansible could not write its file.
        ([], "it is unknown which hosts it changed"),
    ],
)
def test_hosts_that_ansible_stopped_are_only_in_its_file_for_a_retry(stopped, reason):
    outcome = outcome_of(2, {**WRITTEN, "failed": ["web1"]}, stopped)
    assert to_restore([WEB, DB], outcome, FAILED) == [WEB, DB]
    assert reason in ended("patch.yml", outcome, {WEB: "restored", DB: "restored"})[0]


def test_reasons_for_an_incomplete_run_are_in_the_message():
    written = {**WRITTEN, "failed": ["localhost"], "unstarted": 2, "stopped": ["db1"]}
    done = {WEB: "restored", DB: "failed"}
    assert ended("patch.yml", outcome_of(2, written, ["localhost"]), done) == [
        "patch.yml failed on localhost (exit code 2). The run is incomplete: localhost has no snapshot; Ansible ended"
        " it early on db1; plays that were not started: 2.",
        "Restored: web1 (VM web).",
    ]


_LEFT = {"state": "running", "snapshots": [{"name": "nightly"}, {"name": "guarded-x"}]}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"vms": [_LEFT]}, "was not restored: it is locked. It still exists; the next guarded run finds it."),
        (
            {"vms": [{**_LEFT, "snapshots": [{"name": "nightly"}]}]},
            "was not restored: it is locked. It no longer exists, so this run cannot restore the VM.",
        ),
        ({}, "was not restored: it is locked. It was not deleted; the next guarded run finds it."),
        (
            {"vms": [{"state": "unknown", "snapshots": []}]},
            "was not restored: it is locked. It was not deleted; the next guarded run finds it.",
        ),
        (
            # The result is that of the start, whose task reads no snapshots.
            {"restored": True, "vms": [{"state": "stopped", "snapshots": []}]},
            "was restored, but the VM was not started again: it is locked. It was not deleted; the next guarded run"
            " finds it.",
        ),
    ],
)
def test_message_about_a_failed_restore_says_whether_the_snapshot_exists(result, text):
    failed = {"failed": True, "msg": "it is locked.", **result}
    assert decisions.not_restored(WEB, "guarded-x", failed) == f"web1 (VM web): the snapshot guarded-x {text}"


def test_hosts_without_snapshot_are_named_except_for_the_controller():
    outcome = Outcome(0, processed=("db1", "lb", "localhost", "web1"))
    assert without_snapshot(outcome, [WEB, DB]) == ["lb"]


@pytest.mark.parametrize(
    ("effective", "of_hosts", "passed"),
    [
        ({}, {}, {}),
        # Only a variable of the play: the other ansible-playbook would permit everything.
        ({"value": ["p1"]}, {}, {"polyvirt_approved_plans": ["p1"]}),
        ({"value": []}, {}, {"polyvirt_approved_plans": []}),
        # Null is an error, not a permission; the modules report it.
        ({"value": None}, {}, {"polyvirt_approved_plans": None}),
        ({"value": ["p1"]}, {"web1": ["p1"], "db1": ["p1"]}, {"polyvirt_approved_plans": ["p1"]}),
    ],
)
def test_approved_plans_are_passed_on(effective, of_hosts, passed):
    assert one_approval(effective, of_hosts) == passed


@pytest.mark.parametrize(
    ("effective", "of_hosts"),
    [({"value": ["p1"]}, {"web1": ["p1"], "db1": ["p2"]}), ({}, {"db1": ["p2"]}), ({"value": ["p1"]}, {"web1": []})],
)
def test_approved_plans_that_differ_are_rejected(effective, of_hosts):
    with pytest.raises(InvalidInput, match="polyvirt_approved_plans differs"):
        one_approval(effective, of_hosts)


def test_own_plan_is_about_these_vms_and_this_playbook():
    states, options = {WEB: "running", DB: "stopped"}, {"playbook": "patch.yml", "restore": FAILED, "finish": None}
    content, shown = plan_of(options, "4f1c", states, {})
    assert content == plan_of(options, "4f1c", dict(reversed(states.items())), {})[0]
    others = [
        plan_of({**options, "playbook": "other.yml"}, "4f1c", states, {}),
        plan_of(options, "9999", states, {}),
        plan_of({**options, "restore": ALL}, "4f1c", states, {}),
        plan_of(options, "4f1c", {WEB: "running"}, {}),
        plan_of(options, "4f1c", {**states, WEB: "stopped"}, {}),
        plan_of(options, "4f1c", {replace(WEB, id="9"): "running", DB: "stopped"}, {}),
    ]
    assert content not in [other for other, _shown in others]
    assert sorted(name for name, _lines in shown) == ["db", "web"]
    (of_web,) = [lines for name, lines in shown if name == "web"]
    assert "web1 (VM web): snapshot, patch.yml, restore of this VM after a failure" in of_web[0]


def test_next_job_gets_the_own_plan_and_those_of_the_playbook():
    own = {"ansible_stats": {"data": {"polyvirt_approved_plans": [1], "polyvirt_plans": ["a"]}}}
    of_playbook = {"polyvirt_approved_plans": [2], "mine": 5}
    joined = {"polyvirt_approved_plans": [1, 2], "polyvirt_plans": ["a"], "mine": 5}
    assert with_stats(own, of_playbook)["ansible_stats"]["data"] == joined
    assert with_stats({}, {"mine": 5})["ansible_stats"]["data"] == {"mine": 5}
    assert with_stats({}, {}) == {}
    failed = {"failed": True}
    assert with_stats(failed, of_playbook) == failed
