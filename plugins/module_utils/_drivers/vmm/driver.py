# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd's translation: what the core requests, in terms of vm.conf and vmctl. It neither waits nor decides."""

from __future__ import annotations

import os

from ..._lifecycle.errors import PolyvirtError, SomeFailed
from ..._lifecycle.model import POWER_VERBS
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import files, writes
from ..._tools.vmctl import Busy
from .reader import VmmReader, connected


def make_driver(params):
    """The driver for the parameters of ``vmm_vm``."""
    return connected(VmmDriver, params)


class VmmDriver(VmmReader):
    """The vmd of this host, for one task."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        #: The edit of vm.conf that the steps of a batch share.
        self.edit = None
        #: {name: block} as this task has written them.
        self.written = {}
        #: Names of the VMs that this task has begun to create: a step may be sent twice.
        self.begun = set()

    def lane(self, _vm):
        """All VMs share vm.conf, and vmd reads all of it at once."""
        return self.config_file

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        """All changes of vm.conf in one edit that vmd reads once; then the power steps of each VM."""
        with files.held(os.path.dirname(self.config_file)) as free:
            if not free:
                raise Busy(["vmctl"], 1, "held", f"Another task is changing {self.config_file}.")
            return _InTwoPhases(self, batch).run()


class _InTwoPhases:
    """A batch of (VM, steps): only the first step of a VM changes vm.conf, because each such end must be seen."""

    def __init__(self, driver, batch):
        self._driver, self._batch = driver, batch
        self._errors, self._wrote = {}, dict.fromkeys(range(len(batch)), False)

    def run(self):
        first = {place: [steps[0]] for place, (_vm, steps) in enumerate(self._batch) if _file_of(steps[0].verb)}
        if first:
            self._edit(first)
        rest = {place: steps[len(first.get(place, ())) :] for place, (_vm, steps) in enumerate(self._batch)}
        self._carry_out({place: steps for place, steps in rest.items() if place not in self._errors}, done=first)
        if not self._errors:
            return list(self._wrote.values())
        if len(self._batch) == 1:
            raise self._errors[0]
        raise SomeFailed(self._errors, self._wrote)

    def _edit(self, first):
        from .edit import Edit
        from .settings.disks import new_files

        edit = self._driver.edit = Edit(self._driver, starting=self._starting())
        edit.announce(new_files(self._driver, [(self._batch[place][0], steps[0]) for place, steps in first.items()]))
        self._carry_out(first, done={})
        staged = [place for place in first if place not in self._errors]
        for place, error in self._errors.items():
            edit.withdraw(self._name(place))
            error.wrote = self._wrote[place] = self._name(place) in edit.lasting
        try:
            edit.commit()
        except PolyvirtError as error:
            error.steps_done, error.wrote = 0, not edit.is_undone or bool(edit.lasting)
            for place in staged:
                self._errors[place], self._wrote[place] = error, error.wrote
        else:
            self._wrote.update(dict.fromkeys(staged, True))

    def _name(self, place):
        return self._batch[place][0].name

    def _starting(self):
        """Names of the VMs that this batch starts: vmd may do so when it reads vm.conf."""
        return {vm.name for vm, steps in self._batch if any(step.verb == "start" for step in steps)}

    def _carry_out(self, steps_of, done):
        places = [place for place, steps in steps_of.items() if steps]
        batch = [(self._batch[place][0], steps_of[place]) for place in places]
        try:
            wrote = dict(enumerate(one_by_one(self._call, batch, writes.count))) if batch else {}
        except SomeFailed as error:
            wrote, failed = error.wrote, error.by_index
        except PolyvirtError as error:
            wrote, failed = {0: error.wrote}, {0: error}
        else:
            failed = {}
        for number, place in enumerate(places):
            self._wrote[place] = self._wrote[place] or wrote.get(number)
            if number in failed:
                failed[number].steps_done += len(done.get(place, ()))
                failed[number].wrote = self._wrote[place]
                self._errors[place] = failed[number]

    def _call(self, vm, step):
        file = _file_of(step.verb) or _power()
        getattr(file, step.verb)(self._driver, vm, step)


def _power():
    from . import power as file

    return file


def _file_of(verb):
    """The file with the function for a verb that changes vm.conf; None for a verb that does not."""
    if verb in POWER_VERBS:
        return None
    if verb == "configure":
        from . import configure as file
    elif verb == "delete":
        from . import delete as file
    else:
        from . import create as file
    return file
