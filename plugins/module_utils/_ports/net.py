# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check from outside whether a guest answers."""

from __future__ import annotations

import contextlib
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
    return _connects(host, port, timeout, if_refused=True)


def is_open(host, port, timeout=3.0):
    """Return whether a server accepts connections there."""
    return _connects(host, port, timeout, if_refused=False)


def _connects(host, port, timeout, if_refused):
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except ConnectionRefusedError:
        return if_refused
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


def sends_something(host, port, timeout=3.0):
    """Return whether a server there sends anything, unasked or to a line of HTTP.

    NAT accepts connections to a forwarded port also if no server listens in the guest, so only data prove one.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout / 3)
            try:
                return bool(connection.recv(1))
            except socket.timeout:
                connection.settimeout(timeout)
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return bool(connection.recv(1))
    except (OSError, ValueError, OverflowError):
        return False


def http_status(host, port, scheme, path, timeout=5.0):
    """Return the status of the answer to a GET request, None if there is none. Redirects are not followed.

    The certificate is not verified: it is that of a name, and the request is sent to an address.
    """
    import http.client

    try:
        if scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=_without_verification())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, ValueError, OverflowError, http.client.HTTPException):
        return None


def _without_verification():
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def guest_answers(host, port, what):
    """Return whether a guest answers: ``what`` is "ssh" (its banner), "address" (any answer to a connection), "port" (a
    server accepts it), "answer" (a server sends something) or an Http (guest_conditions.py).
    """
    if not isinstance(what, str):
        return http_status(host, port, what.scheme, what.path) in what.statuses
    return _PROBES[what](host, port)


_PROBES = {
    "address": is_alive,
    "ssh": lambda host, port: ssh_banner(host, port) is not None,
    "port": is_open,
    "answer": sends_something,
}
