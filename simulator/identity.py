"""Who may connect: modules and leaf devices, each with a key, and the tokens signed with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import quote, unquote

from simulator.errors import SimulatorError


@dataclass(frozen=True)
class Identity:
    """A module of the edge device, or (without a module name) a device.

    Attributes:
        device: The device id.
        module: The module id, None for a leaf device.
        key: What tokens are signed with, base64.
        generation: Changes when a module is made anew.
    """

    device: str
    module: str | None
    key: str
    generation: str = "1"

    @property
    def client_id(self) -> str:
        """The MQTT client id: `device/module`, or `device`."""
        return f"{self.device}/{self.module}" if self.module else self.device

    @property
    def resource(self) -> str:
        """The path that a token is for, after the hub's name."""
        return f"devices/{self.device}/modules/{self.module}" if self.module else f"devices/{self.device}"

    def sign(self, data: bytes) -> str:
        """HMAC-SHA256 of data under the key, base64."""
        return base64.b64encode(hmac.digest(base64.b64decode(self.key), data, hashlib.sha256)).decode()


def is_name(text: str) -> bool:
    """Whether a client may be called so: it stands in topics, and in a database."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any(character in text for character in "/+#\0")


def new_key() -> str:
    """A random key of 256 bits, as IoT Hub makes them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def check_key(key: str) -> str:
    """Return a key if it is base64, as a connection string has it."""
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise SimulatorError(f"the key {key!r} is not base64: {error}") from error
    return key


def token(identity: Identity, hub_name: str, expiry: int) -> str:
    """A SharedAccessSignature of an identity until a unix time.

    Args:
        identity: Whose it is.
        hub_name: The IoT hub's host name.
        expiry: Until when, in seconds since 1970.
    """
    resource = quote(f"{hub_name}/{identity.resource}", safe="")
    signature = quote(identity.sign(f"{resource}\n{expiry}".encode()), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"


class TokenError(Exception):
    """A token does not let its bearer in; the message says why."""


def check_token(text: str, identity: Identity, hub_name: str, now: float) -> int:
    """Check a SharedAccessSignature and return when it expires (unix seconds).

    Args:
        text: As it was sent.
        identity: Who says to be that.
        hub_name: The IoT hub's host name.
        now: In seconds since 1970.

    Raises:
        TokenError: It is malformed, for another resource, signed with another key, or expired.
    """
    scheme, _, rest = text.partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split("&") if "=" in part)
    if scheme != "SharedAccessSignature" or not {"sr", "sig", "se"} <= fields.keys():
        raise TokenError("the password is not a SharedAccessSignature with sr, sig and se")
    resource = unquote(fields["sr"])
    expected = f"{hub_name}/{identity.resource}"
    if resource.lower() != expected.lower():
        raise TokenError(f"the token is for {resource!r}, not {expected!r}")
    signature = identity.sign(f"{fields['sr']}\n{fields['se']}".encode())
    if not hmac.compare_digest(signature.encode(), unquote(fields["sig"]).encode()):
        raise TokenError("the token's signature is not made with the identity's key")
    if not fields["se"].isdecimal():
        raise TokenError(f"the token's expiry {fields['se']!r} is not a unix time")
    expiry = int(fields["se"])
    if expiry <= now:
        raise TokenError(f"the token expired {now - expiry:.0f} s ago")
    return expiry
