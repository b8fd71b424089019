# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on this host that no VM has: they need files, too, and are found by a search of directories."""

from __future__ import annotations

import os

from .._core.frozen import replace
from .._core.sharing.claims import DELETE, FILE, MERGE, UNREADABLE, WITHOUT_VM, Claim, Held
from .._core.sharing.losses import lost_files
from .._ports.folders import files_with_beginnings

#: Directories and images that the warning names.
_MOST = 5
_UNKNOWN = "{} may be needed by an image in {}, which cannot be listed: {}"


def held_by_strays(claims, wanted, found, begins, folders):
    """Yield the Held of disk files that no VM has, except for those that are gone after the task.

    ``wanted`` and ``claims`` are those of ``HoldsClaims.held``, ``found`` is what it has found so far. Files that begin
    with one of ``begins`` are read, in the directories of lost files, of disks, and in ``folders``. What is not read
    is a warning; in the directory of a lost file, it may need that file.
    """
    own = {}
    for identity, path in lost_files(wanted).items():
        if os.path.isabs(path):
            own.setdefault(os.path.dirname(os.path.realpath(path)), []).append((identity, path))
    paths, missed = files_with_beginnings(begins, list(own), {*folders, *claims.folders_of_disks(found)} - {None, ""})
    gone = {claim.identity for claim in wanted if claim.mode in (DELETE, MERGE)}
    for held in claims.stray_disks([path for path in paths if claims.identity(path) not in gone], found):
        unread = [claim for claim in held.claims if claim.mode == UNREADABLE]
        if unread and os.path.dirname(held.name) not in own:
            missed[held.name] = "the image cannot be read"
            held = replace(held, claims=tuple(claim for claim in held.claims if claim not in unread))
        yield held
    for folder in own.keys() & missed.keys():
        yield Held(claims.owner_id(folder), folder, claims=_unlisted(folder, missed.pop(folder), own[folder]))
    if missed:
        claims.warn(_not_searched(missed))


def _unlisted(folder, why, lost):
    """Return the Claims of images in a directory that cannot be listed on the files there, [(identity, path)]."""
    remedy = f"Run the task as a user who may list {folder}, or repair its file system."
    return tuple(
        Claim(FILE, identity, UNREADABLE, WITHOUT_VM, _UNKNOWN.format(path, folder, why), remedy=remedy)
        for identity, path in lost
    )


def _not_searched(missed):
    listed = ", ".join(f"{path} ({why})" for path, why in sorted(missed.items())[:_MOST])
    more = f" and {len(missed) - _MOST} more" if len(missed) > _MOST else ""
    return f"Not searched for images that no VM has and that need a lost file: {listed}{more}."
