# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``guarded_run``: a playbook between a snapshot of each VM and its deletion."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import datetime, timezone
from pathlib import Path

from ansible import context
from ansible.utils.display import Display

from ...module_utils._core.errors import InvalidInput, NotFound, Refused
from ...module_utils._core.results.approval import VARIABLE
from ...module_utils._core.texts import visible
from ..inventory.sources import sources_for
from ..tasks.controller_action import OverSources
from . import decisions
from .child import Child
from .snapshots import Snapshots, state_of

_NO_SNAPSHOT, _NOT_RUN = "no snapshot can be taken of it", "The playbook was not run."


class GuardedRun(OverSources):
    def run(self, tmp=None, task_vars=None):
        self._stats = {}
        return decisions.with_stats(super().run(tmp, task_vars), self._stats)

    def _answer(self, options, check, approval):
        self._options, self._check, self._approval = options, check, approval
        self._check_options()
        hosts = list(dict.fromkeys(options["hosts"]))
        vms = decisions.vms_of(hosts, self._variables_of)
        approved = self._approved(hosts)
        names = {vm.source for vm in vms}
        sources = sources_for(self._loader, self._task_vars, options["sources"], self.own, names)
        vms = decisions.joined(vms, sources.where)
        self._snapshots = Snapshots(sources, options["timeout"], check)
        self._where = [[name, *sources.where(name)] for name in sorted(sources.names)]
        flags = [*(["--check"] if check else []), *(["--diff"] if self._task.diff else [])]
        return self._run(vms, Child(self._vault_secrets(), approved, flags, hosts))

    # Before the first change ----------------------------------------------------------------------------------------

    def _check_options(self):
        playbook = self._options["playbook"]
        if not playbook and not self._options["finish"]:
            raise InvalidInput("guarded_playbook is not set.", "Set it to the playbook that is to be run.")
        is_name = playbook and playbook.count(".") >= 2 and "/" not in playbook
        if playbook and not is_name and not os.path.isfile(playbook):
            raise NotFound(
                f"guarded_playbook: {playbook} is not a file in {os.getcwd()}.",
                "Set the path of a playbook, or the name of one in a collection. Nothing was changed.",
            )
        if not self._options["hosts"]:
            raise InvalidInput("guarded_hosts matches no host.", "Set it to hosts or groups of the inventory.")
        if playbook and (context.CLIARGS.get("ask_pass") or context.CLIARGS.get("become_ask_pass")):
            # Ansible replaces it with a host's own password, so it cannot be known here.
            raise Refused(
                "The password of --ask-pass or --ask-become-pass cannot be passed on to the playbook.",
                "Use --connection-password-file or --become-password-file, or the variables ansible_password and"
                " ansible_become_password. Nothing was changed.",
            )

    def _variables_of(self, host):
        return self._task_vars["hostvars"][host]

    def _vault_secrets(self):
        """[(ID, password)] of all vaults, also of those that Ansible asked for at its start."""
        found = getattr(getattr(self._loader, "_vault", None), "secrets", None) or ()
        return [(name, bytes(secret.bytes)) for name, secret in found]

    def _approved(self, hosts):
        """{} or the variable with approved plans, for all hosts of the playbook."""
        own = {"value": self._templar.template(self._task_vars[VARIABLE])} if VARIABLE in self._task_vars else {}
        variables = {host: self._variables_of(host) for host in hosts}
        return decisions.one_approval(own, {host: of[VARIABLE] for host, of in variables.items() if VARIABLE in of})

    # The run --------------------------------------------------------------------------------------------------------

    def _run(self, vms, child):
        playbook, now = self._options["playbook"], datetime.now(timezone.utc)
        run = decisions.new_run(self._task_vars.get("awx_job_id"), now, secrets.token_hex(2))
        name = decisions.snapshot_name(playbook or "nothing", run)
        plans = self._snapshots.plan(vms, name, playbook)
        debts = {vm: some for vm, result in plans.items() if (some := self._owed(result, name))}
        if debts and not self._options["finish"]:
            raise decisions.unfinished_runs_error(debts)
        if not debts and playbook:
            _fail_if_any(plans, _NO_SNAPSHOT, _NOT_RUN)
        self._permit(plans, debts)
        self._finish(debts)
        result = {"changed": bool(debts), "run": run, "warnings": []}
        if not playbook:
            unknown = {vm: result for vm, result in plans.items() if vm not in debts}
            _fail_if_any(unknown, "its snapshots cannot be read", "Nothing was done with it.")
            return {**result, "vms": _vms(vms, dict.fromkeys(debts, self._end))}
        if debts and not self._check:
            # A restored VM may have another power state.
            plans = self._snapshots.plan(vms, name, playbook)
        _fail_if_any(plans, _NO_SNAPSHOT, _NOT_RUN)
        self._take(plans, name)
        taken = "Check mode: no snapshot was taken" if self._check else f"Snapshots {name} were taken"
        _show(f"{taken} of {', '.join(vm.label for vm in vms)}. Running {playbook}:")
        return {**result, **self._after(name, plans, child.run(playbook), bool(debts))}

    def _permit(self, plans, debts):
        """Let the approval permit all that the run itself does."""
        if not (self._options["playbook"] or debts):
            self._approval.permit([], [])
            return
        states = {vm: state_of(result) for vm, result in plans.items()}
        content, shown = decisions.plan_of(self._options, _digest_of(self._options["playbook"]), states, debts)
        self._approval.permit({**content, "where": self._where}, shown)

    def _owed(self, result, name):
        """The snapshots of earlier runs. The plan has the new one, too, unless it exists already."""
        is_new = result.get("changed") or result.get("failed")
        return [one for one in decisions.owed(decisions.snapshots_of(result)) if not (is_new and one.snapshot == name)]

    @property
    def _end(self):
        return "restored" if self._options["finish"] == decisions.RESTORE else "kept"

    def _finish(self, debts):
        """Finish what earlier runs have left."""
        if self._options["finish"] == decisions.RESTORE:
            oldest = {vm: (some[0].snapshot, some[0].state) for vm, some in debts.items()}
            _fail_if_any(self._snapshots.restore(oldest), "the snapshot was not restored", "It was not deleted.")
        deleted = self._snapshots.delete({vm: [one.snapshot for one in some] for vm, some in debts.items()})
        _fail_if_any(deleted, "a snapshot of an earlier run was not deleted", "The playbook was not run.")
        for vm, some in debts.items():
            names = ", ".join(one.snapshot for one in some)
            start = "Check mode: " if self._check else ""
            _show(f"{start}{vm.label} was {self._end}, and the snapshot {names} was deleted.")

    def _take(self, plans, name):
        states = {vm: state_of(result) for vm, result in plans.items()}
        taken = self._snapshots.take(states, name, self._options["playbook"])
        try:
            _fail_if_any(taken, "the snapshot was not taken", "The playbook was not run.")
            others = {} if self._check else decisions.taken_before(taken, name)
            if others:
                raise decisions.unfinished_runs_error(others)
        except Refused:
            # One that was given up after its time may exist all the same.
            self._snapshots.delete({vm: [name] for vm in plans})
            raise

    def _after(self, name, plans, outcome, finished):
        vms = list(plans)
        back = [] if self._check else decisions.to_restore(vms, outcome, self._options["restore"])
        restored = self._snapshots.restore({vm: (name, state_of(plans[vm])) for vm in back})
        unsafe = {vm: result for vm, result in restored.items() if result.get("failed")}
        deleted = self._snapshots.delete({vm: [name] for vm in vms if vm not in unsafe})
        done = {vm: "failed" if vm in unsafe else "restored" if vm in back else "kept" for vm in vms}
        unguarded = decisions.without_snapshot(outcome, vms)
        undeleted = {vm: result for vm, result in deleted.items() if result.get("failed")}
        result = {
            "changed": outcome.changed or finished,
            "exit_code": outcome.code,
            "failed_hosts": sorted({*outcome.failed, *(host for vm in (*unsafe, *undeleted) for host in vm.hosts)}),
            "vms": _vms(vms, done),
            "warnings": [f"The playbook also ran on {', '.join(unguarded)}, without a snapshot."] if unguarded else [],
        }
        reasons = [*decisions.ended(self._options["playbook"], outcome, done)] if outcome.has_failed else []
        reasons += [decisions.not_restored(vm, name, result) for vm, result in unsafe.items()]
        reasons += [decisions.not_deleted(vm, name, result) for vm, result in undeleted.items()]
        if reasons:
            # A failed run approves no plans for the next job.
            return {**result, "failed": True, "msg": "\n".join(reasons)}
        self._stats = outcome.stats
        return result


def _fail_if_any(results, problem, consequence):
    failed = [f"{vm.label}: {problem}: {result['msg']}" for vm, result in results.items() if result.get("failed")]
    if failed:
        raise Refused("\n".join(failed), consequence)


def _vms(vms, done):
    return [
        {"host": host, "name": vm.name, "source": vm.source, "outcome": done.get(vm, "unchanged")}
        for vm in vms
        for host in vm.hosts
    ]


def _digest_of(playbook):
    """Return what identifies the content of a playbook; that of a collection is part of an environment."""
    try:
        return hashlib.sha256(Path(playbook or "").read_bytes()).hexdigest()
    except OSError:
        return None


def _show(text):
    Display().display(visible(text))
