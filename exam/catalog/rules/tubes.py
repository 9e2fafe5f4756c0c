"""The containers that an order needs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exam.catalog.facts import Catalogue, ItemGroup, Tube, TubeMerge
from exam.catalog.rules.orders import walking


class PlannedTube(msgspec.Struct, frozen=True):
    """One label to print: a container and the groups that share it."""

    tube: str
    section: str
    time_point: str
    send_out: str
    privacy: bool
    groups: tuple[str, ...]
    sample_site: str = ""


def tubes_for(catalogue: Catalogue, groups: Sequence[ItemGroup]) -> tuple[PlannedTube, ...]:
    """The labels these groups need, in the order of drawing (domain.md §2.5); containers without blood come last.

    Groups share a container by the tube's merge rule, and never across send-out organisations or the privacy bound.
    """
    shared: dict[tuple[object, ...], list[ItemGroup]] = {}
    for group in groups:
        if group.tube is not None:
            shared.setdefault(_merge_key(catalogue.tubes[group.tube], group), []).append(group)
    together = [sorted(members, key=walking) for members in shared.values()]
    together.sort(key=lambda members: _draw_key(catalogue.tubes[members[0].tube or ""], members[0]))
    return tuple(_planned(members) for members in together)


def _draw_key(tube: Tube, first: ItemGroup) -> tuple[bool, int, str, str, int, str]:
    """Drawing order; within one kind of tube by time point, then in walking order."""
    return tube.draw_order == 0, tube.draw_order, tube.code, first.time_point, *walking(first)


def _merge_key(tube: Tube, group: ItemGroup) -> tuple[object, ...]:
    common = (tube.code, group.send_out, group.privacy)
    match tube.merge:
        case TubeMerge.GROUP:
            return (*common, group.code)
        case TubeMerge.SECTION:
            return (*common, group.lab_section, group.time_point)
        case TubeMerge.VISIT:
            return common
        case TubeMerge.TIME_POINT:
            return (*common, group.time_point)
        case TubeMerge.SITE:
            return (*common, group.sample_site)


def _planned(members: Sequence[ItemGroup]) -> PlannedTube:
    first = members[0]
    return PlannedTube(
        tube=first.tube or "",
        section=first.lab_section,
        time_point=first.time_point,
        send_out=first.send_out,
        privacy=first.privacy,
        groups=tuple(dict.fromkeys(group.code for group in members)),
        sample_site=first.sample_site,
    )
