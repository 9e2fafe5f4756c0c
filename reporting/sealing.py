"""Where the centre's seal lies, and the fonts and the seal loaded once for the process."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.kit.house import House, house_of
from exam.kit.paper import Fonts, fonts
from exam.staff import signatures
from reporting.document import Document, signatures_of
from reporting.pdf import Drawn, draw

KEY_FILE, CERTIFICATE_FILE, ROOT_FILE, PICTURE_FILE = "centre.key", "centre.pem", "root.pem", "centre.png"
"""A real seal of the centre, when it has one; `chain-*.pem` are the certificates between it and the root."""


if TYPE_CHECKING:
    from reporting.seal import Seal


class Sealed(msgspec.Struct, frozen=True):
    """A finished file: the bytes before the seal, the sealed bytes, and characters that no font had."""

    drawn: bytes
    pdf: bytes
    missing_characters: str


def folder_of(house: House) -> Path:
    """The folder of the seal: beside the data, never inside it (decision 15)."""
    return house.data.parent / "seal"


def has_centre_seal(house: House) -> bool:
    """Whether the centre put its own key and certificate there; otherwise the demonstration's seal is used."""
    return all((folder_of(house) / name).is_file() for name in (KEY_FILE, CERTIFICATE_FILE, ROOT_FILE))


def make_material(db: Session) -> None:
    """At set-up: a demonstration authority, when there is neither a seal of the centre nor one of those."""
    from reporting.demo_authority import demo_authority, make_demo_authority

    house = house_of(db)
    if not has_centre_seal(house) and not demo_authority(folder_of(house)).is_complete():
        make_demo_authority(folder_of(house), house.settings.centre_name, house.clock.now())


def seal_of(house: House) -> Seal:
    """The seal, read once."""
    if "reporting.seal" not in house.cache:
        house.cache["reporting.seal"] = _load(house)
    seal: Seal = house.cache["reporting.seal"]
    return seal


def _load(house: House) -> Seal:
    # Signing brings 0.2 s of imports: beside the first requests (`warm`), not before them.
    from reporting.seal import Seal
    from reporting.seal_picture import seal_picture

    folder, name = folder_of(house), house.settings.centre_name
    if has_centre_seal(house):
        picture = folder / PICTURE_FILE
        drawn = picture.read_bytes() if picture.is_file() else seal_picture(name)
        return Seal.load(folder / KEY_FILE, folder / CERTIFICATE_FILE, drawn, sorted(folder.glob("chain-*.pem")))
    from reporting.demo_authority import demo_authority

    places = demo_authority(folder)
    return Seal.load(places.signer_key_path, places.signer_certificate_path, seal_picture(name, is_demo=True))


def trust_roots(house: House) -> list[bytes]:
    """The certificates that a seal must lead up to."""
    from reporting.demo_authority import demo_authority

    folder = folder_of(house)
    names = [folder / ROOT_FILE, demo_authority(folder).root_certificate_path]
    return [path.read_bytes() for path in names if path.is_file()]


def fonts_of(house: House) -> Fonts:
    """The fonts, loaded once."""
    found = house.cache.get("reporting.fonts")
    if not isinstance(found, Fonts):
        found = house.cache["reporting.fonts"] = fonts()
    return found


def warm(house: House) -> None:
    """Loads fonts and seal at the server's start, so that the first report does not wait for them."""
    fonts_of(house)
    seal_of(house)


def pictures_of(db: Session, document: Document) -> dict[str, bytes]:
    """The pictures of the hand-written signatures by their `picture_id`; none for a doctor whose printed name stands alone."""
    signed = signatures_of(document)
    put = signatures.contents(db, {UUID(each.put_picture) for each in signed if each.put_picture})
    pictures = {each.picture_id: put[UUID(each.put_picture)] for each in signed if each.put_picture}
    if any(each.is_name_drawn for each in signed):
        from reporting.seal_picture import signature_picture

        pictures |= {each.picture_id: signature_picture(each.name) for each in signed if each.is_name_drawn}
    return pictures


def picture_addresses(db: Session, document: Document) -> dict[str, str]:
    """The same pictures as `data:` addresses for <img>: a report's page shows them, and no address hands them out alone."""
    return {
        picture_id: "data:image/png;base64," + base64.b64encode(content).decode()
        for picture_id, content in pictures_of(db, document).items()
    }


def drawn(db: Session, document: Document, at: datetime) -> Drawn:
    """The document on paper, without the seal: the same document and moment give the same bytes."""
    return draw(document, at, fonts_of(house_of(db)), pictures_of(db, document))


def sealed(db: Session, document: Document, at: datetime) -> Sealed:
    """The document drawn and sealed by the centre. About 0.1 s, and nothing is written anywhere."""
    house, paper = house_of(db), drawn(db, document, at)
    pdf = seal_of(house).sign(
        paper.pdf, reason="体检报告签发", location=house.settings.centre_name, signed_at=at, seal_page=paper.seal_page,
        seal_box=paper.seal_box,
    )  # fmt: skip
    return Sealed(paper.pdf, pdf, paper.missing_characters)
