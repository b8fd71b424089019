# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a plan before the first step: does the host have what it needs? Errors name VM, option and remedy."""

from __future__ import annotations

import os

from ..._core.errors import PolyvirtError, Refused, Unsupported
from ..._ports import files
from ..._tools import vagrant as tool
from ..._tools import vagrant_folder
from .settings.box import check_box
from .settings.port_forwards import check_ports_are_free, host_end
from .settings.provisioners import check_scripts
from .settings.shared_folders import check_folders
from .settings.table import description_of
from .snapshot_checks import check_name, check_steps

_WRITING = ("create", "configure")
_PRIVATE = 0o600


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound, Refused or Unsupported for steps that would fail after others were executed.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    verbs, managed = [step.verb for step in plan.steps], driver.project.managed
    created = driver.project_vm(plan.before.name).created
    _check_disks(driver, plan, verbs, created)
    check_steps(driver, plan)
    if "create" in verbs and not managed:
        driver.check_version()
    if any(verb in _WRITING for verb in verbs):
        check_name(driver, plan)
    if managed and any(verb in _WRITING for verb in verbs):
        _check_description(driver, plan)
    if managed and "start" in verbs:
        check_ports_are_free(driver, plan, created, released)
        if plan.before.id is None or "create" in verbs:
            check_box(driver, plan)
        if _is_file_new(plan, verbs):
            _check_with_vagrant(driver, plan)


def _check_description(driver, plan):
    config, folder = plan.after.config, driver.project.folder
    _check_unique(plan)
    _check_file(driver, plan)
    check_folders(plan.after.name, folder, config.get("shared_folders"))
    check_scripts(plan.after.name, folder, config.get("provisioners"))


def _is_file_new(plan, verbs):
    """Whether a start is the first one with this description: Vagrant itself has validated all others."""
    return plan.before.id is None or any(verb in _WRITING for verb in verbs)


def _check_disks(driver, plan, verbs, created):
    if "delete" in verbs and created is not None and driver.options.get("delete_disks") == "none":
        raise Unsupported(
            f"{plan.before.name}: delete_disks: none is not supported: Vagrant deletes a VM with its disk.",
            "Remove the option, or save the disk first (vagrant package).",
        )


def _check_unique(plan):
    """Reject two entries with the same name, new or existing: Vagrant would create only one of them, or none."""
    config = plan.after.config
    entries = {
        ("provisioners", "name"): [one.get("name") for one in config.get("provisioners") or ()],
        ("shared_folders", "guest_path"): [one["guest_path"] for one in (config.get("shared_folders") or {}).values()],
        ("port_forwards", "host_port"): [
            host_end(one, config.get("provider")) for one in (config.get("port_forwards") or {}).values()
        ],
    }
    for (option, key), values in entries.items():
        twice = next((value for value in values if value is not None and values.count(value) > 1), None)
        if twice is not None:
            raise Refused(
                f"{plan.after.name}: {option}: two entries have the {key} '{twice}', and Vagrant would not create"
                " both.",
                f"Give each its own {key}; an entry described before is removed with purge: [{option}].",
            )


def _check_file(driver, plan):
    """Render the Vagrantfile, which raises if a provider does not support a setting."""
    name, contents = plan.after.name, driver.project.read()
    described = description_of(name, plan.after.config)
    others = [one for one in contents.descriptions() if one["name"] != name]
    try:
        driver.project.text([*others, described], plan.after.config.get("environment") or {})
    except PolyvirtError as error:
        raise type(error)(f"{name}: {error.message}", error.remedy) from error


# What only Vagrant knows ----------------------------------------------------------------------------------------------


def _check_with_vagrant(driver, plan):
    """Let Vagrant validate a copy of the future Vagrantfile: it knows its plugins, providers and their settings."""
    project, name = driver.project, plan.after.name
    config = {**plan.after.config, **_with_absolute_paths(project.folder, plan.after.config)}
    text = project.text([description_of(name, config)], config.get("environment") or {})
    with files.private_folder() as folder:
        vagrant_folder.copy(files, project.dotfile, folder)
        files.write_atomically(os.path.join(folder, project.file), text.encode("ascii"), mode=_PRIVATE)
        try:
            driver.vagrant_in(folder, folder, config.get("provider")).read("validate")
        except tool.VagrantFailed as error:
            message = " ".join(error.stderr.split())
            if tool.is_provider_missing(error):
                remedy = "Install the provider and Vagrant's plugin for it, or set another provider."
                raise Refused(f"{name}: provider: {message}", remedy) from error
            if tool.is_invalid(error):
                raise Refused(f"{name}: Vagrant rejects its settings: {message}", "Correct native.") from error
            # Any other error may be due to this copy; if not, Vagrant reports it again.


def _with_absolute_paths(folder, config):
    """Settings with absolute paths: Vagrant would resolve relative ones below the copy, not the project's folder."""
    shares = config.get("shared_folders") or {}
    scripts = config.get("provisioners") or ()
    return {
        "shared_folders": {
            name: {**share, "host_path": os.path.join(folder, share["host_path"])} for name, share in shares.items()
        },
        "provisioners": tuple(
            {**one, "path": os.path.join(folder, one["path"])} if "://" not in one.get("path", "://") else one
            for one in scripts
        ),
    }
