# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert connection errors of the API of Proxmox VE. proxmoxer raises the exceptions of the library requests."""

from __future__ import annotations

import re
from contextlib import contextmanager

from ansible.module_utils.basic import missing_required_lib

from .._core import errors

try:
    from requests import exceptions
except ImportError:
    exceptions = None

#: A server's timeout for requests to another node is 30 seconds; a call must not be given up before that.
LEAST_TIMEOUT = 35
#: proxmoxer before 2.1 does not verify certificates with tokens.
_OLDEST_LIBRARY = (2, 1)
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "doesn't match", "mismatch")
_NO_CONNECTION = ("NewConnectionError", "NameResolutionError")


class ConnectionLost(errors.ApiError):
    """The connection was lost: it is not known whether the call was carried out."""


@contextmanager
def explained(account):
    """Convert errors below HTTP into errors with a remedy."""
    try:
        yield
    except exceptions.SSLError as error:
        raise _tls_error(account, error) from None
    except exceptions.RequestException as error:
        # Without a connection, nothing was done.
        is_unreachable = any(type(one).__name__ in _NO_CONNECTION for one in _chain(error))
        if not is_unreachable and not isinstance(error, exceptions.ConnectTimeout):
            raise lost(account, _cause(error)) from None
        raise errors.Unavailable(
            f"{account.where} does not answer ({_cause(error)}).",
            "not_responding",
            "Check api_host and api_port, and that the service pveproxy runs there.",
        ) from None
    except ValueError as error:
        # Only its type: its text may contain a header with the secret.
        raise lost(account, type(error).__name__) from None
    except OSError as error:
        # requests opens the CA file only when it is needed.
        if not isinstance(account.verify, str):
            raise lost(account, _cause(error)) from None
        message = f"ca_path '{account.verify}' is not a certificate file."
        raise errors.Unavailable(message, "not_responding", "Correct the path.") from None


def check_library(proxmoxer):
    """Raise Unavailable if the library is missing (None) or too old."""
    # Without requests, proxmoxer would end the whole process.
    if proxmoxer is None or exceptions is None:
        raise errors.Unavailable(
            f"{missing_required_lib('proxmoxer')}.", "missing", "Install proxmoxer and requests for that Python."
        )
    version = proxmoxer.__version__
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _OLDEST_LIBRARY:
        raise errors.Unavailable(
            f"The Python library proxmoxer is {version}, which does not verify certificates with tokens.",
            "too_old",
            "Install proxmoxer 2.1 or later for that Python.",
        )


def lost(account, why):
    return ConnectionLost(f"The connection to {account.where} broke off ({why}).", None, "Run the task again.")


def not_logged_in(account, text):
    """Return the error about a failed login; ``text`` is the message of the library."""
    if "Two Factor" in text:
        return errors.ApiError(
            f"{account.where} requires a second factor from {account.user}.", 401, "Use an API token, which needs none."
        )
    code = text.rpartition("code: ")[2]
    if code.isdigit() and code != "401":
        return errors.ApiError(
            f"{account.where} did not give {account.user} a ticket (HTTP {code}).",
            int(code),
            "Check the cluster: pvecm status, and systemctl status pvedaemon.",
        )
    return errors.ApiError(
        f"{account.where} does not accept the password of {account.user}.",
        401,
        "Check api_user, which has a realm such as root@pam, and api_password.",
    )


def _tls_error(account, error):
    if any(word in str(error) for word in _UNTRUSTED):
        return errors.Unavailable(
            f"The certificate of {account.where} is not trusted ({_cause(error)}).",
            "not_responding",
            "Set ca_path to the cluster's authority (/etc/pve/pve-root-ca.pem of a node), and api_host to a name that"
            " the certificate has. With verify_ssl: false anybody would be trusted.",
        )
    message = f"{account.where} does not speak TLS ({_cause(error)})."
    return errors.Unavailable(message, "not_responding", "Check api_port; Proxmox VE listens on 8006.")


def _cause(error):
    """Return the text of the innermost error of a chain; the outer ones show objects of the library."""
    innermost = list(_chain(error))[-1]
    return getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
