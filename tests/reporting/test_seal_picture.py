"""The pictures of seals and signatures: repeatable, transparent, and recognisable."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from reporting.seal_picture import seal_picture, signature_picture

CENTRE = "示范市第一人民医院健康管理中心"


@pytest.mark.parametrize("name", ["安和", CENTRE, "内蒙古自治区呼和浩特市第二人民医院健康体检中心", "", "一"])
def test_the_seal_picture_is_a_red_ring_on_a_transparent_ground(name: str) -> None:
    picture = Image.open(io.BytesIO(seal_picture(name)))
    assert picture.mode == "RGBA" and picture.width == picture.height
    alpha = picture.getchannel("A")
    middle = picture.width // 2
    assert alpha.getpixel((0, 0)) == 0
    assert alpha.getpixel((middle, 5)) > 200 and alpha.getpixel((5, middle)) > 200  # the rim
    assert alpha.getpixel((middle, middle)) > 200  # the star
    red, green, blue, _ = picture.getpixel((middle, middle))
    assert red > 180 and green < 60 and blue < 60


def test_pictures_are_repeatable_and_differ_by_name_and_demo_mark() -> None:
    first = seal_picture(CENTRE)
    assert seal_picture(CENTRE) is first
    seal_picture.cache_clear()
    assert seal_picture(CENTRE) == first
    assert seal_picture(CENTRE, is_demo=True) != first
    assert seal_picture("安和体检中心") != first
    written = signature_picture("王小明")
    signature_picture.cache_clear()
    assert signature_picture("王小明") == written
    assert signature_picture("王小朋") != written


@pytest.mark.parametrize("name", ["张伟", "欧阳建国", "李䶮", "古丽娜尔·买买提"])
def test_a_signature_picture_is_wide_transparent_and_not_empty(name: str) -> None:
    picture = Image.open(io.BytesIO(signature_picture(name)))
    assert picture.mode == "RGBA" and picture.width > picture.height
    inked = sum(picture.getchannel("A").histogram()[128:])
    assert 0.02 < inked / (picture.width * picture.height) < 0.5
