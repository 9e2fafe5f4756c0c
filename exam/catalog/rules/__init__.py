"""The rules of the catalogue: ranges, what an order contains, what contradicts it, its tubes, and a sound catalogue."""

from exam.catalog.rules.formula_text import FormulaProblem, read_formula, write_formula
from exam.catalog.rules.formulas import FORMULA_NAMES, FORMULA_OPERATORS, formula_items
from exam.catalog.rules.inclusion import included
from exam.catalog.rules.orders import CATEGORY_NAMES, SEX_NAMES, OrderConflict, conflicts, expand, items_of
from exam.catalog.rules.prices import package_price, repriced
from exam.catalog.rules.privacy import is_private_group
from exam.catalog.rules.ranges import range_for, range_text
from exam.catalog.rules.soundness import validate
from exam.catalog.rules.tubes import PlannedTube, tubes_for

__all__ = [
    "CATEGORY_NAMES",
    "FORMULA_NAMES",
    "FORMULA_OPERATORS",
    "SEX_NAMES",
    "FormulaProblem",
    "OrderConflict",
    "PlannedTube",
    "conflicts",
    "expand",
    "formula_items",
    "included",
    "is_private_group",
    "items_of",
    "package_price",
    "range_for",
    "range_text",
    "read_formula",
    "repriced",
    "tubes_for",
    "validate",
    "write_formula",
]
