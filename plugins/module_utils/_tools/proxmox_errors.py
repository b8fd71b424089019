# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explains errors of Proxmox VE, and how to fix them."""

from __future__ import annotations

import re

from .._core import errors
from .._core.errors import ApiError, NotFound, Refused, Stale
from .._core.pattern import Pattern

_RIGHT = Pattern(r"Permission check failed \(([^,]+), ([^)]+)\)")
#: A call between two nodes was not started, or was started and not answered.
_NO_NODE, _SILENT_NODE = 595, 596
#: The called node works, but the node to which it passed the call does not.
NODE_ERRORS = (_NO_NODE, _SILENT_NODE, 599)
#: Answers of a proxy in front of the server, or of a server that is being restarted.
GATEWAY_ERRORS = (502, 503, 504)
#: With these it is unknown whether a call that changes something was carried out.
DOUBTFUL = (*GATEWAY_ERRORS, _SILENT_NODE, 599)
_OUTDATED = "checksum mismatch (file change"
PASSING = Pattern(r"can't lock file|VM is locked \((?!suspended\b)|checksum mismatch \(file change")


class Busy(ApiError):
    """Another user holds or changes the VM at this moment, or the server is busy: try again soon."""


class Outdated(Busy, Stale):
    """Somebody else changed the VM's configuration since it was read: nothing was changed."""


class HotplugFailed(ApiError):
    """The change is stored, but the running VM did not accept it."""


def explained(answer, call, who, where="the server"):
    """The error of an answer, with a remedy. ``who`` is the user or token, ``where`` the host that was called."""
    reason = answer.reason.strip().rstrip(".!")
    if answer.status == 401:
        return ApiError(
            f"Proxmox VE does not know {who}: {reason}.",
            401,
            "Check api_user with its realm, api_token_id, api_token_secret, and that the token has not expired.",
        )
    if answer.status == 403:
        return _forbidden(reason, call, who)
    if answer.status == _NO_NODE:
        return ApiError(f"{_node(call)} cannot be reached by the called node ({reason}).", _NO_NODE, _SEE_NODE)
    if answer.status in GATEWAY_ERRORS:
        return Busy(f"{where} answered {call} with {answer.status} ({reason}).", answer.status, _SEE_PROXY)
    if answer.status in (_SILENT_NODE, 599):
        return Busy(f"{_node(call)} did not answer a call ({reason}).", answer.status, _SEE_NODE)
    if answer.errors:
        return _wrong_parameters(answer, reason)
    if "hostname lookup" in reason:
        return NotFound(f"There is no {_node(call)} in the cluster.", "List the nodes: pvecm nodes.")
    if _OUTDATED in reason:
        return Outdated(f"{reason}.", answer.status)
    if PASSING.search(reason):
        return Busy(f"{reason}.", answer.status)
    return ApiError(f"{reason or f'HTTP {answer.status}'}.", answer.status, remedy_for(reason))


_SEE_PROXY = "Check the service pveproxy on that host, and any proxy in front of it."
_SEE_NODE = "Check that it is online and in the cluster: pvecm status."


def _node(call):
    found = re.search(r"/nodes/([^/]+)", call)
    return f"node '{found[1]}'" if found else "the node"


def grant_remedy(path):
    """Return how an account gets a missing privilege on a path."""
    return (
        f"Give it a role that has it: pveum acl modify {path} --roles ROLE --users USER; a token with privilege"
        " separation needs the role too: the same with --tokens TOKEN."
    )


def _forbidden(reason, call, who):
    right = _RIGHT.search(reason)
    if right:
        path, privileges = right[1], " or ".join(right[2].split("|"))
        return Refused(
            f"{who} lacks the privilege {privileges} on {path}.",
            grant_remedy(path),
        )
    if "does not exist" in reason:
        return NotFound(
            f"{reason.replace('Permission check failed (', '').rstrip(')')}.", "Create it, or use another one."
        )
    return Refused(f"{who} may not do this ({call}): {reason}.", "See docs/proxmox.md for the privileges needed.")


def _wrong_parameters(answer, reason):
    texts = {key: " ".join(str(text).split()) for key, text in sorted(answer.errors.items())}
    listed = "; ".join(f"{key}: {text}" for key, text in texts.items())
    if all(text.startswith("hotplug problem") for text in texts.values()):
        return HotplugFailed(listed, answer.status)
    return ApiError(f"{reason}: {listed}.", answer.status, remedy_for(listed))


#: Rows (texts of the server's error, remedy), see errors.py; docs/errors.md lists them.
REMEDIES = (
    (
        ("storage '...' does not exist", "storage '...' is disabled", "storage '...' is not available"),
        "Set storage to a storage of the node (pvesm status).",
    ),
    (("does not support vm images",), "Use a storage that allows the content Disk image."),
    (("already exists",), "Set another id, or remove id to get the next free one."),
    (("no quorum",), "Start the missing nodes again: pvecm status."),
    (
        ("max backup limit of",),
        "The storage limits its backups, and the task has a retention of its own: let the storage keep all backups.",
    ),
    (("protection mode",), "Set protection: false first."),
    (("used in HA resources", "HA resource"), "Remove it from high availability first: ha-manager remove."),
    (
        ("no space", "out of space", "No space", "not enough space"),
        "Free space on the storage, or use another one.",
    ),
    (("bridge ... does not exist", "no such bridge"), "Use a bridge of the node."),
    (("snapshot feature is not available",), "Its disks are on a storage without snapshots; move them first."),
    (("Linked clone feature is not supported",), "Only a template has linked clones; set linked: false."),
    (
        ("only root can set", "Only root may"),
        "Only root@pam may do this with its password; tokens may not.",
    ),
    (
        ("KVM virtualisation configured, but not available",),
        "Set native: {kvm: false}, or turn on VT-x or AMD-V.",
    ),
    (
        ("non-migratable snapshot exists", "online storage migration not possible if"),
        "Delete the snapshots first, or move the VM while it is off.",
    ),
    (("SSH public key validation error",), "Set each key as a whole line of its .pub file."),
)


def remedy_for(reason):
    return errors.remedy_for(REMEDIES, reason)
