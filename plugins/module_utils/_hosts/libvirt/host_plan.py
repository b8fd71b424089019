# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the steps from the current state of a libvirt host to the requested one. Reads and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ..._core.errors import NotFound, Refused, Unsupported
from ..._tools.kvm_probe import DEVICE
from ..course import Step
from .host_record import Record

#: The network and the pool that packages of libvirt, or its first use, define.
_OF_PACKAGES = frozenset({"default"})
_SHOWN_VMS = 5


@dataclass(frozen=True)
class LibvirtHost:
    """A host as it was read. ``record`` is None without a file.

    ``provided``: other names of installed packages. ``package_files``: paths in the requested directory, or None.
    ``answers``: whether the daemon of libvirt answers; ``vms``, ``networks`` and ``pools`` are names, known only then.
    ``units``: {unit of systemd: whether it is enabled and active}; empty without systemd. ``members``: the users of
    the group libvirt. ``nested``: whether KVM supports VMs in VMs now; None without KVM.
    ``nested_stored``: the value in the file of the role; None without one. ``kvm``: None if it was not
    tried, "" if it works, else why it does not. ``blocked``: why the packages of the record cannot be removed.
    ``forwarding``: of IPv4 and IPv6. ``folders``: existing directories of libvirt. ``rules``: whether the firewall has
    rules of libvirt. ``kept``: what a removal does not delete. ``bridges``: bridges that are not libvirt's.
    ``active_networks``: names.
    """

    manager: str = ""
    installed: frozenset = frozenset()
    provided: frozenset = frozenset()
    package_files: tuple[str, ...] | None = None
    required: tuple[str, ...] = ()
    record: Record | None = None
    units: dict | None = None
    answers: bool = False
    vms: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    members: frozenset = frozenset()
    unknown_users: tuple[str, ...] = ()
    nested: bool | None = None
    nested_stored: bool | None = None
    kvm: str | None = None
    has_kvm: bool = False
    forwarding: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    rules: bool = False
    kept: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    active_networks: tuple[str, ...] = ()
    blocked: str = ""


def plan_host(requested, host):
    """Return the steps that lead from a LibvirtHost to the options of a task. Raises PolyvirtError."""
    if requested["state"] == "absent":
        return _removal(host)
    _check_users(host)
    if requested["require_kvm"]:
        _check_kvm(host)
    steps = [*_installation(requested, host), *_daemons(host), *_users(requested, host), *_nested(requested, host)]
    return [*steps, *_owned("networks", requested, host), *_owned("pools", requested, host)]


def needs_restart(requested, host):
    """Return whether nested virtualization is as requested only after the host, or the module of KVM, was restarted."""
    wanted = requested["nested"] if requested["state"] == "present" else None
    return wanted is not None and host.nested is not None and host.nested != wanted


def missing_packages(host):
    """Return the names of the packages that have to be installed."""
    return tuple(name for name in host.required if name not in host.installed | host.provided)


def _check_users(host):
    if host.unknown_users:
        raise Refused(
            f"users: this host has no user {', '.join(host.unknown_users)}.", "Create the user, or correct the name."
        )


def _check_kvm(host):
    problem = f"this host has no {DEVICE}." if not host.has_kvm else host.kvm
    if problem:
        raise Unsupported(
            f"KVM does not work: {problem}",
            "Enable VT-x or AMD-V in the firmware of the host (of a VM: nested virtualization), or set "
            "require_kvm: false and create VMs with virt_type: qemu.",
        )


def _installation(requested, host):
    missing = missing_packages(host)
    # An interrupted installation has to be recorded.
    is_interrupted = host.record is not None and bool(host.record.packages_before)
    if not missing and not is_interrupted:
        return []
    if missing and host.package_files == ():
        raise NotFound(
            f"package_folder: {requested['package_folder']} has no package files, and {', '.join(missing)} must be"
            " installed.",
            "Copy the package files to it, or remove the option. Nothing was changed.",
        )
    return [Step("packages", [], list(missing), ends_round=True)]


def _daemons(host):
    if host.units:
        stopped = [unit for unit, is_running in host.units.items() if not is_running]
        return [Step("daemons", "stopped", "running", calls=tuple(stopped), ends_round=True)] if stopped else []
    return [] if host.answers else [Step("daemons", "stopped", "running", ends_round=True)]


def _users(requested, host):
    new = [user for user in dict.fromkeys(requested["users"]) if user not in host.members]
    return [Step("users", sorted(host.members), sorted({*host.members, *new}), calls=tuple(new))] if new else []


def _nested(requested, host):
    """The file of the role decides from the next restart on, so it counts before what is in force now."""
    wanted = requested["nested"]
    current = host.nested if host.nested_stored is None else host.nested_stored
    return [] if wanted in (None, current) else [Step("nested", current, wanted)]


def _owned(kind, requested, host):
    """Networks or pools that the role creates afterwards: recorded before, so that a removal deletes them.

    What is gone, and is not requested any more, is forgotten: somebody else may create another one with its name.
    """
    recorded = getattr(host.record, kind) if host.record else ()
    existing = getattr(host, kind)
    kept = [name for name in recorded if not host.answers or name in existing or name in requested[kind]]
    new = [
        name
        for name in dict.fromkeys(requested[kind])
        if host.answers and name not in existing and name not in recorded
    ]
    return [Step(kind, list(recorded), [*kept, *new])] if [*kept, *new] != [*recorded] else []


def _removal(host):
    record = host.record
    if record is None:
        return []
    _check_unused(host, record)
    steps = [
        *([Step("networks", list(record.networks), [])] if record.networks else []),
        *([Step("pools", list(record.pools), [])] if record.pools else []),
        *([Step("users", sorted(host.members), sorted(host.members - {*record.users}))] if record.users else []),
        *([Step("nested", host.nested_stored, None)] if record.nested else []),
        *(
            [Step("daemons", "running", "stopped")]
            if (record.started or record.packages) and not record.stopped
            else []
        ),
    ]
    packages = tuple(name for name in record.packages if name in host.installed)
    if packages:
        steps.append(Step("packages", list(packages), []))
    if record.packages and host.rules:
        steps.append(Step("firewall", "rules of libvirt", "none"))
    steps += [*_folders(record, host), *_forwarding(record, host)]
    return [*steps, Step("record", "present", "absent")]


def _check_unused(host, record):
    """Raises Refused while something that the role did not add needs libvirt."""
    if host.vms:
        raise Refused(
            f"This host has VMs ({_shown(host.vms)}), which would be lost to libvirt.", "Delete or move them first."
        )
    if record.packages and not record.stopped:
        for kind in ("networks", "pools"):
            others = set(getattr(host, kind)) - {*getattr(record, kind)} - _OF_PACKAGES
            if others:
                raise Refused(
                    f"{kind}: {_shown(sorted(others))} of this host were not created by the role.",
                    "Delete them first, or keep libvirt.",
                )
        if not host.answers and "libvirt" in " ".join(record.packages):
            raise Refused(
                "libvirt does not answer, so it is not known whether this host has VMs.",
                "Start its daemon, and run the task again.",
            )
    if host.blocked:
        raise Refused(
            f"Other packages need the packages that the role installed: {host.blocked}",
            "Remove those packages first, or keep libvirt.",
        )


def _folders(record, host):
    folders = [one for one in record.folders if one in host.folders] if record.packages else []
    return [Step("folders", folders, [])] if folders else []


def _forwarding(record, host):
    """Forwarding that libvirt turned on; other bridges may need it, and other networks if libvirt remains."""
    others = set() if record.packages else {*host.active_networks} - {*record.networks}
    if not record.forwarding or record.forwarding == host.forwarding or host.bridges or others:
        return []
    return [Step("forwarding", list(host.forwarding), list(record.forwarding))]


def _shown(names):
    more = len(names) - _SHOWN_VMS
    return ", ".join(names[:_SHOWN_VMS]) + (f" and {more} more" if more > 0 else "")
