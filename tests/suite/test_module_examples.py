# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of the VM modules run as they are written, in their order, by ansible-playbook."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from platforms.known import PLATFORMS
from platforms.libvirt.base import IMAGES
from suite import front_door
from suite.by_ansible import module_of
from suite.media_server import vendor_of
from suite.module_examples import EXAMPLES, guests_with_ssh, prepared, tasks_of, without_leases
from suite.ssh import Key

pytestmark = pytest.mark.full

_MODES = {"check": {"check_mode": True}, "run": {}, "again": {}}


@pytest.fixture
def home(tmp_path):
    """The home directory of a user who has an SSH key."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    Key(folder / ".ssh").path.with_suffix(".pub").rename(folder / ".ssh/id_ed25519.pub")
    return folder


@pytest.fixture
def own_folders():
    """/srv and /home without the files of this host, and the directory of images as it was."""
    folders, images = ("/srv", "/home"), {*IMAGES.iterdir()}
    for folder in folders:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    yield
    for folder in folders:
        subprocess.run(["umount", folder], check=True)
    for path in {*IMAGES.iterdir()} - images:
        if path.is_file():
            path.unlink()


def _ways(tasks):
    """Each task in check mode, as it is written, and once more; the play goes on after a failure."""
    for task in tasks:
        for mode, more in _MODES.items():
            yield {**task, **more, "name": f"{task['name']}, {mode}", "ignore_errors": True, "diff": True}


#: One is quick; those with a guest that boots, and the slowest doubles, take minutes.
_DEEP = pytest.mark.deep("tests/unit/modules/test_examples.py; the other platforms run theirs in a full run")
_BELTS = {"vmm_vm": pytest.mark.core, "vm": _DEEP, "virsh_vm": _DEEP, "vagrant_instance": _DEEP, "wsl_distro": _DEEP}


@pytest.mark.parametrize("module", [pytest.param(one, marks=_BELTS.get(one, ())) for one in EXAMPLES])
@pytest.mark.usefixtures("own_folders")
def test_examples_run_as_written(module, ground, shim, tmp_path, home, monkeypatch):
    examples, tasks = EXAMPLES[module], tasks_of(module)
    for name, value in examples.environment:
        monkeypatch.setenv(name, value)
    platform = ground.open(examples.platform, "")
    platform.clean()
    monkeypatch.setenv("HOME", str(home))
    variables = dict(examples.variables)
    if platform.images_by_controller:
        monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(tmp_path / "images"))
    elif platform.handles_files:
        variables["polyvirt_image_directory"] = str(platform.storage / "images")
    with ExitStack() as stack:
        stack.enter_context(without_leases(platform))
        other = PLATFORMS[examples.beside]("") if examples.beside else None
        for one in (other.kept(), other.hurried()) if other else ():
            stack.enter_context(one)
        defaults = prepared(examples, platform, other)
        own = module_of(platform, "vm").rpartition(".")[2]
        defaults[own] = {**platform.options("vm"), **defaults.get(own, {})}
        reach = stack.enter_context(front_door.reached(platform))
        stack.enter_context(platform.hurried())
        stack.enter_context(guests_with_ssh())
        vendor = stack.enter_context(closing(vendor_of(platform, ["debian-13"], tmp_path)))
        if examples.image:
            vendor.publish_as("debian-13", Path(examples.image).read_bytes())
        play = {
            **reach,
            "vars": {**reach["vars"], **variables, "polyvirt_mirrors": vendor.mirrors},
            "module_defaults": {f"polyvirt.core.{name}": options for name, options in defaults.items()},
        }
        results = front_door.play(platform, shim, tmp_path, [*_ways(tasks)], play)
    problems = [one for task in tasks for one in _problems(task["name"], results)]
    assert not problems, "\n".join(problems)


def _problems(name, results):
    (failed, check), (run_failed, run), (again_failed, again) = (results[f"{name}, {mode}"] for mode in _MODES)
    if failed or run_failed or again_failed:
        yield f"{name}: {[one.get('msg') for one in (check, run, again)]}"
    elif check.get("diff") != run.get("diff") or check.get("changed") != run.get("changed"):
        yield f"{name}: check mode predicts {check.get('diff')}, and the run does {run.get('diff')}"
    elif again.get("changed"):
        yield f"{name}: it changes something again: {again.get('diff')}"
