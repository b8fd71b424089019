# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the playbook acceptance judges a platform that misbehaves, and what it says about changes by others.

The results of steps are given; tests/suite/test_acceptance.py runs the steps.
"""

from __future__ import annotations

import json

import pytest
import yaml

from collection_path import CHECKOUT

PLAYBOOKS = CHECKOUT / "playbooks"
STEPS = yaml.safe_load((PLAYBOOKS / "vars/acceptance.yml").read_text(encoding="utf-8"))["acceptance_steps"]
#: What a module returns in check mode, in the run, and again, on a platform that works.
CHANGED = {"changed": True, "diff": [{"before": "a", "after": "b"}]}
SAME = {"changed": False, "diff": []}
FAILED = {"failed": True, "changed": False, "msg": "no space is left"}
UNREACHABLE = {"unreachable": True, "changed": False, "msg": "no route"}
CAN = {"verbs": ["create", "delete"], "states": ["running", "stopped"], "options": ["memory"], "stop_modes": []}
#: {case: (results of check mode, the run and the second run, step, expected sentence)}
CASES = {
    "works": (CHANGED, CHANGED, SAME, {}, ""),
    "works, and changes in each run": (CHANGED, CHANGED, CHANGED, {"again": True}, ""),
    "only reads": (SAME, SAME, SAME, {"changes": False}, ""),
    "check mode fails": (FAILED, CHANGED, SAME, {}, "Check mode failed: no space is left"),
    "run fails": (CHANGED, FAILED, SAME, {}, "The run failed: no space is left"),
    "second run fails": (CHANGED, CHANGED, FAILED, {}, "The second run failed: no space is left"),
    "host is not reached": (CHANGED, UNREACHABLE, SAME, {}, "The run failed: no route"),
    "all fail": (FAILED, FAILED, FAILED, {}, "Check mode, the run, the second run failed: no space is left"),
    "two fail, with two messages": (
        *(FAILED, UNREACHABLE, SAME, {}),
        "Check mode failed: no space is left The run failed: no route",
    ),
    "check mode foresees no change": (SAME, CHANGED, SAME, {}, "Check mode reported no change, the run a change."),
    "check mode foresees another change": (
        {"changed": True, "diff": [{"before": "a", "after": "c"}]},
        *(CHANGED, SAME, {}, "Check mode and the run returned different diffs: "),
    ),
    "run changes nothing": (SAME, SAME, SAME, {}, "The run reported no change."),
    "read changes something": (CHANGED, CHANGED, SAME, {"changes": False}, "The run reported a change."),
    "second run changes it again": (CHANGED, CHANGED, CHANGED, {}, "The second run reported a change."),
    "second restore changes nothing": (CHANGED, CHANGED, SAME, {"again": True}, "The second run reported no change."),
}
#: {case: (step, expected outcome and text)}
SKIPPED = {
    "verb": ({"verbs": ["snapshot"]}, ["not on this platform", "wsl does not have: snapshot"]),
    "state": ({"states": ["paused"]}, ["not on this platform", "wsl does not have: paused"]),
    "option": ({"lists": ["cpus"]}, ["not on this platform", "wsl does not have: cpus"]),
    "failed before": ({"after": ["stop", "clone"]}, ["not tried", "It needs the step: clone"]),
    "lacking comes first": ({"after": ["clone"], "verbs": ["x"]}, ["not on this platform", "wsl does not have: x"]),
    "all is there": ({"after": ["stop"], "verbs": ["create"], "states": ["running"], "lists": ["memory"]}, []),
}
ROWS = [{"step": "stop", "outcome": "passed"}, {"step": "clone", "outcome": "failed"}]


@pytest.fixture(name="evaluate")
def _evaluate(ansible_playbook, tmp_path):
    """``evaluate(expression, cases, **variables)``: the values of an expression for the variables of each case."""

    def evaluate(expression, cases, **variables):
        noted = {"values": "{{ values | default([]) + [" + expression + "] }}"}
        given = {key: "{{ item." + key + " }}" for key in cases[0]}
        written = {"content": "{{ values | to_json }}", "dest": str(tmp_path / "values.json"), "mode": "0644"}
        tasks = [
            {"ansible.builtin.set_fact": noted, "loop": cases, "vars": given, "loop_control": {"label": ""}},
            {"ansible.builtin.copy": written},
        ]
        play = {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks, "vars": variables}
        play["vars_files"] = [str(PLAYBOOKS / "vars/acceptance.yml")]
        folder = tmp_path / "playbooks"
        folder.mkdir()
        for name in ("templates", "galaxy.yml"):
            (tmp_path / name).symlink_to(CHECKOUT / name)
        (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        code, output = ansible_playbook("-i", "localhost,", folder / "play.yml")
        assert code == 0, output
        return json.loads((tmp_path / "values.json").read_text(encoding="utf-8"))

    return evaluate


def test_each_misbehaviour_of_a_platform_is_a_sentence(evaluate):
    cases = [
        {"acceptance_tried": {"results": results}, "acceptance_step": step}
        for *results, step, _expected in CASES.values()
    ]
    found = evaluate("acceptance_details", cases)
    for (name, (*_given, expected)), text in zip(CASES.items(), found):
        assert text.startswith(expected) and bool(text) == bool(expected), f"{name}: {text}"


def test_what_a_platform_lacks_is_no_failure(evaluate):
    steps = [{"acceptance_step": step} for step, _expected in SKIPPED.values()]
    info = {"host": {"capabilities": CAN}}
    found = evaluate("acceptance_skipped", steps, acceptance_platform="wsl", acceptance_rows=ROWS, acceptance_info=info)
    assert dict(zip(SKIPPED, found)) == {name: expected for name, (_step, expected) in SKIPPED.items()}


def test_changes_by_others_are_named_and_what_the_run_created_is_not(evaluate):
    run = "polyvirt-acceptance-abcdefgh"
    vm = {"kind": "VM", "name": "web", "id": "1", "state": "running", "addresses": ["10.0.0.1"], "tags": []}
    pool = {"kind": "storage pool", "name": "default", "uuid": "2", "allocation": 5, "volumes": ["/a"]}
    before = [vm, {**vm, "name": "gone", "id": "3"}, pool]
    after = [
        {**vm, "state": "stopped", "addresses": []},
        {**pool, "allocation": 6},
        {**vm, "name": "new", "id": "4"},
        {**vm, "name": run, "id": "5"},
    ]
    cases = [{"acceptance_before": before, "acceptance_things": one} for one in (after, before)]
    template = PLAYBOOKS / "templates/acceptance_changes.j2"
    expression = f"lookup('ansible.builtin.template', '{template}') | from_json"
    assert evaluate(expression, cases, acceptance_id="abcdefgh") == [
        ["VM web (1) was changed: state", "VM gone (3) was deleted", "VM new (4) was created"],
        [],
    ]


def test_what_is_left_of_the_run_is_found(evaluate):
    run = "polyvirt-acceptance-abcdefgh"
    vms = [{"kind": "VM", "name": name} for name in ("web", "polyvirt-acceptance-zzzzzzzz", f"{run}-clone")]
    pool = {"kind": "storage pool", "name": "default", "volumes": ["/d/web.qcow2", f"/d/{run}.qcow2"]}
    stats = [{"item": path, "stat": {"exists": path == "/d/left"}} for path in ("/d/left", "/d/gone")]
    cases = [
        {"acceptance_things": [*vms, pool], "acceptance_files": {"results": stats}},
        {"acceptance_things": vms[:2], "acceptance_files": {"results": stats[1:]}},
    ]
    assert evaluate("acceptance_left", cases, acceptance_id="abcdefgh") == [
        [f"VM {run}-clone", f"/d/{run}.qcow2", "/d/left"],
        [],
    ]


def test_each_step_needs_only_steps_before_it():
    names = [step["name"] for step in STEPS]
    assert len(set(names)) == len(names)
    for place, step in enumerate(STEPS):
        assert set(step.get("after", [])) <= set(names[:place]), step
        assert place == 0 or step["after"], step


def test_page_names_the_versions_and_shows_a_message_once(evaluate):
    """On a narrow page, each row is a card: its message has the whole width."""
    report = {"version": "9.2", "collection": "1.0.0", "ansible": "2.21.5"}
    rows = [{"step": "pause", "outcome": "failed", "seconds": 1.5, "details": "Check mode, the run failed: <none>"}]
    (page,) = evaluate(
        f"lookup('ansible.builtin.template', '{PLAYBOOKS / 'templates/acceptance.html.j2'}')",
        [{"acceptance_rows": rows, "acceptance_failed": ["pause"], "acceptance_report": report}],
        **{"acceptance_platform": "proxmox", "acceptance_started": "now", "acceptance_questions_answered": []},
    )
    assert all(text in page for text in ("Version 9.2", "polyvirt.core 1.0.0", "ansible-core 2.21.5", "1.5 s"))
    assert page.count("&lt;none&gt;") == 1
    assert "td.message { grid-column: 1 / -1; }" in page
    assert "td:nth-last-child(n + 2):not(:first-child) { white-space: nowrap; }" in page
    assert '<p class="verdict failed-text">Failed: pause</p>' in page


def test_version_of_the_collection_is_read_from_the_checkout(evaluate):
    wanted = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert evaluate("acceptance_collection", [{"nothing": 1}]) == [wanted]
