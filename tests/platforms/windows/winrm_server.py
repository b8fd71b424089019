# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WinRM server on loopback, so that tests can use Ansible's winrm connection and pywinrm like users.

It supports Create, Command, Send, Receive, Signal and Delete of the shell resource of WS-Management (MS-WSMV), over
HTTP with basic authentication. ``answer(line, stdin)`` returns (exit code, stdout, stderr) of a command line.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
#: The maximum bytes of output in one answer, below the limit of an envelope (500 KB).
_PIECE = 100_000
_OPERATION_TIMED_OUT = 2150858793
USER, PASSWORD = "tester", "secret"


class _Command:
    """A command of a shell: its input, and the output that the client has not received yet."""

    def __init__(self, line):
        self.line, self.stdin, self.output = line, bytearray(), []
        self.exit_code, self.is_started, self.ended = 0, False, threading.Event()

    def start(self, answer):
        if not self.is_started:
            self.is_started = True
            threading.Thread(target=self._run, args=(answer,), daemon=True).start()

    def _run(self, answer):
        try:
            self.exit_code, stdout, stderr = answer(self.line, bytes(self.stdin))
        except Exception as error:
            self.exit_code, stdout, stderr = 1, b"", repr(error).encode()
        for name, content in (("stdout", stdout), ("stderr", stderr)):
            self.output += [(name, content[at : at + _PIECE]) for at in range(0, len(content), _PIECE)]
        self.ended.set()


class WinRMServer:
    """A server that runs until its context ends. ``actions`` are the WS-Management actions of all requests so far."""

    def __init__(self, answer, operation_timeout=20, handler=None, context=None):
        self.answer, self.operation_timeout = answer, operation_timeout
        self.commands, self.actions, self._lost = {}, [], {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler or Handler,), {"world": self}))
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._http.shutdown()
        self._http.server_close()

    @property
    def variables(self):
        """The Ansible variables of a host that uses this server."""
        return {
            "ansible_connection": "winrm",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": "basic",
        }

    def lose(self, action, carried_out=True):
        """Close the connection at the next request with this action: after carrying it out, or before."""
        self._lost[action] = carried_out

    def respond(self, envelope):
        """(HTTP status, body) of the answer, or None if the connection is to be closed without an answer."""
        action = envelope.findtext(f".//{{{_ADDRESSING}}}Action", "").rpartition("/")[2]
        self.actions.append(action)
        carried_out = self._lost.pop(action, None)
        if carried_out is False:
            return None
        answer = getattr(self, f"_{action.lower()}")(envelope)
        return None if carried_out else answer

    def _create(self, _envelope):
        shell = f"<rsp:Shell><rsp:ShellId>{_new_id()}</rsp:ShellId></rsp:Shell>"
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{_new_id()}</w:Selector></w:SelectorSet>'
        parameters = f"<a:ReferenceParameters>{selector}</a:ReferenceParameters>"
        return 200, f'<x:ResourceCreated xmlns:x="{_TRANSFER}">{parameters}</x:ResourceCreated>{shell}'

    def _command(self, envelope):
        words = [envelope.findtext(f".//{{{_SHELL}}}Command", "")]
        words += [node.text or "" for node in envelope.iterfind(f".//{{{_SHELL}}}Arguments")]
        name = _new_id()
        self.commands[name] = _Command(" ".join(words))
        if not any(
            node.get("Name") == "WINRS_CONSOLEMODE_STDIN" and (node.text or "").upper() == "FALSE"
            for node in envelope.iterfind(f".//{{{_WSMAN}}}Option")
        ):
            self.commands[name].start(self.answer)
        return 200, f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, envelope):
        stream = envelope.find(f".//{{{_SHELL}}}Stream")
        command = self.commands[stream.get("CommandId")]
        command.stdin += base64.b64decode(stream.text or "")
        if stream.get("End") == "true":
            command.start(self.answer)
        return 200, "<rsp:SendResponse/>"

    def _receive(self, envelope):
        name = envelope.find(f".//{{{_SHELL}}}DesiredStream").get("CommandId")
        command = self.commands[name]
        command.start(self.answer)
        if not command.ended.wait(self.operation_timeout):
            return 500, _timed_out()
        pieces, command.output = command.output[:1], command.output[1:]
        streams = "".join(
            f'<rsp:Stream Name="{stream}" CommandId="{name}">{base64.b64encode(piece).decode()}</rsp:Stream>'
            for stream, piece in pieces
        )
        state = "Running" if command.output else "Done"
        code = "" if command.output else f"<rsp:ExitCode>{command.exit_code}</rsp:ExitCode>"
        state = f'<rsp:CommandState CommandId="{name}" State="{_SHELL}/CommandState/{state}">{code}</rsp:CommandState>'
        return 200, f"<rsp:ReceiveResponse>{streams}{state}</rsp:ReceiveResponse>"

    def _signal(self, _envelope):
        return 200, "<rsp:SignalResponse/>"

    def _delete(self, _envelope):
        return 200, ""


def _new_id():
    return str(uuid.uuid4()).upper()


def _timed_out():
    """The answer to a request that takes too long; clients repeat it."""
    subcode = "<s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode>"
    reason = '<s:Reason><s:Text xml:lang="en-US">The operation has timed out.</s:Text></s:Reason>'
    fault = f'<f:WSManFault xmlns:f="{_FAULT}" Code="{_OPERATION_TIMED_OUT}"><f:Message/></f:WSManFault>'
    code = f"<s:Code><s:Value>s:Receiver</s:Value>{subcode}</s:Code>"
    return f"<s:Fault>{code}{reason}<s:Detail>{fault}</s:Detail></s:Fault>"


class Handler(BaseHTTPRequestHandler):
    """Basic authentication."""

    protocol_version = "HTTP/1.1"
    world = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        challenge = self.challenge()
        if challenge is not None:
            self._answer(401, b"", challenge)
            return
        envelope = ElementTree.fromstring(body)
        answer = self.world.respond(envelope)
        if answer is None:
            self.close_connection = True
            return
        status, inner = answer
        related = escape(envelope.findtext(f".//{{{_ADDRESSING}}}MessageID", ""))
        spaces = (("s", _SOAP), ("a", _ADDRESSING), ("w", _WSMAN), ("rsp", _SHELL))
        names = " ".join(f'xmlns:{name}="{space}"' for name, space in spaces)
        header = f"<a:MessageID>uuid:{_new_id()}</a:MessageID><a:RelatesTo>{related}</a:RelatesTo>"
        text = f"<s:Envelope {names}><s:Header>{header}</s:Header><s:Body>{inner}</s:Body></s:Envelope>"
        self._answer(status, text.encode(), {"Content-Type": "application/soap+xml;charset=UTF-8"})

    def challenge(self):
        """The headers that ask for credentials, or None if those of the request are right."""
        credentials = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_right = self.headers.get("Authorization") == credentials
        return None if is_right else {"WWW-Authenticate": 'Basic realm="WSMAN"'}

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Log nothing."""


def through(host):
    """The function ``answer`` of a server for a WindowsHost: it carries out windows_calls, and receives files."""

    def answer(line, stdin):
        target, content = _sent_file(line, stdin)
        if target:
            return _received(host, target, content)
        if b"\0\0\0\0" not in stdin:
            return 0, b"", b""
        try:
            found = host.answer(_module_arguments(stdin)["request"])
        except ConnectionError as error:
            # The process has ended or the answer is lost, so there is no output.
            return 1, b"", str(error).encode()
        return 0, b'{"changed": false, "answer": ' + found.encode() + b"}", b""

    return answer


def _sent_file(line, stdin):
    """(path, base64 in lines) of a file that the connection sends; path None: it runs something else."""
    parts = stdin.split(b"\0\0\0\0")
    if len(parts) > 1:
        (action, *_more) = _manifest(parts[1]).get("actions") or [{}]
        is_file = isinstance(action, dict) and action.get("name") == "winrm_put_file.ps1"
        return (action["params"]["Path"], parts[2]) if is_file else (None, b"")
    # Up to ansible-core 2.18, the script is in the command line.
    script = base64.b64decode(line.rpartition(" ")[2]).decode("utf-16-le") if "-EncodedCommand" in line else ""
    found = re.search(r"\$path = '([^']*)'", script)
    return found and found[1], stdin


def _received(host, path, content):
    """Store the file on the host; the answer of the script of Ansible's connection."""
    content = b"".join(base64.b64decode(one) for one in content.split())
    try:
        host.put(path, content)
    except ConnectionError as error:
        return 1, b"", str(error).encode()
    return 0, json.dumps({"sha1": hashlib.sha1(content).hexdigest()}).encode(), b""


def _manifest(part):
    """The manifest, which is compressed since ansible-core 2.22."""
    text = part.strip()
    return json.loads(text if text.startswith(b"{") else gzip.decompress(base64.b64decode(text)))


def _module_arguments(stdin):
    """The arguments of Ansible's module; ``stdin`` is Ansible's wrapper, four NULs, and a manifest as JSON."""
    manifest = _manifest(stdin.split(b"\0\0\0\0")[1])
    if "module_args" in manifest:
        # Up to ansible-core 2.18.
        return manifest["module_args"]
    parameters = manifest["actions"][0]["params"]
    if "ArgumentJSON" in parameters:
        # Since ansible-core 2.22.
        return json.loads(parameters["ArgumentJSON"])
    return next(one["Value"] for one in parameters["Variables"] if one["Name"] == "complex_args")
