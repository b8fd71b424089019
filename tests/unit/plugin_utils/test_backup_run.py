# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of backups asks of each VM, and that a drill deletes exactly what a drill has restored."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.plugin_utils.backups import run as backup_run
from ansible_collections.polyvirt.core.plugins.plugin_utils.backups.drill import Drill
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import GuardedVm

NOW = 1801396800
OLD, NEW = "20270131T020000Z-3f078c8c", "20270131T120000Z-3f078c8c"
AHEAD = "20270301T120000Z-3f078c8c"
STARTS = {OLD: "2027-01-31T02:00:00Z", NEW: "2027-01-31T12:00:00Z", AHEAD: "2027-03-01T12:00:00Z"}
WEB, DB = (GuardedVm("lab", "libvirt", name, f"u-{name}", (name,)) for name in ("web", "db"))
OPTIONS = {"timeout": 60, "wait_for": "state", "console": None, "wait_timeout": 10}
FLEET = "polyvirt-drill"


class Killed(Exception):
    """The task was killed."""


def backup(backup_id, birth="u-web", **changes):
    one = {"id": backup_id, "birth": birth, "start": STARTS[backup_id], "consistency": "crash"}
    return {**one, "unfinished": "", "damaged": "", **changes}


def copy_of(backup_id, **changes):
    name = f"{FLEET}-{backup_id}"
    return {"name": name, "id": f"copy-{backup_id}", "fleet": None, "expires": None, "from": backup_id, **changes}


class World:
    """A source with VMs and their backups: what the modules do with both. It is killed after ``last`` changes."""

    def __init__(self, backups, copies=(), last=None, problems=(), console=()):
        self.backups, self.copies = backups, {one["name"]: one for one in copies}
        self.last, self.problems, self.console = last, dict(problems), list(console)
        self.changes, self.deleted, self.tasks = [], [], []

    def run_each(self, tasks, seconds, check):
        return [self._result(module.rpartition(".")[2], options, check) for _source, module, options in tasks]

    def _result(self, module, options, check):
        self.tasks.append((module, options, check))
        if module == "vm_info":
            return self._listed(options)
        if module == "vm_backup" and options.get("state") != "restored":
            found = self.backups[options["name"][0]]
            verbs = [] if found else [{"verb": "backup"}]
            return {"changed": not found, "plan": "", "vms": [{"backups": found, "steps": verbs}]}
        if module == "vm_backup":
            return self._restored(options, check)
        return self._change(options["state"], options, check)

    def _listed(self, options):
        names = options.get("name", list(self.copies))
        return {"vms": [{**self.copies[one], "console": {"lines": self.console[:]}} for one in names]}

    def _restored(self, options, check):
        name = options["new_name"]
        exists = self.copies.get(name)
        if exists and not exists.get("unfinished"):
            same = exists["from"] == options["backup"]
            return {"vms": [exists], "plan": ""} if same else {"failed": True, "msg": "the VM exists"}
        if check:
            return {"changed": True, "plan": f"plan-{options['backup']}", "vms": [{}]}
        return self._change("restored", options, check)

    def _change(self, what, options, check):
        if self.last is not None and len(self.changes) >= self.last:
            raise Killed
        self.changes.append(what)
        if what in self.problems:
            return {"failed": True, "msg": self.problems[what]}
        if what == "restored":
            made = copy_of(options["backup"])
            self.copies[made["name"]] = made
            return {"changed": True, "vms": [made]}
        (name,) = (name for name, one in self.copies.items() if one["id"] == options["id"])
        if what == "absent":
            self.deleted.append(name)
            del self.copies[name]
        else:
            self.copies[name].update(fleet=options["fleet"], expires="2027-02-02T00:00:00Z")
        return {"changed": True, "vms": [{}]}


def drill(world, vms=(WEB,), check=False, approval=None, **options):
    where = {vm: ({"platform": vm.platform, "options": {}}, {"directory": "/b"}) for vm in vms}
    times = iter(range(0, 10_000, 5))
    drilled = Drill({**OPTIONS, **options}, world.run_each, NOW, lambda: next(times), lambda seconds: None)
    return drilled.run(where, check, approval or Approval())


def names(*ids):
    return [f"{FLEET}-{one}" for one in ids]


def test_newest_backup_is_restored_started_without_network_and_deleted():
    world = World({"web": [backup(OLD), backup(NEW)]})
    entries, changed, warnings = drill(world)
    assert (entries[WEB]["outcome"], entries[WEB]["backup"], changed, warnings) == ("passed", NEW, False, [])
    assert entries[WEB]["seconds"] == 10
    assert (world.changes, world.deleted, world.copies) == (["restored", "started", "absent"], names(NEW), {})
    started = next(options for module, options, _check in world.tasks if options.get("state") == "started")
    assert (started["networks"], started["purge"], started["fleet"]) == ([], ["networks"], FLEET)


def test_check_mode_restores_nothing_and_reports_the_same_change():
    for copies in ((), (copy_of(OLD),)):
        world = World({"web": [backup(OLD), backup(NEW)]}, copies)
        entries, changed, _warnings = drill(world, check=True)
        assert (entries[WEB]["outcome"], world.changes) == ("planned", [])
        assert drill(World({"web": [backup(OLD), backup(NEW)]}, copies))[1] == changed


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("later", [OLD, NEW])
def test_drill_that_was_killed_is_cleaned_up_by_the_next_one(last, later):
    world = World({"web": [backup(OLD)]}, last=last)
    with pytest.raises(Killed):
        drill(world)
    assert list(world.copies) == names(OLD)
    world.last, world.backups = None, {"web": [backup(OLD), *([backup(NEW)] if later == NEW else [])]}
    entries, changed, warnings = drill(world)
    assert (entries[WEB]["outcome"], changed, warnings, world.copies) == ("passed", True, [], {})
    assert world.deleted == names(OLD, later)


@pytest.mark.parametrize(
    "stranger",
    [
        {**copy_of(OLD), "from": "by hand"},
        {**copy_of(OLD), "from": "by hand", "fleet": FLEET},
        {**copy_of("20260101T000000Z-00000000")},
        {**copy_of("20260101T000000Z-00000000"), "fleet": FLEET},
        {**copy_of("20260101T000000Z-00000000"), "fleet": FLEET, "expires": "2027-01-01T00:00:00Z"},
        {**copy_of(OLD), "name": f"{FLEET}-mine", "fleet": FLEET},
    ],
)
def test_vm_that_this_drill_has_not_restored_is_kept(stranger):
    world = World({"web": [backup(OLD), backup(NEW)]}, [stranger])
    entries, changed, _warnings = drill(world)
    assert (entries[WEB]["outcome"], changed, world.copies) == ("passed", False, {stranger["name"]: stranger})


@pytest.mark.parametrize("later", [OLD, NEW])
def test_interrupted_restore_is_completed_and_deleted(later):
    world = World({"web": [backup(OLD), *([backup(NEW)] if later == NEW else [])]}, [copy_of(OLD, unfinished=True)])
    entries, changed, warnings = drill(world)
    assert (entries[WEB]["outcome"], changed, warnings, world.copies) == ("passed", True, [], {})
    assert world.deleted == names(OLD, later)


def test_vm_with_the_name_of_the_copy_fails_the_drill_and_is_kept():
    stranger = {**copy_of(NEW), "from": "by hand"}
    world = World({"web": [backup(NEW)], "db": [backup(OLD, "u-db")]}, [stranger])
    entries, changed, warnings = drill(world, (WEB, DB))
    assert (entries[WEB]["outcome"], entries[WEB]["msg"]) == ("failed", "the VM exists")
    assert (entries[DB]["outcome"], changed, len(warnings)) == ("passed", False, 1)
    assert world.copies == {stranger["name"]: stranger}


@pytest.mark.parametrize("what", ["restored", "started", "absent"])
def test_failure_of_a_step_is_named_and_what_was_restored_is_deleted(what):
    world = World({"web": [backup(NEW)], "db": [backup(OLD, "u-db")]}, problems={what: "no space"})
    entries, _changed, _warnings = drill(world, (WEB, DB))
    assert [one["outcome"] for one in entries.values()] == ["failed", "failed"]
    assert "no space" in entries[WEB]["msg"]
    assert (world.changes[-1] == "absent", bool(world.copies)) == (what != "restored", what == "absent")


def test_console_that_never_shows_the_pattern():
    world = World({"web": [backup(NEW)]}, console=["booting"])
    entries, _changed, _warnings = drill(world, console="login:$")
    assert entries[WEB]["msg"].endswith("its console does not show 'login:$' after 10 s.")
    assert world.copies == {}
    world.console = ["booting", "web login:"]
    assert drill(world, console="login:$")[0][WEB]["outcome"] == "passed"


@pytest.mark.parametrize("pattern", ["(", "login:"])
def test_console_that_cannot_be_searched_is_rejected_before_the_restore(pattern):
    world = World({"vm": [backup(NEW)]})
    vm = GuardedVm("pve", "proxmox" if pattern != "(" else "libvirt", "vm", "100", ("vm",))
    with pytest.raises(InvalidInput, match="console: "):
        drill(world, (vm,), console=pattern)
    assert world.tasks == []


@pytest.mark.parametrize(
    ("backups", "message"),
    [([], "there is no complete backup"), ([backup(OLD, "u-1"), backup(NEW, "u-2")], "several VMs had this name")],
)
def test_vm_without_a_backup_of_its_own(backups, message):
    world = World({"web": backups})
    assert message in drill(world)[0][WEB]["msg"]
    assert world.changes == []


def test_damaged_unfinished_and_future_backups_and_those_of_another_vm_are_not_restored():
    others = [backup(NEW, damaged="x"), backup(NEW, unfinished="x"), backup(NEW, "u-other")]
    ahead = {**backup(NEW), "start": "2028-01-01T00:00:00Z"}
    world = World({"web": [backup(OLD), *others]})
    assert drill(world)[0][WEB]["backup"] == OLD
    assert drill(World({"web": [backup(OLD), ahead]}))[0][WEB]["backup"] == OLD


def test_drill_that_was_not_approved_changes_nothing():
    world = World({"web": [backup(OLD), backup(NEW)]}, [copy_of(OLD)])
    with pytest.raises(Refused):
        drill(world, approval=Approval(given={"polyvirt_approved_plans": []}))
    assert world.changes == []


# Backups --------------------------------------------------------------------------------------------------------------


class Sources:
    """A source; ``fails`` are VMs that cannot be backed up. ``sent`` are the tasks of runs and of check mode.

    With a VM of ``misnamed``, a task for several fails as a whole.
    """

    def __init__(self, fails=(), unchanged=(), ahead=(), misnamed=()):
        self.fails, self.unchanged, self.ahead, self.misnamed = fails, unchanged, ahead, misnamed
        self.sent = []

    def where(self, name):
        return [name]

    def connection(self, name):
        return {"uri": "test:///default"}

    def run_each(self, tasks, seconds):
        self.sent += [task for _source, task in tasks]
        return [self._result(task["polyvirt.core.vm_backup"]) for _source, task in tasks]

    def _result(self, options):
        if set(options["name"]) & set(self.misnamed):
            return {"failed": True, "msg": "name: it contains a slash."}
        vms = [self._entry(name) for name in options["name"]]
        failed = [one["msg"] for one in vms if one["failed"]]
        result = {"changed": any(one["changed"] for one in vms), "plan": "", "vms": vms, "warnings": ["old"]}
        return {**result, **({"failed": True, "msg": "\n".join(failed)} if failed else {})}

    def _entry(self, name):
        has_failed, is_unchanged = name in self.fails, name in self.unchanged
        verbs = [] if has_failed or is_unchanged else [{"verb": "backup"}]
        found = [backup(OLD), *([backup(NEW)] if verbs else []), *self.ahead]
        outcome = {"failed": has_failed, "msg": f"{name}: no space." if has_failed else "", "changed": bool(verbs)}
        return {"name": name, **outcome, "plan": None if has_failed else "", "backups": found, "steps": verbs}

    def asked(self, check):
        """[(names, IDs)] of the tasks in check mode, or of the others."""
        tasks = [task["polyvirt.core.vm_backup"] for task in self.sent if task["check_mode"] == check]
        return [(one["name"], one["each"] if "each" in one else one.get("id")) for one in tasks]


def back_up(monkeypatch, sources, variables, check=False, hosts=("web", "db"), **of_hosts):
    """Run the plugin; ``variables`` are those of all hosts, ``of_hosts`` those of single ones."""
    monkeypatch.setattr(backup_run, "sources_for", lambda *words: sources)
    monkeypatch.setattr(backup_run, "now", lambda: NOW)
    monkeypatch.setattr(backup_run.Display, "display", lambda self, line: None)
    plugin = object.__new__(backup_run.BackupRun)
    known = {"polyvirt_source": "lab", "polyvirt_platform": "libvirt"}
    found = {host: {**known, "polyvirt_name": host, "polyvirt_id": f"u-{host}", **variables} for host in hosts}
    for host, own in of_hosts.items():
        found[host].update(own)
    plugin._loader, plugin._task_vars = None, {"hostvars": found}
    options = {"hosts": list(hosts), "sources": None, "timeout": 1, "action": "backup"}
    return plugin._answer(options, check, SimpleNamespace(permit_parts=lambda *words: None, is_limited=False))


def test_variables_of_hosts_are_the_options(monkeypatch):
    sources = Sources()
    variables = {"backup_directory": "/b", "backup_storage": "local", "backup_keep_daily": 7, "backup_exclude": ""}
    variables.update(backup_disk_directory="/x", backup_server="mine")
    back_up(monkeypatch, sources, variables, hosts=["web"])
    assert sources.sent[0]["polyvirt.core.vm_backup"] == {
        "platform": "libvirt",
        "options": {"uri": "test:///default"},
        "name": ["web"],
        "id": "u-web",
        "max_age": "20h",
        "directory": "/b",
        "keep_daily": 7,
    }


def test_vms_with_equal_options_are_planned_in_one_task_and_changed_in_one_each(monkeypatch):
    sources = Sources(unchanged=("db",))
    rules = {"backup_directory": "/b", "backup_keep_daily": 7}
    answer = back_up(
        monkeypatch, sources, {}, hosts=("web", "db", "old", "app"),
        web=rules, db=dict(reversed(rules.items())), old={"backup_directory": "/b"}, app=rules,
    )  # fmt: skip
    ids = {"web": "u-web", "db": "u-db", "app": "u-app"}
    assert sources.asked(check=True) == [(["web", "db", "app"], ids), (["old"], "u-old")]
    assert sources.asked(check=False) == [(["web"], "u-web"), (["old"], "u-old"), (["app"], "u-app")]
    outcomes = [("web", "created"), ("db", "unchanged"), ("old", "created"), ("app", "created")]
    assert [(one["name"], one["outcome"]) for one in answer["vms"]] == outcomes
    assert answer["warnings"] == ["lab: old"]


def test_vms_with_the_same_name_are_planned_in_different_tasks(monkeypatch):
    sources = Sources()
    back_up(monkeypatch, sources, {"backup_directory": "/b", "polyvirt_name": "web"}, check=True)
    assert sources.asked(check=True) == [(["web"], "u-web"), (["web"], "u-db")]


def test_name_that_rejects_the_whole_task_is_an_error_of_its_own_vm(monkeypatch):
    sources = Sources(misnamed=("a/b",))
    answer = back_up(monkeypatch, sources, {"backup_directory": "/b"}, check=True, hosts=("web", "a/b", "db"))
    assert [one["outcome"] for one in answer["vms"]] == ["created", "failed", "created"]
    assert answer["msg"] == "lab: a/b: name: it contains a slash."


def test_misspelt_variable_is_rejected(monkeypatch):
    sources = Sources()
    with pytest.raises(InvalidInput, match=r"web: backup_keep_dialy is not known.*backup_keep_daily"):
        back_up(monkeypatch, sources, {"backup_directory": "/b", "backup_keep_dialy": 7})
    assert sources.sent == []


def test_vm_that_cannot_be_backed_up_does_not_hide_the_others(monkeypatch):
    answer = back_up(monkeypatch, Sources(fails=("web",)), {"backup_directory": "/b"})
    assert [(one["name"], one["outcome"], one["msg"]) for one in answer["vms"]] == [
        ("web", "failed", "no space."),
        ("db", "created", ""),
    ]
    assert (answer["failed"], answer["changed"], answer["msg"]) == (True, True, "lab: web: no space.")


def test_backup_that_is_dated_ahead_is_not_the_newest(monkeypatch):
    sources = Sources(unchanged=("db",), ahead=(backup(AHEAD),))
    answer = back_up(monkeypatch, sources, {"backup_directory": "/b"})
    assert [(one["outcome"], one["backup"]) for one in answer["vms"]] == [("created", NEW), ("unchanged", OLD)]


def test_drill_of_a_vm_of_which_each_backup_is_dated_ahead_fails():
    entries, _changed, _warnings = drill(World({"web": [backup(AHEAD)]}))
    assert (entries[WEB]["outcome"], entries[WEB]["msg"]) == ("failed", "there is no complete backup.")


def test_place_that_is_not_set_is_an_error_of_each_vm(monkeypatch):
    answer = back_up(monkeypatch, Sources(), {"backup_storage": "local"})
    assert answer["msg"] == "lab: web: backup_directory is not set.\nlab: db: backup_directory is not set."


def test_check_mode_sends_no_other_task_and_reports_the_same(monkeypatch):
    sources = Sources(unchanged=("db",))
    checked = back_up(monkeypatch, sources, {"backup_directory": "/b"}, check=True)
    assert all(task["check_mode"] for task in sources.sent)
    done = back_up(monkeypatch, sources, {"backup_directory": "/b"})
    assert (checked["changed"], checked["vms"]) == (done["changed"], done["vms"])
    assert [task["polyvirt.core.vm_backup"]["name"] for task in sources.sent if not task["check_mode"]] == [["web"]]
