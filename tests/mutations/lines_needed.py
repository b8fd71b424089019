# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the files that a plan needs: each check dropped, and facts of drivers that are wrong."""

from __future__ import annotations

from mutations.mutation import Mutation

_CHECKS, _NEEDED = "_core/sharing/file_checks.py", "_core/sharing/needed_files.py"
_FIRST = ["tests/unit/module_utils/_core/sharing/test_file_checks.py"]
_VIRSH = ["tests/unit/module_utils/_drivers/virsh/test_needed.py"]

MUTATIONS = (
    Mutation("existing-file-is-overwritten", _CHECKS, "not _is_leftover(host, item)", "False", _FIRST),
    Mutation("released-file-is-in-use", _CHECKS, "host.identity(item.path) not in deleted", "True", _FIRST),
    Mutation(
        "own-deleted-file-is-in-use",
        _CHECKS,
        "{host.identity(path) for path in deleted_files(host.plan)}",
        "set()",
        _FIRST,
    ),
    Mutation("unreadable-file-is-accepted", _CHECKS, "not host.may_read(item.path)", "False", _FIRST),
    Mutation("directory-is-a-file", _CHECKS, "kind != FILE and not _", "False", _FIRST),
    Mutation(
        "any-file-is-an-iso-image", _CHECKS, "item.purpose == ISO and not host.is_iso(item.path)", "False", _FIRST
    ),
    Mutation("text-is-a-raw-image", _CHECKS, "(image.size or 0) % _SECTOR", "0", _FIRST),
    Mutation("disk-is-smaller-than-its-image", _CHECKS, "size and size < least", "False", _FIRST),
    Mutation("image-has-the-format-of-the-new-disk", _CHECKS, "item.purpose != IMAGE and _", "True", _FIRST),
    Mutation("log-needs-a-writable-directory", _CHECKS, "item.option in host.by_platform", "False", _FIRST),
    Mutation(
        "created-and-enlarged-disk-is-counted-once",
        _CHECKS,
        "item.purpose in (NEW, GROWN)",
        "item.purpose == NEW",
        _FIRST,
    ),
    Mutation("deleted-files-free-no-space", _CHECKS, "host.freed()", "0", _FIRST),
    Mutation("start-with-a-missing-disk", _CHECKS, "_check_attached(host)", "pass", _FIRST),
    Mutation("undeletable-file-is-found-after-the-stop", _CHECKS, "_check_deleted(host)", "pass", _FIRST),
    Mutation("every-clone-needs-its-iso-image", _NEEDED, "host.iso_of_clone", "True", _FIRST),
    Mutation("attached-disk-is-not-checked", _NEEDED, "[*contents, *attached, *_]", "[*contents, *_]", _FIRST),
    Mutation(
        "data-of-a-guest-is-a-leftover",
        "_drivers/virsh",
        "self._is_attached(item.path) or self._has_content(item)",
        "True",
        _VIRSH,
    ),
    Mutation("log-replaces-a-file", "_drivers/virsh", "item.path in self._named(item.option)", "True", _VIRSH),
)
