# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What remedies say can be done: names of users are quoted in commands, and options and their values exist."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT
from messages import messages

_PLUGINS = CHECKOUT / "plugins"
_COMMANDS = re.compile(r"\b(virsh [a-z-]+|VBoxManage [a-z]+|qemu-img [a-z]+|setfacl|chown|chmod) [^.,;)]*$")
#: What needs no quotes: names that the platform or this collection chooses.
_PLAIN = {
    "format",
    "converts_to",
    "id",
    "uuid",
    "slot",
    "address",
    "words",
    "commands",
    "owner",
    "alternative",
    "_LISTS",
}
_QUOTED = {"quote", "join"}
#: Words with an underscore that are not options.
_NO_OPTIONS = re.compile(
    r"my_list|qemu_use_session|fw_update|machine_arch|ansible_\w+|\w+_sources|guarded_hosts|vm_platform|polyvirt_\w+"
)


def _unquoted(source):
    """Yield each expression that follows a command in a text, and is not quoted."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += part.value
                continue
            name = _name_of(part.value)
            if _COMMANDS.search(before) and name not in _PLAIN | _QUOTED:
                yield ast.unparse(part.value)
            before += "X"


def _name_of(node):
    node = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else node
    return getattr(node, "attr", getattr(node, "id", ""))


def test_names_in_commands_are_quoted():
    found = {
        path.relative_to(_PLUGINS).as_posix(): names
        for path in (_PLUGINS / "module_utils").rglob("*.py")
        if "_tools" not in path.parts and (names := list(_unquoted(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_unquoted_name_is_found():
    assert list(_unquoted('f"Start it: virsh net-start {name}."')) == ["name"]
    assert list(_unquoted('f"Start it: virsh net-start {quote(name)}."')) == []


def _options(spec):
    for name, option in spec.items():
        yield name, option
        yield from _options(option.get("options") or {})


def _declared(modules):
    """{option or suboption: [its specifications]} of modules."""
    found = {}
    for name in modules:
        module = importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE
        for option, spec in _options(module.argument_spec):
            found.setdefault(option, []).append(spec)
    return found


MESSAGES = messages(CHECKOUT)
MODULES = sorted(path.stem for path in (_PLUGINS / "modules").glob("*.py"))
ROLES = [path.name for path in (CHECKOUT / "roles").iterdir()]
ALL = _declared(MODULES)
CHOICES = {str(one) for specs in ALL.values() for spec in specs for one in spec.get("choices") or ()}


def _permits(spec, value):
    if spec.get("choices"):
        return value in {str(one).lower() for one in spec["choices"]}
    return spec.get("type") != "bool" or value in ("true", "false")


@pytest.mark.parametrize("area", ["_core", "_engine", *(one.driver for one in PLATFORMS.values())])
def test_options_and_values_in_remedies_exist(area):
    modules = [name for name in MODULES if name.startswith(f"{area}_")] or MODULES
    own = _declared([*modules, "vm"])
    for one in MESSAGES:
        if f"/{area}/" not in f"/{one.path}":
            continue
        text = re.sub(r"<[^>]*>", "X", one.remedy)
        for word in re.findall(r"(?<![\w.-])[a-z]+_[a-z_]+\b", text):
            known = word in own or word in CHOICES or word in MODULES or word in ROLES
            assert known or _NO_OPTIONS.fullmatch(word), one
        for option, value in re.findall(r"(?<![\w.\[\]{-])([a-z_]+): (true|false|[a-z_]+)\b(?=[.,;)]| or |$)", text):
            assert option not in ALL or any(_permits(spec, value) for spec in own.get(option, ())), one


#: ``state: absent`` of the task itself: in braces, it is that of a part of the VM.
_ABSENT = re.compile(r"(?<!cloud_init: )(?<!`)state: absent(?!\})")
_PARTS = re.compile(r"\bdetach|\b(drive|disk|slot)\b", re.IGNORECASE)


def _texts(source):
    """Yield all texts of a module, each with an X for what is inserted."""
    for node in ast.walk(ast.parse(source)):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        found = [getattr(one, "value", None) if isinstance(one, ast.Constant) else "X" for one in parts]
        if all(isinstance(one, str) for one in found):
            yield "".join(found)


def test_no_remedy_about_a_part_of_a_vm_deletes_the_vm():
    found = [
        text
        for path in (_PLUGINS / "module_utils").rglob("*.py")
        for text in _texts(path.read_text(encoding="utf-8"))
        if _ABSENT.search(text) and _PARTS.search(text)
    ]
    assert found == []
