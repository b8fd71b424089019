# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words to a guest by SSH."""

from __future__ import annotations

import subprocess

_OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")


class Key:
    """A fresh key, and what is reached with it."""

    def __init__(self, folder):
        self._path = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._path], check=True)

    @property
    def seed(self):
        """Options of a machine whose guest lets the key in."""
        return {
            "cloud_init": {"user": "root", "ssh_authorized_keys": [self._path.with_suffix(".pub").read_text().strip()]}
        }

    def say(self, address, command):
        """What a command says in the guest."""
        options = [word for option in _OPTIONS for word in ("-o", option)]
        done = subprocess.run(
            ["ssh", "-i", self._path, *options, f"root@{address}", command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
