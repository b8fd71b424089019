# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This world as a host with an address, and a second host beside it (``second_host``); root logs in by SSH."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from suite.limits import scaled, wait_until

_OPTIONS = "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nBatchMode yes\n"


@contextmanager
def reachable(folder, *addresses, environment=(), users=("root",)):
    """Give this world the ``addresses``, and a server for each, whose sessions have the ``environment``, too.

    All ``users`` are root by another name.
    """
    with _home(folder, users) as home, _addresses(addresses):
        servers = [_server(home, address, environment) for address in addresses]
        try:
            for address in addresses:
                wait_for_ssh(address)
            yield
        finally:
            for server in servers:
                server.terminate()
                server.wait()


@contextmanager
def second_host(folder, own, other):
    """Start a second host at the address ``own``; its cable gives this world the address ``other``.

    Only within ``reachable``, whose keys it has.
    """
    words = [Path(__file__).with_name("second_host"), own, other, *_dropbear(Path(folder) / "root", own)]
    with (Path(folder) / "second.log").open("wb") as log, subprocess.Popen(words, stderr=log) as host:
        try:
            wait_for_ssh(own)
            yield
        finally:
            host.kill()


def wait_for_ssh(address):
    wait_until(lambda: _call(address, "true").returncode == 0, f"SSH answers at {address}", pause=0.3)


def on(address, command):
    """The output of a command on a host."""
    done = _call(address, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _call(address, command):
    words = ["ssh", "-o", "ConnectTimeout=5", f"root@{address}", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=scaled(120), check=False)


@contextmanager
def _home(folder, users):
    """A home directory for root, with a key that opens it. OpenSSH takes it from /etc/passwd, never from HOME."""
    home, accounts = Path(folder) / "root", Path(folder) / "accounts"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = home / ".ssh/id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (home / ".ssh/authorized_keys").write_text(key.with_suffix(".pub").read_text())
    (home / ".ssh/config").write_text(_OPTIONS)
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", home / "host_key"], check=True, capture_output=True)
    others = [one for one in Path("/etc/passwd").read_text().splitlines() if one.split(":")[0] not in users]
    accounts.write_text("".join(f"{one}\n" for one in [*(f"{user}:x:0:0::{home}:/bin/sh" for user in users), *others]))
    subprocess.run(["mount", "--bind", accounts, "/etc/passwd"], check=True)
    try:
        yield home
    finally:
        subprocess.run(["umount", "/etc/passwd"], check=True)


@contextmanager
def _addresses(addresses):
    for address in addresses:
        subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
    try:
        yield
    finally:
        for address in addresses:
            subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True)


def _dropbear(home, address):
    return ["dropbear", "-F", "-E", "-e", "-s", "-r", str(home / "host_key"), "-p", f"{address}:22"]


def _server(home, address, environment):
    around = {**os.environ, **dict(environment)}
    with (home / f"{address}.log").open("wb") as log:
        return subprocess.Popen(_dropbear(home, address), stderr=log, env=around)
