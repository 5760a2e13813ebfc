"""`/1.0/certificates`: the trust store, trust tokens and the trust password.

Source: LXD REST API; LXD 5.0.2 takes a token as `password`, Incus 6.0.4 as `trust_token`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import sqlite3
import ssl
from typing import Any

from ..http.go_structs import Struct
from ..http.replies import Reply, created, sync
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.go_json import etag
from ..store.refusals import Refusal
from ..store.trust_store import find_trusted, trust
from ..versions import facts

__all__ = ["routes"]

routes = Routes()
_FIELDS = "name string, type string, restricted bool, projects []string"
_POST = Struct("CertificatesPost", f"{_FIELDS}, certificate string, password string, token bool, trust_token string")
_PUT = Struct("CertificatePut", _FIELDS)


def _document(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "type": row["type"],
        "restricted": bool(row["restricted"]),
        "projects": json.loads(row["projects"]),
        "certificate": row["certificate"],
        "fingerprint": row["fingerprint"],
    }


@routes.add("GET", "/1.0/certificates")
def list_certificates(call: Call) -> Reply:
    """The trusted certificates."""
    rows = call.store.select("certificates", order="fingerprint")
    if call.recursion:
        return sync([_document(row) for row in rows])
    return sync([f"/1.0/certificates/{row['fingerprint']}" for row in rows])


def _find(call: Call, name: str) -> sqlite3.Row:
    rows = call.store.rows("SELECT * FROM certificates WHERE fingerprint LIKE ? || '%' LIMIT 2", name)
    if len(rows) != 1:
        raise Refusal(404, "Certificate not found")
    return rows[0]


@routes.add("GET", "/1.0/certificates/{name}")
def get_certificate(call: Call, name: str) -> Reply:
    """One trusted certificate."""
    document = _document(_find(call, name))
    return sync(document, etag=etag([document]))


@routes.add("PUT", "/1.0/certificates/{name}")
@routes.add("PATCH", "/1.0/certificates/{name}")
def put_certificate(call: Call, name: str) -> Reply:
    """Rename or restrict a trusted certificate."""
    row = _find(call, name)
    body = {**_document(row), **call.json(_PUT)}
    der = ssl.PEM_cert_to_DER_cert(row["certificate"])
    trust(call.store, der, name=body["name"], restricted=body["restricted"], projects=body["projects"])
    return sync({})


@routes.add("DELETE", "/1.0/certificates/{name}")
def delete_certificate(call: Call, name: str) -> Reply:
    """Remove a certificate from the trust store."""
    row = _find(call, name)
    call.store.delete("certificates", fingerprint=row["fingerprint"])
    call.send_event("certificate-deleted", f"/1.0/certificates/{row['fingerprint']}", "default")
    return sync({})


@routes.add("POST", "/1.0/certificates", open_to_all=True)
def post_certificate(call: Call) -> Reply:
    """Trust a certificate, issue a token, or trust a stranger who sends a token or the password."""
    body = call.json(_POST)
    if body.get("password") and call.does(facts.PASSWORD_REFUSED):
        raise Refusal(501, "Password authentication is no longer supported, please update your client")
    if call.caller.trusted and body.get("trust_token") and call.does(facts.TRUSTED_CONFLICT):
        if call.redeem("trust", _secret_in(body["trust_token"]), "") is None:
            raise Refusal(403, "not authorized")
        raise Refusal(409, "Client is already trusted")
    if call.caller.trusted and body.get("token"):
        return _issue(call, body)
    granted: dict[str, Any] = body
    if not call.caller.trusted:
        granted = _admission(call, body)
    elif not body.get("certificate"):
        raise Refusal(400, "Client is already trusted")
    der = _given(body) if call.caller.trusted else call.caller.certificate
    if der is None:
        raise Refusal(403, "not authorized")
    if find_trusted(call.store, der) is not None:
        raise Refusal(409, "Certificate already in trust store")
    fingerprint = trust(
        call.store,
        der,
        name=granted.get("name") or body.get("name", ""),
        restricted=bool(granted.get("restricted", False)),
        projects=granted.get("projects"),
    )
    call.send_event("certificate-created", f"/1.0/certificates/{fingerprint}", "default")
    return created(f"/1.0/certificates/{fingerprint}")


def _given(body: dict[str, Any]) -> bytes:
    try:
        der = base64.b64decode(body.get("certificate", ""), validate=True)
        pem = ssl.DER_cert_to_PEM_cert(der)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, "Invalid certificate material: x509: malformed certificate") from error
    if not der.startswith(b"\x30") or "CERTIFICATE" not in pem:
        raise Refusal(400, "Invalid certificate material: x509: malformed certificate")
    return der


def _issue(call: Call, body: dict[str, Any]) -> Reply:
    daemon = call.daemon
    if not daemon.address:
        raise Refusal(400, "Can't issue token when server isn't listening on network")
    request = {
        "name": body.get("name", ""),
        "type": body.get("type") or "client",
        "restricted": body.get("restricted", False),
        "projects": body.get("projects") or [],
    }
    empty = ("certificate", "description", "trust_token") if daemon.flavour.is_incus else ("certificate", "password")
    operation = daemon.operations.token(
        call.project,
        "Executing operation",
        {"for": "trust", "fingerprint": "", **request},
        addresses=[daemon.address],
        fingerprint=daemon.identity.fingerprint,
        request=request | dict.fromkeys(empty, "") | {"token": True},
    )
    return call.accepted(operation)


def _admission(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The rights that a stranger's token or the trust password grants.

    Raises:
        Refusal: 403; neither is valid.
    """
    takes_password = call.does(facts.PASSWORD_TOKEN)
    password = body.get("password", "") if takes_password else ""
    trusted = call.store.setting("core.trust_password")
    if password and trusted and hmac.compare_digest(trusted.encode(), password.encode()):
        return {"name": body.get("name", "")}
    secret = _secret_in(password or (body.get("trust_token", "") if call.does(facts.TRUST_TOKEN) else ""))
    operation: Operation | None = call.redeem("trust", secret, "") if secret else None
    if operation is None:
        raise Refusal(403, "not authorized")
    return operation.purpose


def _secret_in(token: str) -> str:
    try:
        content = json.loads(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        return ""
    secret = content.get("secret") if isinstance(content, dict) else None
    return secret if isinstance(secret, str) and re.fullmatch(r"[0-9a-f]+", secret) else ""
