"""A merchant's papers: what a payment gateway knows us by. One folder outside the data (EXAM_PAYMENTS), every file with mode 600.

`wechat.toml` and `alipay.toml` say who we are; the keys stand beside them in files that they name. A gateway without its file is not
offered, one whose file is wrong says so. `docs/payments.md` describes them.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

Named = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class WechatPaper(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`wechat.toml`: the merchant, the application, our certificate's serial number, and WeChat Pay's public key by its id."""

    mchid: Named
    appid: Named
    certificate_serial: Named
    private_key: Named
    apiv3_key: Named
    public_key: Named
    public_key_id: Named
    callback: Named
    gateway: str = "https://api.mch.weixin.qq.com"
    proxy: str = ""


class AlipayPaper(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`alipay.toml`: the application, optionally the seller, our private key and Alipay's public key."""

    appid: Named
    private_key: Named
    public_key: Named
    callback: Named
    seller_id: str = ""
    gateway: str = "https://openapi.alipay.com/gateway.do"
    proxy: str = ""


P = TypeVar("P", WechatPaper, AlipayPaper)

KEY_FIELDS = ("private_key", "public_key", "apiv3_key")


class Papers(msgspec.Struct, frozen=True):
    """One gateway's file with the content of the keys that it names."""

    told: Any
    keys: dict[str, str]


def read_papers(settings: Any, name: str, kind: type[P]) -> tuple[Papers | None, str]:
    """A gateway's papers, or why there are none (a key of `billing.gateway_facts.REASONS`)."""
    folder = Path(getattr(settings, "payments", "") or "/nonexistent")
    path = folder / f"{name}.toml"
    if not path.is_file():
        return None, "not_set_up"
    try:
        told = msgspec.toml.decode(_content(path), type=kind)
        keys = {field: _content(folder / getattr(told, field)).decode() for field in KEY_FIELDS if hasattr(told, field)}
    except PermissionError as error:
        return None, "exposed" if error.filename is None else "misset"
    except (OSError, ValueError, msgspec.DecodeError):
        return None, "misset"
    if not (_is_safe(told.gateway) and _is_safe(told.callback)):
        return None, "misset"
    return Papers(told, {field: text.strip() for field, text in keys.items()}), ""


def _content(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise PermissionError("readable by others")
    return path.read_bytes()


def _is_safe(url: str) -> bool:
    """Money is spoken about only over TLS, or with this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else ""  # asking for the port tells whether it is one
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
