# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for WinRM of Windows after its installation: HTTPS, a certificate signed by itself, and NTLM."""

from __future__ import annotations

import base64
import datetime
import ssl

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from platforms.windows.winrm_server import Handler, WinRMServer


class WinRMGuest(WinRMServer):
    """It accepts the users in the file that NTLM_USER_FILE names. Lines are ``:USER:PASSWORD``, without a domain."""

    def __init__(self, folder, answer):
        super().__init__(answer, handler=_NtlmHandler, context=_context(folder))


class _NtlmHandler(Handler):
    """Each connection authenticates for itself."""

    session = None

    def challenge(self):
        word, _space, token = self.headers.get("Authorization", "").partition(" ")
        if word not in ("NTLM", "Negotiate"):
            is_known = self.session is not None and self.session.complete
            return None if is_known else {"WWW-Authenticate": "NTLM"}
        if self.session is None:
            self.session = spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.use_ntlm)
        try:
            answer = self.session.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            self.session = None
            return {"WWW-Authenticate": "NTLM"}
        if self.session.complete:
            return None
        return {"WWW-Authenticate": f"{word} {base64.b64encode(answer).decode()}"}


def _context(folder):
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    day = datetime.timedelta(days=1)
    certificate = builder.not_valid_before(now - day).not_valid_after(now + day).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "guest.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
