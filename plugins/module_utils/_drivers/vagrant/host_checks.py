# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Vagrant and its home folder can tell before a VM is created: what is described, its provider, its box."""

from __future__ import annotations

import os

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.model import RUNNING
from ..._ports import files, net
from ..._tools import vagrant as tool
from ..._tools import vagrant_folder
from . import by_status
from .mapping import machine_of

#: How Vagrant writes signs of a box's name in the names of folders.
_IN_FOLDER_NAMES = (("/", "-VAGRANTSLASH-"), (":", "-VAGRANTCOLON-"))
_PRIVATE = 0o600


def check_file_of_user(driver, contents):
    """Raise where there is no Vagrantfile to drive; nothing needs one to report, or to be absent."""
    project, asked = driver.project, driver.asked
    is_needed = "snapshot" in asked or asked.get("state", "absent") != "absent"
    if is_needed and not (project.managed or project.exists() or contents.known):
        raise NotFound(
            f"vagrantfile: there is no {project.path}.",
            "Correct project_dir or vagrantfile, or leave out managed: false to describe VMs by this task.",
        )


def check_described(driver, name, made):
    """Raise where the user's own Vagrantfile has no such VM: Vagrant works only with what that describes."""
    project = driver.project
    if project.managed:
        return
    if project.described is None:
        project.described = frozenset(by_status.observe(driver.vagrant_on, project.dotfile, frozenset())[0])
    if project.describes(name):
        return
    remedy = "Put it there, or name one that is there."
    if made is not None:
        folder = os.path.join(project.dotfile, "machines", name)
        remedy = f"Put it back, or remove {made.id} with the tools of the provider {made.provider}, and then {folder}."
    raise NotFound(f"{name}: {project.path} does not describe it.", remedy)


def check_with_vagrant(driver, plan):
    """Let Vagrant validate what would be written: it knows its plugins, providers and their settings."""
    project, name = driver.project, plan.after.name
    config = {**plan.after.config, **_absolute(project.folder, plan.after.config)}
    text = project.text([machine_of(name, config)], config.get("environment") or {})
    with files.private_folder() as folder:
        vagrant_folder.copy(files, project.dotfile, folder)
        files.write_atomically(os.path.join(folder, project.file), text.encode("ascii"), mode=_PRIVATE)
        try:
            driver.vagrant_in(folder, folder, config.get("provider")).read("validate")
        except tool.VagrantFailed as error:
            if tool.is_provider_missing(error):
                remedy = "Install the provider and Vagrant's plugin for it, or name another provider."
                raise Refused(f"{name}: provider: {_said(error)}", remedy) from error
            if tool.is_invalid(error):
                raise Refused(f"{name}: Vagrant rejects its settings: {_said(error)}", "See native.") from error
            # Whatever else it is may have to do with this copy; if not, Vagrant says it again.


def _said(error):
    return " ".join(error.stderr.split())


def _absolute(folder, config):
    """Paths that Vagrant takes for paths below the folder of the project, and would look for below the copy."""
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


def check_ports(plan, made):
    """Refuse ports of the host that other programs have: Vagrant forwards none of a VM then, and starts it not."""
    config = plan.after.config
    if plan.before.power == RUNNING or (made is not None and config.get("provider") == "libvirt"):
        return  # They are its own; with libvirt processes that outlive it keep them until its next start.
    for name, rule in sorted((config.get("port_forwards") or {}).items()):
        port = rule["host_port"]
        if not net.is_free(rule.get("host_address") or "", port, rule.get("protocol") or "tcp"):
            raise Refused(
                f"{plan.after.name}: port_forwards: port {port} of the host, for {name}, is taken by another program.",
                "Choose another host_port.",
            )


def check_box(driver, plan):
    """Refuse a box that nobody can fetch: catalogues have names of two parts, and files have to be there."""
    config, home = plan.after.config, driver.project.home
    box, url = config.get("box"), config.get("box_url")
    if not box or "vm.box_url" in (config.get("native") or {}) or _is_here(home, box):
        return
    path = (url or "").removeprefix("file://")
    if path.startswith("/") and not files.exists(path):
        raise NotFound(f"{plan.after.name}: box_url: there is no file {path}.", "Correct the path, or put it there.")
    if url is None and "/" not in box and "://" not in box:
        raise NotFound(
            f"{plan.after.name}: box: this user has no box '{box}', and no catalogue has a name without a slash.",
            "Add it first (vagrant box add), give its box_url, or name one such as debian/bookworm64.",
        )


def _is_here(home, box):
    for sign, word in _IN_FOLDER_NAMES:
        box = box.replace(sign, word)
    return files.is_folder(os.path.join(home, "boxes", box))
