# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: the driver, which translates the steps of the core into changes of vm.conf and calls of vmctl."""

from __future__ import annotations

import os
from functools import cached_property, partial

from ..._core.errors import PolyvirtError, SomeFailed
from ..._core.verbs import POWER_VERBS
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.one_by_one import one_by_one
from ..._media import on_host
from ..._ports import change_counter, files, permits
from ..._tools.vmctl import Busy
from .observe import VmmObserver, connected
from .options import STORAGE

#: Verbs that change no lines of vm.conf.
_APART = POWER_VERBS | {"fetch"}


def make_driver(params):
    """Return the driver for the parameters of ``vmm_vm``."""
    return connected(VmmDriver, params)


class VmmDriver(on_host.KeepsImages, ForChanges, VmmObserver):
    """vmd on this host, for one task."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        #: The edit of vm.conf that the steps of a batch share.
        self.edit = None
        #: Paths of the files that this task has created.
        self.created = set()
        #: {name: text of its block in vm.conf} as this task has written them.
        self.written = {}

    @cached_property
    def claims(self):
        from .claims import VmmClaims

        return VmmClaims(self)

    @property
    def default_image_directory(self):
        return os.path.join(STORAGE, "polyvirt")

    def images_in(self, directory):
        from .images import VmdImages

        return VmdImages(directory, self)

    def lane(self, _vm):
        """Return the same lane for all VMs: they share vm.conf, which vmd reads as a whole."""
        return self.config_file

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way, or return warnings; only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        return check_all(GUARDS, self, plan, released)

    def apply(self, batch):
        """Make all changes of vm.conf in one edit, which vmd reads once; then carry out the other steps of each VM."""
        if all(step.verb == "fetch" for _vm, steps, _permit in batch for step in steps):
            # It may take minutes, and needs no lock.
            return one_by_one(partial(carry_out, self), batch, change_counter.count, permits.granted)
        with files.held(os.path.dirname(self.config_file)) as is_locked:
            if not is_locked:
                raise Busy(["vmctl"], 1, "held", f"Another task is changing {self.config_file}.")
            return _InTwoPhases(self, batch).run()

    @cached_property
    def verbs(self):
        """Return the functions for the steps of plans."""
        from . import configure, create, power

        return functions_of(power, create, configure, on_host)


class _InTwoPhases:
    """A batch of (VM, steps, Permit). Only the first step of a VM can change vm.conf: the core observes after each."""

    def __init__(self, driver, batch):
        self._driver, self._batch = driver, batch
        self._errors, self._wrote = {}, dict.fromkeys(range(len(batch)), False)

    def run(self):
        first = {
            index: [steps[0]] for index, (_vm, steps, _permit) in enumerate(self._batch) if steps[0].verb not in _APART
        }
        if first:
            self._edit(first)
        rest = {index: steps[len(first.get(index, ())) :] for index, (_vm, steps, _permit) in enumerate(self._batch)}
        self._carry_out({index: steps for index, steps in rest.items() if index not in self._errors}, done=first)
        if not self._errors:
            return list(self._wrote.values())
        if len(self._batch) == 1:
            raise self._errors[0]
        raise SomeFailed(self._errors, self._wrote)

    def _edit(self, first):
        from .edit import Edit
        from .settings.disks import new_files

        edit = self._driver.edit = Edit(self._driver, starting=self._starting())
        edit.announce(new_files(self._driver, [(self._batch[index][0], steps[0]) for index, steps in first.items()]))
        self._carry_out(first, done={})
        staged = [index for index in first if index not in self._errors]
        for index, error in self._errors.items():
            edit.withdraw(self._name(index))
            error.wrote = self._wrote[index] = self._name(index) in edit.not_undoable
        try:
            with permits.granted(*(self._batch[index][2] for index in staged)):
                edit.commit()
        except PolyvirtError as error:
            error.steps_done, error.wrote = 0, not edit.is_undone or bool(edit.not_undoable)
            for index in staged:
                self._errors[index], self._wrote[index] = error, error.wrote
        else:
            self._wrote.update(dict.fromkeys(staged, True))

    def _name(self, index):
        return self._batch[index][0].name

    def _starting(self):
        """Return the names of the VMs that this batch starts; vmd may start them when it reads vm.conf."""
        return {vm.name for vm, steps, _permit in self._batch if any(step.verb == "start" for step in steps)}

    def _carry_out(self, steps_of, done):
        """Carry out {index in the batch: steps}, and record errors; ``done`` are the steps before these."""
        indexes = [index for index, steps in steps_of.items() if steps]
        batch = [(self._batch[index][0], steps_of[index], self._batch[index][2]) for index in indexes]
        run = partial(carry_out, self._driver)
        try:
            wrote = dict(enumerate(one_by_one(run, batch, change_counter.count, permits.granted) if batch else ()))
        except SomeFailed as error:
            wrote, failed = error.wrote, error.by_index
        except PolyvirtError as error:
            wrote, failed = {0: error.wrote}, {0: error}
        else:
            failed = {}
        for number, index in enumerate(indexes):
            self._wrote[index] = self._wrote[index] or wrote.get(number)
            if number in failed:
                failed[number].steps_done += len(done.get(index, ()))
                failed[number].wrote = self._wrote[index]
                self._errors[index] = failed[number]
