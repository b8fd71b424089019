# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of tools (programs and formats) and ports (the outside world)."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT_TOOLS = "tests/unit/module_utils/_tools"
_UNIT_PORTS = "tests/unit/module_utils/_ports"

MUTATIONS = (
    Mutation(
        "cut-list-of-checksums-is-whole",
        "_ports",
        'len(content) < int(response.headers.get("Content-Length") or 1)',
        "not content",
        ["tests/unit/module_utils/_media/test_medium.py::test_list_that_was_cut_is_not_used"],
    ),
    Mutation(
        "candidate-is-newer-than-its-release",
        "_media",
        "_numbers(release), release == name, _numbers(name)",
        "_numbers(name)",
        ["tests/unit/module_utils/_media/test_checksums.py"],
    ),
    Mutation(
        "ssh-of-the-inventory-lives-on",
        "plugins/plugin_utils",
        "_children()",
        "[]",
        ["tests/unit/plugin_utils/test_child_processes.py"],
    ),
    Mutation(
        "child-of-killed-program-lives-on",
        "_ports",
        "os.killpg(process.pid, signal.SIGKILL)",
        "process.kill()",
        [f"{_UNIT_PORTS}/test_command.py"],
    ),
    Mutation(
        "file-in-the-making-is-readable-by-all",
        "_ports",
        "os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)",
        "os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)",
        ("tests/unit/module_utils/_ports/test_files.py",),
    ),
    Mutation(
        "file-of-running-task-is-removed",
        "_ports",
        "os.kill(int(entry[len(base) + 2 : -len(_PARTIAL)]), 0)",
        "raise ProcessLookupError",
        [f"{_UNIT_PORTS}/test_files.py"],
    ),
    Mutation(
        "used-udp-port-passes-for-free",
        "_ports",
        'int(protocol == "tcp")',
        "1",
        ("tests/unit/module_utils/_ports/test_net.py",),
    ),
    Mutation(
        "write-is-sent-twice",
        "_ports",
        '_TRIES if method == "GET" else 1',
        "_TRIES",
        [f"{_UNIT_PORTS}/test_proxmox_api.py"],
    ),
    Mutation(
        "own-authority-is-ignored",
        "_ports",
        "proxmoxer.ProxmoxAPI(_1, verify_ssl=own.verify, **_)",
        "proxmoxer.ProxmoxAPI(_1, verify_ssl=bool(own.verify), **_)",
        [f"{_UNIT_PORTS}/test_proxmox_api.py"],
    ),
    Mutation(
        "no-proxy-is-ignored",
        "_ports",
        "session.merge_environment_settings(url, _1, _2, _3, _4)",
        'session.merge_environment_settings("https://pve/", _1, _2, _3, _4)',
        [f"{_UNIT_PORTS}/test_proxmox_api.py::test_server_in_no_proxy_is_called_directly"],
    ),
    Mutation(
        "authority-of-the-environment-wins",
        "_ports",
        "session.merge_environment_settings(_1, _2, _3, verify, _4)",
        "session.merge_environment_settings(_1, _2, _3, True, _4)",
        [f"{_UNIT_PORTS}/test_proxmox_api.py::test_ca_path_takes_precedence_over_the_environment"],
    ),
    Mutation(
        "netrc-replaces-the-token-of-an-upload",
        "_ports",
        "session.auth = _unchanged",
        "pass",
        [f"{_UNIT_PORTS}/test_proxmox_api.py::test_netrc_does_not_replace_the_credentials_of_the_task"],
    ),
    Mutation(
        "quote-ends-a-virsh-word",
        "_tools",
        "word.replace(\"'\", \"'\\\\''\")",
        "word",
        [f"{_UNIT_TOOLS}/test_virsh.py"],
    ),
    Mutation(
        "large-batch-of-long-names-fails",
        "_tools",
        'command[0].encode("utf-8", "surrogateescape")',
        "command[0]",
        [f"{_UNIT_TOOLS}/test_virsh.py"],
    ),
    Mutation(
        "error-with-exit-code-0-passes",
        "_tools",
        "completed.rc != 0 or _ERROR.search(completed.stderr)",
        "completed.rc != 0",
        [f"{_UNIT_TOOLS}/test_vboxmanage.py"],
    ),
    Mutation(
        "failed-change-counts-as-not-made",
        "_tools",
        "completed.rc != 0 and not _contains(completed.stderr, _NOTHING_DONE)",
        "completed.rc < 0 and not _contains(completed.stderr, _NOTHING_DONE)",
        [f"{_UNIT_TOOLS}/test_vboxmanage.py"],
    ),
    Mutation(
        "broken-pause-passes-for-paused",
        "_tools",
        '("I/O error", "watchdog", "crashed")',
        '("watchdog", "crashed")',
        ["tests/unit/module_utils/_drivers/virsh/test_observe.py"],
    ),
    Mutation(
        "seed-is-readable-by-all",
        "_tools",
        "files.write_atomically(path, files.read(image), mode=0o600)",
        "files.write_atomically(path, files.read(image))",
        [f"{_UNIT_TOOLS}/test_seed.py"],
    ),
    Mutation(
        "key-writes-cloud-config",
        "_tools",
        'not key or "\\n" in key or "\\r" in key',
        "not key",
        [f"{_UNIT_TOOLS}/test_seed.py"],
    ),
    Mutation(
        "raw-disk-poses-as-image",
        "_tools",
        'self._run("convert", *shared, *part, "-O", image_format, *_source(source, source_format), path)',
        'self._run("convert", *shared, *part, "-O", image_format, source, path)',
        ["tests/unit/module_utils/_drivers/virsh/test_clone.py"],
    ),
    Mutation(
        "base-volume-has-no-owner",
        "_tools",
        're.search(r"(?:^|[:/])(?:vm|base)-(\\d+)-[^/]*$", volume)',
        're.search(r"(?:^|[:/])(?:vm)-(\\d+)-[^/]*$", volume)',
        [f"{_UNIT_TOOLS}/test_proxmox_values.py"],
    ),
    Mutation(
        "restart-of-proxy-ends-the-wait",
        "_tools",
        "self._clock.now() - seen > _LONGEST_SILENCE",
        "self._clock.now() - seen > _LONGEST_PAUSE",
        [f"{_UNIT_TOOLS}/test_proxmox.py"],
    ),
    Mutation(
        "copy-writes-to-vagrants-index",
        "_tools",
        '("index_uuid", "private_key")',
        '("private_key",)',
        [f"{_UNIT_TOOLS}/test_vagrant_folder.py"],
    ),
    Mutation(
        "connection-of-the-environment-beats-the-task",
        "_tools",
        'requested or commands.environment("LIBVIRT_DEFAULT_URI") or default',
        'commands.environment("LIBVIRT_DEFAULT_URI") or requested or default',
        ["tests/unit/awx/test_credential_types.py::test_connection_of_virsh"],
    ),
)
