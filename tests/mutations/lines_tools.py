# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of tools (programs and formats) and ports (the outside world)."""

from __future__ import annotations

from mutations.mutation import Mutation

_TOOLS = "plugins/module_utils/_tools"
_PORTS = "plugins/module_utils/_ports"
_UNIT_TOOLS = "tests/unit/module_utils/_tools"
_UNIT_PORTS = "tests/unit/module_utils/_ports"

MUTATIONS = (
    Mutation(
        "cut-list-of-checksums-is-whole",
        f"{_PORTS}/download.py",
        'is_cut = len(content) < int(response.headers.get("Content-Length") or 1)',
        "is_cut = not content",
        {"unit": ["tests/unit/module_utils/_media/test_medium.py::test_list_that_was_cut_is_not_used"]},
    ),
    Mutation(
        "candidate-is-newer-than-its-release",
        "plugins/module_utils/_media/checksums.py",
        "return _numbers(release), release == name, _numbers(name)",
        "return _numbers(name)",
        {"unit": ["tests/unit/module_utils/_media/test_checksums.py"]},
    ),
    Mutation(
        "ssh-of-the-inventory-lives-on",
        "plugins/plugin_utils/tasks/child_processes.py",
        "while children := _children():",
        "while children := []:",
        {"unit": ["tests/unit/plugin_utils/test_child_processes.py"]},
    ),
    Mutation(
        "child-of-killed-program-lives-on",
        f"{_PORTS}/command.py",
        "os.killpg(process.pid, signal.SIGKILL)",
        "process.kill()",
        {"unit": [f"{_UNIT_PORTS}/test_command.py"]},
    ),
    Mutation(
        "file-in-the-making-is-readable-by-all",
        f"{_PORTS}/files.py",
        "handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)",
        "handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)",
        {"unit": ("tests/unit/module_utils/_ports/test_files.py",)},
    ),
    Mutation(
        "file-of-running-task-is-removed",
        f"{_PORTS}/files.py",
        "os.kill(int(entry[len(base) + 2 : -len(_PARTIAL)]), 0)",
        "raise ProcessLookupError",
        {"unit": [f"{_UNIT_PORTS}/test_files.py"]},
    ),
    Mutation(
        "used-udp-port-passes-for-free",
        f"{_PORTS}/net.py",
        'listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(protocol == "tcp"))',
        "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
        {"unit": ("tests/unit/module_utils/_ports/test_net.py",)},
    ),
    Mutation(
        "write-is-sent-twice",
        f"{_PORTS}/proxmox_api.py",
        'tries = _TRIES if method == "GET" else 1',
        "tries = _TRIES",
        {"unit": [f"{_UNIT_PORTS}/test_proxmox_api.py"]},
    ),
    Mutation(
        "own-authority-is-ignored",
        f"{_PORTS}/proxmox_api.py",
        "verify_ssl=own.verify,",
        "verify_ssl=bool(own.verify),",
        {"unit": [f"{_UNIT_PORTS}/test_proxmox_api.py"]},
    ),
    Mutation(
        "quote-ends-a-virsh-word",
        f"{_TOOLS}/virsh.py",
        """return "'" + word.replace("'", "'\\\\''") + "'\"""",
        """return "'" + word + "'\"""",
        {"unit": [f"{_UNIT_TOOLS}/test_virsh.py"]},
    ),
    Mutation(
        "large-batch-of-long-names-fails",
        f"{_TOOLS}/virsh.py",
        'length = len(command[0].encode("utf-8", "surrogateescape")) + 2',
        "length = len(command[0]) + 2",
        {"unit": [f"{_UNIT_TOOLS}/test_virsh.py"]},
    ),
    Mutation(
        "error-with-exit-code-0-passes",
        f"{_TOOLS}/vboxmanage.py",
        "if completed.rc != 0 or _ERROR.search(completed.stderr):",
        "if completed.rc != 0:",
        {"unit": [f"{_UNIT_TOOLS}/test_vboxmanage.py"]},
    ),
    Mutation(
        "failed-change-counts-as-not-made",
        f"{_TOOLS}/vboxmanage.py",
        "if completed.rc != 0 and not _contains(completed.stderr, _NOTHING_DONE):",
        "if completed.rc < 0 and not _contains(completed.stderr, _NOTHING_DONE):",
        {"unit": [f"{_UNIT_TOOLS}/test_vboxmanage.py"]},
    ),
    Mutation(
        "broken-pause-passes-for-paused",
        f"{_TOOLS}/virsh_states.py",
        '_BROKEN_PAUSES = ("I/O error", "watchdog", "crashed")',
        '_BROKEN_PAUSES = ("watchdog", "crashed")',
        {"unit": ["tests/unit/module_utils/_drivers/virsh/test_observe.py"]},
    ),
    Mutation(
        "seed-is-readable-by-all",
        f"{_TOOLS}/seed.py",
        "files.write_atomically(path, files.read(image), mode=0o600)",
        "files.write_atomically(path, files.read(image))",
        {"unit": [f"{_UNIT_TOOLS}/test_seed.py"]},
    ),
    Mutation(
        "key-writes-cloud-config",
        f"{_TOOLS}/seed.py",
        'if not key or "\\n" in key or "\\r" in key:',
        "if not key:",
        {"unit": [f"{_UNIT_TOOLS}/test_seed.py"]},
    ),
    Mutation(
        "raw-disk-poses-as-image",
        f"{_TOOLS}/qemu_img.py",
        'self._run("convert", *shared, "-f", source_format, *part, "-O", image_format, source, path)',
        'self._run("convert", *shared, *part, "-O", image_format, source, path)',
        {"unit": ["tests/unit/module_utils/_drivers/virsh/test_clone.py"]},
    ),
    Mutation(
        "base-volume-has-no-owner",
        f"{_TOOLS}/proxmox_values.py",
        'found = re.search(r"(?:^|[:/])(?:vm|base)-(\\d+)-[^/]*$", volume)',
        'found = re.search(r"(?:^|[:/])(?:vm)-(\\d+)-[^/]*$", volume)',
        {"unit": [f"{_UNIT_TOOLS}/test_proxmox_values.py"]},
    ),
    Mutation(
        "restart-of-proxy-ends-the-wait",
        f"{_TOOLS}/proxmox.py",
        "if self._clock.now() - seen > _LONGEST_SILENCE:",
        "if self._clock.now() - seen > _LONGEST_PAUSE:",
        {"unit": [f"{_UNIT_TOOLS}/test_proxmox.py"]},
    ),
    Mutation(
        "copy-writes-to-vagrants-index",
        f"{_TOOLS}/vagrant_folder.py",
        '_NOT_COPIED = ("index_uuid", "private_key")',
        '_NOT_COPIED = ("private_key",)',
        {"unit": [f"{_UNIT_TOOLS}/test_vagrant_folder.py"]},
    ),
)
