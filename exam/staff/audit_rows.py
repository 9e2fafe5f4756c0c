"""What one act of the audit changed: each row by its table and key in words, and what the tables of facts hold of it.

An auditor sees that something happened and to what, not the person's health: names are masked, results and texts of reports stay out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table, select, tuple_
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.clock import local
from exam.kit.db import Model, row_digest, row_key
from exam.kit.errors import NotFound
from exam.kit.house import actor_of
from exam.kit.masks import mask_name
from exam.staff.audit_trail import Line, line_of

MOST_ROWS = 200
MOST_LETTERS = 2000
"""So much of one text is shown; a whole catalogue entry is shorter."""

TABLE_NAMES: Mapping[str, str] = {
    "exam_account_change": "账号启停", "exam_catalog_entry": "目录条目版本", "exam_catalog_revision": "目录版本号", "exam_event": "业务事件",
    "exam_grant": "角色授权", "exam_id_document": "证件", "exam_knowledge_approval": "判定规则审定", "exam_knowledge_proposal": "判定规则修改申请",
    "exam_knowledge_revision": "判定规则版本号", "exam_knowledge_rule": "判定规则版本",
    "exam_line_progress": "项目进度", "exam_milestone": "体检单节点", "exam_order_line": "体检单项目", "exam_organization": "单位",
    "exam_password_history": "历史密码", "exam_person": "受检者档案", "exam_recovery": "双人恢复申请",
    "exam_recovery_decision": "双人恢复审批", "exam_role": "角色", "exam_role_permission": "角色权限", "exam_series": "编号序列",
    "exam_signature_picture": "签名图片", "exam_signature_picture_withdrawal": "签名图片撤下", "exam_staff": "账号", "exam_tube": "试管",
    "exam_tube_fact": "试管流转", "exam_tube_line": "试管所含项目", "exam_visit": "体检单", "billing_charge": "应收",
    "billing_bank_transfer": "单位转账", "billing_transfer_match": "转账认领", "group_orders_settlement": "团检结算单",
    "group_orders_settlement_member": "结算单人员", "group_orders_settlement_line": "结算单项目",
    "group_orders_settlement_payment": "结算单收款", "group_orders_prepayment": "预缴退回与结转",
    "billing_window_payment": "收款登记", "billing_window_refund": "退费登记", "registration_consent": "知情同意",
    "registration_consent_text": "知情同意书版本", "registration_day_capacity": "每日名额", "registration_desk_setting": "前台设置",
    "registration_print": "打印记录", "results_record": "科室记录", "results_value": "结果值", "results_version": "科室记录版本",
    "chief_review_review": "主检", "chief_review_version": "主检结论版本", "chief_review_signature": "主检签名",
    "chief_review_signed_picture": "主检签名图片", "chief_review_recheck_plan": "复查计划", "chief_review_push": "专科推送",
    "chief_review_push_fact": "专科推送经过", "registration_recheck": "复查", "registration_recheck_fact": "复查经过",
    "reporting_version": "报告版本", "reporting_fact": "报告节点", "reporting_setting": "报告设置",
    "exam_message": "短信", "exam_message_fact": "短信经过", "exam_notice": "站内通知", "exam_notice_read": "站内通知已读",
    "exam_sms_consent": "短信同意", "exam_staff_phone": "工作人员接收短信的手机号",
    "critical_values_alert": "危急值", "critical_values_step": "危急值经过", "critical_values_attachment": "危急值附件",
    "exam_calendar_year": "工作日历版本", "exam_calendar_approval": "工作日历审核",
    "billing_booking_scheme": "预约打折方案", "billing_card": "体检卡", "billing_card_act": "体检卡经过",
    "billing_card_limits": "卡限额版本", "billing_card_limits_approval": "卡限额审核", "billing_card_sale": "体检卡发售",
    "billing_card_type": "体检卡类型版本", "billing_centre_close": "全院日结", "billing_day_close": "收费员日结",
    "billing_day_close_undone": "日结撤销", "billing_discount": "打折", "billing_discount_decision": "打折与退费审批",
    "billing_discount_limit": "打折权限", "billing_discount_request": "打折与退费申请", "billing_drawer": "当班钱箱",
    "billing_gateway_difference": "对账差异", "billing_gateway_fact": "扫码付款经过", "billing_gateway_notice": "支付通知",
    "billing_gateway_order": "扫码付款订单", "billing_gateway_refund": "原路退款", "billing_gateway_statement": "对账单",
    "billing_invoice": "发票", "billing_invoice_cover": "发票所含款项", "billing_invoice_fact": "发票经过",
    "billing_invoice_number": "发票号码使用", "billing_invoice_segment": "发票号段", "billing_receipt": "收据",
    "billing_receipt_line": "收据所含项目", "billing_receipt_part": "收款方式明细", "billing_receipt_print": "收据打印记录",
    "billing_transaction": "账目", "billing_transfer": "账目分录", "exam_staff_practice": "职称与执业专业",
    "group_orders_cohort": "团检分组", "group_orders_contract": "团检合同", "group_orders_member": "名单人员",
    "group_orders_order": "团检批次", "group_orders_organization": "单位资料", "group_orders_roster": "名单导入",
    "group_orders_roster_mapping": "名单列的对应", "group_orders_task": "团检批量任务", "group_orders_terms": "分组项目与付费版本",
    "reporting_indicator_figure": "质控指标登记数",
}  # fmt: skip

COLUMN_NAMES: Mapping[str, str] = {
    "id": "编号", "visit_id": "体检号", "line_id": "项目行", "tube_id": "试管", "kind": "种类", "undoes": "撤销哪一条", "at": "时间",
    "actor_id": "操作人", "actor": "操作人", "reason": "原因", "due_on": "延期至", "code": "编码", "name": "名称", "body": "内容",
    "revision": "修订号", "valid_from": "生效日期", "retired": "是否停用", "source": "来源", "changed_by": "修改人", "changed_at": "修改时间",
    "amount_fen": "金额(分)", "receipt_no": "收据号", "payer": "付款方", "sign": "记账方向", "given_by": "签署人", "channel": "途径",
    "version": "版本", "number": "序号", "copies": "份数", "subject": "对象", "barcode": "条码", "colour": "颜色", "department": "科室",
    "price_fen": "价格(分)", "standard_fen": "标准价(分)", "origin": "来源", "group_code": "组合编码", "service_only": "服务项",
    "position": "次序", "ordered_at": "开单时间", "site": "院区", "staff_id": "账号", "is_active": "是否启用", "asks_everyone": "是否人人签署",
    "issued_on": "发布日期", "text_id": "同意书版本", "author": "修改人", "approved": "是否审定", "item_code": "项目编码", "title": "职称",
    "level": "级别", "digest": "摘要", "basis": "依据摘要", "put_by": "上传人", "put_at": "上传时间", "issued_by": "发布人",
    "version_number": "报告版本", "signed_at": "签名时间", "summary": "小结", "section": "检验分组", "tube_code": "容器编码",
    "planned_at": "计划时间", "is_blood": "是否采血", "draw_order": "采血顺序", "asked_by": "申请人", "decided_by": "审批人",
    "outcome": "审批结果", "parent": "上一版", "record_id": "科室记录", "withdrawn_by": "撤下人", "withdrawn_at": "撤下时间",
    "factor": "折扣系数", "stackable": "是否可叠加", "valid_until": "失效日期", "card_id": "体检卡", "paid_fen": "实付(分)",
    "about": "关于", "receipt_id": "收据", "transaction_id": "账目", "named_most_fen": "记名卡限额(分)",
    "unnamed_most_fen": "不记名卡限额(分)", "unnamed_least_months": "不记名卡最短有效月数", "author_id": "修改人账号",
    "approved_by": "审批人", "approver_id": "审批人账号", "approved_at": "审批时间", "count": "数量", "face_fen": "面值(分)",
    "category": "类别", "is_named": "是否记名", "valid_months": "有效月数", "is_reloadable": "是否可充值", "needs_pin": "是否需要密码",
    "refund": "退卡规则", "day": "日期", "statement": "日结内容", "close_no": "日结单号", "drawer_id": "钱箱", "attempt": "第几次",
    "cashier_id": "收费员", "opened_at": "开班时间", "before": "上一次日结", "opening_fen": "期初备用金(分)",
    "received_fen": "领用备用金(分)", "expected_fen": "应有现金(分)", "counted_fen": "清点现金(分)", "handed_fen": "上缴(分)",
    "closing_fen": "留存备用金(分)", "close_id": "日结", "total_fen": "合计(分)", "request_id": "申请", "is_approved": "是否同意",
    "discount_id": "打折", "role": "角色", "least_factor": "最低折扣系数", "before_fen": "调整前(分)", "after_fen": "调整后(分)",
    "order_id": "订单", "refund_id": "退款", "reference": "流水号", "method": "收款方式", "event_id": "通知编号",
    "refund_no": "退款单号", "state": "状态", "trade_no": "交易号", "lines": "笔数", "refunded_fen": "退款(分)",
    "foreign_lines": "非本系统笔数", "invoice_id": "发票", "segment_id": "号段", "first": "起号", "last": "止号", "width": "号码位数",
    "given_at": "发放时间", "target_kind": "收款对象种类", "target_id": "收款对象", "voids": "作废哪一张", "reissues": "重开哪一张",
    "refund_of": "退哪一张", "booked_on": "记账日期", "gateway_order_id": "扫码付款订单", "tendered_fen": "实收现金(分)",
    "part_of": "退哪一笔", "paper": "纸张", "reverses": "冲销哪一笔", "debit": "借方", "debit_of": "借方对象", "credit": "贷方",
    "credit_of": "贷方对象", "specialty": "执业专业", "from_at": "起始时间", "cohort_id": "分组", "offer": "项目与付费",
    "month": "月份", "number_text": "数值", "year": "年度", "days": "节假日与调休", "calendar_id": "工作日历",
}  # fmt: skip

VALUE_NAMES: Mapping[str, str] = {
    "listed": "列入名单", "booked": "预约", "registered": "登记", "checked_in": "报到", "sheet_returned": "交单", "sections_done": "分科完成",
    "chief_started": "开始主检", "first_reviewed": "初审", "final_reviewed": "终审", "report_issued": "报告发布",
    "report_recalled": "报告撤回", "delivered": "报告领取", "cancelled": "取消登记", "planned": "列入", "sampled": "采样",
    "started": "开始检查", "resulted": "录入结果", "confirmed": "审核", "refused": "拒检", "postponed": "延期", "removed": "退项",
    "printed": "打印", "collected": "采集", "sent": "送出", "received": "接收", "rejected": "拒收", "person": "个人", "organization": "单位",
    "guardian": "监护人", "desk": "前台", "guide_sheet": "导检单", "label": "试管标签", "request_form": "检查申请单", "package": "套餐",
    "added": "加项", "group": "组合项目", "item": "细项", "tube": "容器",
}  # fmt: skip
"""Words for the stored kinds; the English word of anything else is shown."""

SECRET = frozenset({"password_hash", "totp_secret", "token_hash"})
HEALTH: Mapping[str, frozenset[str]] = {
    "exam_event": frozenset({"body"}),
    "exam_order_line": frozenset({"group_code", "name"}),
    "exam_line_progress": frozenset({"reason"}),
    "results_value": frozenset(
        {"raw", "raw_unit", "choices", "comparator", "number_text", "unit", "flag", "range_text", "low", "high", "why", "item_code"}
    ),
    "results_version": frozenset({"summary"}),
    "critical_values_alert": frozenset({"rule", "alert_class", "name", "items", "evidence", "specialist", "advice", "department"}),
    "critical_values_step": frozenset({"body"}),
    "critical_values_attachment": frozenset({"name"}),
    "chief_review_recheck_plan": frozenset({"body"}),
    "chief_review_push": frozenset({"specialist", "findings", "note"}),
    "chief_review_push_fact": frozenset({"diagnosis", "reason"}),
    "registration_recheck": frozenset({"groups", "reason", "rule"}),
    "registration_recheck_fact": frozenset({"reason"}),
    "chief_review_version": frozenset({"lines", "removed", "attention", "is_nothing_abnormal"}),
    "reporting_version": frozenset({"document", "manifest"}),
}
"""What tells a person's health, by table; it is read on the rooms' own pages, under their permissions."""

PERSONAL = frozenset({"person_name"})
_STAFF_COLUMNS = frozenset(
    {"actor_id", "staff_id", "changed_by", "granted_by", "asked_by", "decided_by", "put_by", "withdrawn_by", "issued_by", "author",
     "author_id", "approved_by", "approver_id", "cashier_id", "given_by"}
)  # fmt: skip
_KEY_COLUMNS = {"exam_visit": "visit_no", "exam_person": "file_no", "exam_staff": "login", "exam_organization": "name"}


class ChangedRow(msgspec.Struct, frozen=True):
    """One row that an act wrote: its table in words, its key, the digest recorded, how it stands now, and what it holds."""

    table: str
    table_name: str
    key: str
    key_words: str
    digest: str
    stands: str
    is_sound: bool = True
    content: tuple[tuple[str, str], ...] = ()


class Act(msgspec.Struct, frozen=True):
    """One act with the rows that it changed; `total` counts all, also those that are not listed."""

    line: Line
    rows: tuple[ChangedRow, ...]
    total: int


def act_of(db: Session, writer: int, seq: int) -> Act:
    """One act of the audit and what it changed, in as many statements as it touched tables. The reading is itself an act."""
    if not (0 < writer <= audit.WRITERS and 0 < seq < 2**63):
        raise NotFound("没有找到该条审计记录", "请从审计日志中打开")
    found = db.scalar(select(Audit).where(Audit.writer == writer, Audit.seq == seq, Audit.site.in_([actor_of(db).site, ""])))
    if found is None:
        raise NotFound("没有找到该条审计记录", "请从审计日志中打开")
    audit.read(db, "audit.detail", f"audit:{writer}/{seq}")
    told = [(name, key, digest) for name, key, digest in (line.split(" ") for line in found.rows.splitlines())]
    return Act(line_of(db, found), tuple(_rows(db, told[:MOST_ROWS])), len(told))


def _rows(db: Session, told: Sequence[tuple[str, str, str]]) -> Iterator[ChangedRow]:
    tables = {mapper.class_.__tablename__: mapper.class_ for mapper in Model.registry.mappers}
    stored: dict[str, dict[str, dict[str, Any]]] = {}
    for name in dict.fromkeys(name for name, _, _ in told):
        if name in tables:
            stored[name] = _stored(db, tables[name].__table__, [key for table, key, _ in told if table == name])
    words = _words(db, stored)
    for name, key, digest in told:
        model = tables.get(name)
        values = stored.get(name, {}).get(key)
        stands, is_sound = "", True
        if digest == "-":
            stands = "已删除"
        elif model is not None and values is None:
            stands, is_sound = "现已不存在", not model.__append_only__
        elif model is not None and values is not None:
            is_same = row_digest(model.__table__, values) == digest
            is_sound = is_same or not model.__append_only__
            stands = "与记录一致" if is_same else "与记录不符" if model.__append_only__ else "此后又有改动"
        content: tuple[tuple[str, str], ...] = ()
        if model is not None and values is not None and model.__append_only__:
            content = tuple(_content(name, values, words))
        yield ChangedRow(
            table=name, table_name=TABLE_NAMES.get(name, name),
            key=key.partition("/")[0] if "item_code" in HEALTH.get(name, ()) else key,  # the rest names what was examined
            key_words=str(values[_KEY_COLUMNS[name]]) if values is not None and name in _KEY_COLUMNS else "",
            digest=digest, stands=stands, is_sound=is_sound, content=content,
        )  # fmt: skip


def _stored(db: Session, table: Table, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The rows with these keys as they are now, by key; one statement."""
    columns = list(table.primary_key.columns)
    wanted = []
    for key in dict.fromkeys(keys):
        parts = key.split("/") if len(columns) > 1 else [key]
        try:
            wanted.append(tuple(_typed(column, part) for column, part in zip(columns, parts, strict=True)))
        except ValueError:  # a key that is not of this table's form: shown as it was recorded
            continue
    if not wanted:
        return {}
    matches = columns[0].in_([each[0] for each in wanted]) if len(columns) == 1 else tuple_(*columns).in_(wanted)
    names = [column.key for column in columns]
    rows = (dict(row._mapping) for row in db.execute(select(table).where(matches)))
    return {row_key(row, names): row for row in rows}


def _typed(column: Any, part: str) -> Any:
    kind = column.type.python_type
    return UUID(part) if kind is UUID else int(part) if kind is int else date.fromisoformat(part) if kind is date else part


def _words(db: Session, stored: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[UUID, str]:
    """Logins and visit numbers for the ids that the rows name; two statements at most."""
    rows = [values for each in stored.values() for values in each.values()]
    staff = {values[name] for values in rows for name in _STAFF_COLUMNS if isinstance(values.get(name), UUID)}
    visits = {values["visit_id"] for values in rows if isinstance(values.get("visit_id"), UUID)}
    found: dict[UUID, str] = {}
    for ids, name, column in ((staff, "exam_staff", "login"), (visits, "exam_visit", "visit_no")):
        if ids and name in Model.metadata.tables:
            table = Model.metadata.tables[name]
            found |= dict(db.execute(select(table.c.id, table.c[column]).where(table.c.id.in_(ids))).all())
    return found


def _content(name: str, values: Mapping[str, Any], words: Mapping[UUID, str]) -> Iterator[tuple[str, str]]:
    hidden = HEALTH.get(name, frozenset())
    for column, value in values.items():
        label = COLUMN_NAMES.get(column, column)
        if value is None or value == "" or column == "id":  # the id is the key, which stands beside
            continue
        if column in SECRET or isinstance(value, (bytes, bytearray, memoryview)):
            yield label, "(加密内容,不显示)"
        elif column in hidden:
            yield label, "(健康信息,请在业务页面按权限查看)"
        elif column in PERSONAL:
            yield label, mask_name(str(value))
        else:
            yield label, _text(value, words)


def _text(value: Any, words: Mapping[UUID, str]) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return f"{local(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, UUID):
        return words.get(value, str(value))
    text = VALUE_NAMES.get(value, value) if isinstance(value, str) else str(value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
