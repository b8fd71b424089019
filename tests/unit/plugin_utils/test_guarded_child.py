# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ansible-playbook that a guarded run starts: real processes, with the command line of the one above."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ansible_runner
import pytest
from ansible import constants, context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded import child
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.child import Child
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import FAILED, GuardedVm, to_restore

from collection_path import CHECKOUT, collections_path

SECRET = "s3cret of the vault"
PASSWORD = "pa55 of become"
SHOWN = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Note everything that this run knows
      check_mode: false
      tags: [wanted]
      ansible.builtin.copy:
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
        content: "{{ {'check': ansible_check_mode, 'diff': ansible_diff_mode, 'tags': ansible_run_tags, 'named': named,
          'counted': counted, 'filed': filed, 'plans': polyvirt_approved_plans | default('undefined'),
          'words': lookup('file', '/proc/' ~ lookup('pipe', 'echo $PPID') ~ '/cmdline'),
          'vaulted': vaulted, 'stdout': lookup('env', 'ANSIBLE_STDOUT_CALLBACK'),
          'events': lookup('env', 'AWX_ISOLATED_DATA_DIR'),
          'callbacks': lookup('env', 'ANSIBLE_CALLBACK_PLUGINS')} | to_json }}"
    - name: Not with these tags
      ansible.builtin.fail:
"""
PING = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """``run(playbook, given, ...)``: the Outcome of the other ansible-playbook, with ``given`` as command line."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(collections_path()))
    monkeypatch.setenv("ANSIBLE_PYTHON_INTERPRETER", sys.executable)
    monkeypatch.chdir(tmp_path)

    def start(playbook, given, vaults=(), variables=None, extra=(), hosts=()):
        (tmp_path / "play.yml").write_text(playbook, encoding="utf-8")
        monkeypatch.setattr(
            context, "CLIARGS", ImmutableDict({"inventory": ["web,db,"], "connection": "local", **given})
        )
        return Child(vaults, variables or {}, extra, hosts).run("play.yml")

    return start


def _as_by_runner(monkeypatch, folder):
    """As ansible-runner starts the first process; its callback plugin fails without the directory for events."""
    of_runner = Path(ansible_runner.__file__).parent / "display_callback" / "callback"
    assert (of_runner / "awx_display.py").is_file()
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "awx_display")
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", f"{folder / 'mine'}{os.pathsep}{of_runner}")
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", str(folder / "artifacts"))


def test_command_line_is_passed_on_and_no_secret_is_on_it(run, tmp_path, monkeypatch):
    _as_by_runner(monkeypatch, tmp_path)
    secret = VaultSecret(SECRET.encode())
    encrypted = VaultLib([("lab", secret)]).encrypt("vaulted: opened\n", secret, "lab").decode()
    (tmp_path / "vaulted.yml").write_text(encrypted, encoding="utf-8")
    (tmp_path / "filed.yml").write_text("filed: !unsafe '{{ no template }}'\n", encoding="utf-8")
    (tmp_path / "become").write_text(PASSWORD, encoding="utf-8")
    given = {
        "subset": "web",
        "tags": ("wanted",),
        "extra_vars": ("named='hush hush'", '{"counted": 3}', "@filed.yml", "@vaulted.yml"),
        "become_method": "sudo",
        "become_password_file": str(tmp_path / "become"),
        "verbosity": 0,
    }
    plans = [{"plan": "{{ lookup('pipe', 'id') }}", "workflow": 7}]
    variables = {"polyvirt_approved_plans": plans}
    outcome = run(SHOWN, given, [("lab", SECRET.encode())], variables, ["--check", "--diff"])
    assert outcome.code == 0, outcome
    known = json.loads((tmp_path / "web.json").read_text(encoding="utf-8"))
    words = known.pop("words")
    assert known == {
        **{"check": True, "diff": True, "tags": ["wanted"], "named": "hush hush", "counted": 3},
        **{"filed": "{{ no template }}", "plans": plans, "vaulted": "opened"},
        **{"stdout": "ansible.builtin.default", "events": "", "callbacks": str(tmp_path / "mine")},
    }
    assert "--limit=web" in words
    for one in (SECRET, PASSWORD, "hush"):
        assert one not in words
    assert not (tmp_path / "db.json").exists()
    assert [name for name in os.listdir(tmp_path) if name.startswith("guarded-")] == []


_FAIL = "ansible.builtin.fail: {}, when: inventory_hostname == 'db'"
_PING = "{ansible.builtin.ping: }"
_PLAY = "- hosts: all\n  gather_facts: false\n  "
_LATER = f"{_PLAY}tasks: [{_PING}]\n"
_ON_LOCALHOST = "- hosts: localhost\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: {}}]\n"
WEB = GuardedVm("lab", "libvirt", "web", "1", ("web",))
DB = GuardedVm("lab", "libvirt", "db", "2", ("db",))
#: {what happens: (playbook, VMs to restore; None: all)}; db or localhost fails. Ansible counts no failure of hosts that
#: it stops.
ENDS = {
    "one host fails": (f"{_PLAY}tasks: [{{{_FAIL}}}, {_PING}]\n{_LATER}", [DB]),
    "web ends on purpose": (f"{_PLAY}tasks: [{{{_FAIL}}}, {{ansible.builtin.meta: end_host}}]\n{_LATER}", [DB]),
    "the play ends on purpose": (f"{_PLAY}tasks: [{{{_FAIL}}}, {{ansible.builtin.meta: end_play}}]\n{_LATER}", [DB]),
    "batches go on": (
        f"{_PLAY}serial: [2]\n  tasks: [{{{_FAIL}}}]\n- hosts: web\n  serial: 1\n  gather_facts: false\n", [DB],
    ),
    "any_errors_fatal": (f"{_PLAY}any_errors_fatal: true\n  tasks: [{{{_FAIL}}}, {_PING}]\n", None),
    "max_fail_percentage": (f"{_PLAY}max_fail_percentage: 0\n  tasks: [{{{_FAIL}}}, {_PING}]\n", None),
    "a task that runs once": (f"{_PLAY}order: sorted\n  tasks: [{{{_FAIL}, run_once: true}}]\n", None),
    "any_errors_fatal for one task": (f"{_PLAY}tasks: [{{{_FAIL}, any_errors_fatal: true}}]\n", None),
    "a batch that never started": (f"{_PLAY}order: sorted\n  serial: 1\n  tasks: [{{{_FAIL}}}]\n", None),
    "a play that never started": (f"- hosts: db\n  gather_facts: false\n  tasks: [{{{_FAIL}}}]\n{_LATER}", None),
    "the controller fails at the end": (f"{_LATER}{_ON_LOCALHOST}", None),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(one, marks=pytest.mark.full) for one in ENDS])
def test_vms_are_kept_only_if_all_other_hosts_reached_the_end(run, case):
    playbook, restored = ENDS[case]
    outcome = run(playbook, {})
    assert outcome.code == 2, outcome
    assert to_restore([WEB, DB], outcome, FAILED) == ([WEB, DB] if restored is None else restored), outcome


def test_failure_is_known_to_be_one_of_all_if_the_collection_is_only_next_to_the_first_playbook(
    run, tmp_path, monkeypatch
):
    """The other process would skip the callback plugin, which reports that plays were started."""
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(constants, "COLLECTIONS_PATHS", [str(tmp_path / "empty")])
    assert run(ENDS["one host fails"][0], {}).failed == ["db"]


def test_playbook_does_not_run_if_its_outcome_cannot_be_written(run, tmp_path, monkeypatch):
    """An outcome that is missing would mean that no play was started."""
    real = child._environment
    monkeypatch.setattr(child, "_environment", lambda path, retry: real(f"{tmp_path}/nowhere/outcome.json", retry))
    outcome = run(SHOWN, {"extra_vars": ("named=1 counted=1 filed=1 vaulted=1",)})
    assert (outcome.has_started, outcome.code != 0, list(tmp_path.glob("web.json"))) == (False, True, [])


def test_hosts_that_failed_are_reported(run):
    tasks = "tasks: [{ansible.builtin.fail: {}, when: inventory_hostname == 'db'}]"
    outcome = run(f"- hosts: all\n  gather_facts: false\n  {tasks}\n", {})
    assert (outcome.code, outcome.failed, outcome.processed) == (2, ["db"], ["db", "web"])
    assert (outcome.is_reported, outcome.changed) == (True, False)


def test_unreachable_host_is_reported(run):
    outcome = run(
        PING, {"subset": "web", "connection": "ssh", "extra_vars": ("ansible_host=127.0.0.1 ansible_port=1",)}
    )
    assert (outcome.code, outcome.failed, outcome.is_reported) == (4, ["web"], True)


def test_playbook_that_is_killed_is_not_complete(run, tmp_path, monkeypatch):
    around = {
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests" / "suite" / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
        "POLYVIRT_KILL_AFTER": "1",
        "POLYVIRT_KILL_TASK": "",
        "POLYVIRT_KILL_NAMES": str(tmp_path / "names"),
    }
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    outcome = run(PING, {})
    assert (outcome.code, outcome.has_started, outcome.is_reported) == (-9, True, False)


def test_playbook_with_an_error_of_syntax_was_not_started(run):
    outcome = run("- hosts: all\n  nonsense: true\n", {})
    assert (outcome.has_started, outcome.code != 0) == (False, True)


def test_hosts_without_a_snapshot_are_named_before_the_first_task(run, capfd):
    """Also those of a later play with a variable; not those that only an earlier play can know."""
    found = "- hosts: '{{ found_by_a_task }}'\n"
    later = f"- hosts: '{{{{ others }}}}'\n  gather_facts: false\n  tasks: [{_PING}]\n{_ON_LOCALHOST}{found}"
    run(
        f"- hosts: web\n  gather_facts: false\n  tasks: [{_PING}]\n{later}",
        {"extra_vars": ("others=db",)},
        hosts=["web"],
    )
    before, _play, after = "".join(capfd.readouterr()).partition("PLAY [")
    assert "The playbook also runs on db, without a snapshot." in before, before + after
    run(_LATER, {}, hosts=["web", "db"])
    assert "without a snapshot" not in "".join(capfd.readouterr())
