# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE's refusals mean, and what to do about them."""

from __future__ import annotations

import re

from .._lifecycle.errors import ApiError, NotFound, Refused, Stale

_RIGHT = re.compile(r"Permission check failed \(([^,]+), ([^)]+)\)")
#: Ends of a call between two nodes: never begun, and begun with nothing heard of it since.
_NO_NODE, _SILENT_NODE = 595, 596
#: Nothing is wrong with the server that was asked, but with the one that it asked.
NODE_TROUBLES = (_NO_NODE, _SILENT_NODE, 599)
#: Answers of a proxy in front of the server, or of a server that is being restarted.
GATEWAY_TROUBLES = (502, 503, 504)
#: With these nobody knows whether a call that changes something was carried out.
DOUBTFUL = (*GATEWAY_TROUBLES, _SILENT_NODE, 599)
_OUTDATED = "checksum mismatch (file change"
PASSING = re.compile(r"can't lock file|VM is locked \((?!suspended\b)|checksum mismatch \(file change")


class Busy(ApiError):
    """Somebody else holds the machine or has changed it in this moment, or the server is busy: try again soon."""


class Outdated(Busy, Stale):
    """Somebody else changed the VM's configuration since it was read: nothing was changed."""


class HotplugFailed(ApiError):
    """What was asked is stored, but the running machine did not take it."""


def explained(answer, call, who, where="the server"):
    """The error that an answer is, with what to do about it. ``where`` is the host that was called."""
    said = answer.reason.strip().rstrip(".!")
    if answer.status == 401:
        return ApiError(
            f"Proxmox VE does not know {who}: {said}.",
            401,
            "See api_user with its realm, api_token_id and api_token_secret, and that the token has not expired.",
        )
    if answer.status == 403:
        return _forbidden(said, call, who)
    if answer.status == _NO_NODE:
        return ApiError(f"{_node(call)} cannot be reached by the node that was asked ({said}).", _NO_NODE, _SEE_NODE)
    if answer.status in GATEWAY_TROUBLES:
        return Busy(f"{where} answered {call} with {answer.status} ({said}).", answer.status, _SEE_PROXY)
    if answer.status in (_SILENT_NODE, 599):
        return Busy(f"{_node(call)} took a call and did not answer it ({said}).", answer.status, _SEE_NODE)
    if answer.errors:
        return _wrong_parameters(answer, said)
    if "hostname lookup" in said:
        return NotFound(f"There is no {_node(call)} in the cluster.", "See pvecm nodes.")
    if _OUTDATED in said:
        return Outdated(f"{said}.", answer.status)
    if PASSING.search(said):
        return Busy(f"{said}.", answer.status)
    return ApiError(f"{said or f'HTTP {answer.status}'}.", answer.status, remedy_for(said))


_SEE_PROXY = "Check the service pveproxy on that host, and any proxy in front of it."
_SEE_NODE = "See that it is up and in the cluster: pvecm status."


def _node(call):
    found = re.search(r"/nodes/([^/]+)", call)
    return f"node '{found[1]}'" if found else "the node"


def _forbidden(said, call, who):
    right = _RIGHT.search(said)
    if right:
        path, privileges = right[1], " or ".join(right[2].split("|"))
        return Refused(
            f"{who} lacks the privilege {privileges} on {path}.",
            f"Give it a role that has it: pveum acl modify {path}; a token needs it beside its user, unless it was made"
            " without privilege separation.",
        )
    if "does not exist" in said:
        return NotFound(f"{said.replace('Permission check failed (', '').rstrip(')')}.", "Make it, or name another.")
    return Refused(f"{who} may not do this ({call}): {said}.", "See docs/proxmox.md for the privileges needed.")


def _wrong_parameters(answer, said):
    texts = {key: " ".join(str(text).split()) for key, text in sorted(answer.errors.items())}
    told = "; ".join(f"{key}: {text}" for key, text in texts.items())
    if all(text.startswith("hotplug problem") for text in texts.values()):
        return HotplugFailed(told, answer.status)
    return ApiError(f"{said}: {told}.", answer.status, remedy_for(told))


#: What is said, and what helps.
_REMEDIES = (
    (r"storage '[^']*' (does not exist|is disabled|is not available)", "Name a storage that the node has (storage)."),
    (r"does not support vm images", "Name a storage whose content has Disk image."),
    (r"already exists", "Name another vmid, or leave it out to have the next free one."),
    (r"no quorum", "Bring back the nodes that are missing: pvecm status."),
    (r"protection mode", "Set protection: false first."),
    (r"used in HA resources|HA resource", "Take it out of the high availability first: ha-manager remove."),
    (r"no space|out of space|not enough space", "Make room on the storage, or name another one."),
    (r"bridge .* does not exist|no such bridge", "Name a bridge of the node."),
    (r"snapshot feature is not available", "Its disks lie on a storage without snapshots; move them first."),
    (r"Linked clone feature is not supported", "Only a template has linked clones; set linked: false."),
    (r"only root can set|Only root may", "Only root@pam itself may do this, and no token."),
    (r"KVM virtualisation configured, but not available", "Set native: {kvm: false}, or switch VT-x or AMD-V on."),
)


def remedy_for(said):
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, said)), None)
