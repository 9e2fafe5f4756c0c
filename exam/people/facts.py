"""People as frozen structs: identity documents, a person as other rooms may see one, and what happened to them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from uuid import UUID

import msgspec


class IdKind(StrEnum):
    """Kinds of identity document (domain.md §6.1)."""

    RESIDENT = "resident"
    HK_MACAO_TAIWAN_RESIDENCE = "hmt_residence"
    FOREIGN_PERMANENT = "foreign_permanent"
    HK_MACAO_PERMIT = "hk_macao_permit"
    TAIWAN_PERMIT = "taiwan_permit"
    PASSPORT = "passport"
    NONE = "none"


ID_KIND_NAMES = {
    IdKind.RESIDENT: "居民身份证",
    IdKind.HK_MACAO_TAIWAN_RESIDENCE: "港澳台居民居住证",
    IdKind.FOREIGN_PERMANENT: "外国人永久居留身份证",
    IdKind.HK_MACAO_PERMIT: "港澳居民来往内地通行证",
    IdKind.TAIWAN_PERMIT: "台湾居民来往大陆通行证",
    IdKind.PASSPORT: "护照",
    IdKind.NONE: "无证件",
}

SEX_NAMES = {"M": "男", "F": "女"}


class IdNumber(msgspec.Struct, frozen=True):
    """A checked and normalised document number, and what it tells about its holder (None: it tells nothing)."""

    kind: IdKind
    number: str
    sex: str | None = None
    birth_on: date | None = None
    warnings: tuple[str, ...] = ()


class Person(msgspec.Struct, frozen=True):
    """A person as screens show one: document number, phone and address are masked."""

    id: UUID
    file_no: str
    name: str
    sex: str
    birth_on: date
    id_kind: IdKind
    id_masked: str
    phone_masked: str
    address_masked: str
    organization: str = ""
    pinyin: str = ""


class NewPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the desk types about a person; `sex` and `birth_on` may be absent when the document number tells them."""

    name: str
    id_kind: IdKind = IdKind.RESIDENT
    id_no: str = ""
    sex: str = ""
    birth_on: date | None = None
    phone: str = ""
    address: str = ""
    nation: str = ""
    marital: str = ""
    organization_id: UUID | None = None


class PersonRegistered(msgspec.Struct, frozen=True):
    """A person's file was opened."""

    person_id: UUID
    site: str


class PersonsRegistered(msgspec.Struct, frozen=True):
    """Many files were opened at once, from an employer's list."""

    person_ids: tuple[UUID, ...]
    site: str


class Holder(msgspec.Struct, frozen=True):
    """Whom a visit is opened for: the file's id with name, sex and birth date as they stand in it."""

    person_id: UUID
    name: str
    sex: str
    birth_on: date


class PersonCorrected(msgspec.Struct, frozen=True):
    """A person's basics were corrected; `fields` are the names of what changed."""

    person_id: UUID
    site: str
    fields: tuple[str, ...]
