# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update the generated parts of files, which are derived from the plugins; --check only shows which are out of date.

A generated part is between two comment lines, ``begin generated: NAME`` and ``end generated: NAME`` (the name may be
missing in the latter); the rest of the file is written by hand. To add a part, write a function that returns its lines,
and add an entry to GENERATORS. Usage: python3 scripts/generate.py [--check]
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import sys
from pathlib import Path
from typing import Callable, NamedTuple

import yaml

from lib.action_plugins import routing_lines
from lib.approval_options import connection_lines
from lib.capability_tables import option_lines as capability_lines
from lib.capability_tables import state_lines
from lib.catalogue_tables import needs_lines, vmd_lines
from lib.collection_path import collections_path
from lib.contents import module_lines, playbook_lines, plugin_lines, role_lines
from lib.error_catalogue import catalogue_lines
from lib.guides import guide_lines, guides
from lib.image_table import image_cell, image_lines
from lib.option_docs import option_lines
from lib.patterns import FOLDER as PATTERNS
from lib.patterns import InvalidPattern, controller_lines, pattern_lines, pattern_names
from lib.peers_table import peer_lines
from lib.play_specs import ROLES as PLAYBOOKS
from lib.play_specs import role_option_lines
from lib.playbook_pages import page_lines, pages
from lib.returns import return_lines
from lib.role_platforms import choices, connection_options, options_of_task
from lib.unforeseen import GUIDES as UNFORESEEN
from lib.unforeseen import unforeseen_lines
from lib.versions import version_lines

CHECKOUT = Path(__file__).resolve().parents[1]

# A module's name begins with its tool; users know the platform.
ANY_PLATFORM = "vm"
#: They have no options of platforms, so they are not in the action group ``all``: they run in guests, get the
#: options from the inventory, or read results.
WITHOUT_PLATFORM = ("backup_run", "describe_vms", "guarded_run", "guest_status", "reap", "report")
#: Modules for all platforms, without a group of a platform.
PLATFORM_INDEPENDENT = {"image", "image_info", "install_medium", "install_wait", "windows_medium_info"}


class CannotGenerate(Exception):
    """A source or a target of the generation is invalid."""


class Generator(NamedTuple):
    """One generated part: ``lines(checkout)`` returns its lines; ``checkout`` is the root directory.

    Without a name, the whole file is generated.
    """

    name: str | None
    path: str
    lines: Callable[[Path], list[str]]


def action_groups(checkout):
    """Return ``action_groups`` of meta/runtime.yml: a group for each platform that has modules, and ``all``."""
    lines = ["action_groups:"]
    for group, names in groups_of_modules(checkout).items():
        lines.append(f"  {group}:" if names else f"  {group}: []")
        lines += [f"    - {name}" for name in names]
    return lines


def plugin_routing(checkout):
    """Return ``plugin_routing`` of meta/runtime.yml: which action plugin runs a module that has none of its own."""
    return routing_lines(groups_of_modules(checkout), _registry())


def modules(checkout):
    """Return the table of all modules: those of no platform, and those of each platform."""
    groups = groups_of_modules(checkout)
    of_all = groups.pop("all")
    others = sorted({*of_all, *WITHOUT_PLATFORM} - {name for names in groups.values() for name in names})
    return module_lines({"any platform": others, **groups})


def groups_of_modules(checkout):
    """Return {platform, or "all": names of its modules}."""
    groups = {platform: [] for platform in _registry()}
    drivers = {registered.driver: platform for platform, registered in _registry().items()}
    stems = (path.stem for path in (checkout / "plugins" / "modules").glob("*.py"))
    modules = sorted(stem for stem in stems if stem not in WITHOUT_PLATFORM)
    for module in sorted({*modules} - PLATFORM_INDEPENDENT):
        prefix = module.split("_")[0]
        if prefix == ANY_PLATFORM:
            continue
        if prefix not in drivers:
            known = ", ".join(f"{one}_" for one in drivers)
            raise CannotGenerate(f"plugins/modules/{module}.py belongs to no platform: names begin with one of {known}")
        groups[drivers[prefix]].append(module)
    return {"all": modules, **{platform: names for platform, names in groups.items() if names}}


#: {platform: (module, function that returns the Traits of each of its providers)}. Add one line for a new platform.
DRIVERS = {
    "libvirt": ("virsh.traits", lambda traits: [traits.virsh_traits("QEMU", "11.0.0", local=True)]),
    "virtualbox": ("vbox.traits", lambda traits: [traits.vbox_traits((7, 2, 0))]),
    "vagrant": ("vagrant.traits", lambda traits: [traits.vagrant_traits({one}) for one in ("libvirt", "virtualbox")]),
    "proxmox": ("proxmox.traits", lambda traits: [traits.proxmox_traits()]),
    "vmd": ("vmm.traits", lambda traits: [traits.vmm_traits(None)]),
    "hyperv": ("hyperv.traits", lambda traits: [traits.hyperv_traits(None)]),
    "wsl": ("wsl.traits", lambda traits: [traits.wsl_traits(None)]),
}


def capabilities(checkout):
    """Return the table of options by platform."""
    return capability_lines(*_traits())


def states(checkout):
    """Return the table of states and features by platform."""
    _options, platforms, _creation = _traits()
    return state_lines(platforms)


def _traits():
    """Return (names of VM options, {platform: [Traits]}, creation inputs) from the code of this checkout."""
    shared = _import("_core.options.option")
    platforms = {platform: make(_import(f"_drivers.{module}")) for platform, (module, make) in DRIVERS.items()}
    names = [name for name, option in shared.VM.items() if option.role not in (shared.POLICY, shared.AT_START)]
    return names, platforms, {name for name in names if shared.VM[name].role == shared.CREATION}


def _import(module):
    """Import a module of this checkout's module_utils."""
    return _import_plugin(f"module_utils.{module}")


def _import_plugin(module):
    sys.path.insert(0, str(collections_path()))
    return importlib.import_module(f"ansible_collections.polyvirt.core.plugins.{module}")


def _registry():
    """The table of all platforms."""
    return _import_plugin("plugin_utils.tasks.registry").PLATFORMS


def presets(checkout):
    """Return the table of all presets, the options that they set, and the scripts that run in the guest."""
    rows = ["| preset | platform | operating system | options | in the guest |", "|---|---|---|---|---|"]
    for file in sorted((checkout / "templates" / "presets").glob("*.yml")):
        preset = yaml.safe_load(file.read_text(encoding="utf-8"))
        options = {**preset["vm"], **preset["vm"].get("options", {})}
        named = ", ".join(f"`{name}: {_short(value)}`" for name, value in options.items() if name != "options")
        scripts = ", ".join(f"`{name}`" for name in preset.get("scripts", ())) or "–"
        rows.append(f"| `{file.stem}` | {preset['platform']} | `{preset['distribution']}` | {named} | {scripts} |")
    return rows


def _short(value):
    """Return a value of a preset as short text, without brackets."""
    if isinstance(value, list):
        return "; ".join(_short(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(one)}" for name, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entries(checkout):
    """All entries of the catalogue, in its order."""
    catalogue = _import_plugin("plugin_utils.installs.catalogue")
    files = sorted((checkout / "templates" / "catalogue").glob("*.yml"))
    groups = [catalogue.entries_of(yaml.safe_load(file.read_text(encoding="utf-8")), file) for file in files]
    return catalogue.merged(groups).values()


def images(checkout):
    """Return the table of all images of the catalogue, by platform and architecture."""
    return image_lines(_entries(checkout), *_resolving())


def _resolving():
    """What the table of images needs to decide which medium a VM gets."""
    catalogue, needs = (_import_plugin(f"plugin_utils.installs.{name}") for name in ("catalogue", "image_needs"))
    resolve = _import("_media.choose")
    return needs.NEEDS, catalogue.media_for, resolve.resolve, resolve.Refused


def needs_of_images(checkout):
    """Return the table of the memory and disk that each operating system of the catalogue needs."""
    return needs_lines(_entries(checkout))


def images_on_vmd(checkout):
    """Return the table of the catalogue for guests of vmd."""
    needs, media_for, resolve, refused = _resolving()

    def image_of(entry):
        return image_cell(media_for(entry, "vmd"), needs["vmd"]["amd64"], resolve, refused)

    return vmd_lines(_entries(checkout), image_of)


def versions(checkout):
    """Return the table of supported versions."""
    oldest = {"virtualbox": _import("_tools.vboxmanage").OLDEST, "proxmox": _import("_drivers.proxmox.observe").OLDEST}
    return version_lines(checkout, oldest)


#: {documentation fragment: (driver, name of the shared options)}. The fragment has those options that the platform
#: supports. Several platforms have the same snapshot options, and share a fragment.
FRAGMENTS = {
    "virsh_vm": ("virsh", "VM"),
    "vbox_vm": ("vbox", "VM"),
    "vagrant_instance": ("vagrant", "VM"),
    "proxmox_vm": ("proxmox", "VM"),
    "vmm_vm": ("vmm", "VM"),
    "hyperv_vm": ("hyperv", "VM"),
    "wsl_distro": ("wsl", "VM"),
    "vm_options": (None, "VM"),
    "virsh_snapshot_info": ("virsh", "SNAPSHOT_INFO"),
    "snapshot_info": ("vbox", "SNAPSHOT_INFO"),
}


def _platform(driver):
    """Return the Platform of a driver."""
    own = vars(_import(f"_drivers.{driver}.options")).values()
    return next(one for one in own if isinstance(one, _import("_core.options.platform").Platform))


def options_of(fragment):
    """Return the function for a fragment: the shared options as one platform supports them."""

    def lines(checkout):
        driver, about = FRAGMENTS[fragment]
        shared = _import("_core.options.option")
        if driver is None:
            options = {name: one for name, one in getattr(shared, about).items() if name not in shared.CALL_TIMEOUT}
            lacking = {name: _platform(one.driver).lacks for name, one in _registry().items()}
            return [f"  {line}" for line in option_lines(options, {**options, **shared.CALL_TIMEOUT}, lacking)]
        own, platform = _import(f"_drivers.{driver}.options"), _platform(driver)
        options = {name: one for name, one in getattr(shared, about).items() if name not in shared.CALL_TIMEOUT}
        own_options = {**shared.CALL_TIMEOUT, **own.VM} if about == "VM" else {}
        supported = platform.supported({**options, **own_options})
        return [f"  {line}" for line in option_lines(options, supported)]

    return lines


def connections_of_role(checkout):
    """Return the lines of role vm with the options of a whole task, and those that it passes to all modules."""
    options = _import("_core.options.option")
    return [*options_of_task(options), *connection_options(_registry(), _import_plugin, options.VM_INFO)]


def by_name(lines, name):
    """Return the function for the part ``name`` of ``lines(checkout, name)``."""
    return lambda checkout: lines(checkout, name)


def page_of(lines, name):
    """Return the function for a page of the docsite: the guide, or the playbook, ``name``."""
    return lambda checkout: ["", *lines(checkout, name), ""]


def of_pattern(name, function):
    """Return the function for a file of the pattern ``name``."""

    def lines(checkout):
        try:
            return function(checkout, name)
        except InvalidPattern as problem:
            raise CannotGenerate(f"scripts/patterns/{name}.yml: {problem}") from problem

    return lines


#: Modules that do not return VMs: their RETURN is written by hand.
WITHOUT_VMS = (
    "vm_backup_info", "hyperv_host_settings", "image", "image_info", "install_medium", "install_wait", "virsh_network",
    "virsh_network_info", "virsh_pool", "virsh_pool_info", "vmm_marked_lines", "vmm_network_info",
    "windows_medium_info", "wsl_host_settings", *WITHOUT_PLATFORM,
)  # fmt: skip


def words_of_others(_checkout):
    """The table of words of other tools, from the table that errors use."""
    other = _import_plugin("module_utils._core.options.other_words")
    rows = [(f"`{text}`", words) for text, words in other.WORDS.items()]
    rows += [
        (f"`{option}`: `{name}`", words) for option, names in other.SUBOPTIONS.items() for name, words in names.items()
    ]
    return [
        "",
        "| here | words |",
        "|---|---|",
        *(f"| {here} | `{'`, `'.join(words.split())}` |" for here, words in rows),
        "",
    ]


GENERATORS = [
    Generator("action_groups", "meta/runtime.yml", action_groups),
    Generator("plugin_routing", "meta/runtime.yml", plugin_routing),
    Generator("modules", "README.md", modules),
    Generator("roles", "README.md", role_lines),
    Generator("playbooks", "README.md", playbook_lines),
    Generator("plugins", "docs/README.md", plugin_lines),
    Generator("capabilities", "docs/user-guide.md", capabilities),
    Generator("states", "docs/user-guide.md", states),
    Generator("approval_options", "docs/approvals.md", connection_lines),
    Generator("presets", "docs/installs.md", presets),
    Generator("images", "docs/installs.md", images),
    Generator("needs", "docs/installs.md", needs_of_images),
    Generator("images", "docs/vmm.md", images_on_vmd),
    Generator("versions", "docs/versions.md", versions),
    Generator("peers", "docs/comparison.md", peer_lines),
    Generator("words", "docs/migration.md", words_of_others),
    Generator("platforms", "roles/vm/meta/argument_specs.yml", lambda _checkout: choices(_registry())),
    Generator("connections", "roles/vm/vars/main.yml", connections_of_role),
    *(Generator("options", f"plugins/doc_fragments/{name}.py", options_of(name)) for name in FRAGMENTS),
    *(
        Generator("returns", f"plugins/modules/{file.name}", lambda _checkout, name=file.stem: return_lines(name))
        for file in sorted((CHECKOUT / "plugins" / "modules").glob("*.py"))
        if file.stem not in WITHOUT_VMS
    ),
    *(Generator("unforeseen", f"plugins/modules/{name}.py", by_name(unforeseen_lines, name)) for name in UNFORESEEN),
    Generator("errors", "docs/errors.md", catalogue_lines),
    *(Generator("options", f"{playbook}.meta.yml", by_name(role_option_lines, playbook)) for playbook in PLAYBOOKS),
    *(
        Generator(None, f"{PATTERNS}/{name}/meta/{file}", of_pattern(name, function))
        for name in pattern_names(CHECKOUT)
        for file, function in (("pattern.json", pattern_lines), ("controller.yml", controller_lines))
    ),
    *(Generator("guide", f"docs/docsite/rst/{name}.rst", page_of(guide_lines, name)) for name in guides(CHECKOUT)),
    *(Generator("playbook", f"docs/docsite/rst/{name}.rst", page_of(page_lines, name)) for name in pages(CHECKOUT)),
]


def replace_block(text, name, lines):
    """Return ``text`` with ``lines`` between the two comment lines of the block; any comment syntax is possible."""
    body = "".join(f"{line}\n" for line in lines)
    if name is None:
        return body
    block = re.compile(
        rf"(?P<begin>^[^\n]*begin generated: {re.escape(name)}\b[^\n]*\n)"
        rf".*?"
        rf"(?P<end>^[^\n]*end generated\b[^\n]*$)",
        re.MULTILINE | re.DOTALL,
    )
    result, found = block.subn(lambda match: match["begin"] + body + match["end"], text)
    if found != 1:
        raise CannotGenerate(
            f"the comments 'begin generated: {name}' and 'end generated' must exist once, found {found}"
        )
    return result


def outdated(checkout, generators):
    """Return (path, old text, new text) of each file with generated parts that are out of date."""
    texts = {}
    for generator in generators:
        path = checkout / generator.path
        found = path.exists() or generator.name is not None
        old, new = texts.get(path) or (path.read_text(encoding="utf-8") if found else "",) * 2
        try:
            texts[path] = (old, replace_block(new, generator.name, generator.lines(checkout)))
        except CannotGenerate as problem:
            raise CannotGenerate(f"{generator.path}: {problem}") from problem
    return [(path, old, new) for path, (old, new) in texts.items() if old != new]


def main(arguments=None, checkout=CHECKOUT, generators=None):
    """Return 0 if everything is up to date (now), 1 if not (with --check), 2 if the generation failed."""
    parser = argparse.ArgumentParser(description="Bring generated parts up to date.")
    parser.add_argument("--check", action="store_true", help="write nothing, show what would change")
    options = parser.parse_args(arguments)
    try:
        changes = outdated(checkout, GENERATORS if generators is None else generators)
    except CannotGenerate as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    for path, old, new in changes:
        name = str(path.relative_to(checkout))
        if options.check:
            sys.stdout.writelines(
                difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, f"{name}, generated")
            )
        else:
            path.write_text(new, encoding="utf-8")
            print(f"written: {name}")
    if changes and options.check:
        print("Not current. To bring it up to date: python3 scripts/generate.py", file=sys.stderr)
        return 1
    # Repeat: a file with a generated part may be the source of another part.
    return main(arguments, checkout, generators) if changes else 0


if __name__ == "__main__":
    sys.exit(main())
