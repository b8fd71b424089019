# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH server on loopback, by which a play connects to this host as to any other."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from suite.limits import wait_until

_USER = "polyvirt-test"


@contextmanager
def sshd(folder, password=None):
    """The keywords of a play that connects to the server, which runs until the end of the context.

    With a ``password``, the play has no key. Only for a world: the user, who is root by another name, exists in the
    world's own /etc/passwd.
    """
    home, key, port = Path(folder) / "home", Path(folder) / "key", _free_port()
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shutil.copy(f"{key}.pub", home / ".ssh" / "authorized_keys")
    host_key = ["dropbearkey", "-t", "ed25519", "-f", home / "host_key"]
    subprocess.run(host_key, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with _user_with(home, folder, password):
        # -e: sessions have the environment of the tests, which names the doubles. -s: no passwords.
        logins = ["-s"] if password is None else []
        words = ["dropbear", "-F", "-E", "-e", *logins, "-r", home / "host_key", "-p", f"127.0.0.1:{port}"]
        with (Path(folder) / "sshd.log").open("wb") as log, subprocess.Popen(words, stderr=log) as server:
            try:
                wait_until(lambda: _answers(port), lambda: "an SSH server on loopback", pause=0.1)
                yield _play_keywords(port, key, password)
            finally:
                server.terminate()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _user_with(home, folder, password):
    users = Path(folder) / "passwd"
    hashed = "x" if password is None else _hash(password)
    users.write_text(Path("/etc/passwd").read_text() + f"{_USER}:{hashed}:0:0::{home}:/bin/sh\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", users, "/etc/passwd"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "/etc/passwd"], check=True)


def _hash(password):
    words = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(words, input=password, capture_output=True, text=True, check=True).stdout.strip()


def _play_keywords(port, key, password):
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    return {
        "connection": "ssh",
        "remote_user": _USER,
        "environment": {"HOME": os.environ["HOME"]},
        "vars": {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            **({"ansible_password": password} if password else {"ansible_ssh_private_key_file": str(key)}),
            "ansible_ssh_common_args": options,
        },
    }
