# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the simulated server downloads: real ones from this host, invented ones from all others."""

from __future__ import annotations

import hashlib
import http.client
import mimetypes
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

from .errors import ApiError
from .storage import MIB

#: Hosts from which files are really fetched; no test and no attempt needs the internet.
_HERE = ("127.0.0.1", "localhost")
_SECONDS = 10
_SUMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_INVENTED = 600 * MIB


class File:
    """What the server needs to know of a file; an invented one has no checksums."""

    def __init__(self, content=b"", type="application/octet-stream"):
        self.type = type
        self.size = 0
        #: The first bytes, by which programs recognise formats.
        self.head = b""
        self._sums = {name: hashlib.new(name, usedforsecurity=False) for name in _SUMS}
        self.add(content)

    def add(self, chunk):
        self.size += len(chunk)
        self.head = self.head or chunk[:32]
        for checksum in self._sums.values():
            checksum.update(chunk)

    @property
    def real(self):
        return bool(self._sums)

    @property
    def virtual_size(self):
        """The size of a disk in this file: the qcow2 header has it, others are rounded to sectors."""
        if self.head.startswith(b"QFI\xfb"):
            return int.from_bytes(self.head[24:32], "big")
        return -(-self.size // 512) * 512

    @property
    def checksums(self):
        return {name: checksum.hexdigest() for name, checksum in self._sums.items()}

    def checksum(self, name):
        return self.checksums.get(name)

    @classmethod
    def invented(cls):
        file = cls()
        file.size, file._sums = _INVENTED, {}
        return file


class Missing(ApiError):
    """The web server answers with an error; the message is its status line."""


class Broken(ApiError):
    """The connection broke off."""


class Refused(ApiError):
    """Nothing listens there; the message is HOST:PORT."""


def fetch(url):
    """The File at an URL. Raises Missing or Refused."""
    parts = urlsplit(url)
    if parts.hostname not in _HERE:
        return File.invented()
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            return File(answer.read(), answer.headers.get_content_type())
    except urllib.error.HTTPError as error:
        raise Missing(f"{error.code} {error.reason}") from None
    except http.client.HTTPException:
        raise Broken("the connection broke off") from None
    except OSError:
        raise Refused(_address(parts)) from None


def served(url, port, files):
    """The same, from {name: content} as a web server at this port would answer."""
    parts = urlsplit(url)
    if parts.port != port:
        raise Refused(_address(parts))
    name = unquote(parts.path).removeprefix("/")
    if name not in files:
        raise Missing("404 File not found")
    return File(files[name], mimetypes.guess_type(name)[0] or "application/octet-stream")


def _address(parts):
    return f"{parts.hostname}:{parts.port or 80}"
