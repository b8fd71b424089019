# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklists of Galaxy, of the community package "ansible" and of Red Hat's certification, as far as files show.

Other stages check the rest: ansible-test sanity, ansible-lint with the profile production, antsibull-docs, and
galaxy-importer with its required tags (scripts/lib/stages_text.sh).
"""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest
import yaml

from collection_path import CHECKOUT
from gates.fragments import assigned

GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
#: galaxy-importer wants one of these tags.
TAGS = {
    "ai", "application", "cloud", "database", "eda", "infrastructure", "linux", "monitoring", "networking", "security",
    "storage", "tools", "windows",
}  # fmt: skip
#: The sections of the README template. The order is ours: a reader sees a task before the requirements.
SECTIONS = {
    "Description", "Requirements", "Installation", "Use Cases", "Testing", "Support", "Release Notes and Roadmap",
    "License Information",
}  # fmt: skip
#: A README that is read as a whole.
LONGEST_README = 9000
#: Directories of plugins that a collection may have.
PLUGINS = {
    "action", "become", "cache", "callback", "cliconf", "connection", "doc_fragments", "filter", "httpapi", "inventory",
    "lookup", "module_utils", "modules", "netconf", "plugin_utils", "shell", "strategy", "terminal", "test", "vars",
}  # fmt: skip
#: Galaxy accepts 20 MB for the whole collection.
LARGEST_FILE = 1_000_000
MODULES = sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))
#: Plugins with a documentation of their own: an action plugin has that of its module.
DOCUMENTED = [
    *MODULES,
    *(
        path
        for kind in ("callback", "connection", "filter", "inventory", "lookup")
        for path in sorted((CHECKOUT / "plugins" / kind).glob("*.py"))
        if not path.name.startswith("_")
    ),
]


@cache
def _documentation(path):
    return yaml.safe_load(assigned(path.read_text(encoding="utf-8"), "DOCUMENTATION"))


def _files():
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [CHECKOUT / name for name in done.stdout.split("\0") if name and (CHECKOUT / name).is_file()]


def test_metadata_is_complete():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.-]+)?", str(GALAXY["version"]))
    assert set(GALAXY["tags"]) & TAGS
    assert len(GALAXY["tags"]) <= 20
    assert all(re.fullmatch(r"[a-z0-9]{1,64}", tag) for tag in GALAXY["tags"])
    assert len(" ".join(GALAXY["description"].split())) <= 255
    for key in ("repository", "documentation", "homepage", "issues"):
        assert GALAXY[key].startswith("https://"), key
    assert GALAXY["authors"]


def test_dependencies_have_a_lower_bound():
    """At least 1.0.0 of collections that are in the community package; this one needs none."""
    for name, version in GALAXY["dependencies"].items():
        assert re.match(r">=[1-9]", version), name


def test_licence_and_code_of_conduct_are_there():
    assert "license" not in GALAXY
    assert "GNU GENERAL PUBLIC LICENSE" in (CHECKOUT / GALAXY["license_file"]).read_text(encoding="utf-8")
    assert "code_of_conduct" in (CHECKOUT / "CODE_OF_CONDUCT.md").read_text(encoding="utf-8")
    assert (CHECKOUT / "MAINTAINERS").exists()


def test_readme_has_the_sections_of_the_template():
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert set(headings) >= SECTIONS
    assert len(README) <= LONGEST_README
    assert "ansible-galaxy collection install polyvirt.core" in README
    assert f"{GALAXY['repository']}/issues" in README or GALAXY["issues"] in README


def test_readme_has_no_relative_links():
    """Galaxy and Automation Hub show it without the repository."""
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_oldest_ansible_core_is_a_full_version():
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert re.fullmatch(r">=\d+\.\d+\.\d+", runtime["requires_ansible"])


def test_changelog_is_that_of_antsibull():
    changelog = yaml.safe_load((CHECKOUT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    assert str(GALAXY["version"]) in changelog["releases"]
    assert f"\nv{GALAXY['version']}\n" in (CHECKOUT / "CHANGELOG.rst").read_text(encoding="utf-8")


def test_changelog_names_roles_and_playbooks():
    fragments = [_data(path) for path in (CHECKOUT / "changelogs" / "fragments").glob("objects*.yml")]
    named = {one["name"] for fragment in fragments for kind in fragment.values() for one in kind}
    roles = {path.name for path in (CHECKOUT / "roles").iterdir()}
    playbooks = {path.name.removesuffix(".meta.yml") for path in (CHECKOUT / "playbooks").glob("*.meta.yml")}
    assert named == roles | playbooks


@cache
def _data(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_release_policy_is_published():
    policy = (CHECKOUT / "docs" / "versions.md").read_text(encoding="utf-8")
    for word in ("semantic versioning", "## Deprecation", "## Support", "## Supported versions"):
        assert word in policy
    assert "versions" in (CHECKOUT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8")


def test_sanity_tests_ignore_nothing():
    assert [*(CHECKOUT / "tests").glob("sanity/ignore*")] == []


def test_directories_of_plugins_are_allowed():
    found = {path.name for path in (CHECKOUT / "plugins").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found <= PLUGINS


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_documentation_follows_the_rules(path):
    text = path.read_text(encoding="utf-8")
    documentation = _documentation(path)
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(documentation["version_added"]))
    assert documentation["author"]
    fragments = _texts(documentation.get("extends_documentation_fragment"))
    assert [one for one in fragments if not one.startswith(("polyvirt.core.", "ansible.builtin."))] == []
    # A reference to a module has the name of its collection.
    assert [one for one in re.findall(r"\bM\(([^)]+)\)", text) if one.count(".") < 2] == []


def _texts(value):
    return [value] if isinstance(value, str) else value or []


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_version_added_is_that_of_a_release_with_the_plugin_or_the_next_one(path):
    version = str(_documentation(path)["version_added"])
    changelog = _data(CHECKOUT / "changelogs" / "changelog.yaml")
    if version != str(GALAXY["version"]):
        kinds = [changelog["releases"][version]["modules"], *changelog["releases"][version]["plugins"].values()]
        assert path.stem in {one["name"] for kind in kinds for one in kind}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_that_only_read_are_named_info_and_have_check_mode(path):
    documentation = _documentation(path)
    check_mode = documentation["attributes"]["check_mode"]
    if path.stem.endswith("_info"):
        assert check_mode["support"] == "full"
    assert "ansible_facts" not in (yaml.safe_load(assigned(path.read_text(encoding="utf-8"), "RETURN")) or {})
    states = (documentation.get("options", {}).get("state") or {}).get("choices", ())
    assert not {"get", "query", "list", "gathered"} & set(states)


def test_no_file_is_large_or_temporary():
    files = _files()
    assert [path for path in files if path.stat().st_size > LARGEST_FILE and path.suffix != ".json"] == []
    assert [path for path in files if path.suffix in (".swp", ".orig", ".pyc", ".log", ".retry")] == []
