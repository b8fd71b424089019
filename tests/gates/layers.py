# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the collection may import which: the layer table of docs/architecture as data, and its checker.

Nor may two files import each other, also not within functions.
"""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import NamedTuple

# What touches the world. Only ports may; all other layers get a port handed in.
ACTING = {
    "asyncio",
    "fcntl",
    "ftplib",
    "glob",
    "http",
    "multiprocessing",
    "pty",
    "select",
    "selectors",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "time",
    "urllib.request",
    "xmlrpc",
}
# What a pure layer may not know either: the surroundings of the process, and chance.
IMPURE = ACTING | {
    "concurrent",
    "getpass",
    "importlib",
    "io",
    "locale",
    "logging",
    "os",
    "pathlib",
    "platform",
    "random",
    "secrets",
    "sys",
    "threading",
}
# The same as calls, which need no import. A pure layer calculates with times, but never asks for the present one.
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}
CLOCKS = {"now", "today", "utcnow"}


class Layer(NamedTuple):
    """``inside``: paths below plugins/ that may be imported, {platform} being the importer's own; ``outside``: not
    from the standard library; ``forbidden``: parts of the standard library; ``third_parties``: may be tried for."""

    inside: tuple
    outside: tuple = ()
    forbidden: frozenset = frozenset(ACTING)
    forbidden_calls: frozenset = frozenset()
    third_parties: bool = False


_CORE, _KIT, _TOOLS, _PORTS = (f"module_utils/{name}" for name in ("_core", "_kit", "_tools", "_ports"))
_FRONT, _OWN_DRIVER = "module_utils/_front", "module_utils/_drivers/{platform}"
_ENGINE, _MASKING = "module_utils/_engine", f"{_FRONT}/masking"
_MEDIA, _HOSTS = "module_utils/_media", "module_utils/_hosts"
_ENTRY = (_FRONT, _OWN_DRIVER, _HOSTS, _MEDIA, f"{_CORE}/options")

# The layer of a file is the first entry that its path is equal to or below.
LAYERS = {
    "modules": Layer(_ENTRY),
    "action": Layer(("modules", "plugin_utils")),
    # Where the C library of the controller cannot hash a password, it tries for packages.
    "plugin_utils/installs/password_hashes": Layer((), third_parties=True),
    # A report is a template of Ansible's own engine.
    "plugin_utils/report": Layer(
        ("plugin_utils", f"{_CORE}/errors", f"{_CORE}/record/leases", f"{_CORE}/texts"),
        ("ansible", "jinja2", "markupsafe"),
        forbidden=frozenset({"subprocess"}),
    ),
    # A guest is reached through its platform.
    "plugin_utils/guests/guest_agents": Layer((_PORTS, _TOOLS, "module_utils/_drivers/proxmox/account")),
    # A port of platforms on Windows is the connection of the task, which only an action plugin has.
    "plugin_utils/tasks/task_yaml": Layer((f"{_CORE}/texts",), ("ansible.errors", "yaml")),
    "plugin_utils": Layer(
        # Which medium fits is decided in one place, for tasks and for the catalogue.
        (
            "plugin_utils",
            f"{_PORTS}/windows",
            f"{_PORTS}/progress",
            # Files of users are replaced in one step.
            f"{_PORTS}/files",
            f"{_CORE}/errors",
            f"{_CORE}/frozen",
            # Whether an installer has written to a disk is decided in one place, too.
            f"{_CORE}/model",
            f"{_CORE}/results/approval",
            f"{_CORE}/options/other_words",
            f"{_CORE}/planner/fleet",
            f"{_CORE}/record/leases",
            # Which names are those of secrets.
            f"{_CORE}/record/document_secrets",
            f"{_CORE}/options/image_names",
            f"{_CORE}/options/cloud_init",
            # Which option of a platform says where backups are.
            f"{_CORE}/options/backup",
            # Which forwarded port leads to a port of the guest.
            f"{_CORE}/options/guest_conditions",
            f"{_CORE}/results/console",
            f"{_CORE}/options/option_errors",
            f"{_CORE}/texts",
            f"{_MEDIA}/choose",
        ),
        ("ansible",),
        forbidden=frozenset(),
    ),
    "inventory": Layer(("plugin_utils", f"{_CORE}/errors", f"{_CORE}/options/option_errors"), ("ansible",)),
    "connection": Layer(("plugin_utils", f"{_CORE}/errors"), ("ansible",)),
    "lookup": Layer(
        ("plugin_utils", f"{_CORE}/options/option_errors", f"{_CORE}/options/other_words"),
        (
            *("ansible.errors", "ansible.module_utils.common.arg_spec", "ansible.plugins.loader"),
            *("ansible.plugins.lookup", "ansible.utils.display"),
        ),
    ),
    "callback": Layer(("plugin_utils",), ("ansible.plugins.callback",)),
    "filter": Layer(("plugin_utils",), ("ansible.errors",)),
    "doc_fragments": Layer(()),
    # How Ansible reads a dictionary that is written as a text is pure, too.
    _MASKING: Layer(
        (_CORE,),
        ("ansible.module_utils.common.validation",),
        forbidden=frozenset(IMPURE),
        forbidden_calls=frozenset(IMPURE_CALLS),
    ),
    # Whether a text for cloud-init is YAML is found by what Ansible parses YAML with.
    f"{_CORE}/options/user_data": Layer(
        (_CORE,),
        ("ansible.module_utils.common.yaml",),
        forbidden=frozenset(IMPURE),
        forbidden_calls=frozenset(IMPURE_CALLS),
    ),
    # The modules about the images of a host are those of several platforms.
    f"{_FRONT}/image_store": Layer((_FRONT, _CORE, _MEDIA, "module_utils/_drivers")),
    f"{_FRONT}/backup_list": Layer((_FRONT, _CORE, _PORTS, "module_utils/_drivers")),
    _FRONT: Layer((_FRONT, _ENGINE, _CORE, _PORTS, f"{_HOSTS}/course"), ("ansible.module_utils",)),
    # These are pure as the core is.
    **{
        f"{_ENGINE}/{name}": Layer(
            (_CORE, _ENGINE), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)
        )
        for name in ("progress", "order")
    },
    _ENGINE: Layer(
        (_CORE, _ENGINE, *(f"{_PORTS}/{name}" for name in ("clock", "exclusive", "net", "permits", "progress")))
    ),
    f"{_MEDIA}/checksums": Layer((), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)),
    f"{_MEDIA}/disc": Layer((_CORE,), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)),
    f"{_MEDIA}/choose": Layer(
        (f"{_CORE}/errors", f"{_CORE}/frozen"),
        forbidden=frozenset(IMPURE),
        forbidden_calls=frozenset(IMPURE_CALLS),
    ),
    # The descriptor of an appliance may be hostile: what reads it does nothing else.
    **{
        f"{_MEDIA}/appliances/{name}": Layer(
            (f"{_MEDIA}/appliances/envelope", f"{_MEDIA}/appliances/descriptor", _CORE),
            forbidden=frozenset(IMPURE),
            forbidden_calls=frozenset(IMPURE_CALLS),
        )
        for name in ("envelope", "descriptor", "definition", "defaults")
    },
    _MEDIA: Layer((_MEDIA, _CORE, _PORTS, f"{_TOOLS}/qemu_img", f"{_TOOLS}/windows_files")),
    "module_utils/_drivers": Layer((_OWN_DRIVER, _CORE, _KIT, _TOOLS, _PORTS, _MEDIA)),
    # What is no VM: networks, storage pools, and the host itself.
    f"{_HOSTS}/course": Layer((_CORE,), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)),
    **{
        f"{_HOSTS}/{system}": Layer((f"{_HOSTS}/{system}", f"{_HOSTS}/course", _CORE, _KIT, _TOOLS, _PORTS))
        for system in ("libvirt", "windows", "openbsd")
    },
    _KIT: Layer((_CORE, _KIT), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)),
    # The grammar of addresses is that of an option, and what a seed is written from. A mark is a text in a definition.
    "module_utils/_tools": Layer(
        (
            *(f"{_CORE}/{name}" for name in ("errors", "frozen", "pattern", "options/ip_config", "record/mark")),
            *(_PORTS, _TOOLS),
        )
    ),
    "module_utils/_ports": Layer(
        (*(f"{_CORE}/{name}" for name in ("errors", "frozen", "pattern", "verbs")), _PORTS),
        ("ansible.module_utils",),
        forbidden=frozenset(),
        third_parties=True,
    ),
    _CORE: Layer((_CORE,), forbidden=frozenset(IMPURE), forbidden_calls=frozenset(IMPURE_CALLS)),
}


def layer_of(path):
    """The layer of a file by its path below plugins/, or None: every file must have one."""
    return next((LAYERS[start] for start in LAYERS if _is_below(path, start)), None)


def platform_of(path):
    """The prefix that a platform's modules and driver share: modules/virsh_vm.py and _drivers/virsh_disks.py: virsh."""
    parts = PurePosixPath(path).with_suffix("").parts
    name = parts[2] if parts[:2] == ("module_utils", "_drivers") else parts[-1]
    return name.split("_")[0]


def violations(path, source):
    """One sentence for each import and call in ``source`` that the layer of ``path`` (below plugins/) forbids."""
    layer = layer_of(path)
    if layer is None:
        return [f"{path}: belongs to no layer of tests/gates/layers.py"]
    tree = ast.parse(source)
    guarded = _guarded(tree)
    found = []
    for node in ast.walk(tree):
        for line, target in _imports(path, node):
            problem = _problem(layer, path, target, guarded=node in guarded)
            if problem:
                found.append(f"{path}:{line}: imports {target.name}: {problem}")
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in layer.forbidden_calls:
            found.append(f"{path}:{node.lineno}: calls {node.func.id}: this layer does no input or output")
        if layer.forbidden_calls and getattr(node, "attr", None) in CLOCKS:
            found.append(f"{path}:{node.lineno}: uses {node.attr}: this layer is given the time")
    return found


def circle(sources):
    """The paths of files that import each other in a circle, of {path: source}; empty if there is none."""
    try:
        TopologicalSorter({path: _imported(path, source, sources) for path, source in sources.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _imported(path, source, files):
    """The files that one imports relatively, also within its functions; a name in a module leads to that module."""
    targets = (target for node in ast.walk(ast.parse(source)) for _line, target in _imports(path, node))
    inside = [PurePosixPath(target.inside) for target in targets if target.inside]
    return {name for one in inside for name in (f"{one}.py", f"{one.parent}.py") if name in files and name != path}


class _Target(NamedTuple):
    """An imported name; ``inside`` is its path below plugins/ where it was imported relatively."""

    name: str
    inside: str | None


def _imports(path, node):
    if isinstance(node, ast.Import):
        return [(node.lineno, _Target(alias.name, None)) for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    targets = []
    for alias in node.names:
        dotted = ".".join(part for part in (node.module, alias.name) if part)
        inside = None
        if node.level:
            folder = PurePosixPath(path).parents[node.level - 1]
            inside = str(folder.joinpath(*dotted.split(".")))
        targets.append((node.lineno, _Target("." * node.level + dotted, inside)))
    return targets


def _problem(layer, path, target, guarded):
    if target.inside is not None:
        allowed = [entry.format(platform=platform_of(path)) for entry in layer.inside]
        return None if any(_may(target.inside, entry) for entry in allowed) else "not a layer below its own"
    if target.name.startswith("ansible_collections."):
        return "inside the collection imports are relative"
    if _is_within(target.name, layer.outside):
        return None
    if target.name.split(".")[0] in sys.stdlib_module_names:
        acting = _is_within(target.name, layer.forbidden)
        return "only ports act; this one is for them or breaks the layer's purity" if acting else None
    if layer.third_parties:
        return None if guarded else "a third party may be missing: import it in a try that catches ImportError"
    return "not in this layer's row of tests/gates/layers.py"


def _may(inside, entry):
    # A driver may be split by concern: virsh.py, virsh_disks.py, or a folder virsh/.
    return _is_below(inside, entry) or ("/_drivers/" in entry and inside.startswith(f"{entry}_"))


def _is_below(path, start):
    return path.removesuffix(".py") == start or path.startswith(f"{start}/")


def _is_within(name, modules):
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _guarded(tree):
    """Imports that stand in the body of a ``try`` which catches ImportError."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_catches_import_error(handler) for handler in node.handlers):
            guarded.update(inner for statement in node.body for inner in ast.walk(statement))
    return guarded


def _catches_import_error(handler):
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(getattr(kind, "id", None) in {"ImportError", "ModuleNotFoundError"} for kind in caught)
