# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check from outside whether a guest answers."""

from __future__ import annotations

import socket
import time

_MAX_BANNER_BYTES = 4096


def ssh_banner(host, port=22, timeout=3.0):
    """Return the banner of an SSH server, such as ``SSH-2.0-OpenSSH_9.2``; None if there is none in time.

    An address or an open port does not prove that the guest has booted: addresses may be old, and a forwarded port is
    always open.
    """
    try:
        deadline = time.monotonic() + timeout
        with socket.create_connection((host, port), timeout) as connection:
            return _read_banner(connection, deadline)
    except (OSError, ValueError, OverflowError):  # The last two: an invalid host or port.
        return None


def _read_banner(connection, deadline):
    received = b""
    while len(received) < _MAX_BANNER_BYTES:
        # RFC 4253 allows other lines before the banner.
        for line in received.split(b"\n")[:-1]:
            if line.startswith(b"SSH-"):
                return line.decode("utf-8", "replace").rstrip("\r")
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        connection.settimeout(left)
        chunk = connection.recv(256)
        if not chunk:
            return None
        received += chunk
    return None


def is_alive(host, port=22, timeout=3.0):
    """Return whether ``host`` accepts or refuses a connection: both prove that a host has the address."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError, OverflowError):
        return False


def is_free(host, port, protocol="tcp"):
    """Return whether a server could listen on this port now; an empty host means all addresses."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    try:
        with socket.socket(socket.AF_INET, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(protocol == "tcp"))
            listener.bind((host, port))
            return True
    except (OSError, OverflowError):
        return False


def guest_answers(host, port, what):
    """Return whether a guest answers: ``what`` is "ssh" (its banner) or "address" (any answer to a connection)."""
    return is_alive(host, port) if what == "address" else ssh_banner(host, port) is not None
