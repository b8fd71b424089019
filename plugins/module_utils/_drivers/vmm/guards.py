# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: all checks before the first step of a plan, as rows (_kit/guards.py): vm.conf, switches, files, devices."""

from __future__ import annotations

import os
import re

from ..._core.errors import NotFound, Refused
from ..._core.frozen import replace
from ..._core.model import ABSENT, ON, STOPPED
from ..._core.planner.planned_steps import planned
from ..._core.record.mark import IN_MARK
from ..._core.sharing.claims import NAME
from ..._core.sharing.file_checks import check_files
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._kit.space import memory_warnings
from ..._ports import files, folders, host
from ..._tools import seed
from ..._tools.vm_conf_registration import rejected
from .edit import INCOMPLETE, invalid
from .needed import VmmFiles
from .settings.table import config_inherited
from .traits import MOST_DISKS, MOST_NICS, READ_AGAIN, UNREAD

_FIRMWARE = "/etc/firmware/vmm-bios"
_DEVICES = "/dev"
_TAP = re.compile(r"tap\d+")


def _check_needed_files(driver, plan, released):
    return check_files(VmmFiles(driver, plan, files), driver.space, released)


# vm.conf --------------------------------------------------------------------------------------------------------------


def _check_file(driver, plan):
    if not (_needs_reload(driver, plan) or any(step.verb in READ_AGAIN for step in plan.steps)):
        return
    path, name = driver.config_file, plan.after.name
    _check_is_writable(path, name)
    if files.exists(path):
        errors = driver.tool.validate(path)
        if errors:
            raise invalid(path, errors)
    _check_is_ours(driver, plan)


def _check_reload(driver, plan, released):
    """Raise if vmd would reject vm.conf or exit, or start other VMs later."""
    if not _needs_reload(driver, plan):
        return
    found, path, name = driver.found, driver.config_file, plan.after.name
    gone = _deleted_before(released) | ({name} if plan.after.power == ABSENT else set())
    _check_interfaces(driver, found, name)
    _check_no_running_instances(found, path, name)
    _check_registration(found, name, gone)
    others = found.others_started({name})
    if others and found.configuration.staggered:
        raise Refused(
            f"{name}: vmd has to read {path} again, and would start {', '.join(others)} later, because of the line"
            " 'staggered start'.",
            f"Start {', '.join(others)}, or disable them in {path}.",
        )


def _check_registration(found, name, gone):
    """Raise Refused if vmd would reject a block that ``vmd -n`` accepts, of a VM that is not in ``gone``."""
    configuration = found.configuration
    configuration = replace(configuration, listed=[one for one in configuration.listed if one.name not in gone])
    found_fault = rejected(configuration, found.running() - {name})
    if found_fault:
        block, reason = found_fault
        raise Refused(
            f"{name}: vmd has to read {block.file} again, and would reject the block of the VM '{block.name}':"
            f" {reason}.",
            "Correct or remove that block.",
        )


def _deleted_before(released):
    """Names of VMs that the task deletes before this one."""
    return {identity for kind, identity in released if kind == NAME}


def _check_own_devices(driver, plan):
    """Raise Refused if the plan would leave a VM that vmd rejects."""
    config = plan.after.config
    if _needs_reload(driver, plan) and plan.after.power != ABSENT and not (config.get("disks") or config.get("iso")):
        raise Refused(
            f"{plan.after.name}: vmd rejects a VM that has neither a disk nor an ISO image.", "Set disks or iso."
        )


def _check_is_defined(driver, plan):
    """Raise Refused for a VM that vmd knows although vm.conf does not define it: nothing of it can be changed."""
    name = plan.before.name
    if plan.before.id is None or name in driver.found.configuration.blocks:
        return
    raise Refused(
        f"{name}: {driver.config_file} does not define the VM: its block was removed and vmd has not read the file"
        " since, or the VM was started on the command line.",
        "Put its block back, or delete the VM first (state: absent).",
    )


def _needs_reload(driver, plan):
    """Return whether vmd has to read vm.conf again; changes of a running VM wait for its next start."""
    found, verbs, name = driver.found, {step.verb for step in plan.steps}, plan.after.name
    kinds = {change.kind for step in plan.steps if step.verb == "configure" for change in step.changes}
    is_unread = INCOMPLETE & (found.mark(name) or {}).keys() or name not in found.rows or name in found.unread
    is_changed = bool(kinds - set(UNREAD))
    if verbs & {"create", "clone", "delete"} or ("start" in verbs and (is_unread or is_changed)):
        return True
    return is_changed and (plan.before.power not in ON or bool(verbs & {"stop", "kill"}))


def _check_is_writable(path, name):
    folder = os.path.dirname(os.path.realpath(path))
    if not files.is_writable(folder) or (files.exists(path) and not files.is_writable(path)):
        raise Refused(f"{name}: {path} cannot be written.", "Run the task as root (become: true).")


def _check_is_ours(driver, plan):
    found, name, steps = driver.found, plan.before.name, list(planned(plan))
    block = found.configuration.blocks.get(name)
    kinds = {change.kind for one in steps for change in one.changes}
    changes_block = any(one.step.verb == "delete" for one in steps) or kinds - {"description", *IN_MARK}
    if block is None or found.is_ours(name) or driver.options.get("allow_foreign_edit") or not changes_block:
        return
    raise Refused(
        f"{name}: the VM is defined in {block.file}, outside of the block that this collection manages.",
        "Set allow_foreign_edit: true to change it there.",
    )


def _check_interfaces(driver, found, name):
    """Raise NotFound if vm.conf has a switch without its interface: vmd would exit, and all VMs with it."""
    needed = {interface: switch for switch, interface in found.configuration.switches.items() if interface}
    missing = sorted(set(needed) - driver.tool.interfaces()) if needed else []
    if missing:
        raise NotFound(
            f"{name}: vmd has to read {driver.config_file} again, but the interface {missing[0]} of the switch"
            f" '{needed[missing[0]]}' does not exist; vmd would exit, and all VMs with it.",
            f"Create it: sh /etc/netstart {missing[0]}, or ifconfig {missing[0]} create.",
        )


def _check_no_running_instances(found, path, name):
    """Raise Refused if instances run; the plan of ``name`` stops that VM before vmd reads the file."""
    for one in found.configuration.blocks.values():
        if one.parent and one.name != name and found.power(one.name) != STOPPED:
            raise Refused(
                f"{name}: vmd has to read {path} again, and would reject it because {one.name} runs, which is an"
                f" instance of {one.parent}.",
                f"Stop {one.name} first.",
            )


def _check_no_instances(driver, plan, released):
    name, gone = plan.before.name, _deleted_before(released)
    blocks = driver.found.configuration.blocks.values()
    instances = sorted(one.name for one in blocks if one.parent == name and one.name not in gone)
    if instances:
        raise Refused(f"{name}: it is the template of {', '.join(instances)}.", f"Delete {', '.join(instances)} first.")


def _check_numbering(driver, plan):
    """Raise Refused for gaps: vmd numbers disks and NICs in their order in vm.conf, so there can be none."""
    for option, prefix, maximum in (("disks", "disk", MOST_DISKS), ("networks", "", MOST_NICS)):
        found = set(plan.after.config.get(option) or {})
        wrong = sorted(found - {f"{prefix}{number}" for number in range(len(found))})
        if wrong:
            raise Refused(
                f"{plan.after.name}: {option}: vmd numbers them in order without gaps, so there would be no"
                f" {wrong[0]}.",
                f"Use {prefix}0, {prefix}1, and so on, and remove the last one first.",
            )
        if len(found) > maximum:
            raise Refused(
                f"{plan.after.name}: {option}: {len(found)} are more than vmd supports ({maximum}).",
                f"Use at most {maximum}.",
            )


# What a VM uses -------------------------------------------------------------------------------------------------------


def _check_switches(driver, plan, one):
    """Raise NotFound if vm.conf does not define a switch: vmd would start the VM without network, and only log that."""
    found, after = driver.found, plan.after
    changed = {change.key for change in one.changes if change.kind in ("networks.add", "networks.source")}
    for key, nic in (after.config.get("networks") or {}).items():
        switch = nic.get("source") if one.step.verb == "start" or key in changed else None
        if switch and switch not in found.configuration.switches:
            known = ", ".join(sorted(found.configuration.switches)) or "none"
            if switch in found.configuration.disabled_switches:
                problem, remedy = f"the switch '{switch}' is disabled in vm.conf", "Remove its word 'disable'."
            else:
                problem, remedy = f"vm.conf has no switch '{switch}'", "The role vmm_network creates one."
            raise NotFound(f"{after.name}: networks[{key}].source: {problem}.", f"Usable switches: {known}. {remedy}")


def _check_owners(driver, plan, one):
    for change in one.changes:
        if change.kind == "vmd_owner":
            _check_owner(one.vm.name, change.kind, change.new or "")
        elif change.kind == "native" and change.key == "allow":
            for word in change.new or ():
                _check_owner(one.vm.name, "native.allow", word.partition("owner ")[2])


def _check_owner(name, option, owner):
    """Raise NotFound for a user or group that the host does not have. vmd takes only a user without a group as number.

    A number next to a colon is a name for vmd, so ``1000:1000`` needs a user with the name '1000'.
    """
    user, _colon, group = owner.partition(":")
    if owner.isdigit():
        return
    for kind, user_or_group, is_known in (("user", user, folders.is_user), ("group", group, folders.is_group)):
        if user_or_group and not is_known(user_or_group):
            is_number = user_or_group.isdigit()
            raise NotFound(
                f"{name}: {option}: there is no {kind} with the name '{user_or_group}' on the host"
                f"{', and vmd accepts a number only for a user without a group' if is_number else ''}.",
                f"Set the name of the {kind}." if is_number else "Create it, or correct the name.",
            )


def _check_kept_of_template(driver, plan, one):
    found, after, step = driver.found, plan.after, one.step
    block = found.configuration.blocks.get(after.name) if step.verb == "configure" else None
    parent = (step.arguments.get("creation") or {}).get("instance_of") or (block.parent if block else None)
    if parent:
        _check_instance(found, after.name, parent, after.config)


def _check_instance(found, name, parent, config):
    """Raise for what vmd rejects when it reads vm.conf although ``vmd -n`` accepts it, or what an instance inherits."""
    template = found.definition(parent)
    if template is None:
        raise NotFound(f"{name}: instance_of: there is no VM '{parent}' in vm.conf.", "Create it first.")
    inherited, networks = config_inherited(template), config.get("networks") or {}
    known = inherited["networks"]
    macs = {nic["mac"] for key, nic in networks.items() if nic.get("mac") and nic != known.get(key)}
    for option, is_rejected in (
        ("networks", len(networks) < len(known)),
        ("networks[].mac", any(macs - {nic.get("mac")} for nic in known.values())),
        ("vmd_owner", (config.get("vmd_owner") or "") != inherited["vmd_owner"]),
        ("iso", inherited["iso"] and not config.get("iso")),
    ):
        if is_rejected:
            raise Refused(f"{name}: {option}: an instance has that of its template '{parent}'.", f"Omit {option}.")


def _check_memory(_driver, plan):
    return memory_warnings(plan, host.memory())


def _check_devices(driver, plan):
    """Check the firmware and the tap devices: each NIC of a running VM needs one, and OpenBSD has four by default."""
    if not plan.after.config.get("boot") and not files.exists(_FIRMWARE):
        raise NotFound(f"{plan.after.name}: {_FIRMWARE} does not exist.", "Install it with fw_update vmm.")
    devices = [entry for entry in files.entries(_DEVICES) if _TAP.fullmatch(entry)]
    found = driver.found
    running = [name for name, row in found.rows.items() if row.power in ON and name != plan.after.name]
    used = sum(len(found.definition(name).nics) if found.definition(name) else 1 for name in running)
    needed = len(plan.after.config.get("networks") or {})
    if devices and used + needed > len(devices):
        raise Refused(
            f"{plan.after.name}: its {needed} NICs need tap devices, and {used} of {len(devices)} are in use.",
            f"Create another one: cd /dev && sh MAKEDEV tap{len(devices)}",
        )


GUARDS = (
    Guard(("configure", "start"), _check_is_defined, "the task would change a block that is not in vm.conf"),
    Guard(("create", "clone", "disks", "networks"), _check_numbering, "vmd numbers without gaps: another disk or NIC"),
    Guard((*READ_AGAIN, "start"), _check_file, "vm.conf is invalid, cannot be written, or is not ours"),
    SharedGuard(("delete",), _check_no_instances, "vmd rejects vm.conf: instances need their template"),
    Guard((*READ_AGAIN, "start"), _check_own_devices, "vmd rejects vm.conf: a VM has neither disk nor ISO image"),
    SharedGuard((*READ_AGAIN, "start"), _check_reload, "vmd rejects vm.conf, exits with all VMs, or starts others"),
    StepGuard(("create", "clone", "start", "networks"), _check_switches, "the VM runs without network"),
    StepGuard(("create", "clone", "vmd_owner", "native"), _check_owners, "vmd rejects vm.conf: no such user or group"),
    StepGuard(("create", "configure"), _check_kept_of_template, "an instance has another value than the task sets"),
    SharedGuard((), _check_needed_files, "a file is missing, exists already, is used, or does not fit"),
    Guard(("create", "clone"), seed.check, "the seed of cloud-init cannot be made when the disks exist"),
    Guard(("create", "start", "memory"), _check_memory, "the VM does not start, or slows down its host (a warning)"),
    Guard(("start",), _check_devices, "the VM does not start: no firmware, or too few tap devices"),
)
