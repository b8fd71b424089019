# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands in a guest by SSH."""

from __future__ import annotations

import subprocess

from suite.limits import scaled, wait_until

_OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
#: ssh's own exit code for a connection that failed.
_NOT_CONNECTED = 255


class Key:
    """A new SSH key in the file ``path``, and commands in guests that accept it."""

    def __init__(self, folder):
        self.path = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path], check=True)

    @property
    def seed(self):
        """Options of a VM with a guest that accepts the key."""
        return {
            "cloud_init": {"user": "root", "ssh_authorized_keys": [self.path.with_suffix(".pub").read_text().strip()]}
        }

    def say(self, address, command, user="root"):
        """What a command says in the guest.

        A guest's server drops connections while too many are not authenticated yet (dropbear: five of one address), and
        on a slow guest those that only read its banner are among them for a while.
        """
        tried = []

        def is_connected():
            tried.append(self._try(address, command, user))
            return tried[-1].returncode != _NOT_CONNECTED

        wait_until(is_connected, lambda: f"a connection to {address}: {tried[-1].stderr}", pause=0.5)
        assert tried[-1].returncode == 0, tried[-1].stderr
        return tried[-1].stdout

    def _try(self, address, command, user):
        options = [word for option in _OPTIONS for word in ("-o", option)]
        return subprocess.run(
            ["ssh", "-i", self.path, *options, f"{user}@{address}", command],
            capture_output=True,
            text=True,
            timeout=scaled(60),
            check=False,
        )
