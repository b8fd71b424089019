# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task: observe, plan, preflight (check mode ends here), execute, outcome. Independent of platforms."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Optional

from .._core.errors import NotFound, PolyvirtError, Unsupported
from .._core.frozen import Frozen, Mutable, field, replace
from .._core.model import ABSENT, Plan, Refusal, Target, Vm
from .._core.planner.contents import has_unread_source, warnings_of
from .._core.planner.plan import plan
from .._core.planner.planned_steps import disturbs_jobs
from .._core.planner.simulate import simulate
from .._core.record.leases import check_clocks, read_time, timed_by
from .._core.record.mark import same
from .._core.results.approval import Approval
from .._core.results.vm_result import difference, entry, listed_backups, warnings_about
from .._core.verbs import Permit
from .._ports.clock import Clock, epoch
from . import order
from .observe import FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE, Observer, planning_facets


class Work(Mutable, eq=False):
    """One VM of a task: the request, the observed VM, its plan, and its progress when the plan is carried out.

    ``after``: each Work that must be complete before this one begins. ``source``: for a clone, the Work of its
    source.
    ``conflict`` is (message, remedy) if other VMs hold what the plan claims; ``released`` is what earlier plans let go
    of. ``place`` is where the VM is, None if all VMs of the task are at the same place. A driver without claims is a
    place of its own. ``permit`` is what the plan may destroy. ``digest`` is that of the plan; None if the task was
    rejected.
    """

    request: Any
    task: Any = field(default=None, repr=False)
    found: Optional[Vm] = None
    plan: Optional[Plan] = None
    progress: Any = None
    after: list = field(default_factory=list)
    source: Any = None
    conflict: Any = None
    released: frozenset = frozenset()
    permit: Any = Permit()
    is_pruned: bool = False
    digest: Optional[str] = ""

    @property
    def place(self):
        return self.claims.place if self.claims is not None else id(self.task)

    @property
    def claims(self):
        """How the platform identifies what VMs share."""
        return self.task.claims

    def owner_of(self, own):
        """Return the owner of claims; ``own`` is an id or a name."""
        return self.claims.owner_id(own) if self.claims is not None else (self.place, own)

    @property
    def owner_id(self):
        """The owner of what the VM holds."""
        return self.owner_of(self.found.id or self.name)

    def refused(self, message, remedy=""):
        """Return the plan that changes nothing, because it is rejected."""
        return Plan(self.found, self.found, refusal=Refusal(message, remedy or ""))

    def labelled(self, message):
        """Return a message that begins with the VM's name; messages of tools may begin with the id, or with neither."""
        known = (f"{self.request.label}: ", f"{self.vm.name}: ")
        return message if message.startswith(known) else f"{self.request.label}: {message}"

    @property
    def vm(self):
        """The VM as last observed."""
        return self.progress.vm if self.progress else self.found

    @property
    def name(self):
        return self.request.name or (self.plan.before.name if self.plan else self.request.id)

    @property
    def target(self):
        """An observed VM is selected by id (another VM may get its name), a recreated VM by name (it gets a new id)."""
        if self.vm is not None and self.vm.id:
            return Target(name=self.name, id=self.vm.id)
        is_recreated = self.progress is not None and self.progress.is_recreated
        return Target(name=self.name) if is_recreated else Target(name=self.request.name, id=self.request.id)

    def versions(self):
        """Return {path: version} of the files that the plan uses, as far as the driver can tell.

        Of a file that a guest writes, it is what remains when it is written to.
        """
        from .._core.results.plan_content import used_files, written_files

        driver = self.task.driver
        if not hasattr(driver, "file_version"):
            return {}
        others = driver.used_files(self.plan) if hasattr(driver, "used_files") else ()
        written = written_files(self.plan) if hasattr(driver, "file_identity") else ()
        found = {path: driver.file_identity(path) for path in written}
        return {**found, **{path: driver.file_version(path, self.plan) for path in (*used_files(self.plan), *others)}}

    @property
    def error(self):
        return self.plan.refusal or (self.progress and self.progress.error)

    @property
    def changed(self):
        """Whether this task changed the VM. A failed creation does not count if nothing of it remains."""
        if self.progress is None or self.progress.wrote is False or self.progress.undone:
            return False
        if self.progress.error is not None and self.plan.before.power == self.vm.power == ABSENT:
            return False
        # If an answer was lost, the only change may be the mark, with the name of a file to be created, or a device of
        # the running VM.
        before, after = self.plan.before, self.vm
        is_same = same(before.mark, after.mark) and same(before.active, after.active)
        return self.progress.wrote or self.difference is not None or (after.power != ABSENT and not is_same)

    @property
    def difference(self):
        """The diff: as planned, or after an error, what differs between two observations; None if nothing."""
        if self.progress.error is None:
            return difference(self.plan)
        simulated = simulate(self.plan.before, [self.plan.steps[number] for number in self.progress.completed])
        after = self.vm.having(restarted=simulated.restarted, restored=simulated.restored)
        if self.request.snapshot is None:  # Then only the last observation has read the snapshots.
            after = after.having(snapshots=self.plan.before.snapshots)
        found = difference(replace(self.plan, after=after))
        if found and self.plan.before.id and after.id is None and after.power != ABSENT:
            # The definition of the VM still exists, but the VM itself does not.
            found["before"]["id"], found["after"]["id"] = self.plan.before.id, None
        return found if found and (found["before"] or found["after"]) else None


class Outcome(Frozen, eq=False):
    """The outcome of a task as plain data. ``trace`` is the traceback of a bug in this collection."""

    vms: list
    diff: list
    changed: bool
    failed: bool
    msg: str
    warnings: list
    trace: str = ""

    def result(self):
        """The result of a module."""
        result = {key: getattr(self, key) for key in ("changed", "vms", "diff", "warnings")}
        if self.failed:
            result.update(failed=True, msg=self.msg, **({"exception": self.trace} if self.trace else {}))
        return result


def _answers(host, port, what):
    from .._ports.net import guest_answers  # Few tasks wait for a guest.

    return guest_answers(host, port, what)


def run(driver, requests, check=False, approval=None, clock=None, probe=_answers, is_each=False):
    """Carry out ``requests`` (or only predict the result, in check mode) and return the Outcome.

    All VMs are planned before the first step: if one plan is rejected, or their plan as a whole is not permitted by
    ``approval``, the task fails and nothing is done. ``is_each``: a plan that is rejected does not reject the others.
    """
    task = Task(driver, requests, clock or Clock(), probe)
    is_refused = carry_out([task], task.works, check, approval or Approval(), is_each)
    return task.outcome(check and not is_refused)


def carry_out(tasks, works, check, approval, is_each=False):
    """Plan ``works``, which are those of all ``tasks`` as they are listed, and carry out their plans.

    Returns whether the task was rejected: nothing is done then. ``is_each``: as if each were a task of its own.
    """
    for task in tasks:
        task.plan(check)
        task.check_clocks()
    if any(work.request.policy.limits for work in works):
        from .places import check_limits

        check_limits(tasks, works)
    if any(work.plan.changed for work in works):
        _prepare(tasks, works, is_each)
    else:
        order.reject_twice_listed(works)
    counted = [work for work in works if not (is_each and work.plan.refusal)]
    if not any(work.plan.refusal for work in counted):
        _approve(counted, approval, is_each)
    is_refused = any(work.plan.refusal for work in counted)
    for work in (one for one in works if is_refused or one.plan.refusal):
        work.digest = None
    if not (check or is_refused):
        _execute(counted, approval.is_limited)
    return is_refused


def _approve(works, approval, is_each):
    """Compare the plan of the whole task with those that were approved; if it is none of them, reject it.

    ``is_each``: the digest of a VM is that of a task for it alone.
    """
    changing = [work for work in works if work.plan.changed]
    if not changing:
        approval.permit([], [])
        return
    from .._core.results.plan_content import content_of, digest, lines_of, obstacle_of

    versions = [work.versions() for work in changing]
    contents = [
        content_of(work.plan, work.request, one, getattr(work.task.driver, "where", ""), work.permit.deleted)
        for work, one in zip(changing, versions)
    ]
    for work, content in zip(changing, contents):
        work.digest = approval.digest_of([content]) if is_each else digest(content)
    shown = [(work.name, lines_of(work.plan, work.task.traits.defaults)) for work in changing]
    obstacle = next(filter(None, (obstacle_of(work.plan, one) for work, one in zip(changing, versions))), "")
    try:
        approval.permit(contents, shown, obstacle)
    except PolyvirtError as error:
        changing[0].plan = changing[0].refused(changing[0].labelled(error.message), error.remedy)


def _prepare(tasks, works, is_each):
    """Compare the plans with each other, and let the drivers check what they need from the host.

    A plan that would fail half-way is rejected. A task without changes saves the time of the import.
    """
    from .conflicts import compare_plans

    if len(tasks) > 1:
        from .places import find_places

        find_places(tasks)
    for work in compare_plans(works):
        if work.plan.changed:
            if is_each:  # What one VM would take is there for the next one, too.
                work.task.driver.space = type(work.task.driver.space)()
            work.task.preflight(work)


def _execute(works, is_limited):
    """Carry out the plans and wait for guests; a task without changes saves the time of the imports."""
    works = [work for work in works if work.plan.changed or work.request.awaits(work.found)]
    if not works:
        return
    from .execute import Execution
    from .progress.advance import begin

    for work in works:
        task = work.task
        progress = begin(work.request, task.traits, work.plan, task.patience(work), task.clock.now())
        work.progress = replace(progress, is_limited=is_limited)
    Execution(works).run()
    for work in works:
        work.plan = work.progress.plan  # It may have been planned again.


class Task:
    """The works of one driver, with clock and probe."""

    def __init__(self, driver, requests, clock, probe):
        self.driver, self.clock, self.probe = driver, clock, probe
        self.observer = Observer(driver)
        self.traits = self.observer.traits
        self.works = []
        self.add(requests)
        self._began = clock.now()

    @cached_property
    def claims(self):
        """How the platform identifies what VMs share. Imported by the first use: a task without changes has none."""
        return getattr(self.driver, "claims", None)

    def add(self, requests, is_pruned=False):
        """Add VMs; must be called before ``plan``."""
        added = [Work(request, self, is_pruned=is_pruned) for request in requests]
        self.works += added
        return added

    def patience(self, work):
        return max(work.request.policy.timeout - (self.clock.now() - self._began), 0)

    # Planning ---------------------------------------------------------------------------------------------------------

    def plan(self, check=False):
        """Plan all VMs; those that are busy are planned again until they are not."""
        self._expect_creations()
        waiting, pause = self.works, FIRST_PAUSE
        while waiting:
            self._observe_and_plan(waiting, check)
            waiting = [work for work in waiting if work.plan.busy]
            patience = min((self.patience(work) for work in waiting), default=0)
            if waiting and patience <= 0:
                _refuse_busy(waiting, self.traits)
                break
            if waiting:
                self.clock.sleep(max(min(pause, patience), SHORTEST_PAUSE))
                pause = min(pause * 1.5, LONGEST_PAUSE)

    def _expect_creations(self):
        """Pass plans of VMs that may not exist yet to the driver, except clones: their plans depend on the source."""
        if not hasattr(self.driver, "expect"):
            return
        named = [work.request for work in self.works if work.request.name and "clone" not in work.request.creation]
        plans = [plan(Vm.absent(one.name), one, self.traits) for one in named]
        if any(one.changed for one in plans):
            self.driver.expect([one for one in plans if one.changed])

    def _observe_and_plan(self, works, check):
        facets = planning_facets([work.request for work in works], self.traits, check)
        observation = self.observer.observe([work.target for work in works], facets)
        self._known = observation.known
        observed = {id(work): one for work, one in zip(works, self.observer.observed_in(observation, works, facets))}
        for work in works:
            work.found = observed[id(work)].vm
        clones = {self._source_of(work) for work in works if order.source_of(work)}
        self._sources = self.observer.sources(clones) if clones else {}
        for work in works:
            error = observed[id(work)].error
            work.plan = work.refused(str(error)) if error else self.planned(work)
            self._resolve_image(work)
        if disturbing := [work for work in works if work.found.on and work.plan.steps and disturbs_jobs(work.plan)]:
            self._plan_around_jobs(disturbing)

    def _plan_around_jobs(self, works):
        """Plan VMs again on which a job runs that their plans would disturb: they are busy. A no-op reads no jobs."""
        jobs = self.observer.jobs([work.found for work in works])
        for work in (one for one in works if one.found.id in jobs):
            job = jobs[work.found.id]
            if isinstance(job, PolyvirtError):
                work.plan = work.refused(work.labelled(job.message), job.remedy)
            else:
                work.found = work.found.having(busy=job)
                work.plan = self.planned(work)

    def _source_of(self, work):
        """Return which source a clone has: its name, and the settings in which several VMs with that name differ."""
        settings = work.request.config
        near = tuple((name, settings[name]) for name in sorted(self.traits.source_near) if settings.get(name))
        return order.source_of(work), near

    def _resolve_image(self, work):
        """Plan a creation again with the files that its image or appliance is on this host."""
        if not (hasattr(self.driver, "resolve_image") and work.plan.steps and has_unread_source(work.plan)):
            return
        try:
            resolved = self.driver.resolve_image(work.request)
        except PolyvirtError as error:
            work.plan = work.refused(work.labelled(error.message), error.remedy)
            return
        if resolved is not work.request:
            work.request = resolved
            work.plan = self.planned(work)

    def planned(self, work, found=None):
        """Return the plan of a work, for the VM as it is, or as ``found``; a changed source is as planned."""
        source = self._sources.get(self._source_of(work)) if self._sources else None
        if work.source is not None:
            source = work.source.plan.after.having(id=work.source.plan.before.id)
        return plan(found or work.found, work.request, self.traits, self._known, source)

    def check_clocks(self):
        """Reject the plans that depend on the clock of the controller if that of the host is another one."""
        for work in (one for one in self.works if one.plan.changed and timed_by(one.request, one.plan)):
            try:
                vm = work.found if work.found.id else work.plan.after
                host = self._host_time(vm) - (self.clock.now() - self._began)
                check_clocks(timed_by(work.request, work.plan), host, work.request.policy.controller_time)
            except PolyvirtError as error:
                work.plan = work.refused(work.labelled(error.message), error.remedy)

    def _host_time(self, vm):
        """Return the time of the host of a VM; that of this process if it is not known, or if it runs there."""
        reported = read_time(self.driver.host_time(vm)) if hasattr(self.driver, "host_time") else None
        return epoch() if reported is None else reported

    def read_ahead(self):
        plans = [work.plan for work in self.works if work.plan.changed]
        if plans and hasattr(self.driver, "read_ahead"):
            self.driver.read_ahead(plans)

    def preflight(self, work):
        """Let the driver check what a plan needs from the host; what no other VM can change is reported first."""
        error = None
        try:
            self.observer.warnings += self.driver.preflight(work.plan, work.released) or ()
            if hasattr(self.driver, "with_choices"):
                work.plan = self.driver.with_choices(work.plan)
            if work.request.awaits(work.plan.after) and hasattr(self.driver, "check_wait"):
                self.driver.check_wait(work.plan, work.request.policy.wait_for)
        except PolyvirtError as found:
            error = found
        if work.conflict is not None and not isinstance(error, (NotFound, Unsupported)):
            work.plan = work.refused(*work.conflict)
        elif error is not None:
            work.plan = work.refused(work.labelled(error.message), error.remedy)

    # Results ----------------------------------------------------------------------------------------------------------

    def outcome(self, predicted):
        """Return the Outcome: what a run would do (``predicted``) or what was done (nothing if a plan was rejected)."""
        vms = [self._entry(work, predicted) for work in self.works]
        changed = [work for work in self.works if (work.plan.changed if predicted else work.changed)]
        diffs = [difference(work.plan) if predicted else work.difference for work in changed]
        errors = [work for work in self.works if work.error]
        ends = [(self._end(work, predicted), work.request, work.plan) for work in self.works if not work.error]
        warnings = [text for end in ends for text in warnings_about(*end)]
        warnings += [text for work in self.works if work.plan.changed for text in warnings_of(work.request.creation)]
        warnings += [one for work in self.works if work.progress for one in (_crashed(work), work.progress.warning)]
        return Outcome(
            vms=vms,
            diff=[one for one in diffs if one],
            changed=bool(changed),
            failed=bool(errors),
            msg="\n".join(work.labelled(str(work.error)) for work in errors),
            warnings=[*self.observer.warnings, *filter(None, warnings)],
            trace="\n".join(filter(None, (getattr(work.error, "trace", "") for work in errors))),
        )

    def _end(self, work, predicted):
        if not predicted or not work.plan.changed:
            return work.vm
        planned_id = work.request.id if work.plan.after.power != ABSENT else None
        return work.plan.after.having(id=work.plan.before.id or planned_id)

    def _entry(self, work, predicted):
        progress = work.progress
        done = range(len(work.plan.steps)) if predicted else progress.completed if progress else ()
        changed = work.plan.changed if predicted else work.changed
        notes = progress.notes if progress else {}
        end, platform = self._end(work, predicted), self.traits.platform
        found = entry(end, platform, work.plan, done, work.error, notes, changed, work.digest, work.permit.deleted)
        return {**found, "backups": listed_backups(end, work.request.backup)} if work.request.backup else found


def _crashed(work):
    """Return the warning about a guest that crashed during its shutdown, or an empty string."""
    from .progress.waiting import CRASHED

    return f"{work.name}: {CRASHED}; see its logs." if CRASHED in work.progress.notes.values() else ""


def _refuse_busy(works, traits):
    for work in works:
        seconds = work.request.policy.timeout
        message = f"{work.found.name}: it is still busy ({work.plan.busy}) after {seconds} seconds."
        work.plan = work.refused(message, traits.instead.get("busy", "Wait for it to finish, or raise timeout."))
