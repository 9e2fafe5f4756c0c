"""Prove the contradiction gate on its seeded reviews: prints recall by kind and the false-alarm rate, exit 1 when either is too bad."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.gate import runs
from tests.gate.seeded_correct import CORRECT


def main() -> int:
    """Runs the seeded set."""
    proof = runs.prove()
    for kind, (hits, total) in proof.seen.items():
        print(f"{kind:12} {hits:4} of {total:4}")
    for title, reviews in (("missed", proof.missed), ("met only by another kind of check", proof.lucky)):
        for review in reviews:
            print(f"  {title}: [{review.kind}] {review.name}")
    for review, found in proof.false_alarms:
        print(f"  false alarm: {review.name}: {'; '.join(f'{each.code} {each.text}' for each in found)}")
    print(f"recall {proof.recall:.1%} of {proof.errors} seeded errors (goal {runs.LEAST_RECALL:.0%} at least)")
    print(f"false alarms {proof.false_alarm_rate:.1%} of {proof.correct} correct reviews (goal {runs.MOST_FALSE_ALARMS:.0%} at most)")
    print(f"one review takes {_milliseconds():.2f} ms")
    return 0 if proof.recall >= runs.LEAST_RECALL and proof.false_alarm_rate <= runs.MOST_FALSE_ALARMS else 1


def _milliseconds() -> float:
    gate, inputs = runs.shipped_gate(), [runs.as_input(review) for review in CORRECT]
    began = time.perf_counter()
    for given in inputs:
        gate.findings(given)
    return (time.perf_counter() - began) / len(inputs) * 1000


if __name__ == "__main__":
    sys.exit(main())
