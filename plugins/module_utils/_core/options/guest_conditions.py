# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``wait_for`` waits for: a port, a page or a service of the guest. Pure."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import ip_address
from typing import NamedTuple

from ..errors import InvalidInput
from ..pattern import Pattern

_FORM = Pattern(r"(?:(?P<scheme>https?)://\{address\})?(?::(?P<port>\d{1,5}))?(?P<path>/[\x21-\x7e]*)?")
_PORTS = {"http": 80, "https": 443}
#: A redirect proves that the application answers; it may lead to a name that only the guest's users can resolve.
_PAGE_IS_THERE = range(200, 400)
#: What WinRM answers to a request without a login. A web server without WinRM answers 404.
_WINRM_IS_THERE = frozenset({200, 401, 403, 405, 411})
#: The ports of WinRM in the guest, with the scheme of each.
_WINRM = {5985: "http", 5986: "https"}


class Page(NamedTuple):
    """The page that ``http`` names: ``text`` is what the task says."""

    scheme: str
    port: int
    path: str
    text: str


class Http(NamedTuple):
    """What to request of an endpoint, and which HTTP statuses prove that it is ready."""

    scheme: str
    path: str
    statuses: Container


def page(text, option):
    """Return the Page for ``:8080/health``, ``/health``, or an address with ``{address}`` as its host."""
    found = _FORM.fullmatch(text)
    port = int(found["port"] or _PORTS[found["scheme"] or "http"]) if found and text else 0
    if not 0 < port < 65536:
        raise InvalidInput(
            f"{option}: '{text}' is not a page of the guest.",
            "Set the port and the path, such as :8080/health, or https://{address}:8443/health; {address} is the"
            " address of the VM.",
        )
    return Page(found["scheme"] or "http", port, found["path"] or "/", text)


def condition(asked):
    """Return (kind, detail) of ``wait_for``: the kind is a condition, "port" or "http", the detail a number or Page."""
    if len(asked) != 1:
        named = " and ".join(sorted(asked)) or "nothing"
        raise InvalidInput(f"wait_for: {named} is set.", "Set exactly one of condition, port and http.")
    ((kind, value),) = asked.items()
    return (value, None) if kind == "condition" else (kind, value)


def described(kind, detail):
    """Return the condition as messages name it, such as ``ssh`` or ``port 8080``."""
    return kind if detail is None else f"{kind} {detail.text if isinstance(detail, Page) else detail}"


def services(kind, detail):
    """Return {port of the guest: what to request there}; empty if the condition is not about such ports."""
    if kind == "http":
        return {detail.port: Http(detail.scheme, detail.path, _PAGE_IS_THERE)}
    if kind == "winrm":
        return {port: Http(scheme, "/wsman", _WINRM_IS_THERE) for port, scheme in _WINRM.items()}
    return {detail: "port"} if kind == "port" else {}


def forwarded(forwards, port):
    """Return the (host, port) of the host that lead to a TCP port of the guest; None if no forward does.

    ``forwards`` are entries of ``port_forwards``, as observed.
    """
    leading = (one for one in forwards if one["guest_port"] == port and one.get("protocol", "tcp") == "tcp")
    forward = next((one for one in leading if one.get("host_port")), None)
    if forward is None:
        return None
    address = forward.get("host_address")
    everywhere = not address or ip_address(address).is_unspecified
    return ("127.0.0.1" if everywhere else address), forward["host_port"]
