# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback plugin and the module ``report`` in one playbook, with several versions of ansible-core.

virsh's own test driver has one VM, ``test``, which runs.
"""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import CORES, newest_core, run_ansible

_CORES = newest_core("test_events_by_ansible.py, which has the reader of results with each ansible-core")
_VIRSH = {"uri": "test:///default"}
_FORMATS = ["html", "json", "junit", "openmetrics"]
_FILES = ["report.html", "report.json", "report.prom", "report.xml"]
_TIME = "2026-11-25T20:40:00Z"


def _tasks(folder):
    new = {"name": ["pvc-new"], "state": "stopped", "disks": [{"size": "1G"}]}
    written = {
        "results": [{"result": "{{ planned }}"}, {"host": "kvm2", "task": "Ping", "result": "{{ unreachable }}"}],
        **{"folder": f"{folder}/action", "formats": _FORMATS, "time": _TIME, "check": True},
    }
    return [
        {"name": "Plan", "polyvirt.core.virsh_vm": {**_VIRSH, **new}, "check_mode": True, "register": "planned"},
        {"name": "Keep", "polyvirt.core.virsh_vm": {**_VIRSH, "name": ["test"], "state": "started"}},
        {
            **{"name": "Fail", "ignore_errors": True},
            "polyvirt.core.virsh_vm": {**_VIRSH, "name": ["pvc-missing"], "state": "started"},
        },
        {"name": "Set", "ansible.builtin.set_fact": {"unreachable": {"unreachable": True, "msg": "no route"}}},
        {"name": "Write", "polyvirt.core.report": written, "register": "first", "diff": True},
        {"name": "Again", "polyvirt.core.report": written, "register": "second"},
        {
            **{"name": "Check", "check_mode": True, "register": "checked"},
            "polyvirt.core.report": {**written, "folder": f"{folder}/checked"},
        },
        {
            **{"name": "Wrong", "ignore_errors": True, "register": "wrong"},
            "polyvirt.core.report": {**written, "time": "noon"},
        },
        {
            "name": "Store",
            "ansible.builtin.copy": {
                "content": "{{ [first, second, checked, wrong] | to_json }}",
                "dest": f"{folder}/results.json",
            },
        },
    ]


def _run(folder, core, tasks, **environment):
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "site.json").write_text(json.dumps([play]), encoding="utf-8")
    around = {"ANSIBLE_CALLBACKS_ENABLED": "polyvirt.core.report", **environment}
    words = ["-i", "localhost,", folder / "site.json"]
    return run_ansible(folder, "ansible-playbook", words, around, core / "bin", cwd=folder)


@pytest.fixture(scope="module", params=_CORES, ids=lambda path: path.name)
def ran(request, tmp_path_factory):
    """The directory in which the playbook ran, and its output. An empty variable of the environment is not set."""
    folder = tmp_path_factory.mktemp("report")
    formats = ",".join(_FORMATS)
    done = _run(folder, request.param, _tasks(folder), POLYVIRT_REPORT_FORMATS=formats, POLYVIRT_REPORT_FOLDER="")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_callback_reports_all_vms_of_a_playbook(ran):
    folder, output = ran
    assert _names(folder / "polyvirt-report") == _FILES
    assert "Report about 3 VMs" in output
    report = json.loads((folder / "polyvirt-report" / "report.json").read_text("utf-8"))
    found = {vm["name"]: (vm["status"], vm["state"]) for vm in report["vms"]}
    assert found == {"pvc-new": ("drift", "absent"), "test": ("ok", "running"), "pvc-missing": ("failed", "absent")}
    assert (report["playbook"], report["check"], report["tasks"]) == ("site.json", False, [])
    assert "To create it, set image" in report["vms"][0]["messages"][0]


def test_module_writes_what_tasks_have_registered(ran):
    folder, _output = ran
    assert _names(folder / "action") == _FILES
    report = json.loads((folder / "action" / "report.json").read_text("utf-8"))
    assert [(vm["name"], vm["status"]) for vm in report["vms"]] == [("pvc-new", "drift")]
    assert [(one["host"], one["task"], one["message"]) for one in report["tasks"]] == [("kvm2", "Ping", "no route")]
    assert (report["check"], report["created"]) == (True, _TIME)


def test_module_changes_nothing_if_the_files_are_equal_or_in_check_mode(ran):
    folder, _output = ran
    first, second, checked, _wrong = json.loads((folder / "results.json").read_text("utf-8"))
    assert [one["changed"] for one in (first, second, checked)] == [True, False, True]
    assert sorted(one["after_header"] for one in first["diff"]) == _FILES
    assert not (folder / "checked").exists()
    assert first["summary"]["drift"] == 1
    assert "results" not in first.get("invocation", {}).get("module_args", {})


def test_wrong_time_is_an_error(ran):
    folder, _output = ran
    wrong = json.loads((folder / "results.json").read_text("utf-8"))[-1]
    assert wrong["msg"] == "time: noon is not a time with a zone. Set it as in 2026-11-25T20:40:00Z."


def test_report_that_cannot_be_written_is_a_warning(tmp_path):
    """The exit code is that of the playbook."""
    (tmp_path / "file").touch()
    tasks = [{"name": "Keep", "polyvirt.core.virsh_vm": {**_VIRSH, "name": ["test"], "state": "started"}}]
    around = {"POLYVIRT_REPORT_FOLDER": str(tmp_path / "file"), "POLYVIRT_REPORT_FORMATS": "html,pdf"}
    done = _run(tmp_path, CORES[-1], tasks, **around)
    assert done.returncode == 0, done.stdout + done.stderr
    words = " ".join((done.stdout + done.stderr).split())
    assert "was not written" in words
    assert "formats: pdf is not one of html, json, junit, openmetrics" in words
