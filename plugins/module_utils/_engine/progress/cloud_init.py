# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the end of cloud-init, which the agent in the guest reports. Pure."""

from __future__ import annotations

from ..._core.errors import PolyvirtError, Refused, Timeout
from ..._core.frozen import replace
from ..._core.options.cloud_init import RUNNING, problem_of, status_of, warning_of
from .ending import fail, finish
from .state import POWER_ONLY, Observe

#: Seconds between two questions.
PAUSE = 2.0


def after_answer(progress, event):
    """Decide by what cloud-init reports. An agent that does not answer is waited for, but not until the end."""
    if event.error is not None:
        return _without_answer(progress, event.error)
    found = status_of(event.rc, event.stdout)
    progress = replace(progress, since=progress.at)
    if found.state == RUNNING:
        return _ask_later(progress) if progress.patience > 0 else fail(progress, _still_running(progress, found))
    problem = problem_of(found, progress.label)
    if problem is not None:
        return fail(progress, problem)
    return finish(replace(progress, warning=warning_of(found, progress.label)))


def _ask_later(progress):
    return replace(progress, wish=Observe(POWER_ONLY), due=progress.at + min(PAUSE, progress.patience))


def _without_answer(progress, error):
    if isinstance(error, Refused):
        error = PolyvirtError(
            f"{progress.label}: {error.message}",
            f"{error.remedy or ''} Or wait for SSH (wait_for: ssh); the playbook polyvirt.core.provision then asks"
            " cloud-init.",
        )
        return fail(progress, error)
    # cloud-init may install the agent, and may restart the guest.
    longest = progress.policy.timeout / 2
    if progress.at - progress.since < longest and progress.patience > 0:
        return _ask_later(progress)
    return fail(progress, _no_agent(progress, error))


def _no_agent(progress, error):
    seconds = round(progress.at - progress.since)
    return Timeout(
        f"{progress.label}: the end of cloud-init is not known, because no guest agent answered for {seconds} s:"
        f" {error.message.rstrip('.')}.",
        seconds,
        "Use an image with qemu-guest-agent, or let cloud-init install it (user_data with packages:"
        " [qemu-guest-agent]) and raise timeout if that takes longer. Or wait for SSH (wait_for: ssh); the playbook"
        " polyvirt.core.provision then asks cloud-init.",
    )


def _still_running(progress, found):
    stage = f" (stage {found.stage})" if found.stage else ""
    seconds = progress.policy.timeout
    return Timeout(
        f"{progress.label}: cloud-init is still running after {seconds} s{stage}.",
        seconds,
        "Raise timeout, or see /var/log/cloud-init-output.log in the guest.",
    )
