# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer medium of an installation of Windows: the ISO image of cloud_init with an answer file, thus a password.

It is deleted as soon as the ISO image of the installer is ejected from a VM that is off. The record names it as such.
"""

from __future__ import annotations

from ..model import STOPPED

#: The key in the arguments of a step; the key of a mark with the media that were created for its VM.
ANSWER_MEDIA, _RECORDED = "answer_media", "answers"


def recorded_media(creation, paths):
    """Return the part of a new mark that names the seed ISOs ``paths``, if they have an answer file."""
    has_answers = (creation.get("cloud_init") or {}).get("answer_file")
    return {_RECORDED: list(paths)} if has_answers and paths else {}


def answer_media(vm):
    """Return the files, as the mark names them, that are deleted with the installer's image; snapshots keep theirs."""
    if not vm.owned or vm.power != STOPPED or vm.snapshots:
        return ()
    return tuple(vm.mark.get(_RECORDED, ()))


def without_media(mark, media):
    """Return a mark that does not name the files ``media`` any more."""
    kept = {name: value for name, value in mark.items() if name != _RECORDED}
    return {**kept, "files": [path for path in mark.get("files", ()) if path not in media]}
