# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook guarded: snapshots of exactly the VMs of its hosts, which are restored where the playbook fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS as REGISTERED

from platforms.known import PLATFORMS
from suite.awx_runner import inventory_of
from suite.awx_templates import Templates
from suite.by_ansible import CORES, run_ansible, start_ansible
from suite.limits import wait_until
from suite.source_host import host_of

pytestmark = pytest.mark.full

WEB, DB, OTHER = "pvc-guarded-web", "pvc-guarded-db", "pvc-guarded-other"
NAMES = (WEB, DB, OTHER)
PATCHED = "patched"
#: Connection options of platforms that are secrets.
SECRETS = {"api_token_secret", "api_password"}
_SNAPSHOT = re.compile(r"guarded-patch-\d{8}-\d{6}-[0-9a-f]{4}")


class Guarded:
    """VMs, an inventory file with their source, and a playbook that changes a setting of each VM."""

    def __init__(self, platform, shim, folder, setting="description", value=PATCHED):
        self.setting, self.value = setting, value
        self.platform, self.shim, self.folder = platform, shim, folder
        self.name = platform.traits().platform
        self.connection = dict(platform.options("vm_info"))

    def prepare(self, **states):
        self.platform.clean()
        self.platform.bring({**dict.fromkeys(NAMES, STOPPED), **states})

    def write(self, host):
        """Write the inventory and the playbook; ``host`` are the variables of the hypervisor's connection."""
        source = {"platform": self.name, "options": self.connection, "host": "hypervisor"}
        compose = {"ansible_connection": "'local'"}
        (self.folder / "lab").mkdir()
        self._write("lab/1-hosts.json", {"all": {"hosts": {"hypervisor": host}}})
        self._write("lab/2.polyvirt.yml", {"plugin": "polyvirt.core.vms", "sources": [source], "compose": compose})
        self.write_playbook(self.tasks())

    def write_playbook(self, tasks):
        self.write_plays([{"hosts": "{{ guarded_hosts }}", "gather_facts": False, "tasks": tasks}])

    def write_plays(self, plays):
        self._write("patch.yml", plays)

    def tasks(self):
        vm = {"platform": "{{ polyvirt_platform }}", "name": "{{ polyvirt_name }}", "options": self.connection}
        return [
            {"polyvirt.core.vm": {**vm, self.setting: self.value}, "delegate_to": "hypervisor"},
            {"ansible.builtin.file": {"path": str(self.reached), "state": "touch"}, "check_mode": False},
            {"ansible.builtin.fail": {"msg": "it broke"}, "when": "inventory_hostname in broken | default([])"},
            {"ansible.builtin.pause": {"seconds": 600}, "when": "waits | default(false)"},
        ]

    @property
    def reached(self):
        """The file that exists as soon as the playbook has changed all VMs."""
        return self.folder / "reached"

    def _write(self, name, content):
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def write_vault(self, text):
        """Write encrypted variables of all hosts, and return the words of the command line that open them."""
        secret = VaultSecret(b"password of the vault")
        encrypted = VaultLib([("lab", secret)]).encrypt(text, secret, "lab")
        (self.folder / "lab" / "group_vars").mkdir()
        (self.folder / "lab" / "group_vars" / "all.yml").write_bytes(encrypted)
        (self.folder / "password").write_bytes(secret.bytes)
        return "--vault-id", "lab@password"

    def write_awx_inventory(self):
        """Write an inventory as AWX gives it to a job."""
        self._write("awx.json", {"all": {"hosts": self.awx_hosts()}})

    def awx_hosts(self, **variables):
        """{host: variables} of an inventory of AWX: it has no sources. ``variables`` are those of all hosts."""
        ids = {name: vm["id"] for name, vm in self.platform.truth(NAMES).items()}
        own = {"polyvirt_source": f"{self.name}-hypervisor", "polyvirt_platform": self.name}
        found = {name: {**own, "polyvirt_name": name, "polyvirt_id": vm_id} for name, vm_id in ids.items()}
        shared = {"ansible_connection": "local", **variables}
        return {name: {**of_host, **shared} for name, of_host in {**found, "hypervisor": {}}.items()}

    def launch(self, cancelled=None, waits=False, **answers):
        """Launch the job template of the pattern guarded_patch: the Job."""
        hosts = self.awx_hosts(guarded_sources=[str(self.folder / "lab/2.polyvirt.yml")], waits=waits)
        around = self.shim.environment(programs=self.platform.programs)
        given = {"guarded_hosts": f"{WEB},{DB}", **answers}
        of_template = {"guarded_playbook": str(self.folder / "patch.yml")}
        with self.platform.hurried():
            templates = Templates("guarded_patch", inventory_of(hosts), around, template=of_template)
            return templates.launch("guarded_patch.yml", touched=True, cancelled=cancelled, **given)

    def run(self, *words, playbook=None, inventory="lab", core=CORES[-1], **variables):
        """Run the playbook ``guarded``, or the plays ``playbook``, by the ansible-core of ``core``: (code, output)."""
        invocation = self._invocation(("-i", inventory, *words), playbook, variables)
        with self.platform.hurried():
            done = run_ansible(*invocation, programs=core / "bin", cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def kill(self):
        """Run it, kill ansible-playbook while the playbook waits, and delete its files, as AWX does."""
        private = self.folder / "private"
        private.mkdir()
        *invocation, around = self._invocation(("-i", "lab"), None, {"waits": True})
        process = start_ansible(*invocation, {**around, "ANSIBLE_LOCAL_TEMP": str(private)}, cwd=self.folder)
        try:
            wait_until(self.reached.exists, "the playbook has changed the VMs")
        finally:
            process.kill()
            process.communicate()
        wait_until(lambda: not _processes_with(str(private)), lambda: _processes_with(str(private)))
        shutil.rmtree(private)

    def _invocation(self, words, playbook, variables):
        given = {"guarded_playbook": "patch.yml", "guarded_hosts": f"{WEB},{DB}", **variables}
        given = {name: value for name, value in given.items() if value is not None}
        around = {
            **self.shim.environment(programs=self.platform.programs),
            "COLUMNS": "1000",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
        }
        if playbook:
            self._write("site.yml", playbook)
        target = "site.yml" if playbook else "polyvirt.core.guarded"
        return self.folder, "ansible-playbook", [target, "-e", json.dumps(given), *words], around

    def values(self):
        """The setting of each VM, as the platform itself reports it."""
        found = self.platform.truth(NAMES)
        return [self.platform.settings(found[name])[self.setting] for name in NAMES]

    def snapshots(self):
        return [sorted(self.platform.snapshots(name)) for name in NAMES]


def _processes_with(text):
    """The command lines with this text: the playbook's variables are in a file of the private directory."""
    found = [_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in found if text in line]


def _command_line(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # The process has ended.


@pytest.fixture
def guarded(platform, shim, tmp_path):
    found = Guarded(platform, shim, tmp_path)
    found.prepare()
    found.write({"ansible_connection": "local"})
    return found


#: The platform of a full run; its snapshots have the settings of a VM.
FULL = ("libvirt_test",)
_DEEP = pytest.mark.deep("test_failed_host_is_restored_and_others_keep_their_changes[libvirt_test]")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]
on_test_driver = pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")


@pytest.mark.core
@on_test_driver
def test_failed_host_is_restored_and_others_keep_their_changes(guarded):
    code, output = guarded.run(broken=[DB])
    assert code == 2, output
    assert guarded.values() == [PATCHED, "", ""], output
    assert guarded.snapshots() == [[], [], []], output
    assert f"Restored: {DB}.\nKept: {WEB}." in output
    assert _failures(output) == {"hypervisor": 0, WEB: 0, DB: 1}


@pytest.mark.full
@on_test_driver
def test_check_mode_writes_nothing_and_a_run_without_failures_leaves_no_snapshot(guarded):
    code, output = guarded.run("--check", "--limit", WEB)
    assert (code, "changed: [" in output) == (0, True), output
    assert (guarded.values(), guarded.snapshots()) == (["", "", ""], [[], [], []]), output
    code, output = guarded.run("--limit", WEB)
    assert code == 0, output
    assert (guarded.values(), guarded.snapshots()) == ([PATCHED, "", ""], [[], [], []]), output


@pytest.mark.full
@on_test_driver
def test_all_vms_are_restored_if_all_hosts_fail_or_if_that_was_set(guarded):
    """With the oldest and with the next ansible-core. The playbook has the vaults of the command line."""
    vault = guarded.write_vault("opened: by the password")
    guarded.write_playbook([{"ansible.builtin.debug": {"msg": "{{ opened | length }} characters"}}, *guarded.tasks()])
    for core, variables in ((CORES[0], {"broken": [WEB, DB]}), (CORES[:2][-1], {"guarded_restore": "all"})):
        code, output = guarded.run(*vault, core=core, **{"broken": [WEB], **variables})
        assert (code, guarded.values(), guarded.snapshots()) == (2, ["", "", ""], [[], [], []]), output
        assert "15 characters" in output, output


def _failures(output):
    """{host: its failures} in the recap of the run, which follows that of its playbook."""
    recap = output.rpartition("PLAY RECAP")[2]
    return {host: int(count) for host, count in re.findall(r"^(\S+) +: .* failed=(\d+)", recap, re.MULTILINE)}


def _approved_plan(output):
    """The digest of the present plan in the output of a task that was rejected."""
    return re.search(r"This plan was not approved: (plan(?:-[a-z]{4}){8})", output)[1]


@pytest.mark.full
@on_test_driver
def test_killed_run_is_found_on_the_vms_by_the_next_run(guarded):
    guarded.kill()
    first = guarded.snapshots()
    assert [len(some) for some in first] == [1, 1, 0]
    assert _SNAPSHOT.fullmatch(first[0][0])
    assert (guarded.values(), first[0]) == ([PATCHED, PATCHED, ""], first[1])
    # Without an answer, nothing happens.
    code, output = guarded.run()
    assert (code, guarded.values(), guarded.snapshots()) == (2, [PATCHED, PATCHED, ""], first), output
    for part in (f"{WEB}: the snapshot {first[0][0]} was taken", f"{DB}: the", "before patch.yml", "guarded_finish"):
        assert part in output
    # What ends the run was not approved, by the play or by the task.
    finish = {"polyvirt.core.guarded_run": {"hosts": [WEB, DB], "finish": "restore", "expect_plan": "plan-x"}}
    task = [{"hosts": "hypervisor", "gather_facts": False, "tasks": [finish]}]
    for limited in ({"polyvirt_approved_plans": []}, {"playbook": task}):
        code, output = guarded.run(guarded_finish="keep", **limited)
        assert (code, guarded.values(), guarded.snapshots()) == (2, [PATCHED, PATCHED, ""], first), output
        assert first[0][0] in output and "plan-" in output, output
    code, output = guarded.run("--check", guarded_finish="restore", guarded_playbook=None)
    assert (code, guarded.values(), guarded.snapshots()) == (0, [PATCHED, PATCHED, ""], first), output
    approved = _approved_plan(guarded.run(playbook=[{**task[0], "tasks": [{**finish, "check_mode": True}]}])[1])
    finish["polyvirt.core.guarded_run"]["expect_plan"] = approved
    code, output = guarded.run("--check", playbook=task)
    assert (code, guarded.values(), guarded.snapshots()) == (0, [PATCHED, PATCHED, ""], first), output
    code, output = guarded.run("--limit", WEB, guarded_finish="restore", guarded_playbook=None)
    assert (code, guarded.values()) == (0, ["", PATCHED, ""]), output
    # And go on.
    code, output = guarded.run(guarded_finish="keep", broken=[WEB])
    assert (code, guarded.values(), guarded.snapshots()) == (2, ["", PATCHED, ""], [[], [], []]), output


@pytest.mark.full
@on_test_driver
def test_what_cannot_be_guarded_is_an_error_before_anything(guarded):
    def fails(*parts, **variables):
        guarded.reached.unlink(missing_ok=True)
        code, output = guarded.run(**variables)
        assert (code, guarded.values(), guarded.snapshots()) == (2, ["", "", ""], [[], [], []]), output
        assert not guarded.reached.exists()
        assert all(part in output for part in parts), output

    fails("no-such-group", "matches no host", guarded_hosts="no-such-group")
    fails("guarded_playbook is not set", guarded_playbook="")
    fails("guarded_restor: the playbook has no such variable", guarded_restor="all")
    fails("nowhere.yml is not a file", guarded_playbook="nowhere.yml")
    (guarded.folder / "lab" / "others").write_text("router\n", encoding="utf-8")
    fails("router: no VM is known", guarded_hosts=f"{WEB},router")
    # The format of its disk permits no internal snapshots.
    definition = guarded.platform.virsh("dumpxml", DB)
    guarded.platform.virsh("define", "/dev/stdin", stdin=definition.replace("type='qcow2'", "type='raw'"))
    fails(f"{DB}: no snapshot can be taken of it", "was not run")


@pytest.mark.full
@on_test_driver
def test_all_vms_are_restored_if_ansible_stopped_the_others_or_a_test_at_the_end_fails(guarded):
    """Neither host fails by itself in the second one; in the first one, DB was changed and then stopped."""
    play = {"hosts": "{{ guarded_hosts }}", "gather_facts": False, "tasks": guarded.tasks()}
    smoke_test = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.fail": {"msg": "down"}}]}
    for plays, variables, reason in (
        ([{**play, "any_errors_fatal": True}], {"broken": [WEB]}, f"Ansible ended it early on {DB}"),
        ([play, smoke_test], {}, "localhost has no snapshot"),
    ):
        guarded.reached.unlink(missing_ok=True)
        guarded.write_plays(plays)
        code, output = guarded.run(**variables)
        assert (code, guarded.values(), guarded.snapshots()) == (2, ["", "", ""], [[], [], []]), output
        assert guarded.reached.exists()
        assert f"The run is incomplete: {reason}" in output and f"Restored: {WEB}, {DB}." in output, output


@pytest.mark.full
@on_test_driver
def test_snapshot_that_somebody_deleted_is_not_said_to_exist(guarded):
    virsh = ["virsh", "-q", "-c", guarded.platform.uri]
    name = f"{{{{ lookup('pipe', '{' '.join(virsh)} snapshot-list --name ' ~ polyvirt_name) | trim }}}}"
    gone = {"ansible.builtin.command": {"argv": [*virsh, "snapshot-delete", "{{ polyvirt_name }}", name]}}
    guarded.write_playbook([*guarded.tasks()[:2], gone, {"ansible.builtin.fail": {}}])
    code, output = guarded.run(guarded_hosts=WEB)
    assert (code, guarded.snapshots()) == (2, [[], [], []]), output
    assert "It no longer exists" in output and "still exists" not in output, output


@pytest.mark.full
@on_test_driver
def test_unreachable_host_is_restored(guarded):
    lost = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    ping = {"ansible.builtin.ping": {}, "when": f"inventory_hostname == '{WEB}'", "vars": lost}
    guarded.write_playbook([*guarded.tasks(), ping])
    code, output = guarded.run()
    assert (code, guarded.values(), guarded.snapshots()) == (2, ["", PATCHED, ""], [[], [], []]), output


@pytest.mark.full
@on_test_driver
def test_approved_plans_limit_the_run_and_the_playbook(guarded):
    code, output = guarded.run("--check")
    # That of the playbook, and that of the run, which has both.
    (_inner, text) = re.findall(r"RUN: (\{.*\})", output)
    own, *others = [one["plan"] for one in json.loads(text)["polyvirt_approved_plans"]]
    assert (code, len(others), guarded.values()) == (0, 2, ["", "", ""]), output
    # Nothing is permitted, not even a snapshot: a restore would lose what was written since then.
    guarded.reached.unlink()
    for plans in ([], others):
        code, output = guarded.run(polyvirt_approved_plans=plans)
        assert (code, guarded.values(), guarded.reached.exists()) == (2, ["", "", ""], False), output
        assert f"This plan was not approved: {own}" in output and "Running patch.yml" not in output
    # A variable of a play would not reach the other ansible-playbook by itself.
    imported = {"import_playbook": "polyvirt.core.guarded", "vars": {"polyvirt_approved_plans": [own, others[0]]}}
    code, output = guarded.run(playbook=[imported])
    kept = guarded.values()
    assert (code, sorted(kept), guarded.snapshots()) == (2, ["", "", PATCHED], [[], [], []]), output
    assert "failed on" in output
    plans = [own, *others]
    code, output = guarded.run(polyvirt_approved_plans=plans, guarded_restore="all")
    assert (code, guarded.values()) == (2, kept), output
    code, output = guarded.run(polyvirt_approved_plans=plans)
    assert (code, guarded.values(), guarded.snapshots()) == (0, [PATCHED, PATCHED, ""], [[], [], []]), output


@pytest.mark.full
@on_test_driver
def test_job_of_awx_reads_the_sources_from_the_project(guarded):
    guarded.write_awx_inventory()
    guarded.write_playbook([*guarded.tasks(), {"ansible.builtin.fail": {}, "when": "true"}])
    code, output = guarded.run(inventory="awx.json")
    assert (code, guarded.values()) == (2, ["", "", ""]), output
    assert "Set guarded_sources to the file" in output
    code, output = guarded.run(inventory="awx.json", guarded_sources=["lab/2.polyvirt.yml"], awx_job_id=42)
    assert (code, guarded.values(), guarded.snapshots()) == (2, ["", "", ""], [[], [], []]), output
    assert "Snapshots guarded-patch-job42 were taken" in output, output


@pytest.mark.full
@on_test_driver
def test_job_template_finds_what_a_cancelled_job_has_left_on_the_vms(guarded):
    """Nothing of the cancelled job remains on the controller: its private data directory is gone."""
    job = guarded.launch(cancelled=guarded.reached.exists, waits=True)
    left = guarded.snapshots()
    assert (job.status, guarded.values()) == ("canceled", [PATCHED, PATCHED, ""]), job.stdout
    assert (left[0] == left[1], left[2]) == (True, [])
    (name,) = left[0]
    assert re.fullmatch(r"guarded-patch-job\d+", name), job.stdout
    again = guarded.launch()
    assert (again.rc, guarded.values(), guarded.snapshots()) == (2, [PATCHED, PATCHED, ""], left), again.stdout
    assert f"{WEB}: the snapshot {name} was taken" in again.stdout
    # Survey answers that nobody has entered are no decision; this one is. The playbook of the template is run after it.
    decided = guarded.launch(guarded_hosts=WEB, guarded_finish="restore")
    assert (decided.rc, guarded.values(), guarded.snapshots()) == (0, [PATCHED, PATCHED, ""], [[], left[1], []]), (
        decided.stdout
    )
    done = guarded.launch(guarded_finish="keep")
    assert (done.rc, guarded.values(), guarded.snapshots()) == (0, [PATCHED, PATCHED, ""], [[], [], []]), done.stdout


@pytest.mark.parametrize("platform_name", _OTHERS, indirect=True, scope="session")
def test_failed_hosts_are_restored_on_every_platform(platform, shim, tmp_path):
    found = Guarded(platform, shim, tmp_path, "memory", "192M")
    found.prepare(**{WEB: RUNNING})
    with host_of(platform) as host:
        found.write(host)
        before = found.values()
        code, output = found.run("-vvv", guarded_hosts=",".join(NAMES), broken=[WEB, DB])
    for secret in SECRETS & set(found.connection):
        assert found.connection[secret] not in output
    after = found.values()
    if not REGISTERED[found.name].vm_snapshot:
        assert (code, after) == (2, before), output
        assert "no snapshot can be taken of it: Snapshots are not supported" in output
        return
    assert (code, found.snapshots()) == (2, [[], [], []]), output
    assert f"Restored: {WEB}, {DB}.\\nKept: {OTHER}." in output
    assert platform.truth([WEB])[WEB]["power"] == RUNNING, output
    if found.name != "vagrant":  # Its settings are those of the Vagrantfile, which no snapshot has.
        assert (after[1], after[2] != before[2]) == (before[1], True), output
