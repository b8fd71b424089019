# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether the host has what a plan needs: files, directories, space, a recent WSL."""

from __future__ import annotations

import ntpath

from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.planner.planned_steps import planned
from ..._core.record.mark import name_of_image
from ..._core.sharing.file_checks import check_files
from ..._tools.wsl import disk_of, is_path
from .cloud_init import check_documents
from .configure import EXPORTS
from .needed import WslFiles
from .settings.guest_files import GUEST
from .settings.storage import FORMATS, MANAGE, STORAGE
from .traits import check_version

_ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".vhdx")


def distros_with_used_disks(host, plans):
    """Return the raw distributions that plans start or change inside, and the sources of their clones."""
    used = [host.raw(vm_id) for plan in plans for vm_id in _uses_disks_of(plan)]
    return [raw for raw in used if raw is not None]


def _uses_disks_of(plan):
    for step in plan.steps:
        if step.verb == "clone" and step.arguments["source"].id is not None:
            yield step.arguments["source"].id
        is_inside = any(change.field in (*STORAGE, *GUEST) for change in step.changes)
        if step.verb == "start" or (step.verb == "configure" and is_inside):
            yield plan.before.id


def _check_disk(driver, plan):
    for vm_id in _uses_disks_of(plan):
        raw = driver.host.raw(vm_id)
        if raw is not None and driver.host.is_lost(raw):
            of_source = "" if vm_id == plan.before.id else f"clone.source: the disk of {raw['DistributionName']}, "
            raise NotFound(
                f"{plan.after.name}: {of_source}{disk_of(raw)} does not exist, so the distribution cannot start.",
                "Restore the file, or delete the distribution (state: absent).",
            )


def check_plan(driver, plan, released=frozenset()):
    """Raise if the plan would fail. ``released`` are the claims that earlier plans of the task let go of."""
    _check_disk(driver, plan)
    name, needed = plan.after.name, WslFiles(driver, plan)
    for one in planned(plan):
        export = next((change.new for change in one.changes if change.field == "export"), None)
        if one.step.verb == "create" and not needed.is_begun:
            _check_image(driver, name, one.step.arguments["config"], one.step.arguments["creation"]["image"])
        if one.step.verb in ("create", "clone"):
            _check_default(driver, name, one.step.arguments["config"])
            if one.step.arguments["creation"].get("cloud_init") is not None:
                check_documents(driver, name, one.step)
        if export:
            _check_export(driver, name, export)
    needed.read()
    check_files(needed, driver.space, released)
    needed.check_parents()


def _check_default(driver, name, config):
    is_first = not driver.host.distros and all(one is False for one in driver.defaults_of_new)
    if is_first and config.get("default") is False:
        raise Refused(
            f"{name}: default: WSL makes the first distribution of a user the default one.",
            "Omit default, or create another distribution first.",
        )


def _check_image(driver, name, config, image):
    source = image["source"]
    check_version(name, config.get("version") or driver.host.root.get("DefaultVersion"), config, source)
    if source.lower().endswith(".vhd"):
        raise Refused(f"{name}: image.source: '{source}' is not a VHDX file.", "Convert it with Convert-VHD.")
    is_file = is_path(source)
    if not is_file and ntpath.splitext(source)[1].lower() in (".tar", ".gz", ".xz", ".vhdx", ".wsl"):
        raise Refused(f"{name}: image.source: '{source}' is not an absolute path on Windows.", "Set the full path.")
    if (not is_file or source.lower().endswith(".wsl")) and driver.host.version < MANAGE:
        needed = ".".join(map(str, MANAGE))
        raise Unsupported(
            f"{name}: image.source: '{name_of_image(image)}' needs WSL {needed} or later.",
            "Update WSL, or set the path of a tarball.",
        )


def _check_export(driver, name, path):
    extension = ntpath.splitext(path)[1].lower()
    if not path.lower().endswith(_ENDINGS) or extension not in EXPORTS:
        raise Refused(f"{name}: export: the name of the file ends with none of {', '.join(_ENDINGS)}.", "Rename it.")
    if extension in (".gz", ".xz") and driver.host.version < FORMATS:
        needed = ".".join(map(str, FORMATS))
        raise Unsupported(f"{name}: export: compressed files need WSL {needed} or later.", "Update WSL, or use .tar.")
