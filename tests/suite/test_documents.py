# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks in README and guides run as written: check mode, the run, and the run again, which changes nothing.

tests/promises/*.yml name the platform of each block of code, and what exists before it (tests/promises/README.md).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from collection_path import CHECKOUT
from gates.promises import documents, promises, read_answers
from suite.by_ansible import run_ansible
from suite.carry import carry_one
from suite.media_server import vendor_of

#: Options with which a task changes something whenever it runs.
_ALWAYS_CHANGES = [("state", "restored"), ("state", "restarted")]

#: What a module is about, by its name without the platform.
_ABOUT = {
    **dict.fromkeys(("vm", "instance", "distro"), "vm"),
    **dict.fromkeys(("vm_info", "instance_info", "distro_info"), "vm_info"),
    **dict.fromkeys(("snapshot", "vm_snapshot"), "snapshot"),
}


def _cases():
    for document in documents(CHECKOUT):
        blocks = promises((CHECKOUT / document).read_text(encoding="utf-8"))["blocks"]
        answers = read_answers(CHECKOUT / "tests/promises", document).get("blocks") or {}
        for part, answer in answers.items():
            if "run" in answer:
                (block,) = [one for one in blocks if part in one]
                yield pytest.param(answer["run"], block, id=f"{Path(document).stem}-{part}")


def _tasks(block, family):
    """(module, options) of the tasks of this collection in a block: tasks, or plays with tasks and defaults."""
    for one in yaml.safe_load(block):
        for task in one.get("tasks", [one]):
            for name, options in task.items():
                collection, _dot, module = name.rpartition(".")
                about = _ABOUT.get(module.removeprefix(f"{family}_"))
                if collection == "polyvirt.core" and about:
                    yield about, {**_defaults(one, name), **options}


def _defaults(play, module):
    """The options that a play sets for a module, in ``module_defaults`` of its groups and of itself."""
    given = play.get("module_defaults", {})
    of_groups = {name: value for key, one in given.items() if key.startswith("group/") for name, value in one.items()}
    return {**of_groups, **given.get(module, {})}


@pytest.fixture
def render(tmp_path, monkeypatch):
    """Replaces the expressions in options as Ansible does. A user with a key is at home."""
    (tmp_path / ".ssh").mkdir()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= me@host"
    (tmp_path / ".ssh/id_ed25519.pub").write_text(key, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    environment = NativeEnvironment()
    environment.globals["lookup"] = lambda _file, path: Path(path).expanduser().read_text(encoding="utf-8")
    environment.filters["expanduser"] = os.path.expanduser

    def render(value, variables):
        if isinstance(value, dict):
            return {key: render(one, variables) for key, one in value.items()}
        if isinstance(value, list):
            return [render(one, variables) for one in value]
        return environment.from_string(value).render(variables) if "{{" in str(value) else value

    return render


@pytest.mark.parametrize(("run", "block"), list(_cases()))
def test_code_in_documents_runs_as_written(run, block, ground, shim, tmp_path, render):
    platform = ground.open(run["platform"], "pvc-")
    if "plugin" in yaml.safe_load(block):
        _list_inventory(platform, block, shim, tmp_path)
        return
    platform.clean()
    vendor = vendor_of(platform, run.get("images", ()), tmp_path)
    for path in run.get("files", ()):
        platform.put_image(path)
    platform.bring(run.get("vms", {}))
    made = set(run.get("vms", {}))
    try:
        for about, options in _tasks(block, platform.family.rpartition(".")[2]):
            options = render({**options, **run.get("options", {}).get(about, {})}, run.get("variables", {}))
            if "images" in run:
                options = vendor.completed({"image_directory": str(tmp_path / "images"), **options})
            made |= _names(options)
            foreseen = carry_one(platform, shim, tmp_path, options, about, check=True)
            answer = carry_one(platform, shim, tmp_path, options, about)
            again = carry_one(platform, shim, tmp_path, options, about)
            assert (answer.failed, foreseen.failed, again.failed) == (False, False, False), answer.msg
            assert (foreseen.changed, foreseen.diff) == (answer.changed, answer.diff), options
            assert again.changed == any(options.get(name) == value for name, value in _ALWAYS_CHANGES), options
    finally:
        vendor.close()
        gone = {**run.get("remove", {}), "name": sorted(made), "state": "absent", "stop_mode": "force"}
        carry_one(platform, shim, tmp_path, gone)
        for path in run.get("files", ()):
            Path(path).unlink(missing_ok=True)


def _names(options):
    names = options.get("name") or []
    return {*([names] if isinstance(names, str) else names), *(one["name"] for one in options.get("machines", ()))}


def _list_inventory(platform, block, shim, folder):
    """Let ansible-inventory read the block, with the platform's tools."""
    path = folder / "block.polyvirt.yml"
    path.write_text(block, encoding="utf-8")
    around = shim.environment(programs=platform.programs)
    done = run_ansible(folder, "ansible-inventory", ["-i", path, "--list"], around)
    assert (done.returncode, done.stderr) == (0, "")
