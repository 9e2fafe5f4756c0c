"""Screens, to come."""

routes: tuple[object, ...] = ()
