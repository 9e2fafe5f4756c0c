"""The store of sealed reports."""

from __future__ import annotations

from exam.kit.house import House
from exam.kit.sealed_files import SealedFiles


class Store(SealedFiles):
    """The reports' PDFs."""

    NAME, SUFFIX, PLACE = "reports", ".pdf.sealed", "reporting_version.pdf"
    ROOM, TITLE = "reporting", "报告文件"


def store_of(house: House) -> Store:
    """The house's store, one for the process."""
    store = house.cache.get("reporting.store")
    if not isinstance(store, Store):
        store = house.cache["reporting.store"] = Store(house)
    return store
