# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths in the ``native`` option of platforms that keep XML: which are accepted, and which belong to an option."""

from __future__ import annotations

import re

from .._core.errors import PolyvirtError, Refused
from .._core.pattern import Pattern

#: A condition in a path, such as [2] or [@type='network'].
CONDITION = r"(\[[^\]]+\])?"
_NATIVE_PATH = Pattern(rf"([\w:.-]+{CONDITION}(/[\w:.-]+{CONDITION})*)?(@[\w:.-]+)?")

#: MAC addresses and UUIDs, which libvirt stores in small letters.
_IN_SMALL_LETTERS = Pattern(r"([0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def same_text(found, requested):
    """Return whether libvirt stores ``requested`` as ``found``; None: the value does not exist."""
    if found == requested or not (found and requested):
        return found == requested
    return found.lower() == requested.lower() and _IN_SMALL_LETTERS.fullmatch(found) is not None


def check_paths(name, native, options, document, example):
    """Reject paths of the ``native`` of a network: see ``check_native``."""
    for key, value in (native or {}).items():
        option = option_for(key, options)
        if option:
            raise has_option(name, key, option)
        check_path(name, key, value, document, example)


def check_path(name, key, value, document, example):
    steps = {step.partition("[")[0] for step in re.split(r"[/@]", key)}
    if not key or steps & {".", ".."} or not _NATIVE_PATH.fullmatch(key):
        raise Refused(f"{name}: native: '{key}' is not a valid path in {document}.", f"Use a path such as {example}.")
    if re.search(r"@passwd$|secret", key):
        raise Refused(
            f"{name}: native: '{key}' is a secret, and native is shown in results.", "Set it with virsh edit instead."
        )
    if isinstance(value, (dict, list)):
        raise Refused(
            f"{name}: native: the value of '{key}' is not a plain value.", "Use a separate path for each value."
        )


def check_stored(name, native, printed, same, reference):
    """Raise Refused for a value that libvirt drops or rewrites: it would be changed again by each run.

    ``printed`` is the definition as libvirt's test driver prints it, which keeps nothing that is in a namespace.
    """
    for key, value in native.items():
        try:
            is_kept, found = ":" in key or printed.has_native(key, value, same), printed.native(key)
        except PolyvirtError:
            continue  # It has added elements, so the path does not lead to a single one there.
        if not is_kept:
            stores = "does not store it" if found is None else f"stores {found!r} instead" if found else "keeps it"
            wanted = "cannot be removed" if value is None else f"cannot have the value {value!r}"
            raise Refused(
                f"{name}: native: '{key}' {wanted}: libvirt {stores}.", f"Use a path and a value of {reference}."
            )


def option_for(key, options):
    """The option that sets the value at the path ``key``, or None."""
    paths = (key, re.sub(r"\[[^\]]*\]", "", key))
    return next((option for pattern, option in options.items() if any(re.match(pattern, path) for path in paths)), None)


def has_option(name, key, option):
    return Refused(f"{name}: native: '{key}' cannot be set through native.", f"Use the option {option} instead.")
