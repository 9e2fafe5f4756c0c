"""Screens of the auditor: what happened, an export, and whom somebody touched."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath, FromQuery

from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.kit.sheets import XLSX, workbook
from exam.staff import audit_rows, audit_trail
from exam.staff.audit_trail import Filter
from exam.staff.pages import AnyRequest

ROOM_ACTS = {
    "billing.pay_at_window": "登记收款", "billing.undo_payment": "撤销收款", "backup.restore": "恢复备份", "knowledge.publish": "发布判定规则",
    "billing.record_transfer": "登记单位转账", "billing.void_transfer": "作废转账登记", "billing.send_transfer_back": "退回转账",
    "billing.export_transfers": "导出单位转账", "group_orders.propose_settlement": "提交结算单",
    "group_orders.return_settlement": "退回结算单", "group_orders.approve_settlement": "审核结算单",
    "group_orders.void_settlement": "作废结算单", "group_orders.match_settlement": "转账认领到结算单",
    "group_orders.unmatch_transfer": "撤销转账认领", "group_orders.take_prepayment": "收单位预缴",
    "group_orders.match_prepayment": "转账认领为预缴", "group_orders.refund_prepayment": "退单位预缴",
    "group_orders.carry_prepayment": "结转单位预缴", "group_orders.export_settlements": "导出结算记录",
    "group_orders.export_unsettled": "导出已结未结", "group_orders.export_arrears": "导出欠款账龄",
    "group_orders.settlement_statement": "下载结算单", "group_orders.own_parts": "下载个人自付明细",
    "people.add_organization": "新建单位", "registration.book": "预约", "registration.rebook": "改期", "registration.register": "登记",
    "registration.recognise": "识别证件", "registration.check_in": "报到", "registration.undo_check_in": "取消报到",
    "registration.cancel": "取消登记", "registration.print": "打印单据", "registration.read_slips": "查看单据",
    "registration.read_visit": "查看体检单", "registration.open_drawing": "打开采血", "registration.return_sheet": "交单",
    "registration.undo_return": "撤销交单", "registration.set_capacity": "设置名额", "registration.export": "导出名单",
    "visits.open": "建立体检单", "visits.add_groups": "增加项目", "visits.remove_line": "退项", "visits.refuse": "拒检",
    "visits.postpone": "延期", "visits.resume": "恢复项目", "visits.collect": "采集标本", "visits.undo_collect": "撤销采集",
    "results.enter": "录入结果", "results.verify": "审核科室结果", "results.reopen": "撤销科室审核", "results.read_record": "查看科室结果",
    "results.read_visit": "查看全部结果", "results.return_for_correction": "退回科室", "chief_review.read_review": "查看主检",
    "chief_review.start": "开始主检", "chief_review.save": "保存主检结论", "chief_review.return": "主检退回科室",
    "chief_review.sign_first": "初审签名", "chief_review.sign_final": "终审签名", "chief_review.undo_first": "撤销初审",
    "chief_review.undo_final": "撤销终审", "chief_review.export": "导出主检队列", "reporting.preview": "预览报告",
    "reporting.read_report": "查看报告", "reporting.read_file": "打开报告文件", "reporting.issue": "发布报告",
    "reporting.issue_many": "批量发布报告", "reporting.issue_automatically": "设置自动发布", "reporting.recall": "撤回报告",
    "reporting.deliver": "登记领取报告", "reporting.undo_delivery": "撤销领取登记", "reporting.export": "导出报告清单",
    "messages.read_text": "查看短信内容", "messages.export": "导出短信清单", "messages.resend": "重发短信", "messages.consent": "登记短信同意",
    "messages.hand_over": "提交短信", "messages.ask": "查询短信状态", "messages.receipt": "短信回执", "messages.look_after": "清理过期短信",
    "messages.own_phone": "设置接收短信的手机号", "messages.read_notice": "阅读通知", "interfaces.receipt": "拒绝短信回执",
    "critical_values.raise": "发现危急值", "critical_values.confirmed": "复核危急值", "critical_values.dismissed": "排除危急值误报",
    "critical_values.notice": "通知危急值", "critical_values.received": "危急值接收确认", "critical_values.handled": "处理危急值",
    "critical_values.called_back": "危急值回访", "critical_values.closed": "危急值结案", "critical_values.handed_over": "交接危急值",
    "critical_values.escalated": "危急值超时升级", "critical_values.changed": "危急值结果更正", "critical_values.superseded": "危急值更正撤销",
    "critical_values.reopened": "重新打开危急值", "critical_values.read_alert": "查看危急值", "critical_values.read_list": "查看危急值看板",
    "critical_values.read_strip": "查看受检者的危急值提示", "critical_values.attach": "添加危急值附件",
    "critical_values.read_attachment": "打开危急值附件", "calendar.publish": "修改工作日历", "calendar.approve": "审核工作日历",
    "critical_values.read_register": "查看危急值登记本", "critical_values.read_indicator": "查看危急值指标明细",
    "critical_values.export_register": "导出危急值登记本", "critical_values.print_register": "打印危急值登记本",
    "chief_review.as_of": "按历史规则查看", "chief_review.recheck_plan": "修改复查计划", "chief_review.push": "推送专科",
    "chief_review.push_see": "专科已阅", "chief_review.push_message": "推送短信提醒", "chief_review.push_tell": "登记告知受检者",
    "chief_review.push_visit": "登记专科就诊", "chief_review.push_not_coming": "登记未来就诊", "chief_review.push_withdraw": "撤回推送",
    "chief_review.push_undo": "撤销推送登记", "chief_review.read_push": "查看推送", "chief_review.read_pushes": "查看专科名单",
    "registration.recheck_book": "预约复查", "registration.recheck_done": "完成复查", "registration.recheck_cancel": "取消复查",
    "registration.recheck_withdraw": "撤回复查", "registration.recheck_postpone": "改复查日期", "registration.recheck_undo": "恢复复查",
    "registration.recheck_remind": "复查短信提醒", "registration.export_rechecks": "导出复查名单",
    "registration.give_consent": "登记知情同意", "registration.withdraw_consent": "撤回知情同意",
    "registration.publish_consent_text": "发布知情同意书", "billing.undo_refund": "撤销退费",
    "knowledge.approve_version": "审定判定规则", "knowledge.reject": "退回规则修改", "knowledge.withdraw": "撤回规则修改",
}  # fmt: skip
"""The other rooms' acts in the auditor's words, where no permission of that name says it already."""

ACTS = {**audit_trail.ACT_NAMES, **ROOM_ACTS}

HEADER = ("时间", "操作人", "终端", "操作", "操作编码", "结果", "对象", "原因", "改动行数", "链", "序号")


def _filter(db: web.Db, day_from: str, day_to: str, **words: str) -> Filter:
    """The filter of an address; without days, the last seven."""
    today = day_of(house_of(db).clock.now())
    days, problems = [], []
    for name, label, text, default in (
        ("day_from", "起始日期", day_from, today - timedelta(days=6)),
        ("day_to", "截止日期", day_to, today),
    ):
        try:
            days.append(date.fromisoformat(text) if text.strip() else default)
        except ValueError:
            problems.append((name, f"{label}:请填写日期,例如 2026-03-07"))
    if problems:
        raise BadInput(problems)
    return Filter(min(days), max(days), **{name: word.strip()[:100] for name, word in words.items()})


def _address(wanted: Filter, **more: Any) -> str:
    words = {"actor": wanted.actor, "subject": wanted.subject, "act": wanted.act, "result": wanted.result}
    kept = {"day_from": wanted.day_from, "day_to": wanted.day_to, **{name: word for name, word in words.items() if word}, **more}
    return urlencode(kept)


@web.get("/audit", may="audit.read")
def show_audit(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = "",
    subject: FromQuery[str] = "", act: FromQuery[str] = "", result: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """The acts of a filter, page by page."""
    wanted = _filter(db, day_from, day_to, actor=actor, subject=subject, act=act, result=result)
    found, total = audit_trail.lines(db, wanted, page)
    return web.page(
        db, "exam/audit_log.html", wanted=wanted, lines=found, total=total, page=max(page, 1), results=audit_trail.RESULTS,
        pages=max(1, -(-total // audit_trail.PAGE_SIZE)), address=_address(wanted), acts=ACTS,
    )  # fmt: skip


@web.get("/audit/export", may="audit.read")
def export_audit(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = "",
    subject: FromQuery[str] = "", act: FromQuery[str] = "", result: FromQuery[str] = "",
) -> Response[bytes]:  # fmt: skip
    """The acts of a filter as a workbook."""
    wanted = _filter(db, day_from, day_to, actor=actor, subject=subject, act=act, result=result)
    rows = (
        (each.moment, each.actor, each.terminal, ACTS.get(each.act, each.act_name), each.act, each.result,
         each.subject, each.reason, each.rows, each.writer, each.seq)
        for each in audit_trail.export(db, wanted)
    )  # fmt: skip
    name = f"审计日志 {wanted.day_from} 至 {wanted.day_to}.xlsx"
    return web.download(workbook([("审计日志", HEADER, rows)]), name, XLSX)


@web.get("/audit/touched", may="audit.read")
def show_touched(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = ""
) -> web.Page:
    """Whom or what somebody read or changed."""
    wanted = _filter(db, day_from, day_to, actor=actor)
    found = audit_trail.touched(db, wanted) if wanted.actor else []
    return web.page(db, "exam/audit_touched.html", wanted=wanted, found=found, most=audit_trail.MOST_TOUCHED, address=_address)


@web.get("/audit/acts/{writer:int}/{seq:int}", may="audit.read")
def show_act(request: AnyRequest, db: web.Db, writer: FromPath[int], seq: FromPath[int]) -> web.Page:
    """One act with the rows that it changed."""
    return web.page(db, "exam/audit_act.html", act=audit_rows.act_of(db, writer, seq), acts=ACTS)


routes = (show_audit, export_audit, show_touched, show_act)
