# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README promises is in the published collection, for each ansible-core, without the checkout.

tests/suite/test_tarball.py runs the first task of README.
"""

from __future__ import annotations

import json
import re
import tarfile

import pytest

from suite.by_ansible import CORES
from unit.scripts.published import Copy, Installed

pytestmark = pytest.mark.full


@pytest.fixture(name="tarball", scope="module")
def _tarball(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("build")).build()


@pytest.fixture(name="installed", scope="module", params=CORES, ids=lambda path: path.name)
def _installed(request, tarball, tmp_path_factory):
    return Installed(tarball, request.param, tmp_path_factory.mktemp("installed"))


@pytest.fixture(name="documented", scope="module")
def _documented(installed):
    """{kind: {name: documentation}} of all that ansible-doc finds in the installed collection."""
    done = installed.run("ansible-doc", "--metadata-dump", "polyvirt.core")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["all"]
    return {kind: {name.removeprefix("polyvirt.core."): page for name, page in found[kind].items()} for kind in found}


def generated(installed, document, name):
    """The rows of a generated table of a document in the installed collection."""
    text = (installed.path / document).read_text(encoding="utf-8")
    table = re.search(rf"<!-- begin generated: {name} -->\n(.*?)<!-- end generated", text, re.DOTALL)[1]
    return table.splitlines()[2:]


def names(rows):
    """The names in the first cell of each row."""
    return [re.search(r"`(\w+)`", row)[1] for row in rows]


def test_published_collection_has_no_files_of_developers(tarball):
    with tarfile.open(tarball) as archive:
        found = archive.getnames()
    assert {name for name in found if name.startswith((".git", ".ci", "scripts", "tests/unit", "tests/gates"))} == set()
    assert {"README.md", "MANIFEST.json", "docs/versions.md", "plugins/modules/vm.py"} <= set(found)


def test_each_module_of_readme_has_its_page(installed, documented):
    listed = re.findall(r"`(\w+)`", "\n".join(generated(installed, "README.md", "modules")))
    assert len(listed) > 30
    assert sorted(listed) == sorted(set(documented["module"]) - {"windows_calls"})
    assert [name for name in listed if not documented["module"][name]["doc"]["short_description"]] == []


def test_each_role_of_readme_has_its_page(installed, documented):
    listed = names(generated(installed, "README.md", "roles"))
    assert sorted(listed) == sorted(documented["role"])
    assert [name for name in listed if not documented["role"][name]["entry_points"]["main"]["short_description"]] == []


def test_each_plugin_of_the_index_has_its_page(installed, documented):
    rows = generated(installed, "docs/README.md", "plugins")
    listed = [re.match(r"\| (\w+) `(\w+)`", row).groups() for row in rows]
    assert [(kind, name) for kind, name in listed if not documented[kind][name]["doc"]["short_description"]] == []
    assert set(names(rows)) >= {"vms", "guest_agent", "events", "report"}


def test_each_playbook_of_readme_can_be_started(installed):
    listed = names(generated(installed, "README.md", "playbooks"))
    assert len(listed) > 10
    words = [f"polyvirt.core.{name}" for name in listed]
    done = installed.run("ansible-playbook", "-i", "localhost,", "--syntax-check", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    done = installed.run("ansible-playbook", "-i", "localhost,", "polyvirt.core.help")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [name for name in words if name not in done.stdout and name != "polyvirt.core.help"] == []


def test_no_other_collection_is_there(installed):
    done = installed.run("ansible-galaxy", "collection", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [list(found) for found in json.loads(done.stdout).values()] == [["polyvirt.core"]]


def test_links_of_readme_lead_to_published_files(installed):
    text = (installed.path / "README.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"polyvirt\.core/(?:blob|raw)/main/([\w./-]+)", text))
    assert len(paths) > 5
    assert [path for path in sorted(paths) if not (installed.path / path).exists()] == []
