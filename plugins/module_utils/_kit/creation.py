# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The creation of a VM: begun once, completed or undone, also if the step is sent twice or others use the name. Pure.

A driver calls these in this order. What it does itself is only what its platform needs.

1. ``Creations.is_complete``: the step was sent before, and only its answer was lost. Nothing is left to do.
2. It looks for an unfinished VM (``is_unfinished`` in ``_core/record/mark.py``) with this name, which a killed task has
   left, and completes or removes it. Otherwise it begins a VM, with an unfinished mark that lists the files to create.
3. ``Creations.record`` records the id of that VM.
4. ``undone_on_failure``, or ``undone_in_rounds`` for steps that are generators: an error removes what was created.
5. It writes the finished mark as the last call, so that the VM counts as complete from then on.

``CreatedMeanwhile`` is raised as soon as there is a finished VM with this name that this task has not begun.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress

from .._core.errors import CreatedMeanwhile, PolyvirtError, unexpected


class Creations:
    """The VMs that one task creates: {name: id}. On some platforms the id of a VM is its name."""

    def __init__(self):
        self._ids = {}

    def record(self, name, vm_id):
        """Record the id of the VM that this task creates with this name, and return it."""
        self._ids[name] = vm_id
        return vm_id

    def id_of(self, name):
        return self._ids.get(name)

    def is_complete(self, name, is_finished):
        """Return whether an earlier attempt of this task has completed the VM; ``is_finished(id)`` reads whether a VM
        is complete."""
        return name in self._ids and bool(is_finished(self._ids[name]))

    def check_own(self, name, vm_id):
        """Raise CreatedMeanwhile unless the VM with this name and id is the one that this task has begun."""
        if self._ids.get(name) != vm_id:
            raise CreatedMeanwhile(name)


@contextmanager
def undone_on_failure(undo, *doubtful):
    """If the block fails, call ``undo(error)``; not for errors of the classes ``doubtful``.

    Such an error leaves open what was done, or the platform is only busy: the step is sent again. ``undo`` can return
    the error to raise instead of the first one. If it fails itself, the next task removes or completes what is left.
    """
    try:
        yield
    except doubtful:
        raise
    except Exception as error:
        better = None
        with suppress(PolyvirtError):
            better = undo(_shown(error))
        if better is None:
            raise
        raise better from error


def undone_in_rounds(step, undo, *doubtful):
    """Carry out ``step``, a generator of calls; ``undo(error)`` is one too. Otherwise as ``undone_on_failure``."""
    try:
        return (yield from step)
    except doubtful:
        raise
    except Exception as error:
        better = None
        with suppress(PolyvirtError):
            better = yield from undo(_shown(error))
        if better is None:
            raise
        raise better from error


def _shown(error):
    return error if isinstance(error, PolyvirtError) else unexpected(error)
