"""The medical rules: judge values, compute items, evaluate conditions, suggest conclusions. All pure."""

from __future__ import annotations

from exam.knowledge.rules.alerts import alerts_of, may_alert
from exam.knowledge.rules.amounts import plain_text, read_amount
from exam.knowledge.rules.conclusions import CompiledRules, is_nothing_abnormal_allowed, suggest, uncovered_items
from exam.knowledge.rules.conditions import compiled, condition_items, evidence, holds, leaves
from exam.knowledge.rules.examples import book_problems, example_case, rule_problems
from exam.knowledge.rules.flags import check_entry, flag_amount, is_plausible, judge
from exam.knowledge.rules.formulas import FRIEDEWALD, compute, compute_all, evaluate, formula_items, friedewald
from exam.knowledge.rules.grades import Graded, grade, graded
from exam.knowledge.rules.rechecks import RecheckProposal, recheck_proposals
from exam.knowledge.rules.summaries import NOTHING_ABNORMAL, nothing_text, phrase, quoting, summarize, wording_for
from exam.knowledge.rules.trends import TrendPoint, change_text, trend_points
from exam.knowledge.rules.units import conversion_for, convert, printed_unit, same_unit
from exam.knowledge.rules.wording import OUTSTANDING, finding_text, number_text, plain_line, value_text

__all__ = [
    "FRIEDEWALD",
    "NOTHING_ABNORMAL",
    "OUTSTANDING",
    "CompiledRules",
    "Graded",
    "RecheckProposal",
    "TrendPoint",
    "alerts_of",
    "book_problems",
    "change_text",
    "check_entry",
    "compiled",
    "compute",
    "compute_all",
    "condition_items",
    "conversion_for",
    "convert",
    "evaluate",
    "evidence",
    "example_case",
    "finding_text",
    "flag_amount",
    "formula_items",
    "friedewald",
    "grade",
    "graded",
    "holds",
    "is_nothing_abnormal_allowed",
    "is_plausible",
    "judge",
    "leaves",
    "may_alert",
    "nothing_text",
    "number_text",
    "phrase",
    "plain_line",
    "plain_text",
    "printed_unit",
    "quoting",
    "read_amount",
    "recheck_proposals",
    "rule_problems",
    "same_unit",
    "suggest",
    "summarize",
    "trend_points",
    "uncovered_items",
    "value_text",
    "wording_for",
]
