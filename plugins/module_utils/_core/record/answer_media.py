# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer medium of an installation of Windows: the ISO image of cloud_init with an answer file, thus a password.

It is deleted as soon as the ISO image of the installer is ejected from a VM that is off. The mark names it.
"""

from __future__ import annotations

from ..model import STOPPED
from .mark import recorded_inputs

#: The key in the arguments of a step, and the end of the names of these files.
ANSWER_MEDIA, _SUFFIX = "answer_media", "seed.iso"


def answer_media(vm):
    """Return the files, as the mark names them, that are deleted with the installer's image; snapshots keep theirs."""
    has_answers = "answer_file" in (recorded_inputs(vm).get("cloud_init") or ())
    if not has_answers or vm.power != STOPPED or vm.snapshots:
        return ()
    others = list(vm.config.values())  # A file that an option names, such as a log.
    return tuple(path for path in vm.mark.get("files", ()) if path.endswith(_SUFFIX) and path not in others)


def without_media(mark, media):
    """Return a mark that does not name the files ``media`` any more."""
    return {**mark, "files": [path for path in mark.get("files", ()) if path not in media]}
