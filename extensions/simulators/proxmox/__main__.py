# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m simulators.proxmox`` with PYTHONPATH=extensions: a simulated cluster to try things out."""

from __future__ import annotations

import argparse
import http.client
import signal
import ssl
import sys
from contextlib import closing
from pathlib import Path

from . import assumptions, control, fixture, worlds
from .engine import DrivenClock, RealClock
from .server import Server


def main(arguments=None):
    """Serve until Ctrl-C."""
    asked = _parser().parse_args(arguments)
    if asked.assumptions:
        print(assumptions.text())
        return 0
    if asked.behind:
        return _change(asked)
    world = _world(asked)
    if asked.no_delay:
        world.timing.refused = 0
    folder = Path(asked.certificates) if asked.certificates else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with Server(world, asked.host, asked.port, folder) as server:
            _print_environment(server)
            server.wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        text = f"cannot serve on {asked.host}, port {asked.port}: {error}. Use --port 0 for any free port."
        print(text, file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m simulators.proxmox", description="A simulated Proxmox VE cluster")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8006, help="0: any free port (default: %(default)s)")
    parser.add_argument("--version", type=_version, default=(9, 2), metavar="X.Y", help="7.0 to 9.2 (default: 9.2)")
    parser.add_argument("--machines", type=int, metavar="N", help="N machines on three nodes, every second one running")
    parser.add_argument("--fixture", type=Path, metavar="FILE", help="a cluster from a JSON file, see README.md")
    parser.add_argument("--empty", action="store_true", help="no machines; else web1, web2 and the template tmpl")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="the cluster's time, X times the world's")
    parser.add_argument("--driven", action="store_true", help="time passes only when somebody waits, or says so")
    parser.add_argument("--no-delay", action="store_true", help="answer a 401 at once, not after 3 seconds")
    parser.add_argument("--assumptions", action="store_true", help="print which requests are answered by assumption")
    parser.add_argument("--behind", action="store_true", help="make the change on standard input there")
    parser.add_argument("--certificates", metavar="FOLDER", help="where to write authority.pem (default: a new folder)")
    return parser


def _version(text):
    major, _dot, minor = text.partition(".")
    version = (int(major), int(minor or 0))
    if not (7, 0) <= version <= (9, 2):
        raise argparse.ArgumentTypeError("the facts reach from 7.0 to 9.2")
    return version


def _world(asked):
    clock = DrivenClock() if asked.driven else RealClock(asked.speed)
    if asked.fixture:
        return fixture.read(asked.fixture, clock, asked.version)
    if asked.machines is not None:
        return worlds.with_many(asked.machines, clock, asked.version)
    return (worlds.cluster if asked.empty else worlds.with_cases)(clock, asked.version)


def _change(asked):
    """Pass the change on standard input to a running simulator; its certificate is not checked."""
    unchecked = ssl._create_unverified_context()
    with closing(http.client.HTTPSConnection(asked.host, asked.port, context=unchecked)) as connection:
        connection.request("POST", f"{control.PREFIX}/behind", sys.stdin.read())
        answer = connection.getresponse()
        text = answer.read().decode()
    print(text, file=sys.stdout if answer.status == 200 else sys.stderr)
    return 0 if answer.status == 200 else 1


def _print_environment(server):
    """Print the environment variables that modules for Proxmox VE read, as commands for a shell."""
    values = {
        "PROXMOX_HOST": server.host,
        "PROXMOX_PORT": server.port,
        "PROXMOX_USER": "root@pam",
        "PROXMOX_TOKEN_ID": "test",
        "PROXMOX_TOKEN_SECRET": worlds.TOKEN_SECRET,
        "PROXMOX_CA_PATH": server.authority,
    }
    lines = [f"export {name}={value}" for name, value in values.items()]
    print("\n".join([*lines, f"# The password of root@pam is {worlds.ROOT_PASSWORD}"]), flush=True)


if __name__ == "__main__":
    # The directory with the certificates is deleted, however the process ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
