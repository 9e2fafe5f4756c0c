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
    "interfaces.payment_callback": "拒绝支付通知",
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
    "billing.receipt": "收款开收据", "billing.receipt_void": "作废收据", "billing.receipt_refund": "退费",
    "billing.refund_failed": "退款未成,退费作废", "billing.print_receipt": "打印收据", "billing.read_receipt": "查看收据",
    "billing.export_receipts": "导出收据", "billing.read_visit": "查看体检单收费", "billing.read_fees": "查看费用名单",
    "billing.export_fees": "导出费用名单", "billing.export_takings": "导出收费日报", "billing.export_packages": "导出套餐统计",
    "billing.day_close": "收费员日结", "billing.day_close_undo": "撤销日结", "billing.centre_close": "全院日结",
    "billing.print_close": "打印日结单", "billing.booking_scheme": "维护预约打折方案", "billing.booking_discount": "选用预约打折方案",
    "billing.discount_limit": "设置打折权限", "billing.discount_decide": "审批打折与退费", "billing.discount_undo": "撤销打折",
    "billing.waiver_ask": "申请已执行退费", "billing.scan_pay": "发起扫码付款", "billing.scan_pay_cancel": "取消扫码付款",
    "billing.gateway_submit": "提交扫码付款", "billing.gateway_ask": "查询扫码付款", "billing.gateway_settle": "扫码付款结果",
    "billing.gateway_callback": "支付通知", "billing.gateway_return": "退回扫码付款", "billing.gateway_refund": "原路退款",
    "billing.gateway_statement": "核对对账单", "billing.gateway_difference": "说明对账差异", "billing.invoice_segment": "发放发票号段",
    "billing.invoice_blank": "作废空白发票", "billing.invoice_print": "打印发票", "billing.invoice_spoil": "发票打印作废",
    "billing.invoice_void": "作废发票", "billing.invoice_redden": "红冲发票", "billing.invoice_submit": "提交电子发票",
    "billing.invoice_answer": "电子发票结果", "billing.export_invoices": "导出发票", "billing.card_type": "维护体检卡类型",
    "billing.card_limits": "修改卡限额", "billing.card_limits_approve": "审核卡限额", "billing.export_cards": "导出体检卡",
    "billing.card_pin": "核对体检卡密码", "billing.card_make": "制卡", "billing.card_stock": "体检卡入库",
    "billing.card_scrap": "作废体检卡", "billing.card_sell": "发售体检卡", "billing.card_undo_sale": "撤销体检卡发售",
    "billing.card_activate": "激活体检卡", "billing.card_top_up": "体检卡充值", "billing.card_undo_top_up": "撤销体检卡充值",
    "billing.card_set_pin": "设置体检卡密码", "billing.card_report_loss": "体检卡挂失", "billing.card_find": "体检卡解挂",
    "billing.card_replace": "补卡转出", "billing.card_take_over": "补卡转入", "billing.card_freeze": "冻结体检卡",
    "billing.card_unfreeze": "解冻体检卡", "billing.card_expire": "体检卡过期", "billing.card_extend": "体检卡续期",
    "billing.card_cancel": "销卡", "group_orders.save_organization": "保存单位资料", "group_orders.export_organizations": "导出单位",
    "group_orders.reveal_phone": "查看单位联系电话", "group_orders.add_contract": "新建合同",
    "group_orders.change_contract": "修改合同", "group_orders.add_order": "新建批次", "group_orders.return": "退回批次",
    "group_orders.open": "开放批次", "group_orders.reopen": "恢复批次", "group_orders.complete": "完成批次",
    "group_orders.archive": "归档批次", "group_orders.export_rounds": "导出批次", "group_orders.add_cohort": "新建分组",
    "group_orders.change_cohort": "修改分组", "group_orders.drop_cohort": "停用分组", "group_orders.set_offer": "设置分组项目与付费",
    "group_orders.enrol": "列入名单", "group_orders.move": "调整分组", "group_orders.withdraw": "移出名单",
    "group_orders.read_member": "查看名单人员", "group_orders.read_members": "查看名单", "group_orders.export_members": "导出名单",
    "group_orders.upload_roster": "上传名单", "group_orders.read_roster": "查看导入名单", "group_orders.check_roster": "核查名单",
    "group_orders.decide_roster": "处理名单冲突", "group_orders.accept_roster": "确认导入名单",
    "group_orders.enrol_roster": "导入名单人员", "group_orders.stop_roster": "名单导入中断",
    "group_orders.discard_roster": "放弃导入名单", "group_orders.undo_roster": "撤销导入名单", "group_orders.book": "批量预约",
    "group_orders.book_part": "批量预约一批", "group_orders.book_refused": "批量预约未成", "group_orders.book_done": "批量预约结束",
    "group_orders.unbook": "批量取消预约", "group_orders.unbook_part": "批量取消预约一批",
    "group_orders.unbook_refused": "批量取消预约未成", "group_orders.unbook_done": "批量取消预约结束",
    "group_orders.unbook_member": "取消成员预约", "group_orders.remind": "批量短信提醒", "group_orders.remind_part": "批量短信提醒一批",
    "group_orders.remind_refused": "批量短信提醒未成", "group_orders.remind_done": "批量短信提醒结束", "group_orders.print": "批量打印",
    "group_orders.print_part": "批量打印一批", "group_orders.print_refused": "批量打印未成", "group_orders.print_done": "批量打印结束",
    "group_orders.fetch_print": "下载批量打印文件", "group_orders.forget_print": "清理批量打印文件",
    "group_orders.stop_task": "批量任务中断", "group_orders.cancel_task": "停止批量任务", "group_orders.resume_task": "继续批量任务",
    "people.register_many": "批量建立档案", "visits.unlist_many": "批量移出名单", "staff.practice": "登记职称与执业专业",
    "reporting.read_indicator": "查看质控指标名单", "reporting.export_indicator": "导出质控指标",
    "reporting.tell_figure": "登记质控指标数",
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
