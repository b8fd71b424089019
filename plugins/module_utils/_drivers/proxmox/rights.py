# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges of the account of a task, as the server reports them."""

from __future__ import annotations

from ..._lifecycle.errors import Refused

_OF_VMS = ("/vms", "/pool")
SEE = "VM.Audit"


class Rights:
    """Asks once for all paths, and once more for a single path where that leaves a doubt."""

    def __init__(self, tool):
        self._tool = tool
        self._known = None
        self._asked = {}

    @property
    def known(self):
        """{path: {privilege: whether it holds for the paths below, too}}; paths without any are missing."""
        if self._known is None:
            self._known = self._tool.get("/access/permissions")
        return self._known

    @property
    def sees_vms(self):
        """Whether there is any VM that the account could see."""
        return any(SEE in held and _reaches_vms(path, held[SEE]) for path, held in self.known.items())

    def has(self, path, privilege, is_visible=True):
        """``is_visible``: the account sees what is at ``path``, so it has a privilege there.

        Then a path that is not in ``known`` has no rights of its own. Of others, the role NoAccess may be the reason.
        """
        if privilege in self.known.get(path, ()):
            return True
        above = next((one for one in _above(path) if one in self.known), None)
        if is_visible and path not in self.known and above and self.known[above].get(privilege):
            return True
        if path not in self._asked:
            self._asked[path] = self._tool.get("/access/permissions", path=path).get(path) or {}
        return privilege in self._asked[path]

    def check(self, label, path, *privileges, is_visible=True):
        """Raise Refused if none of ``privileges`` is held on ``path``."""
        if not any(self.has(path, privilege, is_visible) for privilege in privileges):
            raise Refused(
                f"{label}: {self._tool.api.who} lacks the privilege {' or '.join(privileges)} on {path}.",
                remedy_on(path),
            )


def _reaches_vms(path, propagates):
    """Whether a privilege on ``path`` is one on VMs: above them it must hold for the paths below, too."""
    return propagates if path in ("/", *_OF_VMS) else path.startswith(_OF_VMS)


def _above(path):
    """The paths above one, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def remedy_on(path):
    return (
        f"Give it a role that has it: pveum acl modify {path}; a token needs it beside its user, unless it was created"
        " without privilege separation."
    )


def blind(who):
    """(message, remedy) where an account sees no VM at all, so that nobody knows which exist."""
    return (
        f"{who} sees no VM: it has the privilege {SEE} nowhere, so an existing VM looks like a missing one.",
        "Give it a role with VM.Audit: pveum acl modify /vms; a token with privilege separation needs its own role.",
    )
