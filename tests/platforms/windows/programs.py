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

    def write(self, path, content):
        folder = self._key(path).rpartition("\\")[0]
        if folder not in self.folders:
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            message = f"Could not find a part of the path '{temporary}'."
            raise exception("System.IO.DirectoryNotFoundException", message, 0x80070003)
        if self._key(path) in self.folders:
            raise exception("System.IO.IOException", f"The target '{path}' is a directory.", 0x80131620)
        self.contents[self._key(path)] = decoded(content)
        return {"ok": True}


def decoded(text):
    """Decode base64; fails with the exception of .NET."""
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        message = "The input is not a valid Base-64 string."
        raise exception("System.FormatException", message, 0x80131537) from None
