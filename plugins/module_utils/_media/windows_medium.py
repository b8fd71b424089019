# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on an installation medium of Windows: its languages, and the images that Setup can install."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from functools import partial

from .._core.errors import InvalidInput, Refused
from .._core.frozen import Frozen, fields
from .._core.options.option import Option
from .._core.pattern import Pattern
from .._ports import files
from .._ports.windows import connection, is_connected
from .disc import Disc
from .prepared import no_prompt_edit

#: Options of the module windows_medium_info.
OPTIONS = {"path": Option("path", required=True)}

_LANGUAGES = "sources/lang.ini"
_IMAGES = ("sources/install.wim", "sources/install.esd")
# No \s, which also matches line ends: a file of empty lines would take minutes.
_LANGUAGE = Pattern(r"(?im)^[ \t]*([a-z]{2,3}(?:-[a-z0-9]+)+)[ \t]*=[ \t]*\d+[ \t\r]*$")
_INDEX = Pattern(r"[0-9]{1,6}")
#: Media of Windows have less than 100 KiB, and a dozen images.
_LONGEST_XML, _MOST_IMAGES = 1 << 20, 256
#: The numbers by which a WIM file names architectures.
_ARCHITECTURES = {"0": "x86", "9": "amd64", "12": "arm64"}


class Image(Frozen):
    """An image of a medium. ``installation`` is Client, Server or Server Core."""

    index: int
    name: str
    title: str
    edition: str
    installation: str
    architecture: str
    build: str
    language: str


def answer(params, check):
    """What the module windows_medium_info returns."""
    disc = _disc(params["path"])
    label, _publisher = disc.volume()
    edit = no_prompt_edit(disc)
    return {
        "changed": False,
        "label": label,
        "languages": languages(disc),
        "starts_without_key": None if edit is None else not edit.old,
        "images": [{name: getattr(one, name) for name in fields(one)} for one in images(disc)],
        "warnings": [],
    }


def _disc(path):
    if is_connected():
        # Hosts with other systems need none of it.
        from .._tools.windows_files import absolute_path
        from .windows.medium import Blocks

        path = absolute_path("path", path, "D:\\iso\\windows.iso")
        return Disc(Blocks(connection().call, path).read, path)
    if not os.path.isabs(path):
        raise InvalidInput(f"path: {path} is not an absolute path.")
    return disc_at(path)


def disc_at(path):
    """The Disc of a file, or of a drive with a disc. Another kind of file could block each read."""
    if files.exists(path) and not (files.is_file(path) or files.is_block_device(path)):
        raise Refused(f"{path} is not a file.", "Set the path of an ISO image.")
    return Disc(partial(files.read_part, path), path)


def languages(disc):
    """The languages of Setup, such as en-US; empty if the medium does not list them."""
    found = disc.find(_LANGUAGES)
    if found is None:
        return []
    listed = _text(disc.content(found, 0, min(found.size, 65536))).partition("[Available UI Languages]")[2]
    return _LANGUAGE.findall(listed.partition("[")[0])


def images(disc):
    """The images that Setup can install, by the description in their file; empty if the medium has none."""
    found = next(filter(None, (disc.find(path) for path in _IMAGES)), None)
    if found is None:
        return []
    header = disc.content(found, 0, 208)
    if header[:8] != b"MSWIM\0\0\0":
        raise disc.error("the file with the images of Windows is damaged")
    size, offset = (int.from_bytes(header[at : at + length], "little") for at, length in ((72, 7), (80, 8)))
    if not size or size > _LONGEST_XML or offset + size > found.size:
        raise disc.error("the list of the images of Windows is damaged")
    return _described(disc, disc.content(found, offset, size))


def _text(data):
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")


def _described(disc, data):
    text = _text(data)
    try:
        # Entities can expand to any length. A list of images has none.
        listed = None if "<!" in text else ET.fromstring(text)
    except ET.ParseError:
        listed = None
    found = [] if listed is None else listed.findall("IMAGE")
    if listed is None or len(found) > _MOST_IMAGES:
        raise disc.error("the list of the images of Windows is damaged")
    return [_image(one) for one in found]


def _image(one):
    def value(path):
        return (one.findtext(path) or "").strip()

    version = [value(f"WINDOWS/VERSION/{part}") for part in ("MAJOR", "MINOR", "BUILD")]
    index = one.get("INDEX") or "0"
    return Image(
        index=int(index) if _INDEX.fullmatch(index) else 0,
        name=value("NAME"),
        title=value("DISPLAYNAME") or value("NAME"),
        edition=value("WINDOWS/EDITIONID"),
        installation=value("WINDOWS/INSTALLATIONTYPE"),
        architecture=_ARCHITECTURES.get(value("WINDOWS/ARCH"), ""),
        build=".".join(filter(None, version)),
        language=value("WINDOWS/LANGUAGES/DEFAULT"),
    )
