# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guarded run decides: the VMs behind hosts, names of snapshots, and which VMs are restored. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import takewhile
from typing import Optional

from ...module_utils._core.errors import InvalidInput, Refused
from ...module_utils._core.frozen import Frozen, field, replace
from ...module_utils._core.results.approval import VARIABLE
from ...module_utils._core.texts import GUARDED, PURPOSE_LENGTH

_DESCRIPTION = re.compile(r"Taken by polyvirt\.core\.guarded before (.+)\. State of the VM: (\w+)\.")
RESTORE = "restore"
#: The state of a VM in a result if it could not be read.
_UNKNOWN = "unknown"
FAILED, ALL = "failed", "all"
#: Exit codes of ansible-playbook if hosts failed, or could not be reached. Others are its own errors.
_FAILED_CODES = (2, 4)


class GuardedVm(Frozen):
    """A VM, as the inventory knows it. Several ``hosts`` can be the same VM."""

    source: str
    platform: str
    name: str
    id: Optional[str]
    hosts: tuple = field(default=(), compare=False)

    @property
    def label(self):
        """The names of the hosts, with that of the VM if it is another one."""
        hosts = ", ".join(self.hosts)
        return hosts if hosts == self.name else f"{hosts} (VM {self.name})"

    @property
    def which(self):
        """The options with which a module finds this VM, and no other with the same name."""
        return {"name": [self.name], **({"id": self.id} if self.id else {})}


def vms_of(hosts, variables_of, consequence="no snapshot can be taken", option="guarded_hosts"):
    """Return [GuardedVm] of inventory hosts; ``variables_of(host)`` are a host's variables. Raises Refused."""
    found, missing = {}, []
    for host in hosts:
        variables = variables_of(host)
        source, name = variables.get("polyvirt_source"), variables.get("polyvirt_name")
        if not source or not name:
            missing.append(host)
            continue
        vm_id = variables.get("polyvirt_id")
        key = (str(source), str(variables.get("polyvirt_platform")), str(name), None if vm_id is None else str(vm_id))
        found.setdefault(key, []).append(host)
    if missing:
        raise Refused(
            f"{', '.join(missing)}: no VM is known for this host, so {consequence}. It has no variables"
            " polyvirt_source and polyvirt_name, which the inventory plugin polyvirt.core.vms sets.",
            f"Add the hypervisor to the inventory, or leave the host out of {option}. Nothing was changed.",
        )
    return [GuardedVm(*key, hosts=tuple(names)) for key, names in found.items()]


def joined(vms, where_of):
    """Return the VMs, each once, although several sources list it; ``where_of(source)`` says where a source leads.

    A number of Proxmox VE can be that of a VM of another cluster, and the UUID of a VM that of its copy.
    """
    found = {}
    for vm in vms:
        found.setdefault((vm.platform, vm.name, vm.id, str(where_of(vm.source))), []).append(vm)
    return [replace(same[0], hosts=tuple(host for vm in same for host in vm.hosts)) for same in found.values()]


def new_run(job, now, random_digits):
    """Return the ID of a run: that of the AWX job, else the time (UTC) with four random hexadecimal digits."""
    return f"job{job}" if job else f"{now.strftime('%Y%m%d-%H%M%S')}-{random_digits}"


def snapshot_name(playbook, run):
    """Return the name of the snapshots of a run. It says what they are for on platforms without descriptions."""
    stem = playbook.replace("\\", "/").rpartition("/")[2]
    stem = re.sub(r"\.(ya?ml|json)$", "", stem).rpartition(".")[2]
    purpose = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:PURPOSE_LENGTH].strip("-")
    return f"guarded-{purpose or 'run'}-{run}"


def description(playbook, state):
    """Return the description of a snapshot, from which a later run learns what happened."""
    return f"Taken by polyvirt.core.guarded before {playbook}. State of the VM: {state}."


class Owed(Frozen):
    """A snapshot that an earlier run took and did not delete. ``state`` is that of the VM then; None if unknown."""

    snapshot: str
    playbook: str
    state: Optional[str] = None
    created: Optional[int] = None

    @property
    def when(self):
        if not self.created:
            return ""
        return datetime.fromtimestamp(self.created, timezone.utc).strftime(" at %Y-%m-%d %H:%M:%S UTC")


def owed(snapshots):
    """Return [Owed] of a VM's ``snapshots``, as the modules report them; the oldest first."""
    found = []
    for one in snapshots:
        name = GUARDED.fullmatch(one["name"])
        if name is None:
            continue
        described = _DESCRIPTION.fullmatch(one.get("description") or "")
        playbook, state = described.groups() if described else (name.group(1), one.get("state"))
        found.append(Owed(one["name"], playbook, state, one.get("created")))
    # Where creation times are unknown, parents are listed before their children.
    return sorted(found, key=lambda one: one.created or 0)


def taken_before(results, name):
    """Return {vm: [Owed]} of the snapshots that another run took before ``name``, by {vm: result of taking it}.

    Both runs have found no snapshot at their start. A VM has its snapshots one after the other, and results list
    parents before their children, so at most one of the runs finds none.
    """
    found = {vm: owed(takewhile(lambda one: one["name"] != name, snapshots_of(of))) for vm, of in results.items()}
    return {vm: some for vm, some in found.items() if some}


def snapshots_of(result):
    """Return the snapshots of the VM of a result."""
    return next((vm.get("snapshots") or [] for vm in result.get("vms") or ()), [])


def unfinished_runs_error(debts):
    """Return what happened to VMs with snapshots of earlier runs, and what can be done. ``debts``: {vm: [Owed]}."""
    lines = [
        f"{vm.label}: the snapshot {one.snapshot} was taken{one.when} by a guarded run before {one.playbook}. That run"
        f" was interrupted or is still running, so {one.playbook} may have changed the VM completely, in part or not"
        " at all."
        for vm, some in debts.items()
        for one in some
    ]
    return Refused(
        "\n".join(lines),
        "\nIf the run is not active any more, set guarded_finish: with restore, these VMs are restored to their"
        " snapshots, and everything written to them since then is lost; with keep, they stay as they are. Both delete"
        " the snapshots. Nothing was changed.",
    )


class Outcome(Frozen):
    """How the playbook ended, as Ansible reported it; ``is_reported``: it did so. Without that, all else is unknown.

    ``failed``: hosts that failed or were unreachable. ``stopped``: others that Ansible stopped or never started, for
    example because of any_errors_fatal. ``unstarted``: the number of plays that were not started. ``stats``: what tasks
    pass on to the next job of a workflow.
    """

    code: int
    has_started: bool = True
    is_reported: bool = True
    failed: Sequence = ()
    stopped: Sequence = ()
    unstarted: int = 0
    changed: bool = True
    processed: Sequence = ()
    stats: Mapping = field(default_factory=dict)

    @property
    def has_failed(self):
        """Whether the playbook failed. A process that ends well in the middle of it is no success."""
        return self.code != 0 or (self.has_started and not self.is_reported)


def outcome_of(code, written, stopped):
    """Return the Outcome from the exit code, from what the callback plugin wrote, and from Ansible's file for a retry.

    ``written`` is None if no play was started. ``stopped`` are the hosts that failed or were stopped: after a failure,
    there is at least one.
    """
    if not written:
        return Outcome(code, has_started=written is not None, is_reported=False, changed=written is not None)
    is_reported = code == 0 or (code in _FAILED_CODES and bool(stopped))
    others = sorted({*stopped, *written["stopped"]} - {*written["failed"]})
    return Outcome(code, is_reported=is_reported, **{**written, "stopped": others})


def missing(outcome, vms):
    """Return why a failed run is incomplete, or "": hosts with these VMs failed, and all others reached the end."""
    found = (
        (_without(outcome.failed, vms), "{} has no snapshot"),
        (outcome.stopped, "Ansible ended it early on {}"),
        ([str(outcome.unstarted)] if outcome.unstarted else [], "plays that were not started: {}"),
    )
    return "; ".join(reason.format(", ".join(some)) for some, reason in found if some)


def to_restore(vms, outcome, restore):
    """Return the VMs of ``vms`` that are restored after the playbook; ``restore`` is FAILED or ALL."""
    if not (outcome.has_failed and outcome.has_started):
        return []
    # Where it did not reach its end, a VM may be changed in part.
    is_all = restore == ALL or not outcome.is_reported or missing(outcome, vms)
    return [vm for vm in vms if is_all or set(vm.hosts) & set(outcome.failed)]


def without_snapshot(outcome, vms):
    """Return the hosts on which the playbook ran although they have no snapshot."""
    return [host for host in _without(outcome.processed, vms) if host != "localhost"]


def _without(hosts, vms):
    return [host for host in hosts if not any(host in vm.hosts for vm in vms)]


def ended(playbook, outcome, done):
    """Return the lines about how the playbook failed; ``done``: {vm: its outcome}."""
    if not outcome.has_started:
        first = f"{playbook} was not started (exit code {outcome.code}); its output names the reason."
    elif not outcome.is_reported:
        first = f"{playbook} was interrupted (exit code {outcome.code}), so it is unknown which hosts it changed."
    else:
        why = missing(outcome, done)
        on = f" on {', '.join(outcome.failed)}" if outcome.failed else ""
        end = f" The run is incomplete: {why}." if why else ""
        first = f"{playbook} failed{on} (exit code {outcome.code}).{end}"
    labels = {what: ", ".join(vm.label for vm in done if done[vm] == what) for what in ("restored", "kept")}
    return [first, *(f"{what.capitalize()}: {names}." for what, names in labels.items() if names)]


def not_restored(vm, name, result):
    """Return what to know about a VM whose restore failed; ``result`` is that of the module."""
    what = "was restored, but the VM was not started again" if result.get("restored") else "was not restored"
    vms = result.get("vms") or ({},)
    if name in [one["name"] for one in vms[0].get("snapshots") or ()]:
        left = "It still exists; the next guarded run finds it."
    elif vms[0].get("state", _UNKNOWN) == _UNKNOWN or result.get("restored"):
        left = "It was not deleted; the next guarded run finds it."
    else:
        left = "It no longer exists, so this run cannot restore the VM."
    return f"{vm.label}: the snapshot {name} {what}: {result['msg']} {left}"


def not_deleted(vm, name, result):
    return (
        f"{vm.label}: the snapshot {name} was not deleted: {result['msg']} Delete it with vm_snapshot, state: absent."
    )


def plan_of(options, digest, states, debts):
    """Return (content, lines) of all that the run itself does; it finishes earlier runs, too.

    ``states``: {vm: power state}; ``debts``: {vm: [Owed]}; ``digest``: that of the playbook. New snapshots are not
    named, because each run has new names. If the playbook fails, also because its own plans were not approved, VMs are
    restored: so whoever permits the run permits that.
    """
    playbook, is_back = options["playbook"], options["finish"] == RESTORE
    which = "this VM" if options["restore"] == FAILED else "all VMs"
    content = {
        **{"playbook": playbook, "digest": digest, "restore": options["restore"]},
        **{"finish": options["finish"] if debts else None, "vms": []},
    }
    shown = []
    for vm, state in sorted(states.items(), key=str):
        some = debts.get(vm, ())
        left = [[one.snapshot, one.created] for one in some]
        content["vms"].append([vm.source, vm.platform, vm.name, vm.id, list(vm.hosts), state, left])
        does = [f"restore of the snapshot {one.snapshot}" for one in some[:1] if is_back]
        does += [f"deletion of the snapshot {one.snapshot}" for one in some]
        own = f"snapshot, {playbook}, restore of {which} after a failure, deletion of the snapshot"
        does += [own] if playbook else []
        shown += [(vm.name, [f"{vm.label}: {', '.join(does)}"])] if does else []
    return content, shown


def with_stats(result, of_playbook):
    """Return the result of a run with what its playbook passes on to the next job, in addition to its own plan."""
    own = result.get("ansible_stats", {}).get("data", {})
    if result.get("failed") or not (own or of_playbook):
        return result
    lists = {name: value for name, value in of_playbook.items() if isinstance(value, list)}
    joined = {name: [*value, *lists.get(name, ())] for name, value in own.items()}
    return {**result, "ansible_stats": {"data": {**of_playbook, **joined}, "per_host": False, "aggregate": True}}


def one_approval(effective, of_hosts):
    """Return {} or the variable with approved plans for the playbook.

    ``effective`` is {} or {"value": ...}, what holds for this task, where a play's variable counts too; ``of_hosts``
    {host: value} of hosts that have the variable. As an extra variable, the value holds for all hosts. So it must be
    the same everywhere: else a host would be permitted the plans of another.
    """
    values = [*effective.values(), *of_hosts.values()]
    if not values:
        return {}
    if not effective or any(one != values[0] for one in values):
        raise InvalidInput(
            f"{VARIABLE} differs between the guarded hosts, or between them and the play.",
            "Set it for all hosts, such as with -e. Nothing was changed.",
        )
    return {VARIABLE: values[0]}
