# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download by HTTP(S), with the proxies and certificates from the environment variables of the process."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit

from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import NoSSLError, SSLValidationError, open_url

from .._core import errors
from . import change_counter
from .files import explained, private
from .progress import report

_BLOCK = 1 << 20
#: Larger than any checksum file of a vendor.
_LIST_LIMIT = 16 << 20
#: More than any size has.
_MOST_DIGITS = 20


def fetch(url, timeout, headers=None):
    """Return the content of a small file, all of it; raises NotFound (404, 410) or Unavailable."""
    with _opened(url, timeout, secret=headers) as response:
        try:
            content = response.read(_LIST_LIMIT + 1)
        except (OSError, HTTPException):
            content = b""
        is_cut = len(content) < int(response.headers.get("Content-Length") or 1)
    if is_cut:
        raise errors.Unavailable(f"{shown(url)}: the connection broke off.", why="not_responding")
    if len(content) > _LIST_LIMIT:
        raise errors.Unavailable(f"{shown(url)}: is larger than {_LIST_LIMIT >> 20} MiB.", why="not_responding")
    return content


def beginning(url, timeout, count, headers=None):
    """Return (the first ``count`` bytes of a file, its size in bytes or None). Raises NotFound or Unavailable.

    A server that does not support ranges sends the whole file; then the connection is closed after these bytes.
    """
    try:
        with _opened(url, timeout, {"Range": f"bytes=0-{count - 1}"}, headers) as response:
            content = response.read(count)
            total = (response.headers.get("Content-Range") or "").partition("/")[2]
            total = total if response.status == 206 else response.headers.get("Content-Length") or ""
    except (OSError, HTTPException) as error:
        raise errors.Unavailable(f"{shown(url)}: the connection broke off.", why="not_responding") from error
    except _RangeRejected:
        return b"", 0
    return content, int(total) if _is_number(total) else None


def part(url, timeout, offset, count):
    """Return (at most ``count`` bytes of a file from ``offset`` on, its size), or (None, None).

    None: the server does not support ranges, or does not report the size. Raises NotFound or Unavailable.
    """
    last = offset + count - 1
    try:
        with _opened(url, timeout, {"Range": f"bytes={offset}-{last}"}) as response:
            total = (response.headers.get("Content-Range") or "").partition("/")[2]
            if response.headers.get("Content-Length") == "0":
                return b"", 0
            if response.status != 206 or not _starts_at(response, offset) or not _is_number(total):
                return None, None
            content = response.read(count)
    except (OSError, HTTPException):
        content, total = b"", "1"
    except _RangeRejected as error:
        return b"", error.size
    if len(content) < min(count, int(total) - offset):
        raise errors.Unavailable(f"{shown(url)}: the connection broke off.", why="not_responding")
    return content, int(total)


def fetch_onto(url, path, timeout, headers=None):
    """Download ``url`` to ``path`` or resume the download; returns whether the server has sent all of it.

    False: the connection was lost, and the file contains what was received. If the server does not support ranges, the
    download starts from the beginning.
    """
    offset = os.path.getsize(path) if os.path.exists(path) else 0
    wanted = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        with _opened(url, timeout, wanted, headers) as response:
            is_resumed = response.status == 206 and _starts_at(response, offset)
            return _write(response, path, offset if is_resumed else 0, f"download of {_file_name(url)}")
    except _RangeRejected:
        # The file is already complete, or is not a part of this download: the caller verifies the checksum.
        return True


class _RangeRejected(Exception):
    """The server has no data at this place of its file (HTTP 416). ``size``: of the file, 0 if it is not reported."""

    def __init__(self, headers):
        super().__init__()
        total = (headers.get("Content-Range") or "").partition("/")[2]
        self.size = int(total) if _is_number(total) else 0


def _starts_at(response, offset):
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")


def _is_number(text):
    """Whether a header of a server is a size: int does not read all digits of isdigit, nor any number of them."""
    return len(text) < _MOST_DIGITS and text.isascii() and text.isdigit()


def _file_name(url):
    """The name of the file, without what may be secret in its address."""
    return os.path.basename(urlsplit(url).path)


def _write(response, path, offset, step):
    expected = response.headers.get("Content-Length")
    total = offset + int(expected) if expected else None
    received = 0
    with explained("write", path), open(path, "r+b" if offset else "wb", opener=private) as file:
        file.seek(offset)
        file.truncate()
        change_counter.note()
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, HTTPException) as error:
                block = getattr(error, "partial", b"")
                file.write(block)
                return False
            if not block:
                break
            received += file.write(block)
            report(step, offset + received, total)
    return expected is None or received >= int(expected)


#: What to do if a server is not reached at all.
_NO_NETWORK = (
    "Check the network of this host. Behind a proxy, set https_proxy in the environment of the task; polyvirt_mirrors"
    " names mirrors."
)


@contextmanager
def _opened(url, timeout, headers=None, secret=None):
    """Yield the response; errors of the libraries are converted to errors of this collection.

    The ``secret`` headers are those of the user, such as a password. They are not sent where a server redirects to.
    """
    headers = {"Accept-Encoding": "identity", **(headers or {}), **(secret or {})}
    try:
        response = open_url(
            url,
            timeout=timeout,
            headers=headers,
            decompress=False,
            http_agent="polyvirt.core",
            unredirected_headers=sorted(secret or ()),
        )
    except HTTPError as error:
        error.close()
        if error.code == 416:
            raise _RangeRejected(error.headers) from None
        text = f"{shown(url)}: the server answers {error.code} {error.reason}."
        if error.code in (404, 410):
            raise errors.NotFound(text) from None
        raise errors.Unavailable(text, why="not_responding") from None
    except (URLError, UrlsConnectionError, NoSSLError, SSLValidationError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise errors.Unavailable(f"{shown(url)}: {reason}.", "not_responding", _NO_NETWORK) from None
    try:
        yield response
    finally:
        response.close()


def shown(url):
    """Return a URL for messages: without user name and password, and without its query, which can be a signature."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def origin(url):
    """Return (scheme, host with port) of a URL, without user name and password: who receives what is sent to it."""
    parts = urlsplit(url)
    port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.rpartition("@")[2].lower().removesuffix(port)


def digest_of_text(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
