# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator writes what it should, and --check notices what is out of date."""

from __future__ import annotations

import pytest
import yaml

import generate
from lib.action_plugins import SAME_ACTION

GROUPS = [generator for generator in generate.GENERATORS if generator.name == "action_groups"]
TEXT = "by hand\n# begin generated: x\nold\n# end generated\nby hand too\n"


def _checkout(tmp_path, modules=()):
    (tmp_path / "meta").mkdir()
    (tmp_path / "plugins" / "modules").mkdir(parents=True)
    for path, name in (("meta/runtime.yml", "action_groups"), ("README.md", "capabilities")):
        (tmp_path / path).write_text(f"---\n# begin generated: {name}\n# end generated: {name}\n", encoding="utf-8")
    for module in modules:
        (tmp_path / "plugins" / "modules" / f"{module}.py").touch()
    return tmp_path


def test_only_the_block_is_replaced():
    assert generate.replace_block(TEXT, "x", ["new"]) == TEXT.replace("old", "new")


def test_a_block_in_markdown():
    text = "<!-- begin generated: table -->\n<!-- end generated: table -->\n"
    assert "-->\n| a |\n<!--" in generate.replace_block(text, "table", ["| a |"])


@pytest.mark.parametrize("text", ["nothing", TEXT + TEXT, "# begin generated: xy\n# end generated\n"])
def test_a_block_that_does_not_stand_once_is_an_error(text):
    with pytest.raises(generate.CannotGenerate, match="begin generated: x"):
        generate.replace_block(text, "x", ["new"])


def test_groups_follow_the_modules_names(tmp_path):
    checkout = _checkout(tmp_path, ["virsh_vm", "virsh_vm_info", "vmm_vm"])
    assert generate.action_groups(checkout) == [
        "action_groups:",
        *("  all:", "    - virsh_vm", "    - virsh_vm_info", "    - vmm_vm"),
        *("  libvirt:", "    - virsh_vm", "    - virsh_vm_info"),
        *("  vmd:", "    - vmm_vm"),
    ]


def test_modules_have_the_action_plugin_of_their_kind(tmp_path):
    checkout = _checkout(tmp_path, ["virsh_vm", "virsh_pool", "vbox_vm", "wsl_distro", "wsl_distro_info"])
    routes = yaml.safe_load("\n".join(generate.plugin_routing(checkout)))["plugin_routing"]["modules"]
    plugins = {name: one["action_plugin"].rpartition(".")[2] for name, one in routes.items()}
    assert plugins == {
        **SAME_ACTION,
        **{"virsh_pool": "virsh_vm_info", "vbox_vm": "virsh_vm"},
        **{"wsl_distro": "hyperv_vm", "wsl_distro_info": "hyperv_vm_info"},
    }


def test_every_module_has_an_action_plugin():
    plugins = generate.CHECKOUT / "plugins"
    routes = yaml.safe_load((generate.CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))["plugin_routing"]
    own = {path.stem for path in (plugins / "action").glob("*.py")}
    modules = {path.stem for path in (plugins / "modules").glob("*.py")}
    assert modules - {*routes["modules"]} == own
    assert {one["action_plugin"].rpartition(".")[2] for one in routes["modules"].values()} <= own


def test_check_writes_nothing_and_fails_until_it_is_written(tmp_path, capsys):
    checkout = _checkout(tmp_path, ["virsh_vm"])
    before = (checkout / "meta" / "runtime.yml").read_text(encoding="utf-8")
    assert generate.main(["--check"], checkout, GROUPS) == 1
    assert (checkout / "meta" / "runtime.yml").read_text(encoding="utf-8") == before
    assert "+    - virsh_vm" in capsys.readouterr().out
    assert generate.main([], checkout, GROUPS) == 0
    assert generate.main(["--check"], checkout, GROUPS) == 0


def test_all_generated_parts_are_current():
    assert generate.main(["--check"]) == 0, "To bring them up to date: python3 scripts/generate.py"


def test_a_module_of_no_platform_is_an_error(tmp_path, capsys):
    assert generate.main(["--check"], _checkout(tmp_path, ["qemu_vm"]), GROUPS) == 2
    assert "qemu_vm.py belongs to no platform" in capsys.readouterr().err


def test_every_shared_paragraph_is_on_a_page():
    texts = yaml.safe_load((generate.CHECKOUT / "scripts" / "lib" / "option_texts.yml").read_text(encoding="utf-8"))
    paragraphs = {one for text in texts.values() for one in ([text] if isinstance(text, str) else text)}
    pages = [yaml.safe_load("\n".join(generate.options_of(name)(generate.CHECKOUT))) for name in generate.FRAGMENTS]
    assert paragraphs - {one for page in pages for one in _sentences(page)} == set()


def _sentences(options):
    for option in options.values():
        yield from option["description"]
        yield from _sentences(option.get("suboptions", {}))
