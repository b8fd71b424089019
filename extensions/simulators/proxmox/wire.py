# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse HTTP requests like the real server."""

from __future__ import annotations

import itertools
import json
import re
import weakref
from urllib.parse import unquote, unquote_plus

from .errors import ApiError
from .gateway import Request
from .web import File

PREFIX = "/api2/json"
_LARGEST_BODY = 512 * 1024
_numbers = weakref.WeakKeyDictionary()
_count = itertools.count(1)


def _number_of(transport):
    """Numbers for connections, because the address of a closed connection is soon used again."""
    if transport not in _numbers:
        _numbers[transport] = next(_count)
    return _numbers[transport]


async def read(http, uploads):
    """The Request of an aiohttp request; uploaded files are added to ``uploads``."""
    is_upload = http.method == "POST" and http.path.endswith("/upload")
    _check_body(http, is_upload)
    made = request(http.method, http.raw_path, http.headers, b"" if is_upload else await http.read())
    if is_upload:
        made.params = await _upload(http, uploads)
    made.connection = _number_of(http.transport)
    return made


def request(method, target, headers, body):
    """The Request of a request line's ``target``, {header: value} and a body that is no upload."""
    path, _mark, query = target.partition("?")
    headers = {name.lower(): value for name, value in headers.items()}
    return Request(
        method=method,
        path=unquote(path)[len(PREFIX) :],
        query=pairs(query),
        params=_params(headers.get("content-type", ""), body),
        headers=headers,
        cookies=dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";")),
    )


def _check_body(http, is_upload):
    if http.headers.get("Transfer-Encoding", "").lower() == "chunked":
        raise ApiError("chunked transfer encoding not supported", 501)
    length = http.content_length or 0
    if length and http.method in ("GET", "DELETE", "HEAD"):
        raise ApiError(f"Unexpected content for method '{http.method}'", 501)
    if length > _LARGEST_BODY and not is_upload:
        raise ApiError("for data too large", 501)


def _params(kind, body):
    if kind.startswith("application/json") and body:
        try:
            found = json.loads(body)
        except ValueError:
            # The form of both texts is ASSUMED.
            raise ApiError("malformed JSON string, neither tag, array, object, number, string or atom", 501) from None
        if not isinstance(found, dict):
            raise ApiError("Not a HASH reference", 501)
        return found
    return pairs(body.decode())


def pairs(text):
    """{name: value, or a list of values if the name is repeated}; a semicolon also separates parameters."""
    found = {}
    for part in filter(None, re.split("[&;]", text)):
        name, _mark, value = part.partition("=")
        name, value = unquote_plus(name), unquote_plus(value)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


async def _upload(http, uploads):
    """The form fields before the file. Fields after it are ignored, as on the real server."""
    if http.content_type != "multipart/form-data":
        return pairs((await http.read()).decode())
    fields = []
    async for part in await http.multipart():
        if part.filename is None:
            fields.append((part.name, await part.text()))
            continue
        params = {**form(fields), "filename": part.filename, "tmpfilename": store(uploads, await _received(part))}
        break
    else:
        params = form(fields)
    await http.release()
    return params


def form(fields):
    """The parameters of a form's [(name, value)] before the file; the real server knows only this order of them."""
    names = [name for name, _value in fields]
    if names != [name for name in ("content", "checksum-algorithm", "checksum") if name in names]:
        raise ApiError("Bad Request", 400)
    return dict(fields)


async def _received(part):
    file = File()
    while chunk := await part.read_chunk(1 << 16):
        file.add(chunk)
    return file


def store(uploads, file):
    """Keep an uploaded file; returns its temporary name on the server."""
    name = f"/var/tmp/pveupload-{len(uploads):032x}"
    uploads[name] = file
    return name
