# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Press a key each second after a start: media of Windows wait some seconds for one, and then start nothing. Pure.

It ends when the VM has written to a disk: a later key could answer a question of Windows Setup.
"""

from __future__ import annotations

from ..._core.frozen import replace
from ..._core.model import RUNNING, is_written
from ..._core.planner.drives import BOOT_KEYS
from .ending import fail
from .guests import wait_or_finish
from .state import CREATING, KEYS, Observe, Press

FACETS = frozenset({"power", "config", "counters"})
PAUSE = 1.0
#: Options that create a VM with a system on its disk.
_CONTENTS = ("image", "clone", "appliance")


def _seconds(progress):
    """Return for how many seconds the task presses keys; 0: not at all."""
    return max((step.arguments.get(BOOT_KEYS, 0) for step in progress.plan.steps if step.verb == "start"), default=0)


def after_last_step(progress):
    """Press keys if the task has started the VM with them; then wait for the guest, or finish."""
    if not _seconds(progress) or progress.error is not None:
        return wait_or_finish(progress)
    return replace(progress, phase=KEYS, wish=Observe(FACETS), due=progress.at, since=progress.at, last_error=None)


def while_pressing(progress, _event):
    """Press the next key, unless the time is over or the VM may have written to a disk."""
    if progress.vm.power != RUNNING:
        return wait_or_finish(progress)
    if progress.last_error is not None:
        return fail(progress, progress.last_error)
    used = progress.vm.counters.disk_used
    first = used if progress.disk_used is None else progress.disk_used
    reason = _reason_to_end(progress, first, used)
    if not reason:
        return replace(progress, wish=Press(), due=progress.at, disk_used=first, is_key_pressed=True)
    if not progress.is_key_pressed:
        advice = "If its console asks for a key, press one there."
        warning = f"{progress.label}: {BOOT_KEYS}: no key was pressed, because {reason}. {advice}"
        progress = replace(progress, warning=warning)
    return wait_or_finish(progress)


def _reason_to_end(progress, first, used):
    """Return why no (other) key is pressed, or an empty string."""
    if progress.at - progress.since >= _seconds(progress) or progress.patience <= 0:
        return "the time was over"
    # Where it is not known what the disks contain, only those of a new VM are certain to be empty.
    if used is None:
        return "" if progress.created else "it is not known what the disks contain"
    # Nothing was installed on new disks, although some take all of their space from the start.
    has_begun = used != first if _is_new_without_content(progress) else is_written(first, used)
    return "its disks use more than 64 MiB, so an installation may have begun" if has_begun else ""


def _is_new_without_content(progress):
    """Whether this task has created the VM without a system: disks that it attaches are those of data."""
    verbs = {step.verb for step in progress.plan.steps}
    has_content = any(progress.request.creation.get(one) for one in _CONTENTS)
    return progress.created and CREATING & verbs == {"create"} and "delete" not in verbs and not has_content


def after_key(progress, event):
    """Observe the VM again, also after an error: it may have stopped meanwhile."""
    is_lasting = event.error is not None and not progress.traits.transient(event.error)
    pause = 0 if is_lasting else PAUSE
    last_error = event.error if is_lasting else None
    return replace(progress, wish=Observe(FACETS), due=progress.at + pause, last_error=last_error)
