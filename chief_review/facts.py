"""A chief review as frozen structs: its lines, its signatures, its state, and what happened to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from exam.kit.errors import Stale
from exam.kit.module import Slot
from exam.knowledge.facts import Because, Category, Reading, Severity, Suggestion
from exam.knowledge.gate import GateFinding
from exam.knowledge.rules import Graded, RecheckProposal
from exam.visits.facts import VisitCard
from results.facts import DepartmentResult, EarlierValue


class ReviewState(StrEnum):
    """Where a review stands: being written, signed by its author, signed finally by a second doctor."""

    OPEN = "open"
    FIRST_SIGNED = "first_signed"
    FINAL = "final"


REVIEW_STATE_NAMES = {
    ReviewState.OPEN: "主检中",
    ReviewState.FIRST_SIGNED: "待终审",
    ReviewState.FINAL: "已终审",
}


FIRST = "first"
FINAL = "final"
LEVEL_NAMES = {FIRST: "初审", FINAL: "终审"}
"""The two signatures, in order."""

CATEGORIES = ("疾病", "高危", "异常", "提示", "正常变异")

SEVERITY_NAMES = {
    Severity.CRITICAL: "A类",
    Severity.IMPORTANT: "B类",
    Severity.SPECIALIST: "专科就诊",
    Severity.RECHECK: "复查",
    Severity.MILD: "轻度",
    Severity.HINT: "提示",
}
"""How much a line weighs, as the editor shows it (domain.md §4)."""

ORIGIN_NAMES = {"rule": "规则", "manual": "手工", "merged": "合并", "reworded": "已改写"}


GRADE_NAMES = {"A": "未见异常", "B": "轻度异常", "C": "需复查或改善", "D": "需进一步检查或治疗", "E": "治疗中"}
"""What the grade of a domain means (domain.md §4.3)."""


class Kept(msgspec.Struct, frozen=True):
    """That a doctor expressly keeps a line whose findings have changed: why, who and when.

    `note` is said with its reasons: as of when they are. `against` is the digest of the reasons there were then; when they
    change again the line must be kept again.
    """

    reason: str
    by: str
    at: datetime
    note: str
    against: str


class ConclusionLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion with its advice. `origin` is `rule`, `manual`, `merged` or `reworded`; `key` survives regeneration.

    Of an item with choices the line answers only for `covers_choices`. `attached` are items that a doctor put under this
    line by hand; they stay with it when the suggestions change. `parts` are the keys that were merged into it. `kept` says
    that a doctor keeps it although its findings have changed.
    """

    key: str
    text: str
    category: str = "异常"
    severity: Severity = Severity.MILD
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    because: tuple[Because, ...] = ()
    covers: tuple[str, ...] = ()
    origin: str = "rule"
    covers_choices: tuple[tuple[str, str], ...] = ()
    attached: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    kept: Kept | None = None


class Signature(msgspec.Struct, frozen=True):
    """A doctor's signature inside the system: who, with which title, when, and the digest of what was shown.

    `picture_id` is the picture of the hand-written signature (`exam.staff.signatures`) that was in force at that moment.
    """

    level: str
    staff_id: UUID
    name: str
    title: str
    at: datetime
    digest: str
    picture_id: UUID | None = None


class Review(msgspec.Struct, frozen=True):
    """A visit's review: its current version with the lines in order, the synopsis, and the standing signatures.

    `digest` is of what a screen shows now: the lines and the results they rest on. A standing signature with another
    digest signed something that has changed since. `removed` are keys of suggestions that a doctor deleted.
    `grades` are those of each domain, by the scales of the visit's day.
    `is_rereview` and `attention` say that an earlier final review was undone, or that its results were corrected.
    """

    visit_id: UUID
    state: ReviewState
    version: int
    lines: tuple[ConclusionLine, ...]
    is_nothing_abnormal: bool
    digest: str
    signatures: tuple[Signature, ...] = ()
    author_id: UUID | None = None
    author: str = ""
    removed: tuple[str, ...] = ()
    is_rereview: bool = False
    attention: str = ""
    grades: tuple[Graded, ...] = ()


class ReviewFinalized(msgspec.Struct, frozen=True):
    """The final signature was given; the report may be issued."""

    visit_id: UUID
    site: str
    version: int


class ReviewReopened(msgspec.Struct, frozen=True):
    """A final review was undone."""

    visit_id: UUID
    site: str
    reason: str


class EditedLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line as an editor hands it in. An empty key makes a new line by hand, which answers for the items in `covers`.

    What a line of a rule answers for, and why it is there, is never taken from the editor.
    """

    key: str = ""
    text: str
    category: Category = "异常"
    severity: Severity = Severity.MILD
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    covers: Annotated[tuple[str, ...], msgspec.Meta(max_length=300)] = ()


class Body(msgspec.Struct, frozen=True):
    """What one version of a review says. `removed` are keys of deleted suggestions; they stay deleted (M16)."""

    lines: tuple[ConclusionLine, ...] = ()
    is_nothing_abnormal: bool = False
    removed: tuple[str, ...] = ()


class Block(msgspec.Struct, frozen=True):
    """One thing that stands in the way of signing: its code, the Chinese sentence and the remedy."""

    code: str
    text: str
    hint: str = ""


class ReviewConflict(Stale):
    """Somebody else saved in between. `theirs` is what holds now, `by` who wrote it; nothing of ours was stored."""

    def __init__(self, theirs: Review, by: str) -> None:
        super().__init__(f"主检结论已被{by or '他人'}修改为第 {theirs.version} 版,您的修改没有保存", "请打开最新内容核对后重新修改")
        self.code = "chief_review.conflict"
        self.theirs = theirs
        self.by = by


class QueueTab(StrEnum):
    """Which part of the chief's queue is shown."""

    WAITING = "waiting"
    FIRST_SIGNED = "first_signed"
    REREVIEW = "rereview"
    RETURNED = "returned"
    FINAL = "final"


QUEUE_TAB_NAMES = {
    QueueTab.WAITING: "待主检",
    QueueTab.FIRST_SIGNED: "待终审",
    QueueTab.REREVIEW: "需重审",
    QueueTab.RETURNED: "退回中",
    QueueTab.FINAL: "已终审",
}


class QueueFilters(msgspec.Struct, frozen=True):
    """What is looked for: a tab, the beginning of a name, exam days from and to, an organisation."""

    tab: QueueTab = QueueTab.WAITING
    name: str = ""
    since: date | None = None
    until: date | None = None
    organization: str = ""


class AbnormalCount(msgspec.Struct, frozen=True):
    """How many values of a visit were read and how many of them are flagged."""

    flagged: int
    read: int


ABNORMAL_COUNTS: Slot[Callable[[Any, Sequence[UUID]], dict[UUID, AbnormalCount]]] = Slot(
    "You get the session (read only) and the visits of one page of the chief's queue; return for each how many of its present "
    "values are flagged. One statement: the queue is opened all day long."
)


class RangeMark(msgspec.Struct, frozen=True):
    """Where a value lies beside its reference range, on a scale of 60: the range's ends, the value, and on which side it is."""

    begins: int
    ends: int
    at: int
    is_outside: bool


class Waited(msgspec.Struct, frozen=True):
    """How long a visit has been waiting: in words, and 0 (today's work), 1 (since yesterday) or 2 (longer)."""

    text: str
    weight: int


class QueueRow(msgspec.Struct, frozen=True):
    """One visit in the queue with where its review stands and who worked on it.

    `conclusions` and `severity` are of the review as it is now, `abnormal` of the results as far as a room counts them.
    """

    card: VisitCard
    state: ReviewState | None
    is_rereview: bool
    attention: str
    author: str
    first_signer: str
    final_signer: str
    final_at: datetime | None
    conclusions: int = 0
    severity: Severity | None = None
    abnormal: AbnormalCount | None = None


class Queue(msgspec.Struct, frozen=True):
    """A page of the queue, in order of completion; `counts` by tab."""

    tab: QueueTab
    rows: tuple[QueueRow, ...]
    counts: dict[str, int]
    total: int
    page: int
    pages: int
    since: date | None = None


class PanelLink(msgspec.Struct, frozen=True):
    """A link that another room puts on the reviewer's desk."""

    text: str
    url: str
    icon: str = "external-link"
    hotkey: str = ""
    is_new_tab: bool = True


class ReviewPanel(msgspec.Struct, frozen=True):
    """What another room shows on the reviewer's desk: a title, a sentence and links."""

    title: str
    text: str = ""
    links: tuple[PanelLink, ...] = ()


REVIEW_PANEL: Slot[Callable[[Any, VisitCard, Review], ReviewPanel | None]] = Slot(
    "You get the session (read only), the visit's card and its review; return a panel for the reviewer's desk, or None."
)


RELEASE_BLOCKS: Slot[Callable[[Any, UUID], tuple[Block, ...]]] = Slot(
    "You get the session (read only) and a visit; return what keeps its report from being released, each with its remedy. Asked "
    "at the final signature and once more when the report is issued."
)


class SignatureFact(msgspec.Struct, frozen=True):
    """A signature or the undoing of one, as the history shows it."""

    level: str
    name: str
    title: str
    at: datetime
    is_undoing: bool
    reason: str = ""


class ValueChange(msgspec.Struct, frozen=True):
    """A finding that a line rested on, as it was and as it is now."""

    before: str
    after: str


class LineChanges(msgspec.Struct, frozen=True):
    """What has changed since a review was last signed, or since its lines were written: by line, and over the whole review.

    `new` are the keys of lines that were not signed; `gone` the signed lines that are no more, with what changed under them.
    """

    by_line: dict[str, tuple[ValueChange, ...]] = {}
    new: frozenset[str] = frozenset()
    gone: tuple[tuple[str, tuple[ValueChange, ...]], ...] = ()


class ReviewScreen(msgspec.Struct, frozen=True):
    """Everything that the reviewer's desk shows about one visit.

    `uncovered` are flagged readings without a line, `removed` the deleted suggestions that could come back, `outdated`
    the keys of lines whose findings have changed and that nobody expressly keeps, `has_new_results` whether results changed since the last save,
    `final_refusal` why the actor may not give the final signature that is due, `warnings` what the contradiction gate says
    without standing in the way, `changes` what differs from what was signed (OTH-3), `proposals` what the rules want
    examined again, `due` what must be done before the final signature while the first one is due.
    """

    card: VisitCard
    review: Review
    results: tuple[DepartmentResult, ...]
    abnormal: tuple[Reading, ...]
    earlier: dict[str, tuple[EarlierValue, ...]]
    suggestions: tuple[Suggestion, ...]
    uncovered: tuple[Reading, ...]
    removed: tuple[Suggestion, ...]
    outdated: frozenset[str]
    blocks: tuple[Block, ...]
    has_new_results: bool
    is_nothing_abnormal_allowed: bool
    history: tuple[SignatureFact, ...] = ()
    final_refusal: str = ""
    warnings: tuple[GateFinding, ...] = ()
    changes: LineChanges = LineChanges()
    proposals: tuple[RecheckProposal, ...] = ()
    due: tuple[Block, ...] = ()
