# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of the VM modules run as they are written, in their order, by ansible-playbook."""

from __future__ import annotations

import subprocess

import pytest

from suite import front_door
from suite.media_server import vendor_of
from suite.module_examples import EXAMPLES, guests_with_ssh, tasks_of
from suite.ssh import Key

pytestmark = pytest.mark.full


@pytest.fixture
def home(tmp_path):
    """The home directory of a user who has an SSH key."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    Key(folder / ".ssh").path.with_suffix(".pub").rename(folder / ".ssh/id_ed25519.pub")
    return folder


@pytest.fixture
def own_folders():
    """/srv and /home without the files of this host."""
    folders = ("/srv", "/home")
    for folder in folders:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    yield
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


def _ways(tasks):
    """Each task in check mode, as it is written, and once more; the play goes on after a failure."""
    for task in tasks:
        modes = {"check": {"check_mode": True}, "run": {}, "again": {}}
        for mode, more in modes.items():
            yield {**task, **more, "name": f"{task['name']}, {mode}", "ignore_errors": True, "diff": True}


@pytest.mark.parametrize("module", EXAMPLES)
@pytest.mark.usefixtures("own_folders")
def test_examples_run_as_written(module, ground, shim, tmp_path, home, monkeypatch):
    examples = EXAMPLES[module]
    platform = ground.open(examples.platform, "")
    platform.clean()
    for one in examples.needed:
        one.prepare(platform)
    vendor = vendor_of(platform, ["debian-13"], tmp_path)
    monkeypatch.setenv("HOME", str(home))
    tasks = tasks_of(module)
    variables = {"polyvirt_mirrors": vendor.mirrors}
    if platform.images_by_controller:
        monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(tmp_path / "images"))
    elif platform.handles_files:
        variables["polyvirt_image_directory"] = str(platform.storage / "images")
    defaults = dict(item for _why, given in examples.defaults for item in given.items())
    with front_door.reached(platform) as reach, platform.hurried(), guests_with_ssh():
        play = {
            **reach,
            "vars": {**reach["vars"], **variables},
            "module_defaults": {f"polyvirt.core.{module}": {**platform.options("vm"), **defaults}},
        }
        results = front_door.play(platform, shim, tmp_path, [*_ways(tasks)], play)
    vendor.close()
    problems = [f"{label}: {result.get('msg')}" for label, (failed, result) in results.items() if failed]
    for task in tasks:
        check, run, again = (results[f"{task['name']}, {mode}"][1] for mode in ("check", "run", "again"))
        if check.get("diff") != run.get("diff"):
            problems.append(f"{task['name']}: check mode differs: {check.get('diff')} {run.get('diff')}")
        if again.get("changed"):
            problems.append(f"{task['name']}: again {again.get('diff')}")
    assert not problems, "\n".join(problems)
