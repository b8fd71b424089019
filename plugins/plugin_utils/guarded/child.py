# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook by another ansible-playbook, with the command line of this one. No secret is on its command line."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ansible import constants, context
from ansible.parsing.splitter import parse_kv
from ansible.utils.display import Display

from ...module_utils._core.errors import Refused
from .decisions import outcome_of

_CALLBACK = "polyvirt.core.guarded_outcome"
#: The variable of the environment with the file to which the callback plugin writes.
OUTCOME_FILE = "POLYVIRT_GUARDED_OUTCOME"
#: Of ansible-runner: the directory for the events of this process, which the other one must not write to.
_OF_PARENT_ONLY = ("AWX_ISOLATED_DATA_DIR",)
_CALLBACK_FOLDERS = "ANSIBLE_CALLBACK_PLUGINS"
#: The directory with ansible_collections, from which this collection was loaded.
_ROOT = __file__.partition(f"{os.sep}ansible_collections{os.sep}")[0]
#: ansible-playbook, which ends with the process that started it: on Linux, prctl(2) has it sent a SIGTERM then.
_PROGRAM = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
sys.argv[0] = "ansible-playbook"
from ansible.cli.playbook import main
main()
"""
_INTERVAL = 1
#: Options of the command line that are passed on as they are, by their names in Ansible's parsed command line.
_VALUES = {
    "subset": "--limit", "forks": "--forks", "remote_user": "--user", "connection": "--connection",
    "private_key_file": "--private-key", "timeout": "--timeout", "become_method": "--become-method",
    "become_user": "--become-user", "ssh_common_args": "--ssh-common-args", "ssh_extra_args": "--ssh-extra-args",
    "sftp_extra_args": "--sftp-extra-args", "scp_extra_args": "--scp-extra-args",
    "connection_password_file": "--connection-password-file", "become_password_file": "--become-password-file",
}  # fmt: skip
_FLAGS = {"become": "--become", "force_handlers": "--force-handlers"}
_LISTS = {"inventory": "--inventory", "tags": "--tags", "skip_tags": "--skip-tags", "module_path": "--module-path"}


class Child:
    """``passwords``: {"conn_pass", "become_pass": those that Ansible asked for, or None}, ``vaults``: [(ID, bytes)].

    ``variables`` are extra variables in addition to those of the command line; ``extra``: --check and --diff.
    """

    def __init__(self, passwords, vaults, variables, extra):
        self._passwords, self._vaults, self._variables, self._extra = passwords, vaults, variables, extra

    def run(self, playbook):
        """Run the playbook, show its output, and return its Outcome."""
        folder = tempfile.mkdtemp(prefix="guarded-", dir=constants.DEFAULT_LOCAL_TMP)
        try:
            path, retry = os.path.join(folder, "outcome.json"), os.path.join(folder, "retry")
            with closing(_Hidden(folder)) as hidden:
                code = _run([*self._words(folder, hidden), playbook], _environment(path, retry), f"--limit @{retry}")
            return outcome_of(code, _read(path), _stopped(retry))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _words(self, folder, hidden):
        given = context.CLIARGS
        words = [f"{option}={given[name]}" for name, option in _VALUES.items() if given.get(name) is not None]
        words += [option for name, option in _FLAGS.items() if given.get(name)]
        words += [f"{option}={one}" for name, option in _LISTS.items() for one in given.get(name) or ()]
        words += [f"-{'v' * given['verbosity']}"] if given.get("verbosity") else []
        words += [f"--extra-vars={one}" for one in self._extra_variables(given.get("extra_vars") or (), folder)]
        options = {"conn_pass": "--connection-password-file", "become_pass": "--become-password-file"}
        words += [f"{options[name]}={hidden.file(one.encode())}" for name, one in self._passwords.items() if one]
        words += [f"--vault-id={name}@{hidden.file(secret)}" for name, secret in self._vaults]
        return [*words, *self._extra]

    def _extra_variables(self, given, folder):
        """Yield the arguments for extra variables. Those that are no files may have secrets, so files replace them."""
        for place, one in enumerate(given):
            one = str(one)
            if one.startswith("@"):
                yield one
            else:
                text = one if one[:1] in "[{" else json.dumps(parse_kv(one))
                yield f"@{_written(folder, f'extra-{place}.yml', text)}"
        if self._variables:
            yield f"@{_written(folder, 'variables.yml', _unsafe(self._variables))}"


class _Hidden:
    """Contents that the other process reads once from named pipes, so that they are stored nowhere."""

    def __init__(self, folder):
        self._folder, self._paths = folder, []

    def file(self, content):
        path = os.path.join(self._folder, f"hidden-{len(self._paths)}")
        os.mkfifo(path, 0o600)
        self._paths.append(path)
        threading.Thread(target=_send, args=(path, content), daemon=True).start()
        return path

    def close(self):
        """Release the threads whose contents were not read."""
        for path in self._paths:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def _send(path, content):
    try:
        with open(path, "wb") as pipe:
            pipe.write(content)
    except BrokenPipeError:
        pass  # Nobody reads it any more.


def _unsafe(value):
    """The value as YAML, in which no text is a template: it may come from another job, and is final."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))}: {_unsafe(one)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_unsafe, value))}]"
    return f"!unsafe {json.dumps(str(value))}" if isinstance(value, str) else json.dumps(value, default=str)


def _written(folder, name, text):
    path = os.path.join(folder, name)
    # Only its owner can read the directory, which mkdtemp created.
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _stopped(folder):
    """Return the hosts that failed or were stopped with others: only Ansible's file for a retry has the latter."""
    return [host for path in Path(folder).glob("*.retry") for host in path.read_text("utf-8").splitlines()]


def _environment(outcome_file, retry):
    kept = {name: value for name, value in os.environ.items() if name not in _OF_PARENT_ONLY}
    enabled = [*(constants.config.get_config_value("CALLBACKS_ENABLED") or ()), _CALLBACK]
    folders = [one for one in kept.pop(_CALLBACK_FOLDERS, "").split(os.pathsep) if one and not _is_of_runner(one)]
    return {
        **kept,
        **({_CALLBACK_FOLDERS: os.pathsep.join(folders)} if folders else {}),
        OUTCOME_FILE: outcome_file,
        "ANSIBLE_RETRY_FILES_ENABLED": "true",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": retry,
        # This collection may be next to the playbook of the first process, where the other one does not search.
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([*constants.COLLECTIONS_PATHS, _ROOT]),
        # The callback plugin of AWX, for instance, would write the events of this run a second time.
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(enabled),
    }


def _is_of_runner(folder):
    """Whether a directory has the callback plugin of ansible-runner: it changes all output, even if it is not used."""
    return os.path.exists(os.path.join(folder, "awx_display.py"))


def _run(words, environment, hidden):
    """Run ansible-playbook, and return its exit code. It ends if this process or the ansible-playbook above it does.

    Lines of its output with ``hidden`` are not shown.
    """
    parent = os.getppid()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for line in _lines(process):
            if os.getppid() != parent:
                raise Refused("The run was killed. The snapshots remain; the next guarded run finds them.")
            if line and hidden not in line:
                Display().display(f"  {line}")
        return process.wait()
    finally:
        _end(process)


def _lines(process):
    """Yield each line of the output, and an empty text whenever there is none for a while.

    It ends with the process, because others can keep the pipe open: an ssh that keeps a connection, for instance.
    """
    output, rest = process.stdout, b""
    while True:
        has_ended = process.poll() is not None
        if not select.select([output], [], [], 0 if has_ended else _INTERVAL)[0]:
            if has_ended:
                break
            yield ""
            continue
        read = os.read(output.fileno(), 65536)
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not read:
            break
    yield rest.decode(errors="replace")


def _end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    process.stdout.close()
