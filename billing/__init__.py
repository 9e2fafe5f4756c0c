"""Billing: what a visit costs, who pays it and what is still due."""
