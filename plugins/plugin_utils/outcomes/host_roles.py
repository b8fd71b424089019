# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the roles that prepare a host have ended, on each host. Pure."""

from __future__ import annotations

from ...module_utils._core.frozen import Mutable
from .records import HOST_FAILED, PREPARED, record

#: {role: platform}
ROLES = {
    "polyvirt.core.hyperv_host": "hyperv",
    "polyvirt.core.libvirt_host": "libvirt",
    "polyvirt.core.vmm_host": "vmd",
    "polyvirt.core.wsl_host": "wsl",
}


class _Running(Mutable):
    role: str
    context: dict
    changed: bool = False
    has_failed: bool = False


class HostRoles:
    """Each method returns the records that follow."""

    def __init__(self):
        self._running = {}

    def started(self, host, role):
        """A task of ``role`` (None: of no role) starts on a host. So another role has ended there."""
        running = self._running.get(host)
        return self._end(host) if running is not None and running.role != role else []

    def done(self, host, role, changed, context):
        """A task of a role has ended on a host without an error."""
        self._of(host, role, context).changed |= changed
        return []

    def failed(self, host, role, changed, message, context):
        """A task of a role has failed on a host: the role ends there."""
        running = self._of(host, role, context)
        running.changed |= changed
        if running.has_failed:
            return []
        running.has_failed = True
        return [_ended(running, HOST_FAILED, message)]

    def ended(self):
        """The play has ended."""
        return [one for host in list(self._running) for one in self._end(host)]

    def _of(self, host, role, context):
        running = self._running.setdefault(host, _Running(role, context))
        running.context = context
        return running

    def _end(self, host):
        running = self._running.pop(host)
        # In check mode, nothing was prepared.
        is_over = running.has_failed or running.context["check"]
        return [] if is_over else [_ended(running, PREPARED)]


def _ended(running, event, message=""):
    about = {"role": running.role.rpartition(".")[2], "platform": ROLES[running.role]}
    return record(event, {**running.context, **about, "changed": running.changed, "message": message})
