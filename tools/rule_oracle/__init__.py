"""A second, slow reading of the medical rules, to check the fast one by.

`values`, `conditions` and `conclusions` are written from domain.md §2.2, §3.1 and §4 and from the public structs and their
docstrings alone and import nothing of `exam.knowledge.rules`; only `compare` and `trials` know both. The oracle counts in
fractions, recurses where it likes, and decides what an open result such as `<0.5` means by going through the numbers it
could stand for.
"""
