# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upload a file to Proxmox VE as a form that is read while it is sent. proxmoxer reads the whole file into memory."""

from __future__ import annotations

import io
import os
import uuid

try:
    import requests
except ImportError:
    requests = None

_BLOCK = 1 << 16


def post(url, fields, file, account, tickets):
    """Send a form with ``fields`` ({name: text}), and the open ``file`` as its last part; returns the Response.

    ``tickets``: (ticket, token against forged requests) of a login with a password, or (None, None).
    """
    form = Form(fields, file)
    headers, cookies = {"Content-Type": form.content_type, "Accept": "application/json"}, {}
    ticket, forgery_token = tickets
    if ticket:
        cookies["PVEAuthCookie"], headers["CSRFPreventionToken"] = ticket, forgery_token
    else:
        headers["Authorization"] = f"PVEAPIToken={account.who}={account.token_secret}"
    with requests.Session() as session:
        # Without this, a file ~/.netrc would replace the header Authorization.
        session.auth = _unchanged
        return session.post(
            url, data=form, headers=headers, cookies=cookies, verify=account.verify, timeout=account.seconds
        )


def _unchanged(request):
    return request


class Form:
    """A form (multipart/form-data) of a known length, which the library requests reads block by block."""

    def __init__(self, fields, file):
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        texts = "".join(_part(boundary, f'name="{name}"', "") + f"{value}\r\n" for name, value in fields.items())
        name = os.path.basename(file.name).replace('"', "_")
        named = _part(boundary, f'name="filename"; filename="{name}"', "Content-Type: application/octet-stream\r\n")
        parts = [io.BytesIO((texts + named).encode()), file, io.BytesIO(f"\r\n--{boundary}--\r\n".encode())]
        self._parts, self._length = parts, sum(map(_length, parts))

    def __len__(self):
        return self._length

    def __iter__(self):
        while block := self.read(_BLOCK):
            yield block

    def read(self, size=-1):
        """Return at most ``size`` bytes; nothing at the end."""
        while self._parts:
            block = self._parts[0].read(size)
            if block:
                return block
            self._parts.pop(0)
        return b""


def _part(boundary, disposition, more):
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n"


def _length(stream):
    """The number of bytes that ``stream`` has from its current place."""
    at = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(at)
    return end - at
