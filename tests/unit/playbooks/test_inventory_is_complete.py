# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run over an inventory of which a part could not be read, or that lacks a host, is never a success."""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import CORES, EACH_CORE, run_ansible

pytestmark = pytest.mark.full
#: {playbook: its variables besides the hosts}
PLAYBOOKS = {
    "backup": {"backup_directory": "/tmp"},
    "restore_drill": {},
    "guarded": {"guarded_playbook": "patch.yml"},
    "drift_report": {},
}
_DEAD = {"platform": "virtualbox", "name": "dead", "options": {"executable": "/nowhere/VBoxManage"}}
_NAMED = "The inventory source dead could not be read"
#: {inventory file: (its text, what a run says, whether it fails)}
FILES = {
    "silent.polyvirt.yml": (_DEAD, _NAMED, True),
    "required.polyvirt.yml": ({**_DEAD, "required": True}, _NAMED, True),
    "optional.polyvirt.yml": ({**_DEAD, "required": False}, "source dead: /nowhere/VBoxManage is not", False),
    "broken.polyvirt.yml": ("[{", "broken.polyvirt.yml could not be read", True),
    "nowhere.polyvirt.yml": (None, "nowhere.polyvirt.yml could not be read", True),
}


@pytest.fixture(name="run")
def _run(tmp_path):
    """Run a playbook with inventory files: (exit code, output)."""
    hosts = {"kvm1": {"ansible_connection": "local", "vm_machines": []}, "kvm2": {}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    for name, (text, _named, _fails) in FILES.items():
        if text is not None:
            listed = text if isinstance(text, str) else json.dumps({"plugin": "polyvirt.core.vms", "sources": [text]})
            (tmp_path / name).write_text(listed, encoding="utf-8")

    def run(playbook, *words, core=CORES[-1], **variables):
        given = {"drift_report_folder": str(tmp_path), **PLAYBOOKS.get(playbook, {}), **variables}
        words = [*words, f"polyvirt.core.{playbook}", "-e", json.dumps(given)]
        around = {"COLUMNS": "1000"}
        done = run_ansible(tmp_path, "ansible-playbook", words, around, cwd=tmp_path, programs=core / "bin")
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def _fails(found, *parts):
    code, output = found
    assert code != 0, output
    assert all(part in output for part in parts), output


@pytest.mark.parametrize("core", EACH_CORE)
@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_run_without_any_host_fails_and_names_the_source(run, playbook, core):
    hosts = {f"{playbook}_hosts": "all"}
    _fails(run(playbook, "-i", "silent.polyvirt.yml", core=core, **hosts), _NAMED, "all) matches no host of the inv")


@pytest.mark.parametrize("file", FILES)
def test_run_without_any_host_fails_whatever_is_wrong_with_the_file(run, file):
    limit, hosts = ("--limit", "kvm1"), {"backup_hosts": "all"}
    _fails(run("backup", "-i", file, *limit, **hosts), FILES[file][1], "matches no host of --limit kvm1")


@pytest.mark.parametrize("core", EACH_CORE)
@pytest.mark.parametrize("limit", [(), ("--limit", "kvm1")])
def test_run_with_other_hosts_fails_at_its_end(run, limit, core):
    for file, (_text, named, fails) in FILES.items():
        hosts = {"drift_report_hosts": "kvm1"}
        code, output = run("drift_report", "-i", file, "-i", "hosts.json", *limit, core=core, **hosts)
        assert (code, named in output, "Show the numbers" in output) == (2 if fails else 0, True, True), (file, output)


def test_misspelt_host_beside_others_is_named(run):
    hosts = {"drift_report_hosts": "kvm1,kvm9,!kvm8"}
    _fails(run("drift_report", "-i", "hosts.json", **hosts), "drift_report_hosts: kvm9 matches no host", "failed=1")
    hosts = {"drift_report_hosts": "kvm1"}
    found = run("drift_report", "-i", "hosts.json", "--limit", "kvm1,kvm7", **hosts)
    _fails(found, "--limit: kvm7 matches no host", "failed=1")
    _fails(run("drift_report", "-i", "hosts.json", "--limit", "kvm2", **hosts), "kvm1) matches no host of --limit kvm2")


def test_inventory_of_awx_says_what_is_known(run):
    """An inventory that was synchronized before has no sources, but the variable of the group all."""
    known = {"polyvirt_missing_sources": ["dead"], "drift_report_hosts": "kvm1"}
    _fails(run("drift_report", "-i", "hosts.json", **known), _NAMED, "failed=1")


@pytest.mark.parametrize("core", EACH_CORE)
@pytest.mark.parametrize("playbook", ["reap", "describe"])
def test_play_on_localhost_is_not_skipped_by_a_limit(run, playbook, core):
    words = ("-i", "hosts.json", "--limit", "kvm1")
    _fails(run(playbook, *words, core=core), "hosts (localhost) matches no host of --limit kvm1", "Add localhost")


@pytest.mark.parametrize("playbook", ["reap", "describe"])
def test_playbook_that_reads_the_sources_itself_fails_unless_the_source_is_optional(run, playbook):
    given = {"describe_directory": "vms"} if playbook == "describe" else {}
    for file, expected in (("silent.polyvirt.yml", 2), ("optional.polyvirt.yml", 0)):
        code, output = run(playbook, "-i", file, **given)
        # Once by the inventory plugin, and once by the task.
        assert (code, output.count("/nowhere/VBoxManage is not an executable") > 1) == (expected, True), output
