# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Execution environments with this collection, by a real ansible-builder: what it installs, and the sample file."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh
from packaging.requirements import Requirement

from collection_path import CHECKOUT, collections_path
from unit.awx.guide import FOLDER

SAMPLE = FOLDER / "execution-environment.yml"
#: Packages that the repositories of every base image have, by its package manager.
_EVERYWHERE = {"openssh-clients [platform:rpm]", "openssh-client [platform:dpkg]"}
#: Packages of the sample file, as the RHEL family names them.
_OF_THE_SAMPLE = ("xorriso", "qemu-img", "libvirt-client", "sshpass")


def _builder(*words):
    done = subprocess.run(
        [sys.executable, "-m", "ansible_builder", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", name="introspected")
def _introspected():
    """What ansible-builder finds in this checkout: {python: [...], system: [...]}, without its comments."""
    found = yaml.safe_load(_builder("introspect", collections_path()))
    return {kind: [line.partition("#")[0].strip() for line in lines] for kind, lines in found.items()}


def _lines(name):
    text = (CHECKOUT / "meta" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_collection_brings_its_python_packages(introspected):
    assert introspected["python"] == _lines("ee-requirements.txt")
    packages = {one.name: one for one in map(Requirement, introspected["python"])}
    assert set(packages) == {"proxmoxer", "requests", "pywinrm", "pypsrp"}
    supported = {
        version: packages["pypsrp"].marker.evaluate({"python_version": version}) for version in ("3.9", "3.12")
    }
    assert supported == {"3.9": False, "3.12": True}


def test_collection_brings_no_system_package_that_a_base_image_may_lack(introspected):
    assert set(introspected["system"]) == set(_lines("ee-bindep.txt")) == _EVERYWHERE


@pytest.fixture(scope="module", name="built")
def _built(tmp_path_factory):
    """The build context of the sample file, without the image."""
    folder = tmp_path_factory.mktemp("context")
    _builder("create", "--file", SAMPLE, "--context", folder, "--output-filename", "Containerfile")
    return folder


def test_sample_builds_on_a_base_with_all_packages(built):
    described = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    text = (built / "Containerfile").read_text(encoding="utf-8")
    assert f'ARG EE_BASE_IMAGE="{described["images"]["base_image"]["name"]}"' in text
    assert f'ARG PYCMD="{described["dependencies"]["python_interpreter"]["python_path"]}"' in text
    collections = yaml.safe_load((built / "_build/requirements.yml").read_text(encoding="utf-8"))
    assert [one["name"] for one in collections["collections"]] == ["polyvirt.core"]
    assert (built / "_build/bindep.txt").read_text(encoding="utf-8").split("\n")[:4] == [
        f"{package} [platform:rpm]" for package in _OF_THE_SAMPLE
    ]


def test_guide_lists_all_packages(introspected):
    text = (CHECKOUT / "docs/awx.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9, -]+) \| .* \| the (collection|sample file) \|$", text, re.MULTILINE)
    listed = {name: where for names, where in rows for name in names.split(", ")}
    brought = [Requirement(line).name for line in introspected["python"]] + ["openssh-clients"]
    assert listed == {**dict.fromkeys(brought, "collection"), **dict.fromkeys(_OF_THE_SAMPLE, "sample file")}
    assert "libvirt-client (Fedora, RHEL" in virsh.INSTALL


def test_sample_installs_into_a_python_for_its_ansible_core():
    """ansible-core 2.21 needs Python 3.12, and the collection supports ansible-core from 2.16 on."""
    dependencies = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))["dependencies"]
    core = Requirement(dependencies["ansible_core"]["package_pip"]).specifier
    assert [version for version in ("2.17.0", "2.18.0", "2.21.5", "2.22.0") if version in core] == ["2.18.0", "2.21.5"]
    assert dependencies["python_interpreter"]["package_system"] == "python3.12"
