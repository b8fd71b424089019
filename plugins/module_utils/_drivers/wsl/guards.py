# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: all checks before the first step of a plan, as rows (_kit/guards.py): files, space, a recent WSL."""

from __future__ import annotations

import ntpath

from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.record.mark import name_of_image
from ..._core.sharing.file_checks import check_files
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._tools.windows_files import READ_REMEDY, key_of
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
        if raw is None:
            continue
        of_source = "" if vm_id == plan.before.id else f"clone.source: the disk of {raw['DistributionName']}, "
        disk = f"{plan.after.name}: {of_source}{disk_of(raw)}"
        if driver.host.is_lost(raw):
            raise NotFound(
                f"{disk} does not exist, so the distribution cannot start.",
                "Restore the file, or delete the distribution (state: absent, without export).",
            )
        if key_of(disk_of(raw)) in driver.host.denied and not driver.host.runs(raw):
            raise Refused(f"{disk} is not readable, so the distribution cannot start.", READ_REMEDY)


def _check_files(driver, plan, released):
    needed = WslFiles(driver, plan)
    needed.read()
    check_files(needed, driver.space, released)
    needed.check_parents()


def _check_documents(driver, plan, one):
    if one.step.arguments["creation"].get("cloud_init") is not None:
        check_documents(driver, plan.after.name, one.step)


def _check_default(driver, plan, one):
    is_first = not driver.host.distros and all(default is False for default in driver.defaults_of_new)
    if is_first and one.step.arguments["config"].get("default") is False:
        raise Refused(
            f"{plan.after.name}: default: WSL makes the first distribution of a user the default one.",
            "Omit default, or create another distribution first.",
        )


def _check_image(driver, plan, one):
    if WslFiles(driver, plan).is_begun:
        return
    name, config, image = plan.after.name, one.step.arguments["config"], one.step.arguments["creation"]["image"]
    source = image["source"]
    check_version(name, config.get("version") or driver.host.default_version, config, source)
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


def _check_export(driver, plan, one):
    name, path = plan.after.name, next((change.new for change in one.changes if change.field == "export"), None)
    if not path:
        return
    extension = ntpath.splitext(path)[1].lower()
    if not path.lower().endswith(_ENDINGS) or extension not in EXPORTS:
        raise Refused(f"{name}: export: the name of the file ends with none of {', '.join(_ENDINGS)}.", "Rename it.")
    if extension in (".gz", ".xz") and driver.host.version < FORMATS:
        needed = ".".join(map(str, FORMATS))
        raise Unsupported(f"{name}: export: compressed files need WSL {needed} or later.", "Update WSL, or use .tar.")


GUARDS = (
    Guard((), _check_disk, "the distribution cannot start without its disk"),
    StepGuard(("create",), _check_image, "this version of WSL cannot install the image"),
    StepGuard(("create", "clone"), _check_default, "WSL makes the first distribution the default one"),
    StepGuard(("create", "clone"), _check_documents, "cloud-init cannot use the documents, or files of its name exist"),
    StepGuard(("create", "export"), _check_export, "this version of WSL cannot write the file"),
    SharedGuard((), _check_files, "a file is missing, exists already, is used, or does not fit"),
)
