# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and files of a Windows host, for the operations run, read and write."""

from __future__ import annotations

import base64
import binascii
import ntpath
import re
import uuid
import zlib
from dataclasses import dataclass

from platforms.windows.failures import call_error, exception


@dataclass(frozen=True)
class Finished:
    """The result of a program that ended after ``seconds``."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float = 0


def quote(arguments):
    """The command line of Windows for a list of arguments."""
    return " ".join(map(_quoted, arguments))


def _quoted(text):
    if text and not re.search(r'[ \n\t\v"]', text):
        return text
    doubled = re.sub(r'(\\*)"', lambda found: found[1] * 2 + '\\"', text)
    return '"' + re.sub(r"(\\+)\Z", lambda found: found[1] * 2, doubled) + '"'


def split(line):
    """The list of arguments of a command line, as programs on Windows parse it."""
    arguments, place = [], 0
    while place < len(line):
        if line[place] in " \t":
            place += 1
            continue
        argument, place = _argument(line, place)
        arguments.append(argument)
    return arguments


def _argument(line, place):
    text, is_quoted = "", False
    while place < len(line) and (is_quoted or line[place] not in " \t"):
        slashes = len(line) - place - len(line[place:].lstrip("\\"))
        place += slashes
        if line[place : place + 1] != '"':
            text += "\\" * slashes
            if not slashes:
                text, place = text + line[place], place + 1
            continue
        text += "\\" * (slashes // 2)
        if slashes % 2 or (is_quoted and line[place + 1 : place + 2] == '"'):
            text, place = text + '"', place + (1 if slashes % 2 else 2)
        else:
            is_quoted, place = not is_quoted, place + 1
    return text, place


class Files:
    """Files as {path: bytes}; paths are case-insensitive, ``/`` is the same as ``\\``, and Windows resolves ``..``."""

    def __init__(self, folders=(), environment=()):
        self.contents, self.folders = {}, {self._key(folder) for folder in folders}
        #: {path: arguments of icacls}; a file without them has the rights of its directory.
        self.rights = {}
        self.environment = dict(environment)

    @staticmethod
    def _key(path):
        return ntpath.normpath(path).rstrip("\\").lower() if path else ""

    def expand(self, path):
        known = {name.lower(): value for name, value in self.environment.items()}
        return re.sub(r"%([^%]+)%", lambda found: known.get(found[1].lower(), found[0]), path)

    def read(self, path, limit):
        content = self.contents.get(self._key(path))
        if content is None:
            return {"ok": True, "exists": False}
        if limit is None or len(content) > limit:
            raise call_error("FileTooLarge", f"{path} has {len(content)} bytes, more than {limit or ''}")
        return {"ok": True, "exists": True, "base64": base64.b64encode(content).decode()}

    def write(self, path, content, grant=None, is_new=False):
        folder = self._key(path).rpartition("\\")[0]
        if folder not in self.folders:
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            message = f"Could not find a part of the path '{temporary}'."
            raise exception("System.IO.DirectoryNotFoundException", message, 0x80070003)
        if self._key(path) in self.folders:
            raise exception("System.IO.IOException", f"The target '{path}' is a directory.", 0x80131620)
        if is_new and self._key(path) in self.contents:
            raise call_error("FileExists", f"{path} already exists (0x80070050)")
        if grant and self._key(path) not in self.contents:
            self.rights[self._key(path)] = grant
        self.contents[self._key(path)] = decoded(content)
        return {"ok": True}

    def append(self, path, piece, call):
        """Write the file ``piece`` to ``path`` at an offset, and delete it."""
        found, offset = self.contents.get(self._key(piece)), call.get("at") or 0
        if found is None:
            raise call_error("NoPiece", f"{piece} does not exist")
        self._check_writable(path, piece)
        before = self.contents.setdefault(self._key(path), b"")
        if len(before) < offset:
            raise call_error("TooShort", f"{path} has {len(before)} bytes, fewer than {offset}")
        self.contents[self._key(path)] = before[:offset]
        content = _unpacked(found) if call.get("gzip") else found
        if len(content) != call.get("size"):
            size = "" if call.get("size") is None else call["size"]
            raise call_error("WrongSize", f"{piece} has {len(content)} bytes instead of {size}")
        self.put(path, before[:offset] + content)
        del self.contents[self._key(piece)]
        return {"ok": True, "length": offset + len(content)}

    def read_part(self, path, at, size):
        """Read bytes of a file of any size; fewer at its end."""
        content = self.contents.get(self._key(path))
        if content is None:
            return {"ok": True, "exists": False}
        return {"ok": True, "exists": True, "base64": base64.b64encode(content[at : at + size]).decode()}

    def copy_part(self, path, source, call):
        """Write bytes of the file ``source`` to the same offset of a file, which is cut there."""
        at = call.get("at") or 0
        content = self._existing(source)
        self._check_writable(path, source)
        before = self.contents.get(self._key(path), b"")
        if len(before) < at:
            raise call_error("TooShort", f"{path} has {len(before)} bytes, fewer than {at}")
        self.put(path, before[:at] + content[at : at + (call.get("size") or 0)])
        return {"ok": True, "length": len(self.contents[self._key(path)])}

    def edit(self, path, call):
        """Replace bytes within a file if they are the expected ones; the new ones may be there."""
        content, at = self._existing(path), call.get("at") or 0
        old, new = decoded(call.get("old")), decoded(call.get("new"))
        found = content[at : at + len(new)]
        if found == new:
            return {"ok": True}
        if found != old:
            raise call_error("OtherBytes", f"{path} has other bytes at {at}")
        self.put(path, content[:at] + new + content[at + len(new) :])
        return {"ok": True}

    def _existing(self, path):
        content = self.contents.get(self._key(path))
        if content is None:
            raise exception("System.IO.FileNotFoundException", f"Could not find file '{path}'.", 0x80070002)
        return content

    def put(self, path, content):
        """Write a file."""
        self.contents[self._key(path)] = content

    def _check_writable(self, path, piece):
        if self._key(path) in self.folders:
            message = f"Access to the path '{path}' is denied."
            raise exception("System.UnauthorizedAccessException", message, 0x80070005)
        if self._key(path).rpartition("\\")[0] not in self.folders:
            message = f"Could not find a part of the path '{path}'."
            raise exception("System.IO.DirectoryNotFoundException", message, 0x80070003)
        if self._key(path) == self._key(piece):
            message = f"The process cannot access the file '{path}' because it is being used by another process."
            raise exception("System.IO.IOException", message, 0x0000000B)


def _unpacked(content):
    """The content of a gzip file. As .NET, it ignores what follows, and does not notice that a file was cut off."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content)
    except zlib.error:
        message = "The archive entry was compressed using an unsupported compression method."
        raise exception("System.IO.InvalidDataException", message, 0x80131501) from None


def decoded(text):
    """Decode base64; fails with the exception of .NET."""
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        message = "The input is not a valid Base-64 string."
        raise exception("System.FormatException", message, 0x80131537) from None
