"""Masks: what stays visible of personal data, and that the rest does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.masks import mask_address, mask_id, mask_name, mask_phone


@pytest.mark.parametrize(
    ("number", "masked"),
    [("450110198503150018", "450****0018"), ("H12345678", "H****78"), ("12345", "****"), ("", "")],
)
def test_a_number_is_masked(number: str, masked: str) -> None:
    assert mask_id(number) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13812345678", "138****5678"),
        ("0771-5321234", "0771-****34"),
        ("0771-5321234-801", "0771-****34"),
        ("5321234", "****34"),
        ("4008208820", "****20"),
        ("", ""),
    ],
)
def test_a_phone_is_masked(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("广西壮族自治区南宁市武鸣区标营路1号", "广西壮族自治区南宁市武鸣区****"),
        ("广西南宁市武鸣区标营路", "广西南宁市武鸣区****"),
        ("南宁市青秀区民族大道1号阳光小区", "南宁市青秀区****"),
        ("河池市大化瑶族自治县大化镇", "河池市大化瑶族自治县****"),
        ("北京市朝阳区某路", "北京市朝阳区****"),
        ("南宁市民族大道阳光小区", "南宁市****"),
        ("阳光小区3栋", "****"),
        ("南宁市", "****"),
        ("", ""),
    ],
)
def test_an_address_shows_no_more_than_its_district(address: str, masked: str) -> None:
    assert mask_address(address) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [("张三", "张*"), ("张三丰", "张*丰"), ("阿卜杜拉·买买提", "阿*提"), ("John Smith", "J* S*"), ("张", "*"), ("", "")],
)
def test_a_name_is_masked(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@given(st.text("0123456789X", min_size=1, max_size=20))
def test_at_least_half_of_a_number_is_hidden(number: str) -> None:
    for masked in (mask_id(number), mask_phone(number)):
        assert len(masked.replace("*", "")) <= max(len(number) * 2 // 3, 0)
        assert "*" in masked
